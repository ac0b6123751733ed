"""``weir devices``: what people call sensors, where they are, what they belong to, and whether they are there."""

import json
import time
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli.acting_options import json_lines_option
from agents.cli.looking_options import local_stack_option
from agents.cli.near_group import NearGroup
from agents.cli.time_option import EventTime

if TYPE_CHECKING:
    from bridges.process.settings import Settings
    from streams.device_past import Spell
    from streams.records.types import Device

_EXAMPLES = """
\b
Examples:
  weir devices import devices.csv
  weir devices list --place 'hall 7'
  weir devices list --state disconnected,silent
  weir devices history boiler-1
  weir devices export devices.toml
"""


@click.group(cls=NearGroup, epilog=_EXAMPLES)
def devices() -> None:
    """Keep the registry of devices: names, places, units. Alarms and notifications show them.

    The newest that was said of a sensor counts; the log has it on the topic `devices`.
    """


@devices.command(
    name="import",
    epilog="\b\nExamples:\n  weir devices import devices.csv\n  weir devices import --from mqtt --dry-run",
)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--from", "sources", type=click.Choice(["mqtt", "births"]), multiple=True,
    help="Take what is announced: by MQTT (zigbee2mqtt, Home Assistant discovery, Tasmota, Homie, ChirpStack, The "
    "Things Stack, levels of topics), or in births of Sparkplug. May be repeated.",
)  # fmt: skip
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=5.0, show_default=True,
    help="How long to listen to MQTT.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@local_stack_option
def import_(file: Path | None, sources: tuple[str, ...], seconds: float, dry_run: bool) -> None:
    """Take over what a CSV or TOML file says of sensors, or what devices announce; others stay as they are.

    All of the file counts, or, if something in it cannot be read, nothing. What a line leaves out is not known any
    more. Columns of CSV: sensor_id, name, place, machine, group, kind, interval (seconds), and unit:QUANTITY,
    precision:QUANTITY (decimal places), range:QUANTITY (0..100).

    What is announced counts where nobody has said anything: what people say is never overwritten.
    """
    from bridges.devices.device_registry import devices_on_kafka, write_devices
    from bridges.process import settings as all_settings
    from streams.known_devices import says_the_same

    if (file is None) == (not sources):
        raise click.UsageError("give a file, or --from")
    settings = all_settings.load()
    known = devices_on_kafka(settings)
    new: list[Device] = []
    changed: list[Device] = []
    if file is not None:
        from bridges.devices.device_files import read_devices

        given: Sequence[Device] = read_devices(file, time.time())
        new += [each for each in given if each.sensor_id not in known.said]
        changed += [
            each
            for each in given
            if each.sensor_id in known.said and not says_the_same(known.said[each.sensor_id], each)
        ]
    else:
        from bridges.devices.announcements import announced_devices, news_of

        given = heard = announced_devices(settings, sources, seconds)
        for found, news in zip((new, changed), news_of(known, heard), strict=True):
            found += news
    if not dry_run:
        write_devices(settings, [*new, *changed])
    same = len(given) - len(new) - len(changed)
    click.echo(f"{len(new):,} new, {len(changed):,} changed, {same:,} as they were")
    for device in (*new, *changed):
        known.take(device)
    _say_which_rules_lag(settings, list(known.values()))


def _say_which_rules_lag(settings: "Settings", devices: "Sequence[Device]") -> None:
    """Name the rules by place, machine, group or kind that take other sensors than the registry says now."""
    from bridges.sources.rule_history import rule_history
    from streams.rules.rule_changes import rules_now
    from streams.rules.rule_devices import outdated

    if found := outdated(rules_now(rule_history(settings)), devices):
        names = ", ".join(map(str, found))
        click.echo(
            f"rules that take other sensors than the registry says: {names}; `weir rules renew --why …` takes them "
            "anew",
            err=True,
        )


@devices.command(epilog="\b\nExample:\n  weir devices export devices.csv")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--at", type=EventTime(), default=None, help="As they were known at that time.")
@local_stack_option
def export(file: Path, at: float | None) -> None:
    """Write all devices into a CSV or TOML file, as `import` reads them: what people say, and what is announced.

    Whoever imports it again says all of it himself.
    """
    from bridges.devices.device_files import devices_as_csv, devices_as_toml
    from bridges.devices.device_registry import devices_on_kafka
    from bridges.process import settings as all_settings
    from bridges.process.written import write_whole
    from streams.errors import ConfigurationError

    forms = {".csv": devices_as_csv, ".toml": devices_as_toml}
    if (write := forms.get(file.suffix.lower())) is None:
        raise ConfigurationError(f"{file}: devices must be .csv or .toml, got {file.suffix!r}")
    found = devices_on_kafka(all_settings.load(), inf if at is None else at)
    write_whole(file, write(found.values()).encode())
    click.echo(f"{len(found):,} devices written to {file}")


@devices.command(epilog="\b\nExample:\n  weir devices conflicts --json")
@json_lines_option
@local_stack_option
def conflicts(as_json: bool) -> None:
    """List in what people and announcements differ; what people say counts."""
    from bridges.devices.device_registry import devices_on_kafka
    from bridges.process import settings as all_settings

    found = devices_on_kafka(all_settings.load()).conflicts()
    for each in found:
        told = f"{each.sensor_id}: {each.field} is {each.said!r}, {each.source} announces {each.announced!r}"
        click.echo(json.dumps(each._asdict(), ensure_ascii=False) if as_json else told)
    if not found and not as_json:
        click.echo("people and announcements say the same")


@devices.command(
    name="list",
    epilog="\b\nExamples:\n  weir devices list --group boilers --json\n  weir devices list --state disconnected,silent",
)
@click.option("--place", default="", help="Only those at this place.")
@click.option("--machine", default="", help="Only those of this machine.")
@click.option("--group", default="", help="Only those of this group.")
@click.option(
    "--state", "states", default="", help="Only those: disconnected, silent, late, online, unknown."
)
@json_lines_option
@local_stack_option
def list_(place: str, machine: str, group: str, states: str, as_json: bool) -> None:
    """List devices by id, with whether they are there, since when and why.

    The worker knows which sensors are silent. If it does not answer, the registry and what topics say of presence are
    read from Kafka, and that is said.
    """
    from bridges.devices.device_listing import devices_as_told
    from bridges.process import settings as all_settings

    where = {"place": place, "machine": machine, "group": group}
    found = devices_as_told(all_settings.load(), where, [each for each in states.split(",") if each])
    if found.problem:
        click.echo(f"which sensors are silent or late is not known: {found.problem}", err=True)
    for each in found.rows:
        click.echo(json.dumps(each, ensure_ascii=False) if as_json else _line(each))
    if not found.rows and not as_json:
        click.echo("no such devices" if states or any(where.values()) else _NONE)


@devices.command(
    epilog="\b\nExamples:\n  weir devices history boiler-1\n  weir devices history boiler-1 --json"
)
@click.argument("sensor")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="So many at most.")
@json_lines_option
@local_stack_option
def history(sensor: str, limit: int, as_json: bool) -> None:
    """Tell which states a device was in, newest first: since when, until when, and why.

    From the log: what its topics said, and that its readings were late, stayed away, came again. MongoDB keeps both
    for longer than the log. Whether a device sends whose topic says otherwise, the worker is asked.
    """
    import msgspec

    from bridges.devices.device_log import past_on_kafka
    from bridges.process import settings as all_settings

    spells, problems = past_on_kafka(all_settings.load(), sensor)
    for each in problems:
        click.echo(each, err=True)
    for spell in list(reversed(spells))[:limit]:
        told = {"sensor_id": sensor, **msgspec.to_builtins(spell)}
        click.echo(json.dumps(told, ensure_ascii=False) if as_json else _spell_line(spell))
    if not spells and not as_json:
        click.echo(f"nothing is known of {sensor}")


def _spell_line(spell: "Spell") -> str:
    end = "" if spell.until is None else f" to {_moment(spell.until)}"
    untold = f"; before that {spell.untold:,} absences that are not told" if spell.untold else ""
    begins = "since" if spell.until is None else "from"
    return f"{spell.state} {begins} {_moment(spell.since)}{end}: {spell.reason}{untold}"


_NONE = "no devices: weir devices import takes them from a file"


def _line(device: dict[str, Any]) -> str:
    label = ", ".join(part for part in (device["name"], device["place"]) if part)
    parts = [label, *(f"{what} {text}" for what in ("machine", "group", "kind") if (text := device[what]))]
    parts += [f"each {device['interval']:g} s"] if device["interval"] else []
    parts += [f"{quantity} in {unit}" for quantity, unit in sorted(device["units"].items())]
    parts += [_presence(device)] if device["state"] != "unknown" or device["reason"] else []
    return f"{device['sensor_id']}: {'; '.join(part for part in parts if part)}"


def _presence(device: dict[str, Any]) -> str:
    since = device["since"]
    when = "" if since is None else f" since {_moment(since)}"
    why = f" ({device['reason']})" if device["reason"] else ""
    return f"{device['state']}{when}{why}"


def _moment(at: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
