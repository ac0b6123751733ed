"""A reader's terminal: a folder with ``weir`` on its path and usual ports of its own, in which commands are typed."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.own_network import OwnNetwork

ROOT = Path(__file__).parents[2]
SECONDS = 600.0
"""A quiet machine needs a tenth of it."""


class Running:
    """A command that runs until it is interrupted.

    Args:
        process: The shell that runs it, leader of a process group.
        log: Where its output goes.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def until(self, condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
        """Wait for something while it runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended before {what}:\n{self.text[-5000:]}"
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.text[-5000:]}"
            time.sleep(0.1)

    def until_said(self, pattern: str, seconds: float = SECONDS) -> None:
        """Wait until its output matches."""
        self.until(lambda: re.search(pattern, self.text), f"it said {pattern!r}", seconds)

    def interrupt(self, seconds: float = SECONDS) -> int:
        """Do what a terminal does on Ctrl-C, and return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(seconds)


class Town:
    """Types commands.

    Args:
        folder: An empty folder.
        changes: Variables of the environment.
    """

    def __init__(self, folder: Path, changes: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.network = OwnNetwork()
        bin_ = folder / ".venv" / "bin"
        bin_.mkdir(parents=True)
        programs = {"weir": "-m agents", "faust": "-m faust", "mosquitto_pub": f"{__file__} mosquitto_pub"}
        for name, arguments in programs.items():
            (bin_ / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
            (bin_ / name).chmod(0o755)
        mine = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
        kept = {name: os.environ[name] for name in ("WEIR_HOME", "WEIR_TEST_RUN") if name in os.environ}
        # An installed mosquitto_pub before the stand-in.
        path = f"{bin_}{os.pathsep}" if not _installed("mosquitto_pub") else ""
        self.environment = {
            **mine, **kept, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "PYTHONUNBUFFERED": "1",
            "PATH": f"{path}{os.environ['PATH']}{os.pathsep}{bin_}", **(changes or {}),
        }  # fmt: skip

    def run(self, command: str, *, codes: tuple[int, ...] = (0,), seconds: float = SECONDS) -> str:
        """Run a command to its end; return what it says.

        Args:
            command: A line of shell, or several.
            codes: Exit codes that are right.
            seconds: How long it may take.
        """
        began = time.monotonic()
        done = subprocess.run(
            self._shell(command), cwd=self.folder, env=self.environment, timeout=seconds,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        print(f"{time.monotonic() - began:.1f} s: {command}")
        assert done.returncode in codes, f"{command}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, command: str) -> Iterator[Running]:
        """Start a command that goes on until Ctrl-C; it is interrupted at the end if it was not before."""
        log = self.folder / f"output-{len(list(self.folder.glob('output-*')))}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._shell(command), cwd=self.folder, env=self.environment, start_new_session=True,
                stdout=output, stderr=subprocess.STDOUT,
                # As a terminal starts it: tests in the background hand down an interrupt that is ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads here
            )  # fmt: skip
        it = Running(process, log)
        try:
            yield it
        finally:
            if process.poll() is None:
                it.interrupt()

    def get(self, path: str, port: int = 3000) -> str:
        """Fetch a page; an empty text if nobody answers."""
        return self.network.get(f"http://127.0.0.1:{port}{path}")

    def close(self) -> None:
        """Let the network go."""
        self.network.close()

    def _shell(self, command: str) -> list[str]:
        known = "set -a; [ ! -f .weir/stack.env ] || . .weir/stack.env; set +a\n"
        return [*self.network.prefix, "bash", "-c", known + command]


def _installed(program: str) -> bool:
    return any(os.access(Path(folder) / program, os.X_OK) for folder in os.environ["PATH"].split(os.pathsep))


def _publish(arguments: list[str]) -> None:
    """Do what ``mosquitto_pub -h HOST -q QOS -t TOPIC -m MESSAGE`` does."""
    from paho.mqtt import publish

    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    publish.single(given["-t"], given["-m"], qos=int(given["-q"]), hostname=given["-h"])


if __name__ == "__main__":
    _publish(sys.argv[2:])
