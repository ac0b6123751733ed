"""What is known of a reading's windows: counted on evidence only, missing only where it must be there."""

import msgspec
import pytest

from streams.reading_trace import TracedReading, WindowState, windows_of
from streams.records.alarm_records import Alarm
from streams.records.documents import aggregate_document, aggregate_of_document
from streams.records.identity import aggregate_id
from streams.records.types import Aggregate, Anomaly, LateReading, Reading
from streams.windows.policy import WindowPolicy

POLICY = WindowPolicy.of(size=60, grace=10)
READING = Reading("s", 30.0, {"t": 20.0})
ID = aggregate_id("s", "t", 0, 60).hex()
WINDOW = Aggregate(ID, "s", "t", 0, 60, 3, 20.0, 1.0, 19.0, 21.0, 19.0, 21.0, first_at=0.0, last_at=50.0)
LATE = LateReading("", "s", "t", 30.0, 20.0, 100.0)


def part(**changes: object) -> Aggregate:
    return msgspec.structs.replace(WINDOW, **changes)


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ({"aggregates": [WINDOW]}, WindowState.COUNTED),
        ({"aggregates": [part(max=19.5)]}, WindowState.NOT_IN_IT),
        ({"aggregates": [part(last_at=29.9)]}, WindowState.NOT_IN_IT),
        ({"aggregates": [part(first_at=None, last_at=None)]}, WindowState.COUNTED),
        # Of a late reading, that the window itself admits it says nothing.
        ({"aggregates": [WINDOW], "late": {"t": LATE}}, WindowState.OPEN),
        ({"aggregates": [WINDOW, part(supplement=9)], "late": {"t": LATE}}, WindowState.SUPPLEMENTED),
        ({"aggregates": [part(supplement=9)]}, WindowState.SUPPLEMENTED),
        ({"late": {"t": msgspec.structs.replace(LATE, too_old=True)}}, WindowState.TOO_OLD),
        ({"worked_through": False}, WindowState.WAITING),
        ({"worked_through": None}, WindowState.UNKNOWN),
        ({"passed": 69.9}, WindowState.OPEN),
        ({"passed": 70.0}, WindowState.MISSING),
        ({}, WindowState.OPEN),
    ],
)
def test_a_window_counts_a_reading_on_evidence_only(known: dict[str, object], state: WindowState) -> None:
    it = TracedReading(READING, **{"worked_through": True, **known})  # type: ignore[arg-type]
    (window,) = it.windows(POLICY, looked=True)
    assert (window.id, window.state) == (ID, state)


def test_where_nobody_could_look_nothing_is_missing() -> None:
    (window,) = TracedReading(READING, worked_through=True, passed=1e6).windows(POLICY, looked=False)
    assert window.state is WindowState.UNKNOWN


def test_every_window_of_every_quantity_is_named() -> None:
    hopping = WindowPolicy.of(size=60, step=30, grace=0)
    found = [
        (each.quantity, each.start) for each in windows_of(Reading("s", 30.0, {"b": 1.0, "a": 2.0}), hopping)
    ]
    assert found == [("a", 0.0), ("a", 30.0), ("b", 0.0), ("b", 30.0)]


def anomaly(name: str, raised_at: float, cleared_at: float | None = None, quantity: str = "t") -> Anomaly:
    changed = raised_at if cleared_at is None else cleared_at
    state = "raised" if cleared_at is None else "cleared"
    return Anomaly(
        name, "s", quantity, state, changed, raised_at, 1.0, 20.0, None, None, None, "up", "limit", 9, cleared_at
    )  # fmt: skip


def test_anomalies_are_those_open_at_its_time_as_of_their_newest_change() -> None:
    it = TracedReading(READING)
    for each in (
        anomaly("open", 10), anomaly("raised", 30), anomaly("later", 31), anomaly("other", 10, quantity="x"),
        anomaly("past", 5), anomaly("past", 5, 20), anomaly("over", 5), anomaly("over", 5, 30),
    ):  # fmt: skip
        it.take_anomaly(each)
    assert {name: each.cleared_at for name, each in it.anomalies.items()} == {
        "open": None,
        "raised": None,
        "over": 30,
    }


def test_alarms_are_those_of_its_anomalies_as_of_their_newest_change() -> None:
    it = TracedReading(READING)
    it.take_anomaly(anomaly("a", 30))
    first = Alarm(
        "A",
        1,
        "s",
        "t",
        "limit",
        "warning",
        "unacknowledged",
        "raised",
        30,
        30,
        "a",
        30,
        20,
        None,
        None,
        None,
        "up",
    )
    again = msgspec.structs.replace(first, number=2, state="acknowledged", anomaly="b")
    for each in (msgspec.structs.replace(first, id="B", anomaly="b"), first, again, first):
        it.take_alarm(each)
    assert it.alarms == {"A": again}


@pytest.mark.parametrize(
    "aggregate",
    [
        part(id="66deff60d7fd3b86f792afa8"),
        part(
            id="66deff60d7fd3b86f792afa8",
            supplement=4,
            unchecked=2,
            quantiles={"0.5": 2.0, "0.9999999": 3.0, "1e-05": 1.0},
        ),
    ],
)
def test_an_aggregate_is_what_it_was_before_it_became_a_document(aggregate: Aggregate) -> None:
    assert aggregate_of_document(aggregate_document(aggregate)) == aggregate
