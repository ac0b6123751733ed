"""Fail if a process that a test run started is still there: they all carry its mark in their environment.

python .ci/leftovers.py MARK
"""

import os
import sys
import time
from pathlib import Path

# Servers whose parent ended get their signal then, and need a moment.
GRACE_SECONDS = 20


def marked(mark: str) -> dict[int, str]:
    """Return id and command line of the processes that carry the mark, without this one and its ancestors."""
    ours = set()
    pid = os.getpid()
    while pid > 1:
        ours.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) in ours:
            continue
        try:
            if f"WEIR_TEST_RUN={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(process.name)] = command
        except OSError:  # it ended meanwhile, or belongs to another user
            continue
    return found


def main() -> int:
    """Wait for a moment until nothing is left, and tell what is."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := marked(sys.argv[1])) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid, command in left.items():
        sys.stderr.write(f"still running after the tests: {pid} {command[:200]}\n")
    if not left:
        sys.stdout.write("no process was left over by the tests\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
