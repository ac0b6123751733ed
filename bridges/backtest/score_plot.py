"""Draw what is found by what it costs: recall over false alarms per series-day, a line for each contender, as SVG.

A line goes through the thresholds of the ladder, chosen in hindsight; a dot is the threshold in force.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import Any

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 190, 20, 50
_LEAST, _MOST = 0.001, 1.0
_COLOURS = (
    "#c62828", "#1565c0", "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#ad1457", "#5d4037", "#757575",
)  # fmt: skip


def drawn(data: Mapping[str, Any]) -> bytes:
    """Return the drawing; equal data give equal bytes.

    Args:
        data: As ``weir score --json`` writes it.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        *_axes(),
    ]
    for number, each in enumerate(data["contenders"]):
        parts += _contender(number, each)
    return "\n".join([*parts, "</svg>", ""]).encode()


def _axes() -> list[str]:
    parts = []
    for exponent in range(-3, 1):
        x = _x(10.0**exponent)
        parts.append(f'<path d="M{x} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{10.0**exponent:g}</text>'
        )
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        parts.append(f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tenth / 10:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">false alarms per series-day</text>'
    )
    parts.append(f'<text x="{_LEFT - 44}" y="{_TOP - 6}">recall</text>')
    return parts


def _contender(number: int, each: Mapping[str, Any]) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    y = _TOP + 12 + 20 * number
    parts = [
        f'<path d="M{_WIDTH - _RIGHT + 14} {y - 4}h18" stroke="{colour}" stroke-width="2"/>',
        f'<text x="{_WIDTH - _RIGHT + 38}" y="{y}">{escape(each["name"][:24])}</text>',
    ]
    if line := _best(each["curve"]):
        path = "L".join(f"{_x(cost)} {_y(recall)}" for cost, recall in line)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    default = each["default"]
    if default is not None and default["recall"] is not None and default["raised"]:
        parts.append(
            f'<circle cx="{_x(default["false_per_day"])}" cy="{_y(default["recall"])}" r="4" fill="{colour}"/>'
        )
    return parts


def _best(curve: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Return the points that none beats in both cost and recall, by cost."""
    best: list[tuple[float, float]] = []
    for cost, recall in sorted((each["false_per_day"], each["recall"] or 0.0) for each in curve):
        if not best or recall > best[-1][1]:
            best.append((cost, recall))
    return best


def _x(cost: float) -> float:
    share = log10(min(max(cost, _LEAST), _MOST) / _LEAST) / log10(_MOST / _LEAST)
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(recall: float) -> float:
    return round(_HEIGHT - _BOTTOM - recall * (_HEIGHT - _TOP - _BOTTOM), 1)
