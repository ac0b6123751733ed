"""``weir anomalies``: what was found, and what is open."""

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from agents.cli.acting_options import json_lines_option
from agents.cli.looking_options import local_stack_option
from agents.cli.time_option import EventTime

if TYPE_CHECKING:
    from streams.records.types import Anomaly

_EXAMPLES = """
\b
Examples:
  weir anomalies                              of the last week, the newest last
  weir anomalies --open                       what is open of them
  weir anomalies --from -90d --sensor 'boiler-*' --cause limit
  weir anomalies --from 2026-01-01 --json     for programs, one a line

\b
`weir alarms` tells what became of them: who was told, who has seen it, what is shelved.
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--from", "since", type=EventTime(), default="-7d", show_default=True,
    help="Of which something was told since then.",
)  # fmt: skip
@click.option(
    "--sensor", metavar="PATTERN", default="*", show_default=True, help="Of sensors whose id matches."
)
@click.option(
    "--cause", help="Only of this cause: limit, rate, silence, peers, or a residual of the detector."
)
@click.option("--open", "only_open", is_flag=True, help="Only those that are not cleared.")
@local_stack_option
@json_lines_option
def anomalies(since: float, sensor: str, cause: str | None, only_open: bool, as_json: bool) -> None:
    """List anomalies as they stand now, by the time at which they were raised.

    Reads the log itself; joins no consumer group and changes nothing.
    """
    from agents.cli.replay_options import progress_bar
    from bridges.looking.anomaly_listing import list_anomalies
    from bridges.process.settings import load

    with progress_bar("anomalies", wanted=not as_json) as progress:
        found, unreadable = list_anomalies(load(), since, progress)
    wanted = [
        each
        for each in found
        if fnmatchcase(each.sensor_id, sensor)
        and cause in (None, each.cause)
        and not (only_open and each.cleared_at is not None)
    ]
    for each in wanted:
        click.echo(_json(each) if as_json else _line(each))
    if unreadable:
        click.echo(
            f"{unreadable:,} records of the topic could not be read: not by a worker of Weir", err=True
        )
    if not wanted and not as_json:
        click.echo(f"no such anomaly: {len(found):,} in all since then")


def _json(anomaly: "Anomaly") -> str:
    from msgspec import to_builtins

    return json.dumps(to_builtins(anomaly), ensure_ascii=False)


def _line(anomaly: "Anomaly") -> str:
    from streams.analysis.findings import duration
    from streams.detection.limits.limit_rules import SILENCE
    from streams.signals.wire import iso

    value = f"for {duration(anomaly.value)}" if anomaly.cause == SILENCE else f"{anomaly.value:g}"
    ended = "open" if anomaly.cleared_at is None else f"to {iso(anomaly.cleared_at)}"
    if anomaly.state == "regime_change":
        ended += ", a new normal"
    severity = f" {anomaly.severity}" if anomaly.severity else ""
    condition = f" {anomaly.condition}" if anomaly.condition else ""
    return (
        f"{iso(anomaly.raised_at)} {ended}  {anomaly.sensor_id} {anomaly.quantity} "
        f"{value} ({anomaly.cause} {anomaly.direction}{condition}){severity}  {anomaly.id}"
    )
