"""Run detectors on the files of the Numenta Anomaly Benchmark, with the code that also runs live.

A row is flagged when `SeriesModel` raises an anomaly. A score is reported at a fixed threshold, at the best
one (NAB's own rule: one threshold for all files, chosen on them), and by cross-validation: the threshold that is
best on the other folds, scored on the fold left out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from streams.detection.detection_config import DetectionConfig
from streams.detection.series_model import SeriesModel
from streams.detection.verdicts import ChangeKind, raised_rows
from streams.nab.nab_rules import PROFILES, NabFile, Tally, normalised, tally

THRESHOLDS = tuple(5.0 + 0.25 * step for step in range(25))
"""Raise thresholds, in nats, among which the best one is sought."""


class Run(NamedTuple):
    """What a detector made of one file: the rows flagged, and each row's surprise in nats."""

    file: NabFile
    flagged: list[int]
    nats: list[float]


class Result(NamedTuple):
    """A detector's result on a corpus; scores by profile.

    Args:
        fixed: Scores at the configured threshold.
        best: Scores at the best threshold.
        best_nats: That threshold, by profile.
        validated: Mean standard score of the folds left out.
        found, windows: Labelled windows with a flag, of all.
        false_per_1000: Flags per 1,000 normal rows.
        precision: Share of flags that lie in a window; ``None`` without flags.
        delay: Mean share of the window that had passed at its first flag; ``None`` if none was found.
    """

    fixed: dict[str, float]
    best: dict[str, float]
    best_nats: dict[str, float]
    validated: float
    found: int
    windows: int
    false_per_1000: float
    precision: float | None
    delay: float | None


def run_file(file: NabFile, config: DetectionConfig) -> Run:
    """Run a fresh model over one file, a row at a time."""
    model = SeriesModel(config)
    flagged: list[int] = []
    nats: list[float] = []
    for row, (time, value) in enumerate(zip(file.times, file.values, strict=True)):
        if any(change.kind == ChangeKind.RAISED for change in model.observe(time, value)):
            flagged.append(row)
        nats.append(model.nats)
    return Run(file, flagged, nats)


def flags_at(run: Run, config: DetectionConfig, raise_nats: float) -> list[int]:
    """Judge a run's surprises anew at another threshold.

    What the detector learned when a regime changed stays as it was in the run: see `SeriesModel`.

    Args:
        run: The run.
        config: With which it was made.
        raise_nats: Surprise at which an anomaly is raised; the configured budget does not count.
    """
    rules = msgspec.structs.replace(
        config.rules,
        raise_nats=raise_nats,
        clear_nats=min(config.rules.clear_nats, raise_nats),
        seconds_per_raise=0.0,
    )
    return raised_rows(run.file.times, run.nats, rules)


def evaluate(runs: Sequence[Run], config: DetectionConfig, folds: int = 5) -> Result:
    """Score runs of one configuration over a corpus.

    Args:
        runs: One for each file of the corpus.
        config: With which they were made.
        folds: Parts for cross-validation: the files are dealt out to them in turn.
    """
    fixed = {
        name: normalised([tally(run.file, run.flagged, profile) for run in runs], profile)
        for name, profile in PROFILES.items()
    }
    flags = {nats: [flags_at(run, config, nats) for run in runs] for nats in THRESHOLDS}
    best: dict[str, float] = {}
    best_nats: dict[str, float] = {}
    for name, profile in PROFILES.items():
        scores = {
            nats: normalised(
                [tally(run.file, rows, profile) for run, rows in zip(runs, flagged, strict=True)], profile
            )
            for nats, flagged in flags.items()
        }
        best_nats[name] = max(scores, key=lambda nats: scores[nats])
        best[name] = scores[best_nats[name]]
    tallies = [tally(run.file, run.flagged, PROFILES["standard"]) for run in runs]
    found = sum(each.found for each in tallies)
    false_alarms = sum(each.false_alarms for each in tallies)
    delays = [delay for each in tallies for delay in each.delays]
    scored = sum(row >= run.file.probation for run in runs for row in run.flagged)
    return Result(
        fixed=fixed,
        best=best,
        best_nats=best_nats,
        validated=_cross_validate(runs, flags, folds),
        found=found,
        windows=sum(each.windows for each in tallies),
        false_per_1000=1000.0 * false_alarms / max(1, sum(each.normal_rows for each in tallies)),
        precision=(scored - false_alarms) / scored if scored else None,
        delay=sum(delays) / len(delays) if delays else None,
    )


def _cross_validate(runs: Sequence[Run], flags: dict[float, list[list[int]]], folds: int) -> float:
    """Return the mean standard score of the folds left out, at the threshold best on the others."""
    profile = PROFILES["standard"]
    tallies: dict[float, list[Tally]] = {
        nats: [tally(run.file, rows, profile) for run, rows in zip(runs, flagged, strict=True)]
        for nats, flagged in flags.items()
    }
    scores = []
    for fold in range(folds):
        left_out = [index for index in range(len(runs)) if index % folds == fold]
        rest = [index for index in range(len(runs)) if index % folds != fold]
        if not sum(len(runs[index].file.windows) for index in left_out):
            continue
        chosen = max(tallies, key=lambda nats: normalised([tallies[nats][index] for index in rest], profile))
        scores.append(normalised([tallies[chosen][index] for index in left_out], profile))
    return sum(scores) / len(scores) if scores else 0.0
