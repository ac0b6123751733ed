"""What a detector must beat: nothing at all, chance, and a rolling Gaussian.

Each runs under the verdict (thresholds, clearing, rest) of the configuration it stands beside, so that only the
scores differ.

    null                never alarms: what silence would score
    random              scores drawn from the calibrated distribution: as often at the threshold as normal readings are
    windowed-gaussian   tail probability under the mean and deviation of the last readings (the Numenta Anomaly
                        Benchmark's `windowedGaussian`, with its window of 6,400, updated at every reading)
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import erfc, inf, log, sqrt

from streams.backtest.runs import DetectionResults, LogRecord
from streams.detection.detecting import to_anomaly
from streams.detection.detection_plan import DetectionPlan
from streams.detection.series_model import DetectionConfig, SeriesModel
from streams.detectors.base import MAX_NATS, Detector
from streams.records.identity import event_ms
from streams.records.types import Reading

_WINDOW = 6400
_UNIT = 2.0**64


class Baseline(Detector):
    """A detector that lives for one backtest: its state is never stored."""

    __slots__ = ("_seen", "_warm_up")

    def __init__(self, warm_up: int) -> None:
        self._seen = 0
        self._warm_up = warm_up

    @property
    def seen(self) -> int:
        return self._seen

    @property
    def ready(self) -> bool:
        return self._seen >= self._warm_up

    def band(self, nats: float) -> tuple[float, float, float]:
        return 0.0, -inf, inf

    def encode(self) -> bytes:
        return b""

    def decode(self, data: bytes) -> None:
        """Take over nothing."""

    def peek_surprise(self, value: float, time: float) -> float:
        return 0.0


class Null(Baseline):
    """Is never surprised."""

    __slots__ = ()

    def surprise(self, value: float, time: float) -> float:
        """Learn nothing."""
        self._seen += 1
        return 0.0


class Random(Baseline):
    """Is surprised by chance, with the probability that a score promises; the same seed, the same chances.

    Args:
        warm_up: Readings before the first score.
        series: Name of the series.
        seed: Another seed, other chances.
    """

    __slots__ = ("_key",)

    def __init__(self, warm_up: int, series: str, seed: int) -> None:
        super().__init__(warm_up)
        self._key = f"{seed}\0{series}".encode()[:64]

    def surprise(self, value: float, time: float) -> float:
        """Draw from the event time alone, so that the order of reading does not matter."""
        ready = self.ready
        self._seen += 1
        if not ready:
            return 0.0
        drawn = blake2b(event_ms(time).to_bytes(8, "big", signed=True), digest_size=8, key=self._key).digest()
        return min(MAX_NATS, -log((int.from_bytes(drawn, "big") + 1) / _UNIT))


class WindowedGaussian(Baseline):
    """Is surprised by what lies far from the mean of the last readings, in standard deviations.

    Args:
        warm_up: Readings before the first score.
        window: Readings that count.
    """

    __slots__ = ("_m2", "_mean", "_ring", "_window")

    def __init__(self, warm_up: int, window: int = _WINDOW) -> None:
        super().__init__(warm_up)
        self._window = window
        self._ring = array("d")
        self._mean = 0.0
        self._m2 = 0.0

    def surprise(self, value: float, time: float) -> float:
        """Score against the window, then move it."""
        nats = 0.0
        count = len(self._ring)
        if self.ready and count > 1:
            deviation = sqrt(max(self._m2, 0.0) / (count - 1))
            if deviation > 0:
                tail = erfc(abs(value - self._mean) / deviation / sqrt(2))
                nats = MAX_NATS if tail <= 0 else min(MAX_NATS, -log(tail))
            elif value != self._mean:
                nats = MAX_NATS
        self._learn(value)
        return nats

    def band(self, nats: float) -> tuple[float, float, float]:
        """Return the window's mean and three deviations around it, whatever the threshold."""
        reach = 3 * sqrt(max(self._m2, 0.0) / max(1, len(self._ring) - 1))
        return self._mean, self._mean - reach, self._mean + reach

    def _learn(self, value: float) -> None:
        if len(self._ring) < self._window:
            self._ring.append(value)
            delta = value - self._mean
            self._mean += delta / len(self._ring)
            self._m2 += delta * (value - self._mean)
        else:
            at = self._seen % self._window
            gone = self._ring[at]
            self._ring[at] = value
            mean = self._mean
            self._mean += (value - gone) / self._window
            self._m2 += (value - gone) * (value - self._mean + gone - mean)
        self._seen += 1


class BaselineModel(SeriesModel):
    """The verdict of a configuration over the scores of a baseline."""

    __slots__ = ()

    def __init__(self, config: DetectionConfig, detector: Detector) -> None:
        super().__init__(config)
        self._detector = detector


_MAKERS: dict[str, Callable[[DetectionConfig, str, int], Detector]] = {
    "null": lambda config, series, seed: Null(config.warm_up),
    "random": lambda config, series, seed: Random(config.warm_up, series, seed),
    "windowed-gaussian": lambda config, series, seed: WindowedGaussian(config.warm_up),
}
BASELINES = tuple(_MAKERS)


class BaselineRun:
    """One baseline over the records of any partitions.

    Args:
        name: One of `BASELINES`.
        plan: Whose thresholds it uses.
        seed: For chance.
    """

    def __init__(self, name: str, plan: DetectionPlan, seed: int = 1) -> None:
        self._maker = _MAKERS[name]
        self._plan = plan
        self._seed = seed
        self._models: dict[str, dict[str, BaselineModel]] = defaultdict(dict)
        self._results = DetectionResults()

    def apply(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Apply records of one partition, in offset order."""
        for _, _, record in records:
            if not isinstance(record, Reading):
                continue
            models = self._models[record.sensor_id]
            for quantity, value in record.values.items():
                model = models.get(quantity)
                if model is None:
                    model = models[quantity] = self._new_model(record.sensor_id, quantity)
                for change in model.observe(record.collected_at, value, record):
                    self._results.intervals.add(to_anomaly(record.sensor_id, quantity, change))

    def _new_model(self, sensor_id: str, quantity: str) -> BaselineModel:
        config = self._plan.config_for(sensor_id, quantity)
        return BaselineModel(config, self._maker(config, f"{sensor_id}/{quantity}", self._seed))

    def results(self) -> DetectionResults:
        """Return the results so far."""
        self._results.skipped = sum(
            model.skipped for models in self._models.values() for model in models.values()
        )
        return self._results
