"""A loopback interface of one's own: programs on their usual ports, whatever else runs on this machine.

Where the kernel does not allow it, programs share the machine's, and the usual ports must be free.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

_LOOPBACK_UP = """
import fcntl, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
print("up", flush=True)
sys.stdin.read()
"""


class OwnNetwork:
    """Begin every program's command with `prefix`; `close` at the end."""

    def __init__(self) -> None:
        ways = [["--net"]] if os.geteuid() == 0 else []
        ways.append(["--map-root-user", "--net"])
        self.prefix: list[str] = []
        for way in ways:
            holder = subprocess.Popen(
                ["unshare", *way, sys.executable, "-c", _LOOPBACK_UP],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            assert holder.stdout is not None
            if holder.stdout.readline() == "up\n":
                into = ["--user", "--preserve-credentials"] if "--map-root-user" in way else []
                self.prefix = ["nsenter", "--target", str(holder.pid), "--net", *into, "--"]
                self._holder = holder
                return
            holder.communicate()

    def get(self, url: str) -> str:
        """Fetch a page in it; an empty text if nobody answers."""
        done = self.run([sys.executable, "-c", _FETCH, url])
        return done.stdout if done.returncode == 0 else ""

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run a command in it."""
        return subprocess.run(
            [*self.prefix, *command], capture_output=True, text=True, timeout=60, check=False
        )

    def close(self) -> None:
        """Let it go; it ends with its last program."""
        if self.prefix:
            self._holder.communicate("")


_FETCH = """
import sys, urllib.request
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=10).read().decode())
"""
