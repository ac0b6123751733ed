"""Who is scored, and what each raises on a series: at its own threshold, and at every one of a ladder.

    readings ──▶ detector ──▶ surprise of each reading ─┬─▶ verdict at the threshold in force ──▶ raises
                                                        └─▶ verdict at each of `LADDER` ────────▶ raises

All stand behind the same verdict (clearing, rest, lift): only the scores differ.
"""

from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from streams.backtest.baselines import BaselineModel, Null, Random
from streams.detection.detection_config import DetectionConfig
from streams.detection.detection_plan import DetectionPlan
from streams.detection.series_model import SeriesModel
from streams.detection.verdicts import ChangeKind, raised_rows
from streams.detectors.base import Detector
from streams.scoring.fits import LabelledSeries
from streams.scoring.rivals import MedianZ, RollingZ, StepRatio

LADDER = tuple(3.0 + 0.5 * step for step in range(94))
"""Thresholds among which one is chosen, in nats."""

RIVALS = ("rolling z", "step ratio", "MAD z", "null", "random")
"""What stands beside the configurations, with their verdict; the first three have no threshold of their own."""
OF_RIVER: dict[str, dict[str, Any]] = {
    "GaussianScorer": {},
    "HalfSpaceTrees": {"features": ["value", "difference"]},
}
"""River's detectors that stand beside them, with the parameters that differ from its defaults."""


class Contender(NamedTuple):
    """One that is scored.

    Args:
        name: Shown.
        plan: Section ``detection`` of its settings: the detector, or the verdict for a rival.
        rival: One of `RIVALS`, in place of the plan's detector; empty: none.
        seed: For chance.
    """

    name: str
    plan: Mapping[str, Any]
    rival: str = ""
    seed: int = 1

    @property
    def has_default(self) -> bool:
        """Whether it has a threshold of its own."""
        return self.rival not in RIVALS[:3]

    def check(self) -> None:
        """Refuse settings that make no plan.

        Raises:
            ConfigurationError: With what is wrong.
        """
        DetectionPlan(self.plan)


class Raises(NamedTuple):
    """What a contender raised on one series: event times at its own threshold, and at each of `LADDER`.

    Args:
        default, ladder: Event times, ascending.
        skipped: Readings that the model passed over: older than the newest it had seen, or seen before.
    """

    default: list[float]
    ladder: list[list[float]]
    skipped: int = 0


def beside(plan: Mapping[str, Any], seed: int = 1) -> list[Contender]:
    """List what stands beside a configuration, under its verdict.

    Args:
        plan: Its section ``detection``.
        seed: For chance.
    """
    own = {name: value for name, value in plan.items() if name not in ("detector", "parameters", "series")}
    return [
        *(Contender(name, own, name, seed) for name in RIVALS[:3]),
        *(
            Contender(name, {**own, "detector": name, "parameters": parameters})
            for name, parameters in OF_RIVER.items()
        ),
        *(Contender(name, own, name, seed) for name in RIVALS[3:]),
    ]


def run_series(contender: Contender, series: LabelledSeries) -> Raises:
    """Run a fresh model over one series, a reading at a time.

    A value beyond a limit is as surprising as can be on the ladder, too.
    """
    config = DetectionPlan(contender.plan).config_for(series.sensor_id, series.quantity)
    model = _model(contender, config, series.name)
    times, nats, default = array("d"), array("d"), []
    skipped = 0
    for time, value in zip(series.times, series.values, strict=True):
        changes = model.observe(time, value)
        if model.skipped != skipped:
            skipped = model.skipped
            continue
        times.append(time)
        nats.append(model.nats)
        if any(change.kind == ChangeKind.RAISED for change in changes):
            default.append(time)
    rules = config.rules
    return Raises(
        default,
        [
            [
                times[row]
                for row in raised_rows(
                    times,
                    nats,
                    msgspec.structs.replace(
                        rules, raise_nats=each, clear_nats=min(rules.clear_nats, each), seconds_per_raise=0.0
                    ),
                )
            ]
            for each in LADDER
        ],
        skipped,
    )


def _model(contender: Contender, config: DetectionConfig, name: str) -> SeriesModel:
    warm_up = config.warm_up
    detectors: dict[str, Detector] = {
        "rolling z": RollingZ(warm_up),
        "step ratio": StepRatio(warm_up),
        "MAD z": MedianZ(warm_up),
        "null": Null(warm_up),
        "random": Random(warm_up, name, contender.seed),
    }
    return BaselineModel(config, detectors[contender.rival]) if contender.rival else SeriesModel(config)
