"""From records of `readings` to anomalies and rows of models."""

from streams.detection import DetectionOutcome, SensorModels, detect, models_from_state, models_to_state
from streams.identity import anomaly_id
from streams.records import Anomaly, Reading, Tick
from streams.rows import Row, decode_row, encode_row
from streams.series_model import DetectionPlan

PLAN = DetectionPlan({"warm_up": 30, "raise_at": 0.999, "clear_at": 0.99})
Rows = dict[str, Row[SensorModels]]


def calm_then_mad(steps: int = 400) -> list[tuple[int, int, Reading | Tick]]:
    """A sensor that wobbles between two values, then leaps, then is calm again."""
    values = [20.0 + (step * 7919 % 13) / 10 for step in range(steps)]
    values += [95.0] * 3 + values[:200]
    return [
        (offset, 0, Reading("s1", offset * 60.0, {"temperature": value}))
        for offset, value in enumerate(values)
    ]


def run(
    records: list[tuple[int, int, Reading | Tick]], rows: Rows | None = None
) -> tuple[DetectionOutcome, Rows]:
    rows = {} if rows is None else rows
    outcome = DetectionOutcome()
    detect(PLAN, rows, records, outcome)
    return outcome, rows


def test_a_leap_is_raised_once_and_cleared_with_the_same_derived_id() -> None:
    outcome, _ = run(calm_then_mad())
    raised = [anomaly for anomaly in outcome.anomalies if anomaly.state == "raised"]
    assert len({anomaly.id for anomaly in raised}) == len(raised)
    leap = next(anomaly for anomaly in raised if anomaly.value == 95.0)
    assert leap.id == anomaly_id("s1", "temperature", leap.raised_at).hex()
    assert leap.direction == "above"
    ended = [anomaly for anomaly in outcome.anomalies if anomaly.id == leap.id and anomaly.state != "raised"]
    assert [anomaly.cleared_at for anomaly in ended] == [ended[0].changed_at]


def test_ticks_mean_nothing_to_the_models() -> None:
    outcome, rows = run([(0, 0, Tick(5.0))])
    assert (outcome.applied, outcome.changed, rows) == (0, set(), {})


def test_what_a_row_contains_already_is_skipped() -> None:
    records = calm_then_mad()
    first, rows = run(records)
    again, _ = run(records, rows)
    assert (again.skipped, again.applied, again.anomalies) == (len(records), 0, [])
    assert first.applied == len(records)


def test_rows_restored_anywhere_give_the_anomalies_of_an_unbroken_run() -> None:
    records = calm_then_mad()
    unbroken, _ = run(records)
    for where in (1, 29, 200, 401, 405, 500):
        head, rows = run(records[:where])
        restored: Rows = {
            sensor: decode_row(
                encode_row(row, models_to_state),
                lambda state, sensor=sensor: models_from_state(PLAN, sensor, state),  # type: ignore[misc]
            )
            for sensor, row in rows.items()
        }
        tail, _ = run(records[where:], restored)
        found: list[Anomaly] = head.anomalies + tail.anomalies
        assert found == unbroken.anomalies, where
