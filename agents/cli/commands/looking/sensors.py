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
  weir sensors --limit 100000 --json  for programs

\b
Exit codes: 0 there are some, 1 there are none.
"""
_PAGE = 500


def _states() -> list[str]:
    from streams.device_states import DeviceState

    return [each.value for each in DeviceState]


@click.command(epilog=_EXAMPLES)
@click.argument("find", default="", metavar="[TEXT]")
@click.option("--state", type=LateChoice(_states), help="Only those that are so.")
@click.option("--open", "only_open", is_flag=True, help="Only those of which an anomaly is open.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@local_stack_option
@json_lines_option
@click.pass_context
def sensors(
    ctx: click.Context, find: str, state: str | None, only_open: bool, limit: int, as_json: bool
) -> None:
    """List sensors by id: whether each is there, its newest values, and of which quantity an anomaly is open.

    Asks the worker, which asks the others.
    """
    from bridges.looking.sensor_listing import list_sensors
    from bridges.process.settings import load

    told = 0
    for sensor in list_sensors(load(), find, _PAGE):
        if state not in (None, sensor["device"]["state"]) or (only_open and not _open(sensor)):
            continue
        if told == limit:
            click.echo(f"there are more: weir sensors --limit {10 * limit}", err=True)
            break
        click.echo(json.dumps(sensor, ensure_ascii=False) if as_json else _line(sensor))
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
