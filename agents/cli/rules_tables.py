"""A check of rules on the terminal: a line a rule, what changes, and what is to be known before they are saved."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streams.alarms.wording import in_digits
from streams.analysis.findings import duration
from streams.detection.limits.limit_rules import SILENCE
from streams.rules.rules_told import limits_text
from streams.signals.wire import iso

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 10


def show_rules(console: "Console", data: Mapping[str, Any]) -> None:
    """Print a check of rules.

    Args:
        console: Where to.
        data: As ``weir rules check --json`` gives it.
    """
    console.print(
        f"{data['readings']:,} readings of {data['series']:,} series from {_moment(data['first'])} to "
        f"{_moment(data['last'])}"
        + (f"; {data['unreadable']:,} unreadable passed over, as the worker does" if data["unreadable"] else ""),
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    console.print(exactness(data), soft_wrap=True, highlight=False)
    console.print(_table(data))
    _show_load(console, data)
    _show_changes(console, data)
    for remark in data["remarks"]:
        console.print(
            f"{remark['level']}: {remark['rule']}: {remark['text']}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if data["left_aside"]:
        console.print(
            f"left aside, being no limits (weir backtest tries them): {', '.join(data['left_aside'])}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


def exactness(data: Mapping[str, Any]) -> str:
    """Say in a sentence whether the worker would have raised just this."""
    if data["exact"]:
        return (
            "exact: each reading went through the worker's own code, in the order of the source; "
            "nothing was open before, and nobody answered an alarm"
        )
    return f"approximate: {'; '.join(data['why_not_exact'])}"


def _table(data: Mapping[str, Any]) -> "object":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    labelled = data["labels"] is not None
    headers = [
        "rule",
        "limits",
        "series",
        "alarms",
        "/day",
        "raises",
        "in alarm",
        "longest",
        "appear",
        "vanish",
        "move",
    ]
    for at, header in enumerate([*headers, "found", "outside"] if labelled else headers):
        table.add_column(header, justify="left" if at < 2 else "right", no_wrap=at > 0, overflow="fold")
    for rule in data["rules"]:
        changes = rule["changes"] or {"appear": None, "vanish": None, "move": None}
        cells = [
            escape(rule["rule"]),
            limits_text(rule["limits"]),
            f"{rule['series']:,}",
            f"{rule['alarms']:,}",
            f"{rule['alarms_per_day']:.2f}",
            f"{rule['raises']:,}",
            _minutes(rule["minutes_in_alarm"]),
            _minutes(rule["longest_minutes"]) + ("+" if rule["still_open"] else ""),
            *("–" if each is None else f"{each:,}" for each in changes.values()),
        ]
        if labelled:
            labels = rule["labels"]
            cells += [f"{labels['found']:,}/{labels['labels']:,}", f"{labels['raises_outside']:,}"]
        table.add_row(*cells)
    return table


def _show_load(console: "Console", data: Mapping[str, Any]) -> None:
    load, outside = data["load"], data["outside_of_rules"]
    budget = load["budget_per_operator_hour"]
    kept = (
        ""
        if budget is None
        else f" ({'within' if load['within_budget'] else 'MORE THAN'} the budget of {budget:g})"
    )
    console.print(
        f"\nall limits together: {load['alarms']:,} alarms (in force now: {load['alarms_in_force']:,}), "
        f"{load['per_operator_hour']:.3g} an hour for each of {load['operators']:,}{kept}"
        + (
            f"; most in ten minutes: {load['most_in_ten_minutes']:,}, at {_moment(load['most_at'])}"
            if load["most_at"] is not None
            else ""
        )
        + (f"; {outside['alarms']:,} of them of limits that stay in force" if outside["alarms"] else ""),
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _show_changes(console: "Console", data: Mapping[str, Any]) -> None:
    if data["appeared"] is None:
        console.print(
            f"not compared with the limits in force: {data['not_compared']:,} raises are more than are kept",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        return
    for sign, intervals in (("+", data["appeared"]), ("-", data["vanished"])):
        _list(console, sign, intervals)


def _list(console: "Console", sign: str, intervals: Sequence[Mapping[str, Any]]) -> None:
    for each in intervals[:_SHOWN]:
        cleared = each.get("cleared_at")
        until = "still open" if cleared is None else f"to {_moment(cleared)}"
        console.print(
            f"  {sign} {each['sensor_id']}/{each['quantity']} {_moment(each['raised_at'])} {until}, "
            + _what(each),
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    if len(intervals) > _SHOWN:
        console.print(f"  {sign} … {len(intervals) - _SHOWN:,} more", highlight=False)


def _what(interval: Mapping[str, Any]) -> str:
    if interval["cause"] == SILENCE:
        return f"nothing came for {duration(interval['value'])}"
    condition = f" {interval['condition']}" if interval.get("condition") else ""
    return f"{interval['cause']} {interval['direction']}{condition}, value {in_digits(interval['value'])}"


def _moment(event_time: float) -> str:
    return iso(event_time)[:19] + "Z"


def _minutes(minutes: float) -> str:
    if minutes < 120:
        return f"{minutes:,.3g} min"
    return f"{minutes / 60:,.1f} h" if minutes < 2880 else f"{minutes / 1440:,.1f} d"
