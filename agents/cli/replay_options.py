"""What replay, backtest and tune share on the command line: which readings, and a bar that shows how far they are."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib import metadata
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import click

from agents.cli.looking_options import local_stack_option
from agents.cli.time_option import EventTime

if TYPE_CHECKING:
    from rich.console import Console

    from bridges.process.parallel import Progress
    from bridges.process.settings import Settings
    from bridges.replay.replaying import Replayed
    from bridges.sources import Selection, Source
    from streams.backtest.net import SetAside

NOT_MET = 3
"""Exit code of a gate that does not hold, or of a verification that found a difference."""


@dataclass(frozen=True, slots=True)
class ChosenReadings:
    """Which readings are meant.

    Args:
        since, until, by: As in `Selection`.
        sensors: Values of ``--sensors``: several patterns may stand in one, with commas between.
        source, allow_missing: As for `bridges.sources.open_source`.
    """

    since: float | None
    until: float | None
    by: Literal["event", "ingest", "offset"]
    sensors: tuple[str, ...]
    source: str = "kafka"
    allow_missing: bool = False

    def selection(self) -> "Selection":
        """Make a selection of them.

        Raises:
            ConfigurationError: If the range is empty.
        """
        from bridges.sources import Selection

        patterns = tuple(part.strip() for each in self.sensors for part in each.split(",") if part.strip())
        return Selection(patterns, self.since, self.until, self.by)

    def open(self, settings: "Settings") -> "Source":
        """Open their source; raises what `selection` and `bridges.sources.open_source` raise."""
        from bridges.sources import open_source

        return open_source(self.source, settings, self.selection(), allow_missing=self.allow_missing)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which readings are meant, and where a local stack is.

    The command is given them as ``readings``; while a local stack runs, its addresses are used.
    """

    @local_stack_option
    @wraps(command)
    def with_readings(
        *arguments: Any,
        since: float | None,
        until: float | None,
        by: Literal["event", "ingest", "offset"],
        sensors: tuple[str, ...],
        source: str,
        allow_missing: bool,
        **others: Any,
    ) -> Any:
        readings = ChosenReadings(since, until, by, sensors, source, allow_missing)
        return command(*arguments, readings=readings, **others)

    with_options = with_readings
    for option in reversed(
        (
            click.option(
                "--from",
                "since",
                type=Bound(),
                help="Begin here: ISO 8601 (UTC), epoch seconds, -30d ago, or offset.",
            ),
            click.option("--to", "until", type=Bound(), help="End before this."),
            click.option(
                "--by",
                type=click.Choice(["event", "ingest", "offset"]),
                default="event",
                show_default=True,
                help="What --from and --to bound: event time, ingest time, or Kafka offsets.",
            ),
            click.option(
                "--sensors", multiple=True, help="Only sensors that match: boiler-*. May be repeated."
            ),
            click.option(
                "--source",
                default="kafka",
                show_default=True,
                help="kafka, mongo, waterflow, or a file or folder: .csv, .jsonl, .parquet, the layout of NAB.",
            ),
            click.option("--allow-missing", is_flag=True, help="Read what retention has left of the range."),
        )
    ):
        with_options = option(with_options)
    return with_options


processes_option = click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Work in so many processes."
)
ignore_unmatched_option = click.option(
    "--ignore-unmatched", is_flag=True, help="Leave out labels whose series was not read."
)


class Bound(EventTime):
    """An event time or an offset: a number is taken as it is."""

    name = "bound"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since the Unix epoch, or the offset."""
        try:
            number = float(str(value))
        except ValueError:
            return super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"expected a time or an offset, got {value!r}", param, ctx)
        return number


@contextmanager
def progress_bar(what: str, *, wanted: bool = True) -> Iterator["Progress"]:
    """Show a bar with rate and time left on standard error, where that is a terminal.

    Args:
        what: Stands before the bar.
        wanted: Show it at all.
    """
    if not (wanted and sys.stderr.isatty()):
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")
        begun = time.monotonic()

        def show(done: int, total: int) -> None:
            rate = done / max(1e-3, time.monotonic() - begun)
            bar.update(task, completed=done, total=total or None, rate=f"{rate:,.0f}/s")

        yield show


def wide_console() -> "Console":
    """Return a console for tables: as wide as the terminal, or wide enough where there is none."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)


def weir_version() -> str:
    """Return the version that is installed; a source tree that was never installed has none."""
    try:
        return metadata.version("weir")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def described(selection: "Selection") -> dict[str, Any]:
    """Tell a selection as plain values, for reports."""
    return {
        "sensors": list(selection.sensors),
        "from": selection.since,
        "to": selection.until,
        "by": selection.by,
    }


def published_text(done: "Replayed", namespace: str) -> str:
    """Say what was published.

    Args:
        done: What was.
        namespace: Where to.
    """
    return (
        f"{done.readings - done.resumed:,} readings of {done.sensors:,} sensors published into {namespace}"
        + (f"; {done.resumed:,} were there already" if done.resumed else "")
        + (
            f"; {done.rules_left_out:,} changes of rules left out, since partitions are others there: limits are those "
            "of the settings"
            if done.rules_left_out
            else ""
        )
    )


def show_set_aside(console: "Console", found: "SetAside") -> None:
    """Tell of records in which windows or detection failed; nothing if there are none."""
    if found.records:
        where, why = found.shown[0]
        console.print(
            f"  {found.records:,} records unprocessable, set aside as the worker does; the first, {where}: {why}",
            highlight=False, soft_wrap=True, markup=False,
        )  # fmt: skip
