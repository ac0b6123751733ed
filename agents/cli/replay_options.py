"""What replay, backtest and tune share on the command line: which readings, and a bar that shows how far they are."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from agents.cli.time_option import EventTime

if TYPE_CHECKING:
    from rich.console import Console

    from bridges.process.parallel import Progress
    from bridges.process.settings import Settings
    from bridges.sources import Selection, Source

F = TypeVar("F", bound=Callable[..., Any])

NOT_MET = 3
"""Exit code of a gate that does not hold, or of a verification that found a difference."""


def reading_options(command: F) -> F:
    """Add the options that say which readings are meant."""
    for option in reversed(
        (
            click.option(
                "--from", "since", type=Bound(), help="Begin here: ISO 8601 (UTC), epoch seconds, or offset."
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
        command = option(command)
    return command


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


def selected(
    since: float | None,
    until: float | None,
    by: Literal["event", "ingest", "offset"],
    sensors: tuple[str, ...],
) -> "Selection":
    """Make a selection of the options; several patterns may stand in one option, with commas between.

    Args:
        since, until, by: As in `Selection`.
        sensors: Values of ``--sensors``.

    Raises:
        ConfigurationError: If the range is empty.
    """
    from bridges.sources import Selection

    patterns = tuple(part.strip() for each in sensors for part in each.split(",") if part.strip())
    return Selection(patterns, since, until, by)


def open_selected(name: str, settings: "Settings", selection: "Selection", allow_missing: bool) -> "Source":
    """Open the source; raises what `bridges.sources.open_source` raises.

    Args:
        name, settings, selection, allow_missing: As for `bridges.sources.open_source`.
    """
    from bridges.sources import open_source

    return open_source(name, settings, selection, allow_missing=allow_missing)


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
