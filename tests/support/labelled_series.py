"""Labelled real series, and how well raised anomalies fit their labels.

Rivers: `WEIR_RIVERS_DIR`, or `shared/rivers` beside the repository. NAB: `WEIR_NAB_DIR`, or `shared/nab`.
"""

import csv
import os
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SHARED = "WEIR_{}_DIR"
TOLERANCE = 1800.0
"""A raise so many seconds before or after a label belongs to it."""
MERGE = 6 * 3600.0
"""Labels so many seconds apart are one event."""


class LabelledSeries(NamedTuple):
    """One series with the stretches that its technicians marked, in seconds since the epoch."""

    site: str
    name: str
    readings: list[tuple[float, float]]
    events: list[tuple[float, float]]

    @property
    def days(self) -> float:
        """Days from the first to the last reading."""
        return (self.readings[-1][0] - self.readings[0][0]) / 86400


class Fit(NamedTuple):
    """How raises fit labels: events, those found, raises, those outside of any event, days watched."""

    events: int
    found: int
    raised: int
    false: int
    days: float

    @property
    def recall(self) -> float:
        """Share of the events found."""
        return self.found / max(1, self.events)

    @property
    def precision(self) -> float:
        """Share of the raises that lie in an event; 1 without raises."""
        return 1.0 - self.false / max(1, self.raised)

    @property
    def false_per_day(self) -> float:
        """Raises outside of events per series and day."""
        return self.false / self.days


def folder(name: str) -> Path:
    """Return where a data set is: the variable of its name, or beside the repository."""
    return Path(os.environ.get(SHARED.format(name.upper())) or ROOT.parent / "shared" / name)


def load_rivers(where: Path) -> list[LabelledSeries]:
    """Read the six site-years; none if they are not there. A site is a name without its year."""
    events = _events(where / "labels.csv") if (where / "labels.csv").is_file() else {}
    series = []
    for path in sorted(where.glob("data/*.csv")):
        readings: dict[str, list[tuple[float, float]]] = defaultdict(list)
        with path.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                time = _seconds(row.pop("collected_at"))
                for quantity, cell in row.items():
                    if cell:
                        readings[quantity].append((time, float(cell)))
        for quantity, seen in readings.items():
            name = f"{path.stem}/{quantity}"
            series.append(LabelledSeries(path.stem.rstrip("0123456789"), name, seen, events.get(name, [])))
    return series


def fit(series: LabelledSeries, raises: Iterable[float]) -> Fit:
    """Compare the times of raises with the labels of a series."""
    found: set[int] = set()
    count = false = 0
    for time in raises:
        count += 1
        hits = [
            i for i, (start, end) in enumerate(series.events) if start - TOLERANCE <= time <= end + TOLERANCE
        ]
        found.update(hits)
        false += not hits
    return Fit(len(series.events), len(found), count, false, series.days)


def total(fits: Iterable[Fit]) -> Fit:
    """Add up."""
    each = list(fits)
    return Fit(
        sum(fit.events for fit in each), sum(fit.found for fit in each), sum(fit.raised for fit in each),
        sum(fit.false for fit in each), sum(fit.days for fit in each),
    )  # fmt: skip


def _events(path: Path) -> dict[str, list[tuple[float, float]]]:
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            spans[f"{row['sensor_id']}/{row['quantity']}"].append(
                (_seconds(row["start"]), _seconds(row["end"]))
            )
    events: dict[str, list[tuple[float, float]]] = {}
    for name, each in spans.items():
        merged = events[name] = []
        for start, end in sorted(each):
            if merged and start - merged[-1][1] <= MERGE:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
    return events


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
