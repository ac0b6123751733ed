"""How long tests wait for what must happen, before they call it missing: nothing is measured by it."""

from typing import Final

PATIENCE: Final = 400.0
"""Seconds. Three groups of tests on two slow processors need minutes for what takes seconds on an idle machine."""
LOOK_SECONDS: Final = 0.1
"""How often they look. What is asked fifty times a second is busy with that, and so is who asks."""
