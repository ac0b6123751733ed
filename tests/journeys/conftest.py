"""For journeys: what else a machine has to do while somebody types the commands of a page."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

LOOPS = 2
# It ends with whoever started it, also after kill -9.
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass"


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Run two loops that compute all the time, as a machine of two cores has them that is at work already."""
    loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(LOOPS)]
    yield
    ended = [loop.poll() for loop in loops]
    for loop in loops:
        loop.kill()
        loop.wait()
    assert ended == [None] * LOOPS, "the machine was not busy up to the end"
