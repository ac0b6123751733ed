"""Files of rules: the sections ``detection`` of settings, of which the limits count."""

from dataclasses import dataclass
from pathlib import Path

from bridges.backtest import configuration_files
from bridges.process.settings import Settings
from bridges.rules.rules_run import plan_with_rules
from streams.backtest.configuration import Configuration
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.rules.rule_set import LimitRule, left_aside, rules_in


@dataclass(frozen=True)
class RuleFile:
    """A file of rules.

    Args:
        rules: In the order in which they count.
        before, after: The settings in force, and with the file's laid over them.
        plan: The limits that follow.
        left_aside: What else the file sets of detection, which limits do not ask for.
    """

    rules: list[LimitRule]
    before: Configuration
    after: Configuration
    plan: DetectionPlan
    left_aside: list[str]


def read_rules(path: Path, settings: Settings) -> RuleFile:
    """Read a file of rules, as it would be read as a file of settings.

    Args:
        path: A TOML file.
        settings: In force: patterns of the file come before those in force, as in a backtest.

    Raises:
        ConfigurationError: If it cannot be read, a name or value in it is not acceptable, or it sets no limit.
    """
    after = configuration_files.read(path, settings, "with the rules")
    own = configuration_files.sections_in(path).get("detection", {})
    before = configuration_files.current(settings)
    plan = plan_with_rules(before, after)
    rules = rules_in(own, plan)
    if not rules:
        raise ConfigurationError(
            f"rules {path}: there is no limit in it; expected a table such as "
            '[detection.series."boiler-*/temperature"] with high = 120'
        )
    return RuleFile(rules, before, after, plan, left_aside(own))
