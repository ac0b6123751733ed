"""The status of all parts: a table that is redrawn on a terminal, plain lines everywhere else."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridges.stack.supervisor import State, Supervisor, Watched

STYLES = {
    State.RUNNING: "green",
    State.DONE: "green",
    State.STARTING: "yellow",
    State.RESTARTING: "bold red",
    State.NOT_READY: "red",
}
EVENTS_SHOWN = 8
RATES_EVERY_SECONDS = 30.0
DRAWN_A_SECOND = 4


class Screen(Protocol):
    """Shows a supervisor."""

    def show(self, supervisor: Supervisor) -> None:
        """Show its state now; called several times a second."""


class Plain:
    """One line per event, and one with the rates now and then: for logs and pipes.

    Args:
        console: Where lines go.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0
        self._rates_at = time.monotonic() + RATES_EVERY_SECONDS

    def show(self, supervisor: Supervisor) -> None:
        """Print the events since the last call."""
        new = supervisor.event_count - self._shown
        self._shown = supervisor.event_count
        for at, text in list(supervisor.events)[-new:] if new else ():
            self._print(f"{_clock(at)} {text}")
        if time.monotonic() >= self._rates_at:
            self._rates_at = time.monotonic() + RATES_EVERY_SECONDS
            rates = [f"{one.part.name} {rate_text(one)}" for one in supervisor.all if one.rate is not None]
            if rates:
                self._print(f"{_clock(time.time())} {', '.join(rates)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Drawn:
    """The whole status, drawn anew several times a second on a terminal.

    Args:
        live: The region of the terminal.
        head: What stands above the table.
    """

    def __init__(self, live: Live, head: str) -> None:
        self._live = live
        self._head = head
        self._drawn_at = 0.0
        self._shown: Supervisor | None = None

    def show(self, supervisor: Supervisor) -> None:
        """Draw it, if the last time was long enough ago."""
        self._shown = supervisor
        if time.monotonic() - self._drawn_at >= 1 / DRAWN_A_SECOND:
            self.draw()

    def draw(self) -> None:
        """Draw what was shown last."""
        self._drawn_at = time.monotonic()
        if self._shown is not None:
            self._live.update(status_table(self._shown, self._head), refresh=True)


@contextmanager
def open_screen(head: str, console: Console) -> Iterator[Screen]:
    """Open the screen that fits where the output goes.

    Args:
        head: A line about the whole.
        console: Where to show it.
    """
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            drawn = Drawn(live, head)
            try:
                yield drawn
            finally:
                drawn.draw()  # the last state stays on the terminal
    else:
        console.print(head, markup=False, highlight=False, soft_wrap=True)
        yield Plain(console)


def status_table(supervisor: Supervisor, head: str) -> RenderableType:
    """Return the status as a table, with the notes on what runs and the last events below it."""
    table = Table(box=None, pad_edge=False)
    for column in ("service", "address", "state"):
        table.add_column(column)
    table.add_column("per second", justify="right")
    table.add_column("")
    for watched in supervisor.all:
        table.add_row(
            watched.part.name,
            watched.part.address,
            Text(watched.state.value, style=STYLES.get(watched.state, "")),
            rate_text(watched),
            Text(_remark(watched), style="dim"),
        )
    events = list(supervisor.events)[-EVENTS_SHOWN:]
    lines = [Text(f"{_clock(at)} {text}", style="dim", overflow="fold") for at, text in events]
    return Group(Text(head, style="bold"), Text(), table, Text(), *lines)


def rate_text(watched: Watched) -> str:
    """Return how many messages a second a part moves; ``-`` when that is not known."""
    return "-" if watched.rate is None else f"{watched.rate:,.0f}"


def _remark(watched: Watched) -> str:
    parts: Sequence[str] = (
        watched.note or watched.warning or watched.part.describes,
        f"restarted {watched.restarts} times" if watched.restarts > 1 else "",
        "restarted once" if watched.restarts == 1 else "",
    )
    return "; ".join(part for part in parts if part)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
