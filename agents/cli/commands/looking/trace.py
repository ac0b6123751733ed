"""``weir trace``: where does one reading stand?"""

import json
import re
from typing import TYPE_CHECKING

import click

from agents.cli.looking_options import looking_options

if TYPE_CHECKING:
    from bridges.looking.tracing_readings import Sought, Traced
    from streams.reading_trace import TracedReading
    from streams.windows.policy import WindowPolicy

_EXAMPLES = """
\b
Examples:
  weir trace 66deffa5723abb597ffe3e94                a reading by its id
  weir trace boiler-1 2026-10-01T00:15:00Z           readings of a sensor in that second
  weir trace boiler-1 1790813700.250                 of that millisecond
  weir trace boiler-1 2026-10-01T00:15:00Z --json    for programs

\b
Exit codes: 0 it was found and stands as it must, 1 it was not found, or something of it is missing, 2 somebody could
not be asked: then what is missing is not known.
"""
_ID = re.compile(r"[0-9a-f]{24}")


@click.command(epilog=_EXAMPLES)
@click.argument("what", metavar="ID | SENSOR")
@click.argument("at", metavar="[TIME]", required=False)
@looking_options
@click.pass_context
def trace(ctx: click.Context, what: str, at: str | None, as_json: bool) -> None:
    """Say where one reading stands: partition and offset, windows, anomalies and alarms, documents, dead letters.

    Reads the log itself, the results on it, and MongoDB; joins no consumer group and changes nothing. Windows are those
    of the settings in force. TIME is the event time: ISO 8601 (UTC), or seconds since the Unix epoch.
    """
    from agents.cli.replay_options import progress_bar
    from bridges.looking.tracing_readings import Tracer
    from bridges.process.settings import load

    sought = _sought(what, at, ctx)
    settings = load()
    with progress_bar("trace", wanted=not as_json) as progress:
        found = Tracer(settings, progress).trace(sought)
    policy = settings.windows.policy()
    if as_json:
        click.echo(json.dumps(found.as_json(policy), ensure_ascii=False))
    else:
        _tell(found, policy)
    ctx.exit(found.exit_code(policy))


def _sought(what: str, at: str | None, ctx: click.Context) -> "Sought":
    from agents.cli.time_option import EventTime
    from bridges.looking.tracing_readings import Sought

    if at is not None:
        return Sought.by_time(what, EventTime().convert(at, None, ctx))
    if not _ID.fullmatch(what.lower()):
        raise click.UsageError(
            f"expected the id of a reading (24 hexadecimal digits), or a sensor and a time, got {what!r}"
        )
    return Sought.by_id(what.lower())


def _tell(found: "Traced", policy: "WindowPolicy") -> None:
    for each in found.readings.values():
        _tell_reading(each, found, policy)
    if found.beyond:
        click.echo(f"{found.beyond:,} more records of that time are not shown: name the millisecond")
    if not found.readings:
        click.echo("no such reading was found")
    for letter in found.perhaps:
        click.echo(f"  perhaps dead letter {letter['id']}: {letter['reason']}: {letter['detail']}")
    for what, why in found.not_looked_at.items():
        click.echo(f"could not look at {what}: {why}")
    click.echo(f"{found.records:,} records of the log looked at")


def _tell_reading(it: "TracedReading", found: "Traced", policy: "WindowPolicy") -> None:
    from streams.reading_hops import WINDOW_WORDS
    from streams.signals.wire import iso

    reading = it.reading
    values = ", ".join(f"{name} {value:g}" for name, value in reading.values.items())
    click.echo(click.style(f"{it.id} {reading.sensor_id} {iso(reading.collected_at)}: {values}", bold=True))
    if not it.places:
        click.echo("  readings: it was not found there")
    for number, place in enumerate(it.places):
        came = "came again" if number else "came"
        said = "".join(f", {name} {text}" for name, text in place.headers.items())
        click.echo(f"  readings-{place.partition} at {place.offset:,}: {came} {iso(place.ingested_at)}{said}")
    for window in found.windows(it, policy):
        told = WINDOW_WORDS[window.state].format(count=window.count)
        click.echo(f"  window of {window.quantity} {iso(window.start)} to {iso(window.end)}: {told}")
    for anomaly in it.anomalies.values():
        until = "open" if anomaly.cleared_at is None else f"cleared {iso(anomaly.cleared_at)}"
        click.echo(f"  anomaly {anomaly.id} of {anomaly.quantity}: raised {iso(anomaly.raised_at)}, {until}")
    for alarm in it.alarms.values():
        click.echo(f"  alarm {alarm.id}: {alarm.severity}, {alarm.state}")
    for letter in it.letters:
        click.echo(f"  dead letter {letter['id']}: {letter['reason']}: {letter['detail']}")
    if it.documents:
        counted = ", ".join(f"{count} in {name}" for name, count in it.documents.items())
        click.echo(f"  MongoDB: {counted}")
