"""A record of which a sink can make no document, for a reason nobody thought of, holds up no other."""

from types import SimpleNamespace
from typing import Any

import pytest

from agents.counts import Counts
from agents.lane.core.batch import Batch
from agents.stages.sink import BatchDelivery
from streams.records.doubt import Doubt, TooManyFailedError
from tests.support.lane_world import Event, Record


def delivery(values: list[bytes], most: int = 100) -> tuple[BatchDelivery, Any]:
    """Hand values to a sink that fails in those that begin with an exclamation mark."""

    def document(value: bytes, _: bytes | None) -> dict[str, Any]:
        if value.startswith(b"!"):
            raise RuntimeError("a fault that nobody thought of")
        return {"_id": value}

    sink: Any = SimpleNamespace(
        destination=SimpleNamespace(document=document, collection="sensors"),
        doubt=Doubt(most),
        app=SimpleNamespace(counts=Counts()),
    )
    records = [Record(number, value) for number, value in enumerate(values)]
    return BatchDelivery(sink, Event(Batch("readings", 2, records, 0, len(records)))), sink


def test_it_is_set_aside_with_its_place_and_the_others_are_documents() -> None:
    made, sink = delivery([b"a", b"!b", b"c"])
    assert [each["_id"] for each in made.documents] == [b"a", b"c"]
    (letter,) = made._letters
    assert (letter.reason, letter.partition, letter.offset, letter.payload) == ("unprocessable", 2, 1, b"!b")
    assert "store_sensors failed: RuntimeError: a fault that nobody thought of" in letter.detail
    assert sink.app.counts.unprocessable == made.unreadable == 1


def test_if_more_fail_than_succeed_the_sink_stops_and_sets_none_aside() -> None:
    delivery([b"!"] * 10 + [b"a"] * 5, most=10)
    with pytest.raises(TooManyFailedError, match="readings-2 at 10"):
        delivery([b"!"] * 11, most=10)


def test_failures_are_paid_off_by_records_that_succeed_later() -> None:
    doubt = Doubt(10)
    failures = [("readings-0 at 1", RuntimeError("x"))] * 10
    for _ in range(5):
        doubt.tally(10, failures)
    with pytest.raises(TooManyFailedError):
        doubt.tally(0, failures)
