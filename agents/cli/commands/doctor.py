"""``weir doctor``: say whether Weir can run here, and which outages it would survive."""

import json
import sys
from pathlib import Path

import click

_EXAMPLES = """
\b
Examples:
  weir doctor                            the systems that the settings name, or a `weir up` that runs here
  weir doctor --rate 2000                outages that are survived at 2,000 readings a second
  weir doctor --json                     for programs
  WEIR_KAFKA__BROKERS=kafka-1:9092 WEIR_MQTT__HOST=broker weir doctor
"""
_STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}


@click.command(epilog=_EXAMPLES)
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), default=Path(".weir"), show_default=True,
    help="Data folder of `weir up`: while it runs, its addresses are used where the settings name none.",
)  # fmt: skip
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="Readings a second. Default: the simulator's."
)
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects.")
def doctor(data: Path, rate: float | None, as_json: bool) -> None:
    """Examine settings, ports, Kafka, MQTT and MongoDB, and say which outages would be survived.

    Changes nothing. The exit code is 1 if Weir cannot run so, otherwise 0, warnings or not.
    """
    from bridges.doctor.diagnosis import Grade
    from bridges.doctor.examination import examine

    findings = examine(data, rate)
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for column in ("examined", "", "found", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            verdict = Text(finding.verdict, style=_STYLES[finding.verdict])
            table.add_row(finding.what, verdict, Text(finding.found), Text(finding.remedy))
        # Without a terminal nobody can widen the window: long lines are better than narrow columns.
        Console(width=None if sys.stdout.isatty() else 240).print(table)
    sys.exit(1 if any(finding.verdict is Grade.FAILURE for finding in findings) else 0)
