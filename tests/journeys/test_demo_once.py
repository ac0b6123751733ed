"""`weir demo --once`: the whole system on real data, twice in a row, and with a kill -9 of every process."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.support.documented import blocks_of, command_of, lines_like
from tests.support.town import Town

ROOT = Path(__file__).parents[2]
# A quiet machine with two cores needs 80 s for a run; a busy one ten times as long.
RUN_SECONDS = 1200.0
# The sensor first: what Mosquitto loses when it is killed is sent again only by a sensor that is still there.
KILLED_IN_TURN = ("simulator", "mqtt", "bridge", "worker", "mongo", "kafka")

READY = re.compile(r" (\w+) is ready .*\(process (\d+)\)")
PROGRESS = re.compile(r"([\d,]+) of ([\d,]+) readings in Kafka")


class Demo:
    """A running demo, and what it has said so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.lines: list[str] = []
        self._pids: dict[str, list[int]] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agents", "demo", "--once", "--free-ports", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # As a terminal starts it: tests in the background hand down an interrupt that is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads here
        )
        self._reader = Thread(target=self._read)
        self._reader.start()

    @property
    def text(self) -> str:
        """Everything said so far."""
        return "".join(self.lines)

    def starts_of(self, part: str) -> int:
        """How often a part has become ready."""
        return len(self._pids.get(part, ()))

    def kill(self, part: str) -> None:
        """Kill a part with SIGKILL."""
        os.kill(self._pids[part][-1], signal.SIGKILL)

    def interrupt(self) -> None:
        """Do what a terminal does on Ctrl-C."""
        os.killpg(self._process.pid, signal.SIGINT)

    def share_in_kafka(self) -> float:
        """Share of the readings sent that Kafka has."""
        found = PROGRESS.findall(self.text)
        received, sent = (int(number.replace(",", "")) for number in found[-1]) if found else (0, 1)
        return received / sent

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the demo says."""
        deadline = time.monotonic() + RUN_SECONDS
        while not condition():
            assert self._process.poll() is None, f"the demo ended before {what}:\n{self.text}"
            assert time.monotonic() < deadline, f"not in time: {what}:\n{self.text}"
            time.sleep(0.1)

    def end(self) -> int:
        """Wait for its end; return the exit code."""
        code = self._process.wait(RUN_SECONDS)
        self._reader.join()
        return code

    def left_running(self) -> list[int]:
        """List processes of the demo that are still there."""
        return [pid for pids in self._pids.values() for pid in pids if Path(f"/proc/{pid}").exists()]

    def stop(self) -> None:
        """Stop it, if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self.end()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if found := READY.search(line):
                pids = self._pids.setdefault(found[1], [])
                if int(found[2]) not in pids:
                    pids.append(int(found[2]))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A clone in which Weir is installed; one demo after the other runs in it."""
    folder = tmp_path_factory.mktemp("clone")
    town = Town(folder)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv" / "installed").touch()
    yield town
    town.close()


@pytest.mark.usefixtures("busy_machine")
@pytest.mark.timeout(2 * RUN_SECONDS)
def test_make_demo_once_balances_as_its_page_shows_and_leaves_nothing_running(clone: Town) -> None:
    demo = clone.run(command_of("README.md", "make demo ARGS=--once").text, seconds=RUN_SECONDS)
    assert command_of("docs/tutorial/first-anomaly.md", "make demo").text.split() == [
        "make",
        "demo",
        "ARGS=--once",
    ]
    (balance,) = [content for language, content in blocks_of("docs/reference/demo.md") if not language]
    took, rest = balance.split(" s, ", 1)
    assert lines_like(f"{took} s, …", demo) == []
    assert lines_like(f"… s, {rest}", demo, exact=True) == [], demo
    assert "WRONG" not in demo
    for start_of_a_known_anomaly in ("2022-03-24T08:00Z", "2022-03-29T07:00Z", "2022-04-27T14:00Z"):
        assert f"anomaly raised: waterflow/flow at {start_of_a_known_anomaly}" in demo
    assert "anomaly cleared: waterflow/flow" in demo
    assert still_there(demo) == []


@pytest.mark.timeout(RUN_SECONDS)
def test_make_demo_runs_until_ctrl_c_and_leaves_nothing_running(clone: Town) -> None:
    command = command_of("README.md", "make demo   ")
    with clone.running(command.text) as demo:
        demo.until_said("everything runs: Ctrl-C stops it")
        _, _, page = command.text.partition("until Ctrl-C: http://127.0.0.1")
        assert "<title>" in clone.get("/", port=int(page.removeprefix(":")))
        demo.until(lambda: '"readings":' in clone.get("/api/overview"), "it shows readings")
        demo.interrupt()
    assert "everything has stopped" in demo.text
    assert "DO NOT BALANCE" not in demo.text
    assert "Traceback" not in demo.text
    assert still_there(demo.text) == []


def still_there(said: str) -> list[int]:
    """List processes that a demo named and that are there."""
    return [int(pid) for _, pid in READY.findall(said) if Path(f"/proc/{pid}").exists()]


@pytest.mark.timeout(3 * RUN_SECONDS)
def test_a_run_where_another_one_was_balances_although_every_process_is_killed_once(clone: Town) -> None:
    if not (clone.folder / ".weir" / "demo").exists():  # this test alone
        clone.run(f"{sys.executable} -m agents demo --once --for 2d")
    demo = Demo(clone.folder)
    try:
        demo.wait_until(lambda: demo.share_in_kafka() > 0.08, "readings arrive")
        for part in KILLED_IN_TURN:
            before = demo.starts_of(part)
            demo.kill(part)
            demo.wait_until(lambda: demo.starts_of(part) > before, f"{part} is ready again")  # noqa: B023
        assert demo.end() == 0, demo.text
    finally:
        demo.stop()
    assert "all counts balance" in demo.text
    for part in KILLED_IN_TURN:
        assert f"{part} was killed by SIGKILL" in demo.text
    assert demo.left_running() == []


@pytest.mark.timeout(2 * RUN_SECONDS)
@pytest.mark.parametrize("said", ["Weir, data in", "kafka is ready", "simulator is ready"])
def test_ctrl_c_while_a_demo_starts_ends_it_without_talk_of_loss(tmp_path: Path, said: str) -> None:
    demo = Demo(tmp_path)
    try:
        demo.wait_until(lambda: said in demo.text, said)
        demo.interrupt()
        assert demo.end() == 130, demo.text
    finally:
        demo.stop()
    assert demo.lines[-1].startswith("stopped before the end")
    assert "BALANCE" not in demo.text
    assert "Traceback" not in demo.text
    assert demo.left_running() == []
