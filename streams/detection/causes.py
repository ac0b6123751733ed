"""Causes of anomalies that stand beside the detector's own: a series can have one of each open at once."""

from typing import Final

from streams.detection.limits.limit_rules import LIMIT_CAUSES

PEERS: Final = "peers"
"""It moves away from the others of its group (`streams.peers`)."""
RELATION: Final = "relation"
"""It no longer follows from the other quantities of its sensor (`streams.peers.relation_fit`)."""
CAUSES_APART: Final = LIMIT_CAUSES | {PEERS, RELATION}
"""All others are the detector's."""


def cause_apart(cause: str) -> str:
    """Return a cause that stands beside the detector's own; empty if it is one of the detector's.

    >>> cause_apart("limit"), cause_apart("spike")
    ('limit', '')
    """
    return cause if cause in CAUSES_APART else ""
