"""The command of docs/howto/compare-peers.md, with the settings that stand there, on rooms of which one is off."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documented import ROOT, blocks_of, command_of, lines_like
from tests.support.rooms import DAY, START, STEP, names, temperatures

PAGE = "docs/howto/compare-peers.md"
EVERY = 5
"""Minutes between readings."""


@pytest.mark.parametrize("processes", [1, 2])
def test_the_page_finds_the_room_that_is_off_in_any_number_of_processes(
    tmp_path: Path, processes: int
) -> None:
    values = temperatures(5, days=4)[::EVERY]
    values[round(3.2 * DAY / STEP / EVERY) :, 4] += 1
    rows = [
        f"{START + number * EVERY * STEP + 3},{room},{value}"
        for number, row in enumerate(values.tolist())
        for room, value in zip(names(), row, strict=True)
    ]
    (tmp_path / "rooms.csv").write_text("\n".join(["collected_at,sensor_id,temperature", *rows]))
    settings, *_ = (text for language, text in blocks_of(PAGE) if language == "toml")
    (tmp_path / "peers.toml").write_text(settings)
    command = command_of(PAGE, "weir backtest")
    done = subprocess.run(
        [*command.text.split(), "--processes", str(processes)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert lines_like(command.output, done.stdout) == [], done.stdout
    assert "room-04/temperature 2025-10-13" in done.stdout, done.stdout
    assert f"{values.size:,} means of windows compared" in done.stdout, done.stdout
