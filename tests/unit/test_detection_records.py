"""From records of `readings` to anomalies and rows of models."""

from functools import partial
from random import Random

import pytest

from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.model_rows import MODEL_CHANGES, models_from_state, models_to_state
from streams.detection.sensor_models import SensorModels
from streams.detectors.tailwatch.tailwatch import TailWatch
from streams.errors import InputError
from streams.records.identity import anomaly_id
from streams.records.rows import CHANGES, Row, decode_row, encode_news, encode_row
from streams.records.types import Anomaly, Reading, Tick
from tests.support.changelog import recovered

PLAN = DetectionPlan({"warm_up": 30, "raise_at": 0.999, "clear_at": 0.99})
UNEASY = DetectionPlan(
    {
        "warm_up": 60,
        "series": {"*/pressure": {"low": -2.0, "high": 2.0, "parameters": {"season_seconds": 0.0}}},
    }
)
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
    assert (outcome.applied, outcome.changed, rows) == (0, {}, {})


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


def uneasy(seed: int, steps: int = 3000) -> list[tuple[int, int, Reading | Tick]]:
    """A sensor of two quantities: steps of a few sizes, standstills, gaps, leaps, and values of another world."""
    rng = Random(seed)
    time, level = 1e9, 0.0
    records: list[tuple[int, int, Reading | Tick]] = []
    for offset in range(steps):
        time += rng.choice([60.0, 60.0, 300.0]) if rng.random() < 0.99 else rng.uniform(1e3, 1e5)
        if rng.random() > 0.1:
            level = round(0.9 * level + rng.gauss(0.0, 50.0 if rng.random() < 0.01 else 1.0), 2)
        values = {"temperature": level} | ({"pressure": rng.gauss(0.0, 1.0)} if rng.random() < 0.6 else {})
        records.append((offset, 0, Reading("s1", time, values)))
    return records


@pytest.mark.parametrize("seed", range(4))
def test_a_row_written_whole_and_its_newest_changes_are_the_row(seed: int) -> None:
    rng = Random(seed)
    changelog: dict[bytes, bytes] = {}  # as compaction leaves it: the newest of each key
    rows: Rows = {}
    little = 0
    for offset, ingest_ms, record in uneasy(seed):
        detect(UNEASY, rows, [(offset, ingest_ms, record)], DetectionOutcome())
        if rng.random() < 0.5:
            continue  # the next checkpoint has both
        row = rows["s1"]
        key, value = encode_news("s1", row, models_to_state, MODEL_CHANGES)
        changelog[key] = value
        little += key == b"s1" + CHANGES
        back = restored(UNEASY, changelog)
        assert back.applied_through == row.applied_through
        assert models_to_state(back.state) == models_to_state(row.state)
        if rng.random() < 0.05:
            rows["s1"] = back
    assert little > 300


def test_a_level_that_is_accepted_is_written() -> None:
    rng, detector, time = Random(1), TailWatch(), 0.0
    changes: bytes | None = None
    while changes is None:
        time += 60.0
        detector.surprise(rng.gauss(0.0, 1.0), time)
        changes = detector.take_changes() if detector.ready else None
    detector.accept()
    assert detector.take_changes() is None


def test_a_detector_that_knows_no_changes_is_written_whole() -> None:
    plan = DetectionPlan({"warm_up": 30, "detector": "GaussianScorer"})
    rows: Rows = {}
    for record in calm_then_mad(100)[:100]:
        detect(plan, rows, [record], DetectionOutcome())
        assert MODEL_CHANGES.take(rows["s1"].state) is None
    with pytest.raises(ValueError, match="writes its whole state"):
        rows["s1"].state["temperature"]._detector.apply_changes(b"")


def restored(plan: DetectionPlan, changelog: dict[bytes, bytes]) -> Row[SensorModels]:
    return recovered(changelog, "s1", partial(models_from_state, plan, "s1"), MODEL_CHANGES)


def test_a_model_of_another_configuration_begins_anew_and_skips_what_it_has_seen() -> None:
    rows: Rows = {}
    changelog: dict[bytes, bytes] = {}
    for record in calm_then_mad(300)[:300]:
        detect(PLAN, rows, [record], DetectionOutcome())
        key, value = encode_news("s1", rows["s1"], models_to_state, MODEL_CHANGES)
        changelog[key] = value
    other = DetectionPlan({"warm_up": 50})
    row = restored(other, changelog)
    model = row.state["temperature"]
    assert (model.seen, row.applied_through) == (0, 299)
    assert model.observe(299 * 60.0, 20.0) == ()
    assert (model.seen, model.skipped) == (0, 1)
    model.observe(300 * 60.0, 20.0)
    assert model.seen == 1


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-1], lambda data: b"", lambda data: data[:20] + b"?" + data[21:]]
)
def test_changes_that_are_none_are_refused(spoil) -> None:
    _, rows = run(calm_then_mad())
    model = rows["s1"].state["temperature"]
    model.take_changes()
    time = 1e6
    while (changes := model.take_changes()) is None:
        time += 60.0
        model.observe(time, 20.0 + time / 60.0 % 13 / 10)
    with pytest.raises(InputError, match="expected changes of a series model"):
        model.apply_changes(spoil(changes))
