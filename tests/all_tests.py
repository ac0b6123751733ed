"""All tests, in three processes at once: ``make test``. Some compute, some wait for servers; a machine does both.

    computing   unit tests, doctests, workers in virtual time
    services    the edges against real servers, contracts, journeys
    workers     worker processes through crashes, rebalances and upgrades, and their pages in a browser

Each process starts servers of its own. What a group says comes line by line, behind its name; the exit code is 1 if
one of them fails. With --coverage, as `make coverage` runs it, lines and branches are counted over all three, and held
to their floor at the end: what computes then takes more than twice as long.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock, Thread
from types import MappingProxyType

from tests.support.quick_kafka import java_options

ROOT = Path(__file__).parents[1]
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "computing": ("tests/unit", "tests/simulation", "streams", "bridges"),
        "services": ("tests/services", "tests/contracts", "tests/journeys"),
        "workers": ("tests/worker", "tests/browser"),
    }
)
NOT_TESTS = frozenset({"benchmarks", "cases", "containers", "rows", "support"})
AT_WORK = "WEIR_TEST_AT_WORK"
"""Names a folder that has a file for each group that is at work: tests can tell what else the machine does."""
_said = Lock()


def ungrouped() -> set[str]:
    """Return the folders of tests that no group runs."""
    folders = {f"tests/{each.name}" for each in (ROOT / "tests").iterdir() if each.is_dir()}
    ignored = {f"tests/{name}" for name in (*NOT_TESTS, "__pycache__")}
    return folders - ignored - {folder for group in GROUPS.values() for folder in group}


def _say(group: str, line: str) -> None:
    with _said:
        print(f"{group:>9} | {line}", flush=True)


def _coverage(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "coverage", *arguments]


def _run(group: str, codes: dict[str, int], at_work: Path, java: str, *, counted: bool) -> None:
    began = time.monotonic()
    python = _coverage("run", "--parallel-mode") if counted else [sys.executable]
    environment = {**os.environ, AT_WORK: str(at_work)}
    # Hundreds of processes start: where nothing is kept, each compiles all modules again.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.setdefault("JDK_JAVA_OPTIONS", java)
    with subprocess.Popen(
        [*python, "-m", "pytest", "--durations=10", *GROUPS[group]],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            _say(group, line.rstrip("\n"))
    codes[group] = process.returncode
    (at_work / group).unlink()
    _say(group, f"ended with {process.returncode} after {time.monotonic() - began:.0f} s")


def main() -> int:
    """Run all groups, then the floor of coverage if it is counted; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.all_tests", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--coverage", action="store_true", help="count lines and branches, and hold their floor"
    )
    counted = parser.parse_args().coverage
    if missing := ungrouped():
        print(f"no group runs {', '.join(sorted(missing))}: put it into one in {__file__}", file=sys.stderr)
        return 2
    if counted:
        subprocess.run(_coverage("erase"), cwd=ROOT, check=True)
    java = java_options()
    codes: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="weir-tests-") as folder:
        at_work = Path(folder)
        for group in GROUPS:
            (at_work / group).touch()
        threads = [
            Thread(target=_run, args=(group, codes, at_work, java), kwargs={"counted": counted})
            for group in GROUPS
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed := [group for group in GROUPS if codes.get(group) != 0]:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    if not counted:
        return 0
    subprocess.run(_coverage("combine", "--quiet"), cwd=ROOT, check=True)
    print("percent of lines and branches that ran in these processes:", flush=True)
    return subprocess.run(_coverage("report", "--format=total"), cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
