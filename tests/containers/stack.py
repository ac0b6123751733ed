"""A stack of containers under test, driven as an operator drives it: by the compose command."""

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

POLL_SECONDS = 0.5


class Failed(Exception):
    """Something is not as it must be."""


class Stack:
    """One project of compose.

    Args:
        compose: The command with its files, project and environment.
    """

    def __init__(self, compose: Sequence[str]) -> None:
        self._compose = list(compose)

    def run(
        self, *arguments: str, stdin: str = "", seconds: float = 400.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a compose command; its exit code is the caller's business."""
        return subprocess.run(
            [*self._compose, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def do(self, *arguments: str, stdin: str = "") -> str:
        """Run a compose command that must succeed; return what it prints."""
        done = self.run(*arguments, stdin=stdin)
        if done.returncode:
            raise Failed(f"compose {' '.join(arguments)[:200]}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def containers(self) -> list[dict[str, Any]]:
        """List the containers, stopped ones, too."""
        lines = self.do("ps", "--all", "--format", "json").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def unhealthy(self) -> str:
        """Name the containers that are not as they should be; empty when all is well."""
        return ", ".join(
            f"{each['Name']} {each['State']} {each['Health']}".strip()
            for each in self.containers()
            if each["Health"] != "healthy" and not (each["Service"] == "topics" and each["ExitCode"] == 0)
        )

    def until_healthy(self, seconds: float = 240.0) -> None:
        """Wait until every container is healthy."""
        eventually(lambda: not self.unhealthy(), "every container is healthy", seconds, self.unhealthy)

    def mongo(self, script: str) -> Any:
        """Evaluate an expression of mongosh on `server` as the user that can only read; return its value."""
        program = (
            "const p = require('fs').readFileSync('/run/secrets/mongo_viewer_password', 'utf8').trim();"
            "const db1 = new Mongo(`mongodb://viewer:${encodeURIComponent(p)}@mongo:27017/"
            "?authSource=server&directConnection=true`).getDB('server');"
            f"print(EJSON.stringify((db => {script})(db1)))"
        )
        return json.loads(self.do("exec", "-T", "mongo", "mongosh", "--quiet", "--nodb", "--eval", program))


def get(port: int, path: str, login: tuple[str, str] | None = None, host: str = "") -> tuple[int, str]:
    """Fetch a page from the loopback interface; a refused connection is status 0."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if host:
        request.add_header("Host", host)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def eventually(
    holds: Callable[[], Any], what: str, seconds: float = 60.0, why: Callable[[], object] = lambda: ""
) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()):
        if time.monotonic() > deadline:
            raise Failed(f"after {seconds:.0f} s still not: {what} {why()}")
        time.sleep(POLL_SECONDS)
    return answer


def check(holds: Any, what: str, found: object = "") -> None:
    """Fail with a sentence unless it holds."""
    if not holds:
        raise Failed(f"not so: {what} {found}")


class Reporter:
    """Prints what was shown, with the time it took."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self.count = 0

    def __call__(self, sentence: str) -> None:
        """Tell that a sentence was shown to hold."""
        now = time.monotonic()
        self.count += 1
        sys.stdout.write(f"  ok {now - self._since:6.1f} s  {sentence}\n")
        sys.stdout.flush()
        self._since = now
