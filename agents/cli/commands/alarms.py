"""``weir alarms``: what stands, what was done about it, and what you do."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agents.cli.acting_options import by_option, json_lines_option, load_settings
from agents.cli.looking_options import local_stack_option
from agents.cli.near_group import NearGroup
from agents.cli.planned_work import plan, planned, withdraw_work
from agents.cli.time_option import Duration

if TYPE_CHECKING:
    from bridges.alarms.alarm_log import AlarmLog
    from bridges.process.settings import Settings
    from streams.alarms.incidents import Incident, Incidents, RaiseKey
    from streams.records.alarm_records import Alarm, Notification
    from streams.records.types import Device

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLES = """
\b
Examples:
  weir alarms list                                      what stands, the worst first
  weir alarms show 66deff                               one alarm, all that happened, and who was told
  weir alarms ack 66deff                                I have seen it
  weir alarms ack 66deff --incident                     and all others of its incident
  weir alarms shelve 66deff --for 2h --why "pump is out"
  weir alarms label 66deff no_fault
  weir alarms assign 66deff Grace
  weir alarms out-of-service --sensor boiler-7 --why "probe is broken"
  weir alarms plan 'boiler-*' --from 2030-06-01T06:00 --to 2030-06-01T18:00 --why "new valves"
  weir alarms planned                                   which work is planned, and what it keeps from being told
  weir alarms follow --json                             changes as they come, for programs
  weir alarms test-notify                               does each target answer?
"""
_WHY = click.option("--why", default="", help="The reason; it is kept with it.")
_FOLLOW_SECONDS = 0.5
_LISTED = 5


@click.group(cls=NearGroup, epilog=_EXAMPLES)
def alarms() -> None:
    """Show alarms, and answer them: each answer is a record in the log, with who, when and why.

    An alarm may be named by the beginning of its id.
    """


for _command in (plan, planned, withdraw_work):
    alarms.add_command(_command)


def _read(settings: "Settings") -> "AlarmLog":
    from bridges.alarms.alarm_log import AlarmLog

    log = AlarmLog(settings)
    try:
        log.read()
    finally:
        log.close()
    return log


def _devices(settings: "Settings") -> "dict[str, Device]":
    """Return what is known of sensors; an alarm is shown without its name rather than not at all."""
    from bridges.devices.device_registry import devices_on_kafka
    from streams.errors import TransientError

    try:
        return devices_on_kafka(settings)
    except TransientError as error:
        click.echo(f"without names: {error}", err=True)
        return {}


@alarms.command("list")
@local_stack_option
@click.option("--all", "all_of_them", is_flag=True, help="Those that are over, too.")
@json_lines_option
def list_alarms(all_of_them: bool, as_json: bool) -> None:
    """List what stands: the worst first, of these the newest."""
    settings = load_settings()
    log = _read(settings)
    found = list(log.newest(all_of_them=all_of_them))
    devices = _devices(settings) if found else {}
    incidents = _incidents(settings, log, devices)
    for incident, members in _together(found, incidents):
        if incident is not None and not as_json:
            _say_incident(incident, devices)
        for alarm in members:
            device = devices.get(alarm.sensor_id)
            click.echo("  " if incident is not None and not as_json else "", nl=False)
            label = device.label if device else ""
            _say(alarm, as_json, label=label, incident=incident, escalated_to=log.escalated_to(alarm))
    if not found and not as_json:
        click.echo("no alarm stands" if not all_of_them else "there has been no alarm")


@alarms.command()
@local_stack_option
@click.argument("alarm")
@json_lines_option
def show(alarm: str, as_json: bool) -> None:
    """Show one alarm: all that happened, who was told, and the incident that it is part of."""
    settings = load_settings()
    log = _read(settings)
    changes = log.changes[log.find(alarm).id]
    devices = _devices(settings)
    incidents = _incidents(settings, log, devices)
    incident = incidents.of(changes[-1])
    for change in changes:
        _say(change, as_json, log, incident=incident)
    if incident is not None and not as_json:
        _say_incident(incident, devices)
        for member in incident.members:
            device = devices.get(member.sensor_id)
            click.echo("  ", nl=False)
            _say(member, as_json, label=device.label if device else "")


def _incidents(settings: "Settings", log: "AlarmLog", devices: "dict[str, Device]") -> "Incidents":
    """Return the incidents of all alarms in the log."""
    from streams.alarms.incidents import Incidents

    incidents = Incidents(settings.alarms.incidents(), devices.get)
    for changes in log.changes.values():
        for change in changes:
            incidents.take(change)
    return incidents


def _together(
    found: "list[Alarm]", incidents: "Incidents"
) -> "Iterator[tuple[Incident | None, list[Alarm]]]":
    """Yield alarms in their order, the members of an incident with its first."""
    members: dict[RaiseKey, list[Alarm]] = {}
    for alarm in found:
        if (incident := incidents.of(alarm)) is not None:
            members.setdefault(incident.raises[0], []).append(alarm)
    for alarm in found:
        if (incident := incidents.of(alarm)) is None:
            yield None, [alarm]
        elif its := members.pop(incident.raises[0], None):
            yield incident, its


def _say_incident(incident: "Incident", devices: "dict[str, Device]") -> None:
    from streams.alarms.wording import incident_sentence

    def label(sensor_id: str) -> str:
        device = devices.get(sensor_id)
        return device.label if device else ""

    state = "open" if incident.is_open else "closed"
    click.echo(f"{incident.id} {incident.severity:8} {state:6} {incident_sentence(incident, label, _LISTED)}")


@alarms.command()
@local_stack_option
@json_lines_option
def follow(as_json: bool) -> None:
    """Show changes as they come, until Ctrl-C."""
    from bridges.alarms.alarm_log import AlarmLog
    from streams.errors import TransientError

    begun = False
    log = AlarmLog(load_settings(), lambda change: _say(change, as_json) if begun else None)
    try:
        log.read()
        begun = True
        while True:
            time.sleep(_FOLLOW_SECONDS)
            try:
                log.read()
            except TransientError as error:
                click.echo(str(error), err=True)
    finally:
        log.close()


def _say(
    change: "Alarm",
    as_json: bool,
    log: "AlarmLog | None" = None,
    label: str = "",
    incident: "Incident | None" = None,
    escalated_to: Sequence[str] | None = None,
) -> None:
    from streams.alarms.templates import as_plain
    from streams.alarms.wording import alarm_sentence
    from streams.signals.wire import iso

    told = [] if log is None else log.told_of(change)
    if as_json:
        notifications = {} if log is None else {"notifications": [_plain(each) for each in told]}
        part_of = None if incident is None else incident.plain()
        if part_of is not None and log is None:
            del part_of["members"]  # of a list each line has one of them
        told_of = {
            **as_plain(change, label),
            "incident": part_of,
            **({} if escalated_to is None else {"escalated_to": escalated_to}),
            **notifications,
        }
        click.echo(json.dumps(told_of, ensure_ascii=False))
        return
    who = f" by {change.by}" if change.by else ""
    why = f": {change.why}" if change.why else ""
    targets = "".join(f" [{each.target}: {_outcome(each)}]" for each in told)
    targets += f" [escalated to {' and '.join(escalated_to)}]" if escalated_to else ""
    click.echo(
        f"{change.id} {iso(change.changed_at)} {change.severity:8} {change.state:14} "
        f"{alarm_sentence(change, label)} ({change.event}{who}{why}){targets}"
    )


def _outcome(notification: "Notification") -> str:
    return " ".join(filter(None, (notification.outcome, notification.detail)))


def _plain(record: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(record)


# -- what people do ----------------------------------------------------------------------------------------------------


def _act(kind: str, **told: Any) -> None:
    settings = load_settings()
    if told.get("alarm"):
        found = _read(settings).find(told["alarm"])
        told |= {"alarm": found.id, "sensor_id": found.sensor_id}
    _write(settings, kind, [told])


def _write(settings: "Settings", kind: str, done: list[dict[str, Any]]) -> None:
    from bridges.alarms.action_writer import write_actions
    from streams.alarms.acting import action_of
    from streams.errors import ConfigurationError, InputError

    try:
        actions = [action_of(kind, at=round(time.time(), 3), **told) for told in done]
    except InputError as error:
        raise ConfigurationError(error.detail) from None
    write_actions(settings, actions)
    for action in actions:
        click.echo(f"{kind}: action {action.id} is in the log")


def _of_alarm_or_sensor(command: F) -> F:
    """Add an alarm, or ``--sensor`` in its place, one of which must be named."""

    @wraps(command)
    def of_one(*args: Any, alarm: str, sensor: str, **named: Any) -> Any:
        if bool(alarm) == bool(sensor):
            raise click.UsageError("name an alarm, or a sensor with --sensor")
        return command(*args, alarm=alarm, sensor_id=sensor, **named)

    option = click.option("--sensor", default="", help="All of a sensor, instead of one alarm.")
    return click.argument("alarm", required=False, default="")(option(of_one))  # type: ignore[return-value]


@alarms.command()
@local_stack_option
@click.argument("alarm")
@click.option("--incident", is_flag=True, help="All of the incident that it is part of.")
@by_option
@_WHY
def ack(alarm: str, incident: bool, by: str, why: str) -> None:
    """Acknowledge an alarm: somebody has seen it."""
    if not incident:
        _act("acknowledge", alarm=alarm, by=by, why=why)
        return
    settings = load_settings()
    log = _read(settings)
    members = _members(settings, log, log.find(alarm))
    _write(
        settings,
        "acknowledge",
        [{"alarm": each.id, "sensor_id": each.sensor_id, "by": by, "why": why} for each in members],
    )


def _members(settings: "Settings", log: "AlarmLog", alarm: "Alarm") -> "list[Alarm]":
    """Return the members of an alarm's incident that nobody has acknowledged."""
    from streams.alarms.inhibiting import AlarmState
    from streams.errors import ConfigurationError

    incident = _incidents(settings, log, _devices(settings)).of(alarm)
    if incident is None:
        raise ConfigurationError(f"alarm {alarm.id} is part of no incident: see weir alarms list")
    members = [each for each in incident.members if not each.acknowledged and each.state != AlarmState.NORMAL]
    if not members:
        raise ConfigurationError(f"all alarms of incident {incident.id} are acknowledged")
    return members


@alarms.command()
@local_stack_option
@click.argument("alarm")
@click.argument("text")
@by_option
def comment(alarm: str, text: str, by: str) -> None:
    """Say something about an alarm."""
    _act("comment", alarm=alarm, by=by, why=text)


@alarms.command()
@local_stack_option
@click.argument("alarm")
@click.argument("name")
@by_option
def assign(alarm: str, name: str, by: str) -> None:
    """Say who takes care of an alarm: '' for nobody any more."""
    _act("assign", alarm=alarm, by=by, why=name)


@alarms.command()
@local_stack_option
@_of_alarm_or_sensor
@click.option("--for", "seconds", type=Duration(), required=True, help="For so long: 30m, 2h, 1d.")
@by_option
@_WHY
def shelve(seconds: float, by: str, why: str, **whose: str) -> None:
    """Tell nobody for a while: of an alarm (its series and kind), or of a sensor."""
    _act("shelve", until=round(time.time() + seconds, 3), by=by, why=why, **whose)


@alarms.command()
@local_stack_option
@_of_alarm_or_sensor
@by_option
def unshelve(by: str, **whose: str) -> None:
    """End shelving: what still stands is told."""
    _act("unshelve", by=by, **whose)


@alarms.command("out-of-service")
@local_stack_option
@_of_alarm_or_sensor
@click.option("--why", required=True, help="What is wrong with it.")
@by_option
def out_of_service(why: str, by: str, **whose: str) -> None:
    """Tell nobody until it is back in service: of an alarm (its series and kind), or of a sensor."""
    _act("out_of_service", by=by, why=why, **whose)


@alarms.command("in-service")
@local_stack_option
@_of_alarm_or_sensor
@by_option
def in_service(by: str, **whose: str) -> None:
    """End being out of service: what still stands is told."""
    _act("in_service", by=by, **whose)


@alarms.command()
@local_stack_option
@click.argument("alarm")
@click.argument("kind", type=click.Choice(["fault", "no_fault", "none"]))
@by_option
@_WHY
def label(alarm: str, kind: str, by: str, why: str) -> None:
    """Say whether an alarm was right: a fault is also a label to tune detection by; none revokes what was said."""
    _act("revoke_label" if kind == "none" else kind, alarm=alarm, by=by, why=why)


@alarms.command("test-notify")
@local_stack_option
@click.argument("targets", nargs=-1)
@click.pass_context
def test_notify(ctx: click.Context, targets: tuple[str, ...]) -> None:
    """Tell each target (or those that are named) of an alarm that is none, and that it is gone again."""
    from bridges.notify.trying_out import try_out

    failed = False
    for name, wrong, took in try_out(load_settings(), targets):
        failed = failed or bool(wrong)
        click.echo(
            f"{name}: {wrong or 'told'} ({timedelta(seconds=took) / timedelta(milliseconds=1):.0f} ms)"
        )
    ctx.exit(1 if failed else 0)
