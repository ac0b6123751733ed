"""Put limits of one series in force, beside all other rules that were applied."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridges.process.settings import Settings
from bridges.rules.rule_writer import check_newest, write_change
from bridges.sources.rule_history import rule_history
from streams.records.rule_records import RulesApplied
from streams.rules.rule_changes import (
    RulesDifference,
    change_to,
    put_first,
    rule_of_series,
    rules_difference,
    rules_now,
)


@dataclass(frozen=True)
class SeriesRule:
    """What somebody wants of a series.

    Args:
        sensor_id, quantity: The series.
        own: Its limits, as for `streams.rules.rule_changes.rule_of_series`.
        by, why: Who, and the reason.
        follows: Fingerprint of the rules that they have seen in force; empty if there were none.
    """

    sensor_id: str
    quantity: str
    own: Mapping[str, Any]
    by: str
    why: str
    follows: str

    def apply(self, settings: Settings) -> tuple[RulesApplied, RulesDifference] | None:
        """Put it in force; ``None`` if it is already.

        Args:
            settings: Where Kafka is, and what limits series have that no rule matches.

        Raises:
            RulesChanged: If other rules are in force than they have seen.
            ConfigurationError: If a limit is not acceptable, or nobody, or no reason, is given.
            TransientError: If Kafka does not take it.
        """
        history = rule_history(settings)
        check_newest(history, self.follows)
        before = rules_now(history)
        rule = rule_of_series(self.sensor_id, self.quantity, self.own, before, settings.detection.plan())
        rules = put_first(rule, before)
        change = change_to(rules, at=round(time.time(), 3), by=self.by, why=self.why)
        difference = rules_difference(before, rules)
        if not any(difference):
            return None
        return write_change(settings, change, follows=self.follows), difference
