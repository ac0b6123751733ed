"""A record that a live worker sets aside stops no replay: what both make of the log is the same, and both count it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.stages.aggregate import window_stage
from agents.stages.detect import model_stage
from streams.backtest import runs
from streams.backtest.net import Doubts
from streams.backtest.runs import DetectionRun, LogRecord, WindowRun
from streams.records.catalogue import CATALOGUE
from streams.records.doubt import TooManyFailedError
from streams.records.types import Reading, Tick, decode_reading, encode
from tests.support.lane_world import AnyStage, Record, World, replace_offset
from tests.support.poisoned_logs import (
    MOMENT,
    POISON,
    SETTINGS,
    fails_in_run,
    log_of,
    poison_reading,
    readings,
)

STAGES: dict[str, Callable[[], AnyStage]] = {
    "aggregate": lambda: window_stage(SETTINGS),
    "detect": lambda: model_stage(SETTINGS),
}
Run = WindowRun | DetectionRun


def with_fault(records: Iterable[Any]) -> Iterator[Any]:
    """Fail once poison is in the rows, before the next record."""
    for record in records:
        yield record
        if POISON in getattr(record[-1], "values", {}).values():
            raise RuntimeError("a fault that nobody thought of")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have windows and detection of replays fail in poison, as `fails_in_run` has the stages of the worker."""
    for name in STAGES:
        healthy = getattr(runs, name)

        def fails(plan: Any, rows: Any, records: Any, outcome: Any, healthy: Any = healthy) -> None:
            healthy(plan, rows, with_fault(records), outcome)

        monkeypatch.setattr(runs, name, fails)


def decoded(records: Iterable[Record]) -> list[LogRecord]:
    return [(each.offset, each.timestamp, decode_reading(each.value)) for each in records]


def replayed(
    stage: str, records: list[LogRecord], size: int, doubts: Doubts
) -> tuple[Run, dict[str, list[bytes]]]:
    """Replay a log in chunks of a size; returns the run, and what it made, by topic."""

    def attempt() -> tuple[Run, dict[str, list[bytes]]]:
        made: dict[str, list[bytes]] = {}

        def emit(_: Any, result: Any) -> None:
            made.setdefault(CATALOGUE.of(type(result)).topic.name, []).append(encode(result))

        run: Run
        if stage == "aggregate":
            run = WindowRun(SETTINGS.windows.policy(), emit, doubts)
        else:
            run = DetectionRun(SETTINGS.detection.plan(), emit, doubts)
        for at in range(0, len(records), size):
            run.apply(0, records[at : at + size])
        return run, made

    return doubts.settle(attempt)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("places", [(20,), (0, 21, 22, 59)])
async def test_a_replay_makes_what_the_worker_makes_of_a_poisoned_log(
    stage: str, places: tuple[int, ...]
) -> None:
    records, bad = log_of(readings(), poison_reading, places)
    live = await World(fails_in_run(STAGES[stage]()), records).play()
    for size in (1, 7, 500):
        doubts = Doubts()
        run, made = replayed(stage, decoded(records), size, doubts)
        assert made == live.results
        rows = {key: replace_offset(live.stage, row) for key, row in run.rows[0].items()}
        assert dict(sorted(rows.items())) == live.rows
        assert doubts.set_aside.records == len(bad) == len(live.letters)
        assert "a fault that nobody thought of" in doubts.set_aside.shown[0][1]


def test_a_tick_in_which_one_sensor_fails_counts_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    records = decoded(Record(at, value, MOMENT * 1000) for at, value in enumerate(readings()))
    _, whole = replayed("aggregate", records, 50, Doubts())
    healthy = getattr(runs, "aggregate")  # noqa: B009
    tick = next(record for record in records if isinstance(record[2], Tick))

    def fails(plan: Any, rows: Any, records: Any, outcome: Any) -> None:
        healthy(plan, rows, records, outcome)
        if "b" in rows and tick in records:
            raise RuntimeError("the windows of b")

    monkeypatch.setattr(runs, "aggregate", fails)
    doubts = Doubts()
    _, made = replayed("aggregate", records, 50, doubts)
    # The windows of b close with its next reading.
    assert sorted(made["aggregates"]) == sorted(whole["aggregates"])
    assert doubts.set_aside.records == 1


@pytest.mark.usefixtures("failing")
def test_if_everything_fails_the_replay_stops() -> None:
    records = decoded(Record(at, poison_reading(at), MOMENT * 1000) for at in range(300))
    with pytest.raises(TooManyFailedError, match="11 records more have failed than succeeded"):
        replayed("detect", records, 50, Doubts(10))


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("command", ["replay", "backtest"])
def test_the_commands_go_on_and_say_how_many_were_set_aside(tmp_path: Path, command: str) -> None:
    path = tmp_path / "hall.jsonl"
    path.write_bytes(
        b"".join(
            encode(Reading(f"boiler-{sensor}", MOMENT + 60.0 * at, {"t": POISON if at in {70, 90} else 20.0 + at % 7}))
            + b"\n"
            for at, sensor in product(range(200), (1, 2))
        )
    )  # fmt: skip
    (tmp_path / "b.toml").write_text("[detection]\nraise_at = 0.999\n")
    done = CliRunner().invoke(
        main, [command, "--source", str(path), "--config", str(tmp_path / "b.toml"),
               *(["--out", str(tmp_path / "out")] if command == "replay" else [])],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    failures = 4 * (
        2 if command == "replay" else 3
    )  # of each run: windows, and each configuration of detection
    assert f"{failures} records unprocessable, set aside as the worker does" in done.output
