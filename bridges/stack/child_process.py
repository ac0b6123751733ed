"""A program run as a separate process: started, watched, stopped, killed.

Every process gets a session of its own, so that Ctrl-C on the terminal reaches only the supervisor, which
then stops the others in order; and on Linux the kernel sends it SIGTERM when its parent dies, however that
happens, so that a killed supervisor or test run leaves nothing behind. (To the kernel the parent is the
*thread* that launched it: launch from one that lives on, such as the main thread.)
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, ClassVar

from bridges.process.ports import port_taken
from bridges.process.written import private_folder
from bridges.stack.leftover import await_end, remember_process
from streams.errors import ConfigurationError, TransientError

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05
LOG_BYTES = 10_000_000  # a longer log is set aside at the next start
ROOT = Path(__file__).parents[
    2
]  # where the packages are: programs of ours find them whatever the working folder
# prctl(PR_SET_PDEATHSIG, SIGTERM) and then exec: a small program, because Python code between fork and exec
# (preexec_fn) can deadlock when the parent has threads. The parent may have died before the call: look.
_LAUNCHER = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit(1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)
_GIVEN: set[int] = set()  # ports given out that nothing listens on yet


class PortTaken(ConfigurationError):
    """A port is used by another program: stop that program, or choose another port."""


class StartFailed(TransientError):
    """A program ended, or was not ready in time, after it was started; the message has the end of its log."""


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens.

    Below 32768, where Linux begins to hand out ports to outgoing connections: a client that keeps trying to
    reach a dead server on such a port can end up connected to itself, or take the port away from a restart.
    """
    for port in random.SystemRandom().sample(range(15_000, 32_000), 200):
        if port not in _GIVEN and not port_taken(port, LOOPBACK):
            _GIVEN.add(port)
            return port
    raise ConfigurationError("no free port between 15000 and 32000 on 127.0.0.1")


class Program:
    """One program as a separate process, with its log in a file.

    Args:
        name: Short name: that of the log file, and of the row on the status screen.
        directory: Where the log and the program's data go; created.
        command: What to run; subclasses that make their own leave it out.
        environment: Variables set for the program, on top of this process's own.
    """

    start_seconds: ClassVar[float] = 60
    stop_seconds: ClassVar[float] = 15

    def __init__(
        self,
        name: str,
        directory: Path,
        command: Sequence[str | Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.directory = directory
        self.log_file = directory / f"{name}.log"
        self._command = tuple(command)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def describes(self) -> str:
        """What runs, and what it does not promise."""
        return " ".join(str(part) for part in self.command())

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return self._process.pid if self._process is not None and self.is_running() else None

    @property
    def exit_code(self) -> int | None:
        """How it ended: negative for a signal; ``None`` while it runs or was never started."""
        return None if self._process is None else self._process.poll()

    def command(self) -> Sequence[str | Path]:
        """Return the command line."""
        return self._command

    def is_running(self) -> bool:
        """Tell whether the process is there; it may not be ready yet."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Tell whether it does its work now; asks the program itself."""
        return self.is_running()

    def prepare(self) -> None:
        """Write configuration and claim ports; runs before each launch.

        Raises:
            PortTaken: If another program has its port.
        """

    def launch(self) -> None:
        """Start the process without waiting until it is ready."""
        if self.is_running():
            return
        private_folder(self.directory)
        await_end(self._pid_file, self.stop_seconds)
        self.prepare()
        command = [str(part) for part in self.command()]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]
        with self._open_log() as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._variables(),
                start_new_session=True,
            )
        remember_process(self._pid_file, self._process.pid)

    def start(self, timeout: float | None = None) -> None:
        """Start the process and wait until it is ready; does nothing if it runs.

        Args:
            timeout: Seconds; by default ``start_seconds`` of the class.

        Raises:
            PortTaken: If another program has its port.
            StartFailed: If it ends, or is not ready in time; it is killed then.
        """
        self.launch()
        deadline = time.monotonic() + (timeout or self.start_seconds)
        while not self.is_ready():
            if not self.is_running():
                raise StartFailed(f"{self.name} ended with code {self.exit_code}: {self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise StartFailed(
                    f"{self.name} was not ready in {self.start_seconds:.0f} s: {self.log_tail()}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self, timeout: float | None = None) -> None:
        """Ask the process to end (SIGTERM), wait, and kill what is still there.

        Args:
            timeout: Seconds to wait; by default ``stop_seconds`` of the class.
        """
        if self._process is not None and self.is_running():
            self.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self.stop_seconds if timeout is None else timeout)
        self.kill()

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM) without waiting."""
        if self._process is not None and self.is_running():
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and its children at once (SIGKILL), as a crash would."""
        if self._process is None:
            return
        # A group outlives its leader as long as it has members; when it has none, this says so.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of the log, for an error message."""
        if not self.log_file.exists():
            return f"no log in {self.log_file}"
        text = self.log_file.read_bytes()[-4000:].decode(errors="replace")
        return "\n  ".join([f"see {self.log_file}", *text.splitlines()[-lines:]])

    @property
    def _pid_file(self) -> Path:
        return self.directory / f"{self.name}.pid"

    def _variables(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        return {**os.environ, "PYTHONPATH": path, **self._environment}

    def _open_log(self) -> IO[bytes]:
        with suppress(FileNotFoundError):
            if self.log_file.stat().st_size > LOG_BYTES:
                self.log_file.replace(self.log_file.with_suffix(".log.1"))
        return self.log_file.open("ab")


class Server(Program):
    """A program that listens on a port of this machine.

    Args:
        name: See `Program`.
        directory: See `Program`.
        port: Port to listen on; ``None`` takes a free one, and keeps it over restarts of this object.
        remedy: What to do when the port is taken, beside stopping the other program.
        command: See `Program`.
        environment: See `Program`.
    """

    host = LOOPBACK

    def __init__(
        self,
        name: str,
        directory: Path,
        port: int | None = None,
        *,
        remedy: str,
        command: Sequence[str | Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, directory, command, environment)
        self.port = port or free_port()
        self.remedy = remedy

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    def prepare(self) -> None:
        """Refuse to start on a port that is taken."""
        if port_taken(self.port, self.host):
            raise PortTaken(
                f"{self.name} cannot listen on {self.address}: another program does. Stop it, or {self.remedy}"
            )

    def is_ready(self) -> bool:
        """Tell whether the process runs and the server answers in its own protocol."""
        return self.is_running() and self.answers()

    def answers(self) -> bool:
        """Ask the server something in its own protocol."""
        raise AssertionError("each server says how it is asked")
