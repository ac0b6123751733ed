"""Figures of contenders: at their own threshold, and at thresholds that keep to a budget of false alarms.

    folds      [ site A ][ site B ][ site C ]
    site C     the threshold that finds most on A and B within the budget ──▶ judged on C, which it has not seen
    in all     what the sites found, each with the threshold of the others

A threshold chosen *in hindsight*, on the very series that it is judged on, stands beside it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.scoring.contenders import LADDER, Contender, Raises
from streams.scoring.fits import Fit, LabelledSeries, ScoredPart, bootstrap, fit, summed

if TYPE_CHECKING:
    from random import Random

FORMAT = "weir-score-1"


class AtBudget(NamedTuple):
    """A contender within a budget of false alarms per series-day.

    Args:
        budget: That budget.
        nats: The threshold chosen in hindsight.
        hindsight: What it finds.
        left_out: What is found on each fold at the threshold that was chosen on the others; by part.
    """

    budget: float
    nats: float
    hindsight: Fit
    left_out: list[Fit]


class Score(NamedTuple):
    """Everything about one contender.

    Args:
        contender: Which.
        default: At its own threshold, by part; ``None`` if it has none.
        budgets: Within each budget.
        curve: At each threshold of `LADDER`.
        skipped: Readings that its models passed over.
    """

    contender: Contender
    default: list[Fit] | None
    budgets: list[AtBudget]
    curve: list[Fit]
    skipped: int


def folds_of(series: Sequence[LabelledSeries], parts: Sequence[ScoredPart], by: str) -> list[str]:
    """Return the fold of each part: its site or file, that of its first series.

    Args:
        series: All of them.
        parts: Of them.
        by: ``site`` or ``file``.
    """
    return [series[part.series[0]].site if by == "site" else series[part.series[0]].file for part in parts]


def score(
    contender: Contender,
    raises: Sequence[Raises],
    parts: Sequence[ScoredPart],
    folds: Sequence[str],
    budgets: Sequence[float],
    tolerance: float = 0.0,
) -> Score:
    """Judge what a contender raised.

    Args:
        contender: Which.
        raises: Of each series.
        parts: Of the series, with their events.
        folds: Of each part.
        budgets: False alarms per series-day.
        tolerance: Seconds before and after an event in which a raise belongs to it.
    """
    ladder = [
        [fit(part, [each.ladder[step] for each in raises], tolerance) for part in parts]
        for step in range(len(LADDER))
    ]
    default = [fit(part, [each.default for each in raises], tolerance) for part in parts]
    curve = [summed(fits) for fits in ladder]
    within = []
    for budget in budgets:
        step = _chosen(curve, budget)
        left_out: list[Fit] = [Fit()] * len(parts)
        for fold in dict.fromkeys(folds):
            others = [
                summed(each for each, of in zip(fits, folds, strict=True) if of != fold) for fits in ladder
            ]
            chosen = ladder[_chosen(others, budget)]
            left_out = [
                new if of == fold else old for new, old, of in zip(chosen, left_out, folds, strict=True)
            ]
        within.append(AtBudget(budget, LADDER[step], curve[step], left_out))
    return Score(
        contender,
        default if contender.has_default else None,
        within,
        curve,
        sum(each.skipped for each in raises),
    )


def _chosen(curve: Sequence[Fit], budget: float) -> int:
    """Return the step that finds most within the budget, of equal ones that with the fewest false alarms, the lowest.

    The last if none keeps to it.
    """
    within = [step for step, each in enumerate(curve) if each.false_per_day <= budget]
    return max(
        within, key=lambda step: (curve[step].found, -curve[step].false, -step), default=len(curve) - 1
    )


def intervals(fits: Sequence[Fit], rng: "Random") -> dict[str, tuple[float, float] | None]:
    """Return the intervals of the figures, see `streams.scoring.fits.bootstrap`.

    Args:
        fits: Of the parts.
        rng: Draws.
    """
    return {
        "recall": bootstrap(fits, lambda each: each.recall, rng),
        "precision": bootstrap(fits, lambda each: each.precision, rng),
        "false_per_day": bootstrap(fits, lambda each: each.false_per_day, rng),
    }


def told(fits: Sequence[Fit], rng: "Random | None" = None) -> dict[str, Any]:
    """Return figures as plain values.

    Args:
        fits: Of the parts.
        rng: Draws the intervals; without it there are none.
    """
    whole = summed(fits)
    figures: dict[str, Any] = {
        "events": whole.events,
        "found": whole.found,
        "raised": whole.raised,
        "false": whole.false,
        "series_days": whole.days,
        "recall": whole.recall,
        "precision": whole.precision,
        "false_per_day": whole.false_per_day,
        "median_delay_seconds": whole.delay,
    }
    return figures if rng is None else figures | {"intervals": intervals(fits, rng)}


def data_of(each: Score, folds: Sequence[str], rng: "Random") -> dict[str, Any]:
    """Return all that is told of a contender, as plain values.

    Args:
        each: Its score.
        folds: Of each part.
        rng: Draws the intervals.
    """
    default = each.default
    return {
        "name": each.contender.name,
        "skipped": each.skipped,
        "default": None if default is None else told(default, rng),
        "folds": None
        if default is None
        else {
            fold: told([one for one, of in zip(default, folds, strict=True) if of == fold])
            for fold in dict.fromkeys(folds)
        },
        "budgets": [
            {
                "budget": at.budget,
                "hindsight": {"nats": at.nats, **told([at.hindsight])},
                "left_out": told(at.left_out, rng),
            }
            for at in each.budgets
        ],
        "curve": [{"nats": nats, **told([one])} for nats, one in zip(LADDER, each.curve, strict=True)],
    }
