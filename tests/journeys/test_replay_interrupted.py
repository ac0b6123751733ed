"""Ctrl-C during a replay or a backtest leaves nothing behind: no process, no half file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.records.types import Reading, encode
from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[2]
START = 1_760_000_000.0


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A recording that takes long to read; its name is in the command lines of those who read it."""
    path = tmp_path / "endless.jsonl"
    line = b"".join(
        encode(Reading(f"s{sensor}", START + 60.0 * step, {"temperature": 20.0 + step % 7})) + b"\n"
        for step in range(200)
        for sensor in range(10)
    )
    with path.open("wb") as file:
        for _ in range(1000):
            file.write(line)
    return path


def processes_of(group: int) -> list[int]:
    """List the processes of a process group that are alive."""
    alive = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                alive.append(int(entry.name))
    return alive


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["backtest", "--processes", "2", "--html", "r.html", "--json", "r.json"], ["r.html", "r.json"]),
        (["replay", "--out", "results"], ["results/aggregates.jsonl", "results/anomalies.jsonl"]),
    ],
)
def test_ctrl_c_ends_every_process_and_leaves_no_file(
    endless: Path, arguments: list[str], written: list[str]
) -> None:
    folder = endless.parent
    process = subprocess.Popen(
        [sys.executable, "-m", "agents", *arguments, "--source", str(endless)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        # As a terminal starts it: tests that run in the background hand down an interrupt that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads here
    )  # fmt: skip
    try:
        wanted = 3 if "--processes" in arguments else 1
        deadline = time.monotonic() + PATIENCE
        while len(processes_of(process.pid)) < wanted or not is_busy(process.pid, folder, arguments):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "it has not begun to work"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 1, output
    assert "Aborted" in output
    assert "Traceback" not in output
    deadline = time.monotonic() + PATIENCE
    while left := processes_of(process.pid):
        assert time.monotonic() < deadline, f"processes {left} are still there"
        time.sleep(0.1)
    assert not [name for name in written if (folder / name).exists()]
    assert not [each.name for each in folder.rglob(".*") if each.name.startswith((".r.", ".replay-"))]


def is_busy(pid: int, folder: Path, arguments: list[str]) -> bool:
    """Tell whether it reads the recording (or, for a replay, has begun to write)."""
    if "--out" in arguments:
        return any((folder / "results").glob(".replay-*/*"))
    for each in processes_of(pid):
        try:
            opened = [str(link.readlink()) for link in Path(f"/proc/{each}/fd").iterdir()]
        except OSError:
            continue
        if any(name.endswith("endless.jsonl") for name in opened):
            return True
    return False
