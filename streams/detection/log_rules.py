"""Rules that stand in the log: of which series they set the limits, and where that is kept.

    readings   r r r C r r r ...        C: a change of rules, in each partition
    limits     settings │ rules of C, where a pattern matches; else settings

A change holds all rules, so that the newest one of a partition says everything. It is kept as a row of the partition's
models, under a key that no sensor can have: it is written in the transaction of the checkpoint that contains it, comes
back with the models, and outlives the record in the log, which retention deletes.
"""

from typing import Any

import msgspec

from streams.detection.detection_config import limit_rules_of
from streams.detection.limits.limit_rules import LimitRules
from streams.detection.sensor_models import SensorModels, attend_all
from streams.detection.series_model import SeriesModel
from streams.records.rows import EVERY_OFFSET, RULES_ROW, Row
from streams.records.rule_records import RuleChange


class PartitionRules(SensorModels):
    """The rules in force in a partition: a row of models that has none.

    Args:
        change: The change that brought them.
        offset: Where it stands in the partition.
    """

    def __init__(self, change: RuleChange, offset: int) -> None:
        super().__init__()
        self.change = change
        self.offset = offset
        self._limits = [
            (rule.reach, rule.pattern, limit_rules_of(rule, change.fingerprint)) for rule in change.rules
        ]

    def __deepcopy__(self, memo: object) -> "PartitionRules":
        """Return itself: nothing changes it."""
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """Of the rules, in the order in which they count."""
        return tuple(rule.pattern for rule in self.change.rules)

    def lay_over(self, sensor_id: str, quantity: str, model: SeriesModel) -> bool:
        """Give a model the limits that its series has now; tells whether that changed its state.

        Args:
            sensor_id, quantity: The series.
            model: Its model.
        """
        rule = self.rule_of(sensor_id, quantity)
        return model.limit_by(model.config.limits if rule is None else rule[1])

    def rule_of(self, sensor_id: str, quantity: str) -> tuple[str, LimitRules | None] | None:
        """Return pattern and limits of the rule of a series; ``None``: it has those of the settings.

        Args:
            sensor_id, quantity: The series.
        """
        taking = (rule[1:] for rule in self._limits if rule[0].takes(sensor_id, quantity))
        return next(taking, None)

    def to_state(self) -> list[tuple[str, bytes]]:
        """Return them as plain values, of the form that rows of models have."""
        return [(str(self.offset), msgspec.json.encode(self.change))]

    @classmethod
    def from_state(cls, state: Any) -> "PartitionRules":
        """Restore what `to_state` returned.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        ((offset, change),) = state
        return cls(msgspec.json.decode(change, type=RuleChange), int(offset))


def rules_of(rows: dict[str, Row[SensorModels]]) -> PartitionRules | None:
    """Return the rules in force in a partition; ``None`` while no change has come.

    Args:
        rows: Of the partition.
    """
    row = rows.get(RULES_ROW)
    return row.state if row is not None and isinstance(row.state, PartitionRules) else None


def lay_over_all(rows: dict[str, Row[SensorModels]]) -> list[str]:
    """Give all models of a partition the limits that are in force in it.

    Returns:
        The sensors whose state that changed.
    """
    changed: dict[str, None] = {}
    if (rules := rules_of(rows)) is not None:
        for sensor_id, row in rows.items():
            for quantity, model in row.state.items():
                if rules.lay_over(sensor_id, quantity, model):
                    changed[sensor_id] = None
    changed.update(dict.fromkeys(attend_all(rows)))
    return list(changed)


def put_in_force(rows: dict[str, Row[SensorModels]], offset: int, change: RuleChange) -> list[str]:
    """Put a change in force, unless that or a later one is.

    Args:
        rows: Of the partition.
        offset: Where the change stands in it.
        change: The change.

    Returns:
        The keys of rows that changed.
    """
    known = rules_of(rows)
    if known is not None and offset <= known.offset:
        return []
    rows[RULES_ROW] = Row(PartitionRules(change, offset), EVERY_OFFSET)
    return [RULES_ROW, *lay_over_all(rows)]
