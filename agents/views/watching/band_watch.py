"""What was expected of the sensors that someone looks at, at the time: sampled as readings come, in memory.

    readings  .  .  .  .  .          .  .  .
    band      [══════][══][═══        [═════       each as it was then; nothing where it is not known

The band that a model has now says nothing of last hour: it has learned since, and the time of day was another. Like the
newest readings it is for looking, bounded, and begins with the worker.
"""

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from agents.views.watching.recent import POINTS, Recent
from agents.web.tables import owned_rows

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from streams.detection.sensor_models import SensorModels

Stretch = tuple[float, float, float, float]
"""From when to when (event time), lower and upper bound."""
MOST_READINGS_BETWEEN: Final = 10
"""When more readings than this were learned between two samples it is not known what was expected between them."""


class _Sample(NamedTuple):
    at: float
    seen: int
    lower: float | None
    upper: float | None


class BandWatch:
    """The bands of watched sensors.

    Args:
        app: The worker.
        recent: Whose newest readings are kept.
    """

    def __init__(self, app: "WorkerApp", recent: Recent) -> None:
        self._app = app
        self._recent = recent
        self._samples: dict[str, dict[str, deque[_Sample]]] = {}

    def sample(self) -> None:
        """Note what is expected of each watched series that has learned something since the last sample."""
        self._samples = {each: self._samples.get(each, {}) for each in self._recent.sensors()}
        owned = list(owned_rows(self._app, self._app.models))
        for sensor_id, series in self._samples.items():
            row = next((rows[sensor_id] for rows in owned if sensor_id in rows), None)
            if row is not None:
                self._note(series, row.state)

    def _note(self, series: dict[str, deque[_Sample]], models: "SensorModels") -> None:
        """Note what a sensor's models expect now, unless that is noted."""
        for quantity, model in models.items():
            samples = series.setdefault(quantity, deque(maxlen=POINTS))
            if not samples or samples[-1].seen != model.seen:
                band = model.expected_band()
                samples.append(_Sample(model.last_time, model.seen, band["lower"], band["upper"]))

    def told(self, sensor_id: str) -> dict[str, list[Stretch]]:
        """Return what was expected when, by quantity, oldest first; the last stretch ends with the newest reading."""
        return {
            quantity: list(_stretches(list(samples)))
            for quantity, samples in self._samples.get(sensor_id, {}).items()
        }


def _stretches(samples: list[_Sample]) -> list[Stretch]:
    """Return the stretches between samples in which it is known what was expected.

    >>> seen = [(0.0, 1, 1.0, 2.0), (1.0, 2, 1.5, 2.5), (9.0, 500, 3.0, 4.0), (10.0, 501, 3.0, 4.0)]
    >>> _stretches([_Sample(*each) for each in seen])
    [(0.0, 1.0, 1.0, 2.0), (9.0, 10.0, 3.0, 4.0)]
    """
    return [
        (one.at, other.at, one.lower, one.upper)
        for one, other in pairwise(samples)
        if one.lower is not None
        and one.upper is not None
        and 0 < other.seen - one.seen <= MOST_READINGS_BETWEEN
        and one.at < other.at
    ]
