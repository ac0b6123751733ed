"""Draw series with their limits and what these would have raised, as SVG: one panel a series.

Red is what the rules raise; grey, under the panel, what the limits in force raise.
"""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from math import isfinite
from typing import Any

from streams.alarms.wording import in_digits
from streams.backtest.intervals import Interval, Series
from streams.detection.limits.limit_rules import LimitRules
from streams.signals.wire import iso

_WIDTH, _PANEL, _STRIP, _HEAD = 960, 150, 8, 34
_LEFT, _RIGHT = 70, 20
_STEP = _HEAD + _PANEL + _STRIP + 14


def rules_drawing(
    traces: Sequence[Mapping[str, Any]],
    limits: Mapping[Series, LimitRules | None],
    before: Mapping[Series, Sequence[Interval]],
    after: Mapping[Series, Sequence[Interval]],
    ends: tuple[float, float],
) -> bytes:
    """Return the drawing; equal arguments give equal bytes.

    Args:
        traces: As `bridges.backtest.tracing.traces` returns them.
        limits: Of each series, with the rules.
        before, after: Intervals by series.
        ends: First and last event time.
    """
    height = 30 + _STEP * max(1, len(traces))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18">{iso(ends[0])[:16]}Z to {iso(ends[1])[:16]}Z; red: what the rules raise; '
        "grey, below: what the limits in force raise</text>",
    ]
    for number, trace in enumerate(traces):
        series = (trace["sensor_id"], trace["quantity"])
        panel = _Panel(24 + _STEP * number, trace, limits.get(series), ends)
        parts += panel.drawn(before.get(series, ()), after.get(series, ()))
    return "\n".join([*parts, "</svg>", ""]).encode()


class _Panel:
    """One series between the first and the last event time."""

    def __init__(
        self, top: float, trace: Mapping[str, Any], limits: LimitRules | None, ends: tuple[float, float]
    ) -> None:
        self.top = top + _HEAD
        self.trace = trace
        self.first, last = ends
        self.span = max(1.0, last - self.first)
        self.last = last
        self.bounds = [] if limits is None else [each for each in (limits.low, limits.high) if isfinite(each)]
        values: list[float] = [*trace["min"], *trace["max"], *self.bounds] or [0.0]
        low, high = min(values), max(values)
        margin = 0.06 * (high - low) or 1.0
        self.low, self.reach = low - margin, high - low + 2 * margin

    def drawn(self, before: Sequence[Interval], after: Sequence[Interval]) -> list[str]:
        """Draw it."""
        name = f"{self.trace['sensor_id']}/{self.trace['quantity']}"
        bottom = self.top + _PANEL
        parts = [
            f'<text x="{_LEFT}" y="{self.top - 6}" font-weight="bold">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{self.top}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_PANEL}" fill="none" '
            'stroke="#ccc"/>',
        ]
        parts += [self._stretch(each, self.top, _PANEL, "#d32f2f", 0.3) for each in after]
        parts += [self._stretch(each, bottom + 2, _STRIP, "#777", 1.0) for each in before]
        parts.append(self._band())
        parts += [self._limit(bound) for bound in self.bounds]
        return parts

    def _x(self, time: float) -> float:
        inside = min(max((time - self.first) / self.span, 0.0), 1.0)
        return round(_LEFT + inside * (_WIDTH - _LEFT - _RIGHT), 2)

    def _y(self, value: float) -> float:
        return round(self.top + _PANEL * (1 - (value - self.low) / self.reach), 2)

    def _stretch(self, each: Interval, top: float, height: float, colour: str, opacity: float) -> str:
        begin, end = self._x(each.raised_at), self._x(each.end(self.last))
        return (
            f'<rect x="{begin}" y="{top}" width="{round(max(1.0, end - begin), 2)}" height="{height}" '
            f'fill="{colour}" fill-opacity="{opacity}"/>'
        )

    def _band(self) -> str:
        """Draw least and greatest value of each bin as one line up and down; a gap stays open."""
        times, gap = self.trace["t"], self.trace["gap"]
        moves = ["M", *("M" if later - earlier > gap else "L" for earlier, later in pairwise(times))]
        points = [
            f"{move}{self._x(time)} {self._y(least)}L{self._x(time)} {self._y(greatest)}"
            for move, time, least, greatest in zip(
                moves, times, self.trace["min"], self.trace["max"], strict=True
            )
        ]
        return f'<path d="{"".join(points)}" fill="none" stroke="#1565c0" stroke-width="1"/>'

    def _limit(self, bound: float) -> str:
        y = self._y(bound)
        return (
            f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#d32f2f" stroke-dasharray="5 3"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end" fill="#d32f2f">{in_digits(bound)}</text>'
        )
