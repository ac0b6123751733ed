"""``weir alarms plan | planned | withdraw``: work that is planned, by pattern or place, once or again and again."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from agents.cli.acting_options import by_option, json_lines_option, load_settings
from agents.cli.looking_options import local_stack_option
from agents.cli.time_option import Duration

if TYPE_CHECKING:
    from bridges.alarms.plan_log import PlanLog
    from bridges.process.settings import Settings

_EXAMPLES = """
\b
Examples:
  weir alarms plan 'boiler-*' --from 2030-06-01T06:00 --to 2030-06-01T18:00 --why "new valves"
  weir alarms plan --place "plant/hall 7" --for 4h --why "power is off"        from now on
  weir alarms plan --machine "press 4" --from 2030-06-02T02:00 --for 3h --zone Europe/Berlin \\
      --every week --times 52 --why "cleaning"
"""


@click.command(epilog=_EXAMPLES)
@local_stack_option
@click.argument("sensors", required=False, default="")
@click.option(
    "--place", default="", help="Of the sensors there, as the registry of devices says, and below it."
)
@click.option("--machine", default="", help="Of the sensors of this machine.")
@click.option("--group", default="", help="Of the sensors of this group.")
@click.option("--kind", default="", help="Of the sensors of this kind.")
@click.option("--from", "start", default="now", show_default=True, help="When the work begins.")
@click.option("--to", "until", default="", help="When it ends.")
@click.option("--for", "seconds", type=Duration(), help="How long it takes, instead of --to: 30m, 4h, 2d.")
@click.option("--zone", default="UTC", show_default=True, help="Of times that name none: Europe/Berlin.")
@click.option("--every", type=click.Choice(["day", "week"]), help="Again, at the same time of day.")
@click.option("--times", type=click.IntRange(min=1), help="How often, the first included.")
@click.option("--why", required=True, help="What is done.")
@by_option
def plan(
    sensors: str, start: str, until: str, seconds: float | None, zone: str, every: str | None, times: int | None,
    **about: str,
) -> None:  # fmt: skip
    """Plan work: nobody is told of alarms of these sensors that are raised meanwhile.

    SENSORS is a pattern of sensor ids, '*' for all; instead of it, or beside it, the registry of devices says which
    sensors a place, a machine, a group or a kind has.
    """
    from bridges.alarms.action_writer import write_actions
    from bridges.devices.device_registry import devices_on_kafka
    from bridges.process.near_names import did_you_mean
    from streams.alarms.planning import Times, remark_on, work_planned
    from streams.errors import ConfigurationError, InputError
    from streams.payloads.event_times import zone_of_day
    from streams.signals.wire import iso

    if bool(until) == (seconds is not None):
        raise click.UsageError("say when it ends: --to, or --for")
    if bool(every) != bool(times):
        raise click.UsageError("--every and --times go together")
    place_in_time = zone_of_day(zone)
    now = round(time.time(), 3)
    begin = now if start == "now" else _time("--from", start, place_in_time)
    end = begin + seconds if seconds is not None else _time("--to", until, place_in_time)
    settings = load_settings()
    devices = devices_on_kafka(settings)
    try:
        when = Times(begin, end, every or "", times or 1, place_in_time)
        work = work_planned(about, sensors, when, devices, did_you_mean)
        actions = work.actions(now)
    except InputError as error:
        raise ConfigurationError(error.detail) from None
    write_actions(settings, actions)
    if remark := remark_on(work, now, devices, did_you_mean):
        click.echo(remark, err=True)
    often = f"{times} times, first " if times else ""
    click.echo(
        f"planned_work: plan {actions[0].plan} is in the log: {work.whose}, {often}{iso(begin)} to {iso(end)}"
    )


def _time(option: str, text: str, zone: Any) -> float:
    from streams.errors import InputError
    from streams.payloads.event_times import read_event_time

    try:
        return read_event_time(text, dates=True, zone=zone)
    except InputError as error:
        raise click.UsageError(f"{option}: {error.detail}") from None


@click.command()
@local_stack_option
@click.option("--all", "all_of_them", is_flag=True, help="Work that is over or off, too.")
@json_lines_option
def planned(all_of_them: bool, as_json: bool) -> None:
    """List the work that is planned: of what, from when to when, by whom, and how many alarms it has kept."""
    from streams.signals.wire import iso

    with _plans(load_settings()) as log:
        told = log.told(all_of_them=all_of_them)
    for each in told:
        if as_json:
            click.echo(json.dumps(each, ensure_ascii=False))
            continue
        if each["start"] is None:
            when = f"off, withdrawn by {each['withdrawn']['by']}" if each["withdrawn"] else "over"
        else:
            left = each["times_left"]
            again = f", and {left - 1} more" if left > 1 else ""
            when = (
                f"{'now' if each['is_on'] else 'ahead'}: {iso(each['start'])} to {iso(each['until'])}{again}"
            )
        click.echo(
            f"{each['plan']} {each['whose']}, {when}: {each['why']} ({each['by']}); {each['kept']:,} alarms kept"
        )
    if not told and not as_json:
        click.echo("no work has been planned" if all_of_them else "no work is planned")


@click.command("withdraw")
@local_stack_option
@click.argument("plan")
@by_option
@click.option("--why", default="", help="The reason; it is kept with it.")
def withdraw_work(plan: str, by: str, why: str) -> None:
    """Withdraw planned work, by the beginning of its id: it is off, or over early; all of its times are."""
    from bridges.alarms.action_writer import write_actions

    settings = load_settings()
    with _plans(settings) as log:
        _, whose, actions = log.withdrawal(plan, by=by, why=why)
    write_actions(settings, actions)
    click.echo(f"withdraw: {whose} is off, in {len(actions):,} actions of the log")


@contextmanager
def _plans(settings: "Settings") -> "Iterator[PlanLog]":
    from bridges.alarms.plan_log import PlanLog

    log = PlanLog(settings)
    try:
        yield log
    finally:
        log.close()
