"""How long tests wait for what must happen, before they call it missing: nothing is measured by it."""

from typing import Final

PATIENCE: Final = 240.0
"""Seconds. Three groups of tests on two slow processors need minutes for what takes seconds on an idle machine."""
