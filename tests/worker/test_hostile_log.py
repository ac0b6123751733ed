"""What anybody may write straight to Kafka, in a real worker and a real analysis: they go on, pages answer."""

import json
import urllib.request
from collections.abc import Iterator

import pytest

from streams.records.topics import AGGREGATES, ANOMALIES, DEAD_LETTERS, LABELS
from streams.records.types import Reading, Tick
from tests.support.places import MOMENT, Place
from tests.support.worker_process import WorkerProcess

LARGEST = 1.7976931348623157e308
PAGES = (
    "/", "/api", "/api/overview", "/api/sensors", "/api/sensors/wild", "/api/tables/windows", "/api/tables/models",
    "/table/windows/wild/", "/table/models/wild/", "/api/ledger", "/api/quality", "/metrics",
)  # fmt: skip
ANALYSIS_PAGES = (
    "/", "/api/overview", "/api/series", "/api/series/wild", "/api/series/wild/t", "/api/findings", "/api/groups",
    "/table/sensors/wild/", "/metrics",
)  # fmt: skip


WILD = [
    Reading("wild", MOMENT + number, {"t": value})
    for number, value in enumerate((1e308, -1e308, LARGEST, -LARGEST, 1e200, 5e-324))
]


class AnalysisProcess(WorkerProcess):
    """``weir analysis`` as a process."""

    command = "analysis"
    worker_section, web_section = "ANALYSIS", "ANALYSIS"


def written(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def anomaly(**fields: object) -> bytes:
    return written(**{
        "id": "a" * 24, "sensor_id": "wild", "quantity": "t", "state": "raised", "changed_at": MOMENT,
        "raised_at": MOMENT, "score": 1e308, "value": -1e308, "expected": None, "lower": -LARGEST, "upper": LARGEST,
        "direction": "above", "cause": "jump", "seen": 1, **fields,
    })  # fmt: skip


HOSTILE = {
    "readings": [
        b"\xff" * 600_000,
        b"[" * 100_000,
        written(sensor_id="x" * 600_000, collected_at=MOMENT, values={"t": 1}),
        written(sensor_id="long", collected_at=MOMENT, values={"q" * 600_000: 1}),
        written(sensor_id="late", collected_at=8.8e9, values={"t": 1}),
        written(sensor_id="a", collected_at=MOMENT, values={"t": 1}, sequence=2**64),
        written(sensor_id="x\0", collected_at=MOMENT, values={"t": 1}),
        written(sensor_id="\0set-aside-0", collected_at=MOMENT, values={"t": 1}),
        written(tick_at=1e17),
    ],
    AGGREGATES.name: [
        written(
            id="0" * 24, sensor_id="wild", quantity="t", start=MOMENT, end=MOMENT + 60, count=1, mean=1, variance=0,
            min=1, max=1, first=1, last=1, quantiles={"p50": 1},
        ),
    ],
    ANOMALIES.name: [
        anomaly(raised_at=1e13, changed_at=1e13),
        anomaly(id="no id"),
        anomaly(id="b" * 24, sensor_id="x\0"),
        anomaly(id="c" * 24),
        anomaly(id="d" * 24, state="<script>", direction="sideways", cause="", severity="none"),
    ],
    LABELS.name: [
        written(sensor_id="wild", quantity="t", start=1e17, end=1e18, kind="spike"),
        written(sensor_id="\0set-aside-0", quantity="t", start=MOMENT, end=MOMENT, kind="spike"),
    ],
    DEAD_LETTERS.name: [b"\xff" * 600_000],
}  # fmt: skip


@pytest.fixture
def place(kafka: str, mongo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(kafka, mongo, tmp_path_factory.mktemp("hostile"))
    try:
        yield place
        place.client.drop_database(place.name)
    finally:
        place.close()


def test_a_hostile_log_stops_nobody_and_every_page_answers(place: Place) -> None:
    for topic, values in HOSTILE.items():
        place.publish(*values, topic=topic)
    place.publish(*WILD)
    worker = place.worker()
    analysis = AnalysisProcess(place._variables, place._folder, "analysis")
    place.workers.append(analysis)
    analysis.start()
    place.until_ready(worker)
    place.until_ready(analysis)
    good = [Reading("good", MOMENT + second, {"t": 20.0}) for second in range(0, 600, 10)]
    place.publish(*good, Reading("wild", MOMENT + 600, {"t": 1.0}), *[Tick(MOMENT + 9000)] * 4)
    aggregates = place.database["aggregates"]
    place.until(
        lambda: aggregates.count_documents({"metadata.sensor_id": "good"}) >= 9, "windows of the good"
    )
    place.until(lambda: aggregates.count_documents({"metadata.sensor_id": "wild"}) >= 1, "the wild window")
    window = aggregates.find_one({"metadata.sensor_id": "wild"})
    assert window is not None
    assert (window["count"], window["variance"], window["max"]) == (6, LARGEST, LARGEST)
    assert place.database["sensors"].count_documents({"metadata.sensor_id": "good"}) == len(good)
    reasons = {letter["reason"] for letter in place.database["dead_letters"].find()}
    assert {"unreadable_record", "bad_sensor_id"} <= reasons
    large = place.database["dead_letters"].find_one({"detail": {"$regex": "of 600000 bytes are kept here"}})
    assert large is not None and large["payload"] == b"\xff" * 262_144
    assert place.settings.topic("readings") in large["detail"] and "offset" in large["detail"]
    for process, pages in ((worker, PAGES), (analysis, ANALYSIS_PAGES)):
        for page in pages:
            place.until(lambda at=(process, page): place.get(*at)[0] == 200, page)  # type: ignore[misc]
        assert process.running
    for page in ("/api/overview", "/api/sensors/wild", "/table/windows/wild/"):
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}{page}", timeout=10) as answer:
            json.loads(answer.read(), parse_constant=pytest.fail)
    shown = place.get(worker, "/api/overview")[1]["anomalies"]
    assert {each["id"] for each in shown} == {letter * 24 for letter in "bcd"}, "what is a document is shown"
