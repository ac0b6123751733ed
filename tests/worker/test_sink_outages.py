"""The sink while MongoDB is away, and workers that come, go and are killed: all is stored, nothing passed over."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridges.stack.mongo_server import MongoServer
from tests.support.places import MOMENT, Place, readings


@pytest.fixture
def own_place(kafka: str, tmp_path: Path) -> Iterator[tuple[Place, MongoServer]]:
    """A place with a MongoDB of its own, which the test may kill or freeze."""
    server = MongoServer(tmp_path / "mongo")
    server.start()
    try:
        place = Place(kafka, server.uri, tmp_path)
        try:
            yield place, server
        finally:
            if server.pid is not None:
                os.kill(server.pid, signal.SIGCONT)
            place.close()
    finally:
        server.stop()


def test_an_outage_of_mongodb_loses_nothing_and_stops_no_rebalance(
    own_place: tuple[Place, MongoServer],
) -> None:
    place, server = own_place
    first = place.worker()
    place.until_ready(first)
    place.publish(*readings(1000))
    place.until(lambda: place.count("sensors") == 1000, "the first thousand")
    server.kill()
    place.publish(*readings(3000, start=MOMENT + 5000))
    place.until(
        lambda: "MongoDB" in str(place.get(first, "/health/ready")[1].get("reason")), "not ready, and why"
    )
    assert place.get(first, "/health/live")[0] == 200
    second = place.worker()
    place.until(
        lambda: (
            len(place.get(second, "/api/overview")[1]["workers"]) == 2
            and len(place.get(second, "/api/overview?local=1")[1]["partitions"]) == 2
        ),
        "the second worker has its share although MongoDB is away",
    )
    server.start()
    place.until(lambda: place.count("sensors") == 4000, "all readings")
    for worker in (first, second):
        place.until_ready(worker)
    place.until(lambda: place.get(second, "/api/ledger")[1]["pending"] == {"worker": 0, "sink": 0}, "pending")
    _, ledger = place.get(second, "/api/ledger")
    assert all(each["balanced"] for each in ledger["workers"]), json.dumps(ledger, indent=1)
    assert not ledger["missing"]
    for worker in (first, second):
        assert worker.running, worker.tail()
        assert worker.stop() == 0


def test_two_workers_answer_for_each_other_and_one_that_is_killed_is_named(
    kafka: str, mongo: str, tmp_path: Path
) -> None:
    place = Place(kafka, mongo, tmp_path)
    try:
        first, second = place.worker(), place.worker()
        for worker in (first, second):
            place.until_ready(worker)
        place.publish(*readings(2000, sensors=40))
        place.until(
            lambda: all(
                len(place.get(worker, "/api/tables/windows?limit=100")[1]["rows"]) == 40
                for worker in (first, second)
            ),
            "each worker lists the rows of both",
        )
        shares = [
            place.get(worker, "/api/tables/windows?limit=100&local=1")[1]["rows"]
            for worker in (first, second)
        ]
        assert all(shares) and sum(len(share) for share in shares) == 40
        foreign = shares[1][0]["key"]
        assert place.get(first, f"/api/sensors/{foreign}")[1]["sensor_id"] == foreign
        pages, after = [], ""
        while after is not None:
            _, page = place.get(first, f"/api/sensors?limit=7&after={after}")
            pages += [row["key"] for row in page["rows"]]
            after = page["next"]
        assert pages == sorted(f"s{number}" for number in range(40))
        place.until(lambda: place.count("sensors") == 2000, "all readings stored")
        second.kill()
        _, overview = place.get(first, "/api/overview")
        assert overview["missing"] == [f"http://127.0.0.1:{second.port}"]
        place.publish(*readings(2000, sensors=40, start=MOMENT + 5000))
        place.until(lambda: place.count("sensors") == 4000, "the first worker takes over")
        place.until(lambda: place.get(first, "/api/overview")[1]["missing"] == [], "nothing missing")
        assert len(place.get(first, "/api/tables/windows?limit=100")[1]["rows"]) == 40
    finally:
        place.client.drop_database(place.name)
        place.close()


def test_what_a_sink_gives_back_in_a_rebalance_is_not_passed_over(
    own_place: tuple[Place, MongoServer],
) -> None:
    place, server = own_place
    first = place.worker()
    place.until_ready(first)
    place.publish(*readings(100))
    place.until(lambda: place.count("sensors") == 100, "the stream runs")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    # Many small batches, more than the outbox holds: some of them wait behind it.
    for start in range(40):
        place.publish(*readings(500, start=MOMENT + 1000 * (start + 1)))
    place.worker()
    place.until(lambda: "sink.gave_back" in first.log.read_text(), "the sink gives back what it holds")
    os.kill(server.pid, signal.SIGCONT)  # what comes after it is written at once
    place.until(lambda: place.count("sensors") == 20_100, "everything")
