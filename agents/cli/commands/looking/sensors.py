"""``weir sensors``: which are there, and what they measured last."""

import json
from typing import Any

import click

from agents.cli.acting_options import json_lines_option
from agents.cli.late_choice import LateChoice
from agents.cli.looking_options import local_stack_option

_EXAMPLES = """
\b
Examples:
  weir sensors                        the first 100 by id
  weir sensors boiler                 whose id, name, place, machine or group holds it
  weir sensors --open                 of which an anomaly is open
  weir sensors --state silent         of which nothing has come for longer than is usual
  weir sensors --by place             how many of each place are how ill
  weir sensors --limit 100000 --json  for programs

\b
Exit codes: 0 there are some, 1 there are none.
"""
_PAGE = 500


def _ways() -> list[str]:
    from streams.place_counts import WAYS

    return list(WAYS)


def _states() -> list[str]:
    from streams.device_states import DeviceState

    return [each.value for each in DeviceState]


@click.command(epilog=_EXAMPLES)
@click.argument("find", default="", metavar="[TEXT]")
@click.option("--state", type=LateChoice(_states), help="Only those that are so.")
@click.option("--open", "only_open", is_flag=True, help="Only those of which an anomaly is open.")
@click.option(
    "--by", type=LateChoice(_ways), help="Count them by this, the worst first, instead of listing them."
)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@local_stack_option
@json_lines_option
@click.pass_context
def sensors(
    ctx: click.Context,
    find: str,
    state: str | None,
    only_open: bool,
    by: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List sensors by id: whether each is there, its newest values, and of which quantity an anomaly is open.

    With ``--by`` places (each with what lies below it), machines, groups or quantities: how many sensors each has, and
    how many of these are how ill. Asks the worker, which asks the others.
    """
    from bridges.looking.place_listing import counted_places
    from bridges.looking.sensor_listing import list_sensors
    from bridges.process.settings import load

    if by and only_open:
        raise click.UsageError("--open lists sensors: --by counts open anomalies anyway")
    settings = load()
    rows = (
        counted_places(settings, by, find, state or "", _PAGE) if by else list_sensors(settings, find, _PAGE)
    )
    write = _place_line if by else _line
    told = 0
    for row in rows:
        if not by and (state not in (None, row["device"]["state"]) or (only_open and not _open(row))):
            continue
        if told == limit:
            click.echo(f"there are more: weir sensors --limit {10 * limit}", err=True)
            break
        click.echo(json.dumps(row, ensure_ascii=False) if as_json else write(row))
        told += 1
    if not told and not as_json:
        click.echo("no such sensor")
    ctx.exit(0 if told else 1)


def _open(sensor: dict[str, Any]) -> list[str]:
    return [quantity for quantity, series in sensor["series"].items() if series["open"]]


def _line(sensor: dict[str, Any]) -> str:
    from streams.signals.wire import iso

    device = sensor["device"]
    since = f" since {iso(device['since'])}" if device.get("since") else ""
    parts = [f"{sensor['key']}", *([f"({device['label']})"] if device.get("label") else ())]
    why = f" ({device['reason']})" if device.get("reason") else ""
    parts.append(f"{device['state']}{since}{why}")
    if last := sensor["last"]:
        values = ", ".join(f"{name} {value:g}" for name, value in last["values"].items())
        parts.append(f"{iso(last['collected_at'])}: {values}")
    if found := _open(sensor):
        parts.append(click.style(f"open: {', '.join(found)}", fg="red"))
    return "  ".join(parts)


def _place_line(place: dict[str, Any]) -> str:
    """Write a place: its name, indented by level, and how many of its sensors are how ill."""
    from streams.signals.wire import iso

    name = f"{place['name']} itself" if place["itself"] else place["name"] or "(none known)"
    ill = [f"{number} {rank}" for rank, number in place["ranked"].items() if number]
    parts = [f"{'  ' * place['depth']}{name}", _sensors_of(place["sensors"]) + f": {', '.join(ill)}"]
    alarms = {severity: number for severity, number in place["alarms"].items() if number}
    if alarms:
        told = ", ".join(f"{number} {severity}" for severity, number in alarms.items())
        parts.append(click.style(f"alarms: {told}; {place['unacknowledged']} unacknowledged", fg="red"))
    if place["anomalies"]:
        parts.append(click.style(f"open anomalies: {place['anomalies']}", fg="red"))
    if place["last"] is not None:
        parts.append(f"last {iso(place['last'])}")
    return "  ".join(parts)


def _sensors_of(number: int) -> str:
    return f"{number:,} sensor{'' if number == 1 else 's'}"
