"""``weir replay``: recompute recorded readings, compare with what was emitted live, or publish them elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli.commands.simulator import Speed
from agents.cli.replay_options import (
    NOT_MET,
    ChosenReadings,
    progress_bar,
    published_text,
    reading_options,
    show_set_aside,
    wide_console,
)

if TYPE_CHECKING:
    from rich.console import Console

    from bridges.process.settings import Settings
    from bridges.replay.verifying import Verified
    from bridges.sources import Selection, Source

_EXAMPLES = """
\b
Examples:
  weir replay --verify                                           live equals replay? exit code 3 if not
  weir replay --verify --from 2026-10-01 --to 2026-10-08         the same for the results of a week
  weir replay --source hall.csv --out results                    results of a file, as JSON lines
  weir replay --from 2026-10-01 --into rehearsal-b. --speed 60   readings into another namespace, a minute a second

\b
Exit codes: 0 all is well, 1 it could not be run, 2 something given is wrong, 3 live and replay differ.
"""


@click.command(epilog=_EXAMPLES)
@reading_options
@click.option(
    "--speed", type=Speed(), default="max", show_default=True, help="Times as fast as it came, or max."
)
@click.option(
    "--verify", is_flag=True, help="Compare with the results that the live worker emitted, byte for byte."
)
@click.option("--into", metavar="NAMESPACE", help="Publish the readings into the topics of this namespace.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write results here, as JSON lines."
)
@click.option("--config", help="TOML file of what is different from the settings in force.")
@click.option(
    "--skip-unreadable", is_flag=True, help="Pass over records that cannot be read, as the worker does."
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="For --verify.")
@click.pass_context
def replay(
    ctx: click.Context,
    readings: ChosenReadings,
    speed: float,
    verify: bool,
    into: str | None,
    out: Path | None,
    config: str | None,
    skip_unreadable: bool,
    processes: int,
) -> None:
    """Feed recorded readings again: to nobody (counted, or written to files), or into another namespace.

    Reads by assigned partitions up to offsets fixed at the start: no consumer group is joined, nothing is committed,
    and nothing is written to the live topics. Stops at the end; Ctrl-C leaves nothing behind, except with --into,
    where the same command goes on where it was.
    """
    from bridges.backtest import configuration_files as configurations
    from bridges.process import settings as all_settings

    settings = all_settings.load()
    selection = readings.selection()
    if sum((verify, into is not None, out is not None)) > 1:
        raise click.UsageError("--verify, --into and --out exclude each other")
    if verify:
        if config or readings.source != "kafka":
            raise click.UsageError("--verify compares Kafka's readings under the settings in force")
        _verify(ctx, settings, selection, processes)
        return
    found = readings.open(settings)
    console = wide_console()
    if into is not None:
        _publish(console, found, settings, into, speed, skip_unreadable)
        return
    from bridges.replay.replaying import recompute

    chosen = configurations.read(Path(config), settings) if config else configurations.current(settings)
    with progress_bar("replay") as progress:
        done = recompute(
            found, chosen, out, speed=speed, skip_unreadable=skip_unreadable, progress=progress,
            most_failed=settings.worker.max_unprocessable,
        )  # fmt: skip
    console.print(
        f"{done.readings:,} readings of {done.sensors:,} sensors, {done.ticks:,} ticks", highlight=False
    )
    for name, count in sorted(done.results.items()):
        console.print(f"  {count:,} {name}" + (f" in {out / name}.jsonl" if out else ""), highlight=False)
    if done.unreadable:
        console.print(f"  {done.unreadable:,} unreadable records passed over", highlight=False)
    show_set_aside(console, done.unprocessable)


def _publish(
    console: "Console",
    source: "Source",
    settings: "Settings",
    namespace: str,
    speed: float,
    skip_unreadable: bool,
) -> None:
    from agents.rehearsing import apart
    from bridges.replay.replaying import publish

    target = apart(settings, namespace)
    with progress_bar(f"into {namespace}") as progress:
        done = publish(source, target, speed=speed, skip_unreadable=skip_unreadable, progress=progress)
    console.print(published_text(done, namespace), highlight=False)


def _verify(ctx: click.Context, settings: "Settings", selection: "Selection", processes: int) -> None:
    from bridges.replay.verifying import Verification

    console = wide_console()
    verification = Verification.plan(settings, selection)
    for line in verification.describe():
        console.print(line, highlight=False, soft_wrap=True)
    with progress_bar("verify") as progress:
        verified = verification.run(processes, progress)
    _show(console, verified)
    whole = verified.whole
    if not whole.matched and not whole.mismatches:
        raise click.ClickException("nothing could be compared: no results in the range")
    ctx.exit(NOT_MET if whole.mismatches else 0)


def _show(console: "Console", verified: "Verified") -> None:
    from streams.signals.wire import iso

    for topic, agreement in sorted(verified.by_topic.items()):
        repeated = f", {agreement.repeated:,} of them repeated after a crash" if agreement.repeated else ""
        beyond = f"; {agreement.beyond:,} of later readings not compared" if agreement.beyond else ""
        deleted = f"; {agreement.deleted:,} deleted from the topic not compared" if agreement.deleted else ""
        console.print(
            f"  {topic}: {agreement.matched:,} equal{repeated}, {agreement.mismatches:,} differ{beyond}{deleted}",
            highlight=False,
            soft_wrap=True,
        )
    if verified.unreadable:
        console.print(
            f"  {verified.unreadable:,} unreadable records, set aside as the worker does", highlight=False
        )
    show_set_aside(console, verified.unprocessable)
    whole = verified.whole
    if not whole.mismatches:
        console.print("live equals replay", style="bold")
        return
    first = min(whole.shown, key=lambda mismatch: mismatch.order)
    place = f"{first.topic}-{first.partition}" + ("" if first.offset is None else f"@{first.offset}")
    console.print(
        f"live and replay differ first at {iso(first.event_time)}, {first.series}: {first.kind}", style="bold"
    )
    console.print(f"  live, {place}: {_text(first.live)}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"  replay: {_text(first.recomputed)}", highlight=False, soft_wrap=True, markup=False)


def _text(value: bytes | None) -> str:
    return "nothing" if value is None else value.decode(errors="replace")
