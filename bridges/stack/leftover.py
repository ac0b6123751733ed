"""What a supervisor that was killed has left: its programs have been told to end, and may need a while for it.

The next start on the same folder waits for each before it starts that program again, and ends what does not go.
A process is known by its id and the time at which it began, since ids are given again.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

POLL_SECONDS = 0.1


def remember_process(file: Path, pid: int) -> None:
    """Write down which process runs."""
    file.write_text(f"{pid} {_began(pid)}\n", encoding="utf-8")


def await_end(file: Path, seconds: float) -> None:
    """Wait until the process that was written down last has ended; end it (SIGKILL) when it takes too long.

    Args:
        file: Where it was written down.
        seconds: How long it may take.
    """
    process = _noted(file)
    if process is None or process[1] == "-":
        return
    deadline = time.monotonic() + seconds
    while _began(process[0]) == process[1]:
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process[0], signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _noted(file: Path) -> tuple[int, str] | None:
    try:
        pid, began = file.read_text(encoding="utf-8").split()
        return int(pid), began
    except (OSError, ValueError):
        return None


def _began(pid: int) -> str:
    """Return when a process began, in the kernel's ticks; ``-`` if there is none, or the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return "-"
    return "-" if fields[0] == "Z" else fields[19]
