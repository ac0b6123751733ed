"""``weir rules apply``, ``withdraw``, ``list``, ``history``: rules that stand in the log, with who, when and why."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli.acting_options import by_option, json_option, load_settings
from agents.cli.counting import some
from agents.cli.looking_options import local_stack_option
from streams.records.rule_records import RuleChange, RulesApplied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridges.process.settings import Settings
    from streams.records.rule_parts import AppliedRule

_EXAMPLES = """
\b
Examples:
  weir rules apply rules.toml --why "new valves since Monday"
  weir rules list                                      what is in force, who set it, when and why
  weir rules history                                   all changes, the newest first
  weir rules history 66deffa5 --json                   one of them: an anomaly names it as its rule
  weir rules renew --why "new sensors in hall 7"       of rules by place, machine, group or kind the sensors of now
  weir rules withdraw --why "settings have them now"
"""
_WHY = click.option("--why", required=True, help="The reason; it is kept with the rules, for ever.")


def _history(settings: "Settings") -> "list[RulesApplied]":
    from bridges.sources.rule_history import rule_history

    return rule_history(settings)


@click.command(epilog=_EXAMPLES)
@local_stack_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_WHY
@by_option
@json_option
def apply(file: Path, why: str, by: str, as_json: bool) -> None:
    """Put the limits of FILE in force, instead of all that were applied before.

    FILE is as for `weir rules check`. Its rules count before those of the settings, from one place on in each
    partition of the readings: workers take them without a restart, and a replay takes them there, too. Each anomaly
    and alarm of such a limit names the fingerprint that is told.
    """
    from bridges.rules.rule_files import read_rules
    from streams.rules.rule_changes import rules_of_file

    settings = load_settings()
    found = read_rules(file, settings)
    if found.left_aside:
        click.echo(f"left aside, being no limits: {', '.join(found.left_aside)}", err=True)
    _change(settings, rules_of_file(found.rules, found.plan), by=by, why=why, as_json=as_json)


@click.command(epilog=_EXAMPLES)
@local_stack_option
@_WHY
@by_option
@json_option
def withdraw(why: str, by: str, as_json: bool) -> None:
    """Take all rules that were applied out of force: the limits are those of the settings."""
    _change(load_settings(), [], by=by, why=why, as_json=as_json)


@click.command(epilog=_EXAMPLES)
@local_stack_option
@_WHY
@by_option
@json_option
def renew(why: str, by: str, as_json: bool) -> None:
    """Take the sensors of rules by place, machine, group or kind anew, as the registry of devices says now."""
    from bridges.devices.device_registry import devices_on_kafka
    from streams.rules.rule_changes import rules_now
    from streams.rules.rule_devices import renewed

    settings = load_settings()
    history = _history(settings)
    rules = renewed(rules_now(history), list(devices_on_kafka(settings).values()))
    _change(settings, rules, by=by, why=why, as_json=as_json, made_of=history)


def _change(
    settings: "Settings",
    rules: "Sequence[AppliedRule]",
    *,
    by: str,
    why: str,
    as_json: bool,
    made_of: "Sequence[RulesApplied] | None" = None,
) -> None:
    """Put rules in force, and say what that changes.

    Args:
        settings: Where Kafka is.
        rules: All of them.
        by, why: Who, and the reason.
        as_json: Whether it is said for programs.
        made_of: The changes so far that they follow from: nobody may have made another since. ``None``: whatever the
            rules are, these take their place.
    """
    from bridges.rules.rule_writer import write_change
    from streams.rules.rule_changes import change_to, newest_fingerprint, rules_difference, rules_now

    change = change_to(rules, at=round(time.time(), 3), by=by, why=why)
    before = rules_now(_history(settings) if made_of is None else made_of)
    differs = rules_difference(before, rules)
    if not any(differs):
        _echo(
            {"applied": None, "rules": len(rules)},
            as_json,
            ["nothing changes: these rules are in force already"],
        )
        return
    follows = None if made_of is None else newest_fingerprint(made_of)
    applied = write_change(settings, change, follows=follows)
    lines = [
        f"{change.fingerprint}: {some(len(rules), 'rule')} in force in "
        f"{some(len(applied.offsets), 'partition')} of readings"
    ]
    lines += [f"  {what} {pattern}" for what, own in differs._asdict().items() for pattern in own]
    offsets = {str(partition): offset for partition, offset in applied.offsets.items()}
    _echo({**_told(change), "offsets": offsets, **differs._asdict()}, as_json, lines)


@click.command("list", epilog=_EXAMPLES)
@local_stack_option
@json_option
def list_rules(as_json: bool) -> None:
    """List the rules in force in the order in which they count: those applied, then those of the settings."""
    from streams.rules.rules_told import rules_told

    settings = load_settings()
    told = rules_told(_history(settings), settings.detection.plan())
    lines = [f"{rule['pattern']}: {rule['text']}\n    {_origin(rule['set_by'])}" for rule in told["rules"]]
    lines += [f"{pattern}: {text}\n    the settings" for pattern, text in told["settings"].items()]
    _echo(told, as_json, lines or ["no limit is in force"])


@click.command("history", epilog=_EXAMPLES)
@local_stack_option
@click.argument("fingerprint", default="")
@json_option
def list_changes(fingerprint: str, as_json: bool) -> None:
    """Show all changes of rules, the newest first; with the beginning of a FINGERPRINT that one, with its rules."""
    from streams.errors import ConfigurationError
    from streams.rules.rules_told import rule_text

    found = [
        each.change for each in _history(load_settings()) if each.change.fingerprint.startswith(fingerprint)
    ]
    if fingerprint and not found:
        raise ConfigurationError(f"no change of rules whose fingerprint begins with {fingerprint!r}")
    lines = []
    for change in reversed(found):
        lines.append(f"{_who(change)}: {some(len(change.rules), 'rule')}")
        lines += [f"  {rule.pattern}: {rule_text(rule)}" for rule in change.rules if fingerprint]
    data = {"changes": [_told(change) for change in reversed(found)]}
    _echo(data, as_json, lines or ["no rules have been applied"])


def _echo(data: "dict[str, Any]", as_json: bool, lines: "list[str]") -> None:
    import json

    click.echo(json.dumps(data, ensure_ascii=False) if as_json else "\n".join(lines))


def _told(change: "RuleChange") -> "dict[str, Any]":
    return {**change.origin, "rules": [_plain(rule) for rule in change.rules]}


def _plain(rule: "AppliedRule") -> "dict[str, Any]":
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(rule)
    return plain


def _who(change: "RuleChange") -> str:
    return _origin(change.origin)


def _origin(origin: "dict[str, Any]") -> str:
    from streams.signals.wire import iso

    return f"{origin['fingerprint']} {iso(origin['at'])[:19]}Z {origin['by']}: {origin['why']}"
