"""Scores on the terminal: a table of all contenders, and one of the folds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 8


def show_scores(console: "Console", data: Mapping[str, Any]) -> None:
    """Print scores.

    Args:
        console: Where to.
        data: As it is written with ``--json``.
    """
    first = data["contenders"][0]["curve"][0]
    folds: Mapping[str, Any] = next((each["folds"] for each in data["contenders"] if each["folds"]), {})
    console.print(
        f"{data['readings']:,} values of {data['series']} series ({first['series_days']:,.1f} series-days), "
        f"{data['labels']} labels in {first['events']} events; by {data['by']}: {_some(list(folds))}",
        soft_wrap=True,
        highlight=False,
    )
    for count, what in (
        (data["labels_outside"], "labels lie outside of the readings and are left out"),
        (data["labels_unmatched"], "labels are of series that are not there and are left out"),
        (data["unreadable"], "rows cannot be read and were passed over"),
        (
            sum(each["skipped"] for each in data["contenders"]),
            "values were older than the newest, or seen before",
        ),
    ):
        if count:
            console.print(f"{count:,} {what}", highlight=False)
    console.print(_table_of_all(data["contenders"]))
    console.print(_table_of_folds(data["contenders"], list(folds)))


def _table_of_all(contenders: Sequence[Mapping[str, Any]]) -> "object":
    from rich.table import Table

    table = Table(
        box=None, pad_edge=False, header_style="bold", title_justify="left",
        title="at the threshold in force, and recall (precision) with the budget's threshold of the other folds",
    )  # fmt: skip
    budgets = [f"≤ {at['budget']:g} a day" for at in contenders[0]["budgets"]]
    for at, header in enumerate(["", "recall", "", "precision", "", "false/day", "", "delay", *budgets]):
        table.add_column(header, justify="left" if at == 0 else "right", no_wrap=True)
    for each in contenders:
        default = each["default"]
        cells = ["–", ""] * 3 + ["–"]
        if default is not None:
            cells = []
            for name, digits in (("recall", 2), ("precision", 2), ("false_per_day", 3)):
                bounds = default["intervals"][name]
                cells.append(_decimal(default[name], digits))
                cells.append("" if bounds is None else f"[{bounds[0]:.{digits}f} {bounds[1]:.{digits}f}]")
            cells.append(_span(default["median_delay_seconds"]))
        for at in each["budgets"]:
            found = at["left_out"]
            cells.append(f"{_decimal(found['recall'], 2)} ({_decimal(found['precision'], 2)})")
        table.add_row(each["name"], *(cell.replace("[", r"\[") for cell in cells))
    return table


def _table_of_folds(contenders: Sequence[Mapping[str, Any]], folds: Sequence[str]) -> "object":
    from rich.table import Table

    table = Table(
        box=None, pad_edge=False, header_style="bold", title_justify="left",
        title="\nby fold, at the threshold in force: recall / precision / false alarms per series-day",
    )  # fmt: skip
    judged = [
        each for each in contenders if each["default"] is not None and each["name"] not in ("null", "random")
    ]
    for at, header in enumerate(["", "events", *(each["name"] for each in judged)]):
        table.add_column(header, justify="left" if at == 0 else "right", no_wrap=True)
    for fold in folds if judged else ():
        table.add_row(
            fold,
            str(judged[0]["folds"][fold]["events"]),
            *(
                f"{_decimal(found['recall'], 2)} / {_decimal(found['precision'], 2)} / {found['false_per_day']:.3f}"
                for found in (each["folds"][fold] for each in judged)
            ),
        )
    return table


def _some(folds: Sequence[str]) -> str:
    """Tell the folds, or how many they are."""
    return ", ".join(folds) if len(folds) <= _SHOWN else f"{len(folds)} of them"


def _decimal(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
