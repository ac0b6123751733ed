"""Whatever can be read of the log can be worked on: what comes of it can be read, stored, shown and restored."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from bson import encode as encode_bson
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.analysis.compare_groups import group_stage
from agents.analysis.keep_marks import anomaly_mark_stage, label_mark_stage
from agents.analysis.learn_series import series_stage
from agents.lane.core.batch import Batch
from agents.lane.core.stage import Stage
from agents.stages.aggregate import window_stage
from agents.stages.detect import model_stage
from agents.views.live import describe_models, describe_windows
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import AnalysisSettings, Settings, WindowSettings
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.rows import Row, encode_row
from streams.records.types import encode
from tests.support.lane_world import Record

AnyStage = Stage[Any, Any, Any, Any]
SETTINGS = Settings(
    windows=WindowSettings(size_seconds=10, grace_seconds=0, quantiles=(0.5, 0.99)),
    detection=DetectionSettings(warm_up=16),
    analysis=AnalysisSettings(groups={"all": "*"}),
)
LARGEST = 1.7976931348623157e308
EXTREMES = (0.0, 1.0, -1.0, 1e308, -1e308, LARGEST, -LARGEST, 5e-324, 1e154, -1e200, 1e30, 1e31)
EARLIEST, LATEST = -62_104_060_800, 253_370_764_799
TIMES = (EARLIEST, -1.0, 0.0, 1e9, 1.7e9, 1.7e9 + 1, 8.8e9, LATEST)

values = st.one_of(st.sampled_from(EXTREMES), st.floats(allow_nan=False, allow_infinity=False))
times = st.one_of(st.sampled_from(TIMES), st.floats(1.7e9, 1.7e9 + 7200), st.floats(EARLIEST, LATEST))
names = st.one_of(st.sampled_from(("t", "", "$x", "a.b", "_id", "x\0y", "é" * 200)), st.text(max_size=5))
ids = st.one_of(st.sampled_from(("a", "b")), names)
counters = st.one_of(st.none(), st.sampled_from((0, 1, 2**63 - 1)))


def written(**fields: object) -> bytes:
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


readings = st.builds(
    lambda a, t, v, s: written(sensor_id=a, collected_at=t, values=v, sequence=s),
    ids, times, st.dictionaries(names, values, max_size=3), counters,
)  # fmt: skip
ticks = st.builds(lambda t: written(tick_at=t), times)
anomalies = st.builds(
    lambda i, a, q, t, c, v: written(
        id=i, sensor_id=a, quantity=q, state="raised", changed_at=t, raised_at=t, cleared_at=c, score=v, value=v,
        expected=v, lower=v, upper=v, direction="above", cause="", seen=2**63 - 1,
    ),
    st.sampled_from(("0" * 24, "no id")), ids, names, times, st.one_of(st.none(), times), values,
)  # fmt: skip
labels = st.builds(
    lambda a, q, t, e: written(sensor_id=a, quantity=q, start=t, end=e, kind="spike"),
    ids,
    names,
    times,
    times,
)
buckets = st.builds(
    lambda g, q, a, n, d: written(group=g, quantity=q, sensor_id=a, number=n, deviation=d),
    st.sampled_from(("all", "x", "\0set-aside-0")), names, ids,
    st.one_of(st.integers(5_000_000, 5_000_100), st.sampled_from((-207_118_656, 844_674_335))), values,
)  # fmt: skip
stamps = st.sampled_from((1_700_000_000_000, -1, 0, 2**62, 1_700_000_005_000))

CASES: list[tuple[Callable[[], AnyStage], st.SearchStrategy[bytes]]] = [
    (lambda: window_stage(SETTINGS), st.one_of(readings, ticks)),
    (lambda: model_stage(SETTINGS), st.one_of(readings, ticks)),
    (lambda: series_stage(SETTINGS), st.one_of(readings, ticks)),
    (group_stage, buckets),
    (anomaly_mark_stage, anomalies),
    (label_mark_stage, labels),
]


def applied(stage: AnyStage, log: list[tuple[bytes, int]]) -> tuple[dict[str, Row[Any]], list[Any]]:
    """Apply a log, one record at a time; return the rows and what came of it."""
    rows: dict[str, Row[Any]] = {}
    made = []
    for offset, (value, stamp) in enumerate(log):
        batch = Batch(stage.reads.topic.name, 0, [Record(offset, value, stamp)], offset, offset + 1)
        readable, _ = stage.read(batch)
        outcome = stage.run(stage.plan, rows, readable)
        made += [(writes.kind, record) for writes in stage.writes for record in writes.records(outcome)]
    return rows, made


def check(stage: AnyStage, rows: dict[str, Row[Any]], made: list[Any]) -> None:
    """Make sure that results can be read, stored and shown, and that rows come back."""
    for kind, record in made:
        value = encode(record)
        json.loads(value, parse_constant=pytest.fail)
        assert kind.read(value) == record
        if kind.kept is not None:
            document = kind.document(value, None)
            assert document is not None
            encode_bson(document)
    for key, row in rows.items():
        back = stage.form.read_back(key, row)
        assert encode_row(back, stage.form.to_state) == encode_row(row, stage.form.to_state)
        shown = stage.form.to_state(row.state)
        if stage.table == "windows":
            shown = describe_windows(stage.plan, row.state)
        elif stage.table == "models":
            shown = describe_models(row.state)
        json.loads(msgspec.json.encode(shown, enc_hook=str), parse_constant=pytest.fail)


@pytest.mark.parametrize(("make", "records"), CASES, ids=[make().name for make, _ in CASES])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_record_that_can_be_read_is_worked_on(
    make: Callable[[], AnyStage], records: st.SearchStrategy[bytes], data: st.DataObject
) -> None:
    stage = make()
    check(stage, *applied(stage, data.draw(st.lists(st.tuples(records, stamps), max_size=25))))


def wild() -> Iterator[tuple[bytes, int]]:
    """A sensor that measures the extremes in turn, for hours."""
    for number in range(3000):
        at = 1.7e9 + 5 * number
        value = EXTREMES[number % len(EXTREMES)]
        yield written(sensor_id="a", collected_at=at, values={"t": value}), round(at * 1000)


@pytest.mark.parametrize("make", [make for make, _ in CASES[:3]], ids=lambda make: make().name)
def test_a_sensor_that_measures_extremes_for_hours_stops_nothing(make: Callable[[], AnyStage]) -> None:
    stage = make()
    rows, made = applied(stage, list(wild()))
    assert rows.keys() == {"a"}
    check(stage, rows, made)


RECORDS = [
    (kind, strategy)
    for kind, strategy in (("anomalies", anomalies), ("labels", labels), ("readings", readings))
]


@pytest.mark.parametrize(("topic", "records"), RECORDS, ids=[name for name, _ in RECORDS])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_of_any_record_a_document_is_made_or_it_is_refused_by_name(
    topic: str, records: st.SearchStrategy[bytes], data: st.DataObject
) -> None:
    try:
        CATALOGUE.on(topic).document(data.draw(records), None)
    except InputError as error:
        assert error.reason


@pytest.mark.parametrize("quantiles", [{"p50": 1.0}, {"": 1.0}, {"0.5": 1.0, "x": 2.0}])
def test_quantiles_that_are_no_probabilities_are_refused_by_name(quantiles: dict[str, float]) -> None:
    window = {
        "id": "0" * 24, "sensor_id": "a", "quantity": "t", "start": 0.0, "end": 60.0, "count": 1, "mean": 1.0,
        "variance": 0.0, "min": 1.0, "max": 1.0, "first": 1.0, "last": 1.0, "quantiles": quantiles,
    }  # fmt: skip
    with pytest.raises(InputError, match="quantiles must have numbers for names"):
        CATALOGUE.on("aggregates").document(json.dumps(window).encode(), None)
