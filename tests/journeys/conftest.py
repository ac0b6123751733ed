"""For journeys: what else a machine has to do while somebody types the commands of a page."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.all_tests import AT_WORK

LOOPS = 2
# A loop computes unless another group of tests does so in its stead, and ends with whoever started it, also after
# kill -9.
LOOP = """
import os, sys, time
parent, number, at_work = os.getppid(), int(sys.argv[1]), sys.argv[2:]
while os.getppid() == parent:
    others = len(os.listdir(at_work[0])) - 1 if at_work else 0
    until = time.monotonic() + 0.1
    while others <= number and time.monotonic() < until:
        pass
    time.sleep(max(0.0, until - time.monotonic()))
"""


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Keep two cores computing all the time, as a machine does that is at work already.

    Alone, two loops do it. Under ``make test`` each other group of tests that is still at work stands in for one.
    """
    at_work = [os.environ[AT_WORK]] if AT_WORK in os.environ else []
    loops = [subprocess.Popen([sys.executable, "-c", LOOP, str(number), *at_work]) for number in range(LOOPS)]
    yield
    ended = [loop.poll() for loop in loops]
    for loop in loops:
        loop.kill()
        loop.wait()
    assert ended == [None] * LOOPS, "the machine was not busy up to the end"
