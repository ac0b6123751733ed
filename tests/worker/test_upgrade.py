"""State of an earlier release: continued, or refused with the command that rebuilds the table that changed, alone."""

import asyncio
import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from agents.cli import main
from agents.rebuilding import Application, stages_of
from bridges.kafka.options import aiokafka_options
from bridges.kafka.partitioning import partition_of
from bridges.process.settings import Settings
from streams.records.alarm_records import Action
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import Maker
from streams.records.topics import AGGREGATES, ANOMALIES
from tests.support.readings_log import VERSIONS, bad_day, read, undisturbed, write
from tests.support.recorded_rows import FOLDER, Recording, path_of, stages
from tests.support.worker_process import WorkerProcess, consume, environment

OLD = "windows-4"
"""Rows that commit 85b8632 wrote; the layout of windows has changed since, that of models has not."""


@pytest.fixture
def variables(of_two_partitions: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {
        **of_two_partitions,
        "WEIR_KAFKA__RETENTION_DAYS": "36500",
        "WEIR_WORKER__DATA_DIR": str(tmp_path / "data"),
        "WEIR_DETECTION__WARM_UP": "50",
        "WEIR_DETECTION__RAISE_AT": "0.99",
    }


async def write_old_rows(settings: Settings) -> None:
    """Put rows of an earlier release into the changelog of windows, as if that had written last."""
    topic = settings.topic("weir-windows-changelog")
    async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
        for sensor, row in Recording.load(FOLDER / f"{OLD}.json").whole.items():
            partition = partition_of(sensor.encode(), settings.kafka.partitions)
            await producer.send_and_wait(topic, row, sensor.encode(), partition)


async def rows_written(settings: Settings, table: str) -> int:
    """Return how many records of rows the changelog of a table has; claims of owners have a NUL before them."""
    parts = (await read(settings, f"weir-{table}-changelog")).values()
    return sum(not (key or b"").startswith(b"\0") for part in parts for key, _ in part)


async def test_a_change_of_windows_is_refused_in_one_sentence_and_rebuilt_without_the_models(
    settings: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    await write(settings, bad_day(sensors=20, readings=6000, seed=3))
    worker = WorkerProcess(variables, tmp_path, "one")
    try:
        await consume(settings, worker)
        await write_old_rows(settings)
        models, anomalies = await rows_written(settings, "models"), await read(settings, ANOMALIES.name)
        assert sum(map(len, anomalies.values())) > 0

        await refused(worker, "windows")
        assert "rows of its changelog have version 4" in worker.tail()

        reset = CliRunner().invoke(main, ["reset", "--table", "windows", "--yes"])
        assert reset.exit_code == 0, reset.output
        assert "weir-models-changelog" not in reset.output
        await consume(settings, worker)
    finally:
        worker.kill()
    expected = await undisturbed(settings)
    assert not await expected.state_differences(settings, "an upgrade")
    assert await read(settings, ANOMALIES.name) == anomalies, "no model has judged anything again"
    assert await rows_written(settings, "models") == models, "no row of models was written again"


ROOT = Path(__file__).parents[2]


def git(*arguments: str) -> bytes:
    """Ask the history."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A checkout of the newest commit whose rows of windows or of models have another layout than today's.

    Where the history has none that knows single tables, as in a shallow clone: today's code with models of the version
    before.
    """
    files = ("tests/rows/windows-*.json", "tests/rows/models-*.json")
    tree = tmp_path / "earlier"
    try:
        changed = git("log", "-1", "--diff-filter=A", "--format=%H", "--", *files).decode().strip()
        git("cat-file", "-e", f"{changed}^:{FOLDER.relative_to(ROOT)}")  # it came with single tables
        packed = git("archive", f"{changed}^")
    except (OSError, subprocess.CalledProcessError):
        return one_version_back(tree)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tree, filter="data")
    return tree


def one_version_back(tree: Path) -> Path:
    """Copy today's code, with models that have the version before."""
    for folder in ("agents", "bridges", "streams", "tests/rows"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    version = VERSIONS["models"]
    stage = tree / "agents" / "stages" / "detect.py"
    code = stage.read_text()
    assert code.count(f"version={version},") == 1
    stage.write_text(code.replace(f"version={version},", f"version={version - 1},"))
    (tree / "tests" / "rows" / f"models-{version}.json").unlink()
    return tree


async def refused(worker: WorkerProcess, table: str) -> None:
    """Start a worker that ends with the command that rebuilds a table."""
    before = len(worker.log.read_text(errors="replace"))
    worker.start()
    assert await asyncio.to_thread(worker.wait, 90) == 2
    said = worker.log.read_text(errors="replace")[before:]
    assert "Traceback" not in said
    assert f"Error: the table {table} cannot be continued: " in said
    assert said.rstrip().endswith(f"stop all workers, then `weir reset --table {table} --yes`"), said[-2000:]


async def reset(table: str, variables: dict[str, str], tree: Path | None) -> str:
    """Have a release rebuild a table; returns what it says."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "agents", "reset", "--table", table, "--yes"], cwd=tree, env=environment(variables),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_back_at_an_earlier_release_only_the_table_that_changed_is_refused_and_made_anew_and_forth_again(
    settings: Settings, variables: dict[str, str], tmp_path: Path, earlier: Path
) -> None:
    there = {each.name for each in (earlier / FOLDER.relative_to(ROOT)).iterdir()}
    present = {stage.table: path_of(stage).name for stage in stages()}
    (changed,), (kept,) = (
        [table for table in ("windows", "models") if (present[table] in there) is known]
        for known in (False, True)
    )
    results = {"windows": AGGREGATES.name, "models": ANOMALIES.name}[kept]
    day = bad_day(sensors=20, readings=6000, seed=3)
    now, back = (WorkerProcess(variables, tmp_path, "one", tree=tree) for tree in (None, earlier))
    try:
        await write(settings, day[:3000])
        await consume(settings, now)
        rows, told = await rows_written(settings, kept), await read(settings, results)
        await refused(back, changed)
        assert f"weir-{kept}-changelog" not in await reset(changed, variables, earlier)
        await consume(settings, back)
        assert await rows_written(settings, kept) == rows, "what is kept was not written again"
        assert await read(settings, results) == told, "nor were its results"
        await write(settings, day[3000:5000])
        await consume(settings, back)
        await write(settings, day[5000:])
        await refused(now, changed)
        await reset(changed, variables, None)
        await consume(settings, now)
    finally:
        now.kill()
        back.kill()
    expected = await undisturbed(settings)
    assert not await expected.state_differences(settings, "going back and forth")
    assert not await expected.differences(settings, "going back and forth", [results])


def test_a_table_that_does_not_exist_is_named_with_those_that_do(settings: Settings) -> None:
    for arguments, known in (
        (["--table", "window"], "windows, models, taken_actions, alarms"),
        (["--analysis", "--table", "x"], "sensors"),
    ):
        refused = CliRunner().invoke(main, ["reset", *arguments])
        assert refused.exit_code == 2
        assert known in refused.output


def test_a_table_that_is_made_of_what_another_writes_is_rebuilt_with_it() -> None:
    settings = Settings()
    analysis = Application.of(Maker.ANALYSIS)
    stages = stages_of(settings, analysis=True)
    series = analysis.only(stages, ["sensors"])
    assert series.tables == ("sensors", "groups")
    assert [topic.name for topic in series.own] == ["group-buckets"]
    groups = analysis.only(stages, ["groups"])
    assert (groups.tables, groups.own) == (("groups",), ())
    assert [topic.name for topic in groups.sources] == ["group-buckets"], "it is read again, not made again"
    windows = Application.of(Maker.WORKER).only(stages_of(settings, analysis=False), ["windows"])
    assert {topic.name for topic in windows.results} == {"aggregates", "late-readings"}, "no anomaly goes"
    models = Application.of(Maker.WORKER).only(stages_of(settings, analysis=False), ["models"])
    assert models.tables == ("models", "taken_actions", "alarms"), (
        "alarms are made of what models and people say"
    )
    assert [topic.name for topic in models.merged] == [CATALOGUE.of(Action).topic.name]
