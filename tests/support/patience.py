"""How long tests wait for what must happen, before they call it missing: nothing is measured by it."""

import time
from collections.abc import Callable
from typing import Any, Final

PATIENCE: Final = 400.0
"""Seconds. Three groups of tests on two slow processors need minutes for what takes seconds on an idle machine."""
LOOK_SECONDS: Final = 0.1
"""How often they look. What is asked fifty times a second is busy with that, and so is who asks."""


def until(condition: Callable[[], Any], what: str = "it came about", timeout: float = PATIENCE) -> Any:
    """Look until the condition gives something true, and return it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(LOOK_SECONDS)
    raise AssertionError(f"after {timeout} s: not {what}")
