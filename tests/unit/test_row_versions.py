"""A change of a row's format is seen, has a version of its own table, and ends with the command that helps."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.lane.core.state import WriteBehindState
from streams.errors import ConfigurationError
from streams.records.rows import Row
from tests.support.recorded_rows import FOLDER, AnyStage, Recording, path_of, record, stages, whole_row

STAGES = {stage.table: stage for stage in stages()}
RECORDINGS = sorted(FOLDER.glob("*.json"))


def split(path: Path) -> tuple[AnyStage, int]:
    """Return the stage of a recording, and the version that wrote it."""
    table, _, version = path.stem.rpartition("-")
    return STAGES[table], int(version)


def restored(stage: AnyStage, recording: Recording) -> dict[str, Row[Any]]:
    """Return the rows of a recording, as a worker that starts finds them."""
    state = WriteBehindState(stage.table, "source", "log", stage.form, lambda _, batch: {})
    state.take_over({0}, {0: dict(recording.changelog)})
    return state.rows[0]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_the_present_version_of_each_table_is_recorded(stage: AnyStage) -> None:
    assert path_of(stage).exists(), "python -m tests.support.recorded_rows"
    assert len(Recording.load(path_of(stage)).whole) >= 1


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_rows_of_each_release_are_continued_or_refused_with_the_command_that_rebuilds_their_table_alone(
    path: Path,
) -> None:
    stage, version = split(path)
    recording = Recording.load(path)
    if version != stage.form.version:
        command = re.escape(f"`weir reset --table {stage.table} --yes`")
        with pytest.raises(
            ConfigurationError, match=rf"version {version}, .* {stage.form.version}.*{command}"
        ):
            restored(stage, recording)
        return
    rows = restored(stage, recording)
    written = {sensor: whole_row(stage, sensor, row) for sensor, row in sorted(rows.items())}
    assert written == recording.whole, (
        "rows of the present version are written in another way: give the form of the table another version, and "
        "record it with python -m tests.support.recorded_rows"
    )


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_rows_of_a_later_release_are_refused_with_the_command_that_rebuilds_their_table_alone(
    stage: AnyStage,
) -> None:
    later = replace(stage, form=replace(stage.form, version=stage.form.version + 1))
    command = re.escape(f"`weir reset --table {stage.table} --yes`")
    with pytest.raises(ConfigurationError, match=rf"go back to the release that wrote .*{command}"):
        restored(stage, record(later))


def test_the_page_on_going_back_has_the_version_of_each_table() -> None:
    page = (FOLDER.parents[1] / "docs/howto/replay.md").read_text(encoding="utf-8")
    found = {
        table: int(version)
        for tables, version in re.findall(r"^\| (`\w+`.*?) \| (\d+) \|", page, re.MULTILINE)
        for table in re.findall(r"`(\w+)`", tables)
    }
    assert found == {stage.table: stage.form.version for stage in STAGES.values()}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_what_is_recorded_has_rows_and_changes_as_a_worker_writes_them(stage: AnyStage) -> None:
    recording = record(stage)
    assert {key.rstrip(b"\0").decode() for key in recording.changelog} == set(recording.whole)
    rows = restored(stage, recording)
    assert {sensor: whole_row(stage, sensor, row) for sensor, row in rows.items()} == recording.whole
