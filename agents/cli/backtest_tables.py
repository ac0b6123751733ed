"""A backtest on the terminal: a table of figures, and what would change."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agents.cli.counting import some
from agents.cli.replay_options import show_set_aside
from streams.backtest.difference import Difference
from streams.backtest.intervals import Interval
from streams.backtest.outcome import BY_ROWS, Judged, Outcome
from streams.backtest.report import BacktestReport
from streams.signals.wire import iso

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 10


def show(console: "Console", report: BacktestReport) -> None:
    """Print a backtest.

    Args:
        console: Where to.
        report: What was found.
    """
    outcome = report.outcome
    sensors = outcome.sensors.values()
    first, last = min(each.first for each in sensors), max(each.last for each in sensors)
    console.print(
        f"{outcome.readings:,} readings of {some(len(outcome.sensors), 'sensor')} "
        f"from {_moment(first)} to {_moment(last)} ({outcome.sensor_days:,.1f} sensor-days)"
        + (f"; {outcome.unreadable:,} unreadable passed over" if outcome.unreadable else ""),
        soft_wrap=True,
    )
    show_set_aside(console, outcome.unprocessable)
    if untried := report.silence_not_tried:
        console.print(
            f"{', '.join(untried)}: silence was not tried, no tick in what was read says that the bridge was listening",
            soft_wrap=True, highlight=False, markup=False,
        )  # fmt: skip
    console.print(figures_table(report))
    for each in report.configurations:
        if (became := outcome.beside_peers.get(each.detection_key)) is not None:
            console.print(
                f"{each.name}: {became['compared']:,} means of windows compared with peers or by relations; "
                f"{became['few']:,} not, with too few others, {became['late']:,} late, "
                f"{became['left_out']:,} without room",
                highlight=False,
                soft_wrap=True,
            )
    for before, after, found in report.differences:
        _show_difference(console, before, after, found)


def figures_table(report: BacktestReport) -> "object":
    """Make the table of figures: one line a configuration, then the baselines."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    labelled = report.labels is not None
    headers = ["", "anomalies", "/sensor-day", "alarm time", "flaps", "late"]
    if labelled:
        headers += ["recall", "precision", "F1", "delay", "missed"]
    scored = labelled and bool(report.outcome.times)
    if scored:
        headers += ["NAB", "low FP", "low FN"]
    for at, header in enumerate([*headers, "µs/reading"]):
        table.add_column(header, justify="left" if at == 0 else "right", no_wrap=True)
    costs = costs_of(report)
    for judged in (*report.judged, *report.baselines):
        figures = judged.figures
        cells = [
            judged.name,
            _count(figures["anomalies"]),
            _decimal(figures["alarms_per_sensor_day"], 3),
            _span(figures["alarm_seconds"]),
            _count(figures["flaps"]),
            _count(figures["late"]),
        ]
        if labelled:
            cells += [_decimal(figures[name], 2) for name in ("recall", "precision", "f1")]
            cells += [_span(figures["median_delay_seconds"]), _count(figures["missed"])]
        if scored:
            cells += [_decimal(figures[name], 1) for name in BY_ROWS]
        table.add_row(*cells, f"{costs[judged.name]:.2f}")
    return table


def costs_of(report: BacktestReport) -> dict[str, float]:
    """Return the CPU time of each configuration and baseline, in microseconds a reading; without reading itself."""
    outcome: Outcome = report.outcome
    readings = max(1, outcome.readings)
    seconds: Mapping[str, float] = outcome.seconds
    costs = {
        each.name: seconds.get(each.windows_key, 0.0) + seconds.get(each.detection_key, 0.0)
        for each in report.configurations
    }
    costs |= {each.name: seconds.get(each.name, 0.0) for each in report.baselines}
    return {name: 1e6 * cost / readings for name, cost in costs.items()}


def _show_difference(console: "Console", before: Judged, after: Judged, found: Difference) -> None:
    console.print(
        f"\n[bold]{before.name} → {after.name}[/bold]: anomalies that appear {len(found.appeared):,}, "
        f"vanish {len(found.vanished):,}, move {len(found.moved):,}, stay {found.same:,}"
    )
    _list(console, "+", found.appeared)
    _list(console, "-", found.vanished)
    _list(console, "~", [new for _, new in found.moved], [old for old, _ in found.moved])


def _list(
    console: "Console", sign: str, intervals: Sequence[Interval], former: Sequence[Interval] = ()
) -> None:
    for at, each in enumerate(intervals[:_SHOWN]):
        until = "still open" if each.cleared_at is None else f"to {_moment(each.cleared_at)}"
        was = f" (raised at {_moment(former[at].raised_at)})" if former else ""
        console.print(
            f"  {sign} {each.sensor_id}/{each.quantity} {_moment(each.raised_at)} {until}, value {each.value:g}{was}",
            highlight=False,
            soft_wrap=True,
        )
    if len(intervals) > _SHOWN:
        console.print(f"  {sign} … {len(intervals) - _SHOWN} more")


def _moment(event_time: float) -> str:
    return iso(event_time)[:19] + "Z"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _decimal(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    days, rest = divmod(round(seconds), 86400)
    hours = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {hours}" if days else hours
