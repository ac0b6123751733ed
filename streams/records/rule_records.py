"""The records of rules: limits that somebody set, where they take effect, and for ever who, when and why.

    weir rules apply ──▶ one RuleChange in each partition of `readings` ──▶ limits, from there on
                    └──▶ one RulesApplied on `rules`, with the offsets of those

All of it is one transaction: a change stands in every partition, or in none.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from streams.records.letter_parts import Time
from streams.records.rule_parts import AppliedRule

MOST_RULES = 2000
"""Of one change: it must fit into one record."""


class RuleChange(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A set of rules that is in force from where it stands in a partition of `readings`, instead of the one before.

    Args:
        fingerprint: Derived from all the rest; anomalies and alarms of limits name it.
        at: When it was applied, by the clock of the computer where it was. No result depends on it.
        by, why: Who applied it, and the reason that was given.
        rules: All of them; of a series the first that matches counts. None: the limits are those of the settings.
    """

    fingerprint: Annotated[str, Meta(max_length=64)]
    at: Time
    by: str
    why: str
    rules: Annotated[list[AppliedRule], Meta(max_length=MOST_RULES)]

    @property
    def sensor_id(self) -> str:
        """Return that it is about no one sensor: it concerns its partition."""
        return ""

    @property
    def origin(self) -> dict[str, Any]:
        """Return who made it, when and why, as plain values."""
        return {"fingerprint": self.fingerprint, "at": self.at, "by": self.by, "why": self.why}


class RulesApplied(msgspec.Struct, frozen=True, gc=False):
    """Where a change of rules stands. Kept for ever: readings are not.

    Args:
        change: The change.
        offsets: In `readings`, by partition. In a partition that is not named it is in force from the beginning.
    """

    change: RuleChange
    offsets: dict[int, int]
