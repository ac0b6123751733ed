"""Whatever damage a row of a changelog has, one error tells of it: table, key, place, and the command that rebuilds."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from agents.analysis.compare_groups import group_stage
from agents.analysis.keep_marks import anomaly_mark_stage
from agents.analysis.learn_series import series_stage
from agents.lane.core.stage import Stage
from agents.lane.core.state import WriteBehindState
from agents.stages.aggregate import window_stage
from agents.stages.detect import model_stage
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings, WindowSettings
from streams.errors import ConfigurationError
from streams.records.large_values import in_parts, whole
from streams.records.types import Reading
from tests.support.poisoned_logs import MOMENT, anomalies, buckets, readings

AnyStage = Stage[Any, Any, Any, Any]
SETTINGS = Settings(windows=WindowSettings(size_seconds=10, grace_seconds=0, quantiles=(0.5,)))


def models_of(detector: str, **parameters: Any) -> AnyStage:
    detection = DetectionSettings(detector=detector, warm_up=20, low=-1e3, parameters=parameters)
    return model_stage(Settings(detection=detection))


MAKERS: dict[str, Callable[[], AnyStage]] = {
    "windows": lambda: window_stage(SETTINGS),
    "tailwatch": lambda: models_of("tailwatch"),
    "HalfSpaceTrees": lambda: models_of("HalfSpaceTrees", n_trees=2, height=3),
    "OneClassSVM": lambda: models_of("OneClassSVM"),
    "PageHinkley": lambda: models_of("PageHinkley"),
    "sensors": lambda: series_stage(SETTINGS),
    "groups": group_stage,
    "marks": anomaly_mark_stage,
}
LOGS = {"compare_sensors": buckets, "mark_anomalies": anomalies}
EACH = pytest.mark.parametrize("name", list(MAKERS))


def state_of(stage: AnyStage) -> WriteBehindState[Any]:
    return WriteBehindState(
        stage.table,
        stage.reads.topic.name,
        "changelog",
        stage.form,
        lambda _, batch: {},
        reset="weir reset --so",
    )


@cache
def changelog(name: str) -> dict[bytes, bytes]:
    """Return what is in a changelog after a while: rows that were written whole, and what changed since."""
    stage = MAKERS[name]()
    values = list(LOGS.get(stage.name, readings)())
    written: dict[bytes, bytes] = {}
    rows: dict[str, Any] = {}
    hours = [
        (n, 0, Reading("h", MOMENT + 300.0 * n, {"t": 20.0 + n % 12})) for n in range(1500)
    ] if stage.reads.topic.name == "readings" else []  # fmt: skip
    for begin in range(0, len(values), 20):
        batch = [
            (n, *((0,) if hours else ()), stage.reads.read(values[n]))
            for n in range(begin, min(begin + 20, len(values)))
        ]
        outcome = stage.run(stage.plan, rows, batch)
        for key, row in outcome.changed.items():
            written |= dict(stage.form.records({key: row}))
    if hours:
        for key, row in stage.run(stage.plan, rows, hours).changed.items():
            written |= dict(stage.form.records({key: row}))
    return whole(written)


def read_back(name: str, damaged: dict[bytes, bytes], keys: set[bytes]) -> None:
    """Read a changelog back: it works, or says what must be done."""
    state = state_of(MAKERS[name]())
    offsets = {key: 1000 + number for number, key in enumerate(damaged)}
    try:
        state.take_over({0}, {0: dict(damaged)}, {0: offsets})
    except ConfigurationError as error:
        text = str(error)
        assert f"the table {state.name} cannot be continued: partition 0, offset" in text
        assert f"`weir reset --so --table {state.name} --yes`" in text
        places = [f"offset {offsets[key]} of its changelog: the row of" for key in keys & offsets.keys()]
        assert any(place in text for place in places), text


@EACH
def test_what_was_written_comes_back(name: str) -> None:
    state = state_of(MAKERS[name]())
    state.take_over({0}, {0: dict(changelog(name))})
    assert state.rows[0]


damage = st.lists(
    st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 8)), min_size=1, max_size=4
)


@EACH
@settings(max_examples=30, deadline=None, phases=(Phase.generate,))
@given(data=st.data())
def test_bytes_that_were_changed_lost_or_added_raise_one_error(name: str, data: st.DataObject) -> None:
    written = changelog(name)
    key = data.draw(st.sampled_from(sorted(written)))
    value = written[key]
    for where, put, over in data.draw(damage):
        at = round(where * len(value))
        value = value[:at] + put + value[at + over :]
    read_back(name, written | {key: value}, {key, key + b"\0", key.removesuffix(b"\0")})


leaves = st.one_of(
    st.none(), st.booleans(), st.sampled_from((-1, 2**40, -(2**63), 2**64 - 1)), st.floats(), st.text(max_size=3),
    st.binary(max_size=9), st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=1), st.none(), max_size=1),
)  # fmt: skip


def replaced(values: Any, path: list[int], leaf: Any) -> Any:
    """Put something else somewhere into nested lists; bytes that hold MessagePack count as such."""
    if not path or not isinstance(values, list) or not values:
        return leaf
    at = path[0] % len(values)
    return [*values[:at], replaced(values[at], path[1:], leaf), *values[at + 1 :]]


@EACH
@settings(max_examples=30, deadline=None, phases=(Phase.generate,))
@given(data=st.data())
def test_a_value_of_another_kind_in_its_place_raises_one_error(name: str, data: st.DataObject) -> None:
    written = changelog(name)
    key = data.draw(st.sampled_from(sorted(written)))
    path = [2, *data.draw(st.lists(st.integers(0, 30), max_size=6))]
    values = replaced(msgspec.msgpack.decode(written[key]), path, data.draw(leaves))
    read_back(
        name, written | {key: msgspec.msgpack.encode(values)}, {key, key + b"\0", key.removesuffix(b"\0")}
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"\xff\xfe", b"\x93\x04\x00\xc0"),
        (b"a\0", b"\x93\x04\x00\x90"),
        (b"\0set-aside-0", b"\xff"),
        (b"a", b"\0" + b"\xff" * 20),
        (b"a", b"\0"),
        (b"a", b""),
        (b"a", b"\x91" * 5000),
        (b"a", b"\x93\x04\xa1x\x90"),
    ],
)
def test_a_key_that_is_none_and_a_value_that_is_none_raise_it_too(key: bytes, value: bytes) -> None:
    with pytest.raises(
        ConfigurationError, match=r"table windows .* partition 0, offset 7 .*the row of .*weir reset"
    ):
        state_of(MAKERS["windows"]()).take_over({0}, {0: {key: value}}, {0: {key: 7}})


def test_a_panic_of_code_in_rust_is_told_as_any_other() -> None:
    class PanicException(BaseException):
        """As pyo3 has it."""

    def decode(*_: Any) -> Any:
        raise PanicException("called `Option::unwrap()` on a `None` value")

    state = state_of(MAKERS["windows"]())
    state._form = replace(state._form, from_state=decode)
    with pytest.raises(ConfigurationError, match="PanicException"):
        state.take_over({0}, {0: dict(changelog("windows"))})


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_who_wants_to_stop_is_let(interruption: type[BaseException]) -> None:
    def decode(*_: Any) -> Any:
        raise interruption

    form = state_of(MAKERS["windows"]())._form
    with pytest.raises(interruption):
        replace(form, from_state=decode).restore(dict(changelog("windows")), 0, {})


def test_parts_of_a_large_row_that_do_not_belong_together_raise_it() -> None:
    parts = dict(in_parts(b"a", changelog("windows")[b"a"], largest=40))
    del parts[b"a\0#1"]
    with pytest.raises(ConfigurationError, match=r"offset 3 .*the row of b'a'.*part 1 of it is missing"):
        state_of(MAKERS["windows"]()).take_over({0}, {0: parts}, {0: {b"a": 3}})
