"""``weir export``: what MongoDB holds, as files."""

import json
from pathlib import Path
from typing import Any

import click

from agents.cli.looking_options import looking_options
from agents.cli.time_option import EventTime

_EXAMPLES = """
\b
Examples:
  weir export --to parquet --from 2026-10-01 --to 2026-11-01 --out october
  weir export --to csv --collection anomalies --out anomalies
  weir backtest --source october/readings --config new.toml      readings are read again

\b
Exit codes: 0 every document of the range is in a file, 1 it could not be done, 2 something given is wrong, 3 some
documents are in none: they came meanwhile (run it again), or cannot be rows (the manifest says why); or MongoDB has let
go of some whose files are still there.
"""
_FORMATS = ("parquet", "csv")
_NOT_ALL = 3


class _FormatOrTime(EventTime):
    """What stands behind ``--to``: a format, or the time before which the range ends."""

    name = "parquet | csv | time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name of a format, or seconds since the Unix epoch."""
        return str(value) if str(value) in _FORMATS else super().convert(value, param, ctx)


@click.command(epilog=_EXAMPLES)
@click.option(
    "--to", "ends", type=_FormatOrTime(), multiple=True, required=True,
    help="parquet or csv; and once more with a time, for a range that ends before it.",
)  # fmt: skip
@click.option("--from", "since", type=EventTime(), help="Begin here: ISO 8601 (UTC), or epoch seconds.")
@click.option(
    "--collection", type=click.Choice(["readings", "aggregates", "anomalies"]), default="readings", show_default=True
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True,
    help="Folder: the collection gets one of its own in it, with its manifest.",
)  # fmt: skip
@looking_options
@click.pass_context
def export(
    ctx: click.Context,
    ends: tuple[Any, ...],
    since: float | None,
    collection: str,
    out: Path,
    as_json: bool,
) -> None:
    """Write what MongoDB holds into files, by day (UTC) and sensor, with a manifest whose counts balance.

    Values and times are exact: what is read again is what was stored. Interrupted, the same command goes on; run again,
    it writes anew only sensors of which MongoDB holds another number of documents now. The range is one of event time:
    of a window its start, of an anomaly its raise.
    """
    from agents.cli.replay_options import progress_bar
    from bridges.export.exporting import Export, ExportRequest
    from bridges.process.settings import load
    from bridges.sources import Selection

    formats = [each for each in ends if each in _FORMATS]
    times = [each for each in ends if each not in _FORMATS]
    if len(formats) != 1 or len(times) > 1:
        raise click.UsageError("--to is given once with parquet or csv, and at most once with a time")
    until = times[0] if times else None
    Selection((), since, until)  # refuses a range that is empty
    request = ExportRequest(collection, formats[0], since, until, out)
    with progress_bar("export", wanted=not as_json) as progress:
        running = Export(load(), request, progress)
        total = running.run()
    if as_json:
        click.echo(json.dumps({**total, "folder": str(request.folder), "written": running.written}))
    else:
        click.echo(
            f"{total['rows']:,} of {total['held']:,} {collection} of {total['sensors']:,} sensors are in "
            f"{request.folder}; {running.written:,} sensors were written now"
        )
        if total["refused"]:
            click.echo(f"{total['refused']:,} cannot be rows: {request.folder / 'manifest.jsonl'} says why")
        elif (more := total["rows"] - total["held"]) > 0:
            click.echo(
                f"{more:,} rows are of documents that MongoDB has let go of: their files stay as they are"
            )
        elif not total["balanced"]:
            click.echo("some came meanwhile: run the same command again")
    ctx.exit(0 if total["balanced"] and not total["refused"] else _NOT_ALL)
