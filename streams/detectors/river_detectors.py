"""Any of river's detectors behind Weir's interface, for comparison and for multivariate features.

river 0.26.1 has traps that this adapter closes:

- scores are on scales of their own, and GaussianScorer and PredictiveAnomalyDetection saturate at exactly 1.0: a
  `Calibrator` turns them into surprise;
- PredictiveAnomalyDetection changes its state when asked for a score: a question is put to a copy;
- HalfSpaceTrees wants features in [0, 1], OneClassSVM and LODA of like size: features are scaled online;
- random detectors draw a seed of their own: without one given, the seed is 1, so that replays agree.

The state of a river detector is whatever objects it keeps: 1 to 200 kB. It is stored as a pickle that is read back
through an allow-list of the very classes that it is made of. Use TailWatch for many series.
"""

import copy
import inspect
import io
import pickle
from collections.abc import Mapping, Sequence
from math import log
from typing import Any

from river import anomaly, drift, preprocessing

from streams.detectors.base import Detector, Expectation
from streams.detectors.calibrator import Calibrator
from streams.detectors.features import Features

RIVER_DETECTORS = (
    "GaussianScorer",
    "HalfSpaceTrees",
    "LODA",
    "LocalOutlierFactor",
    "OneClassSVM",
    "PredictiveAnomalyDetection",
    "StandardAbsoluteDeviation",
)
DRIFT_DETECTORS = ("ADWIN", "KSWIN", "PageHinkley")

# All that a state of the detectors above holds, name by name, whatever their parameters (river 0.26.1: found by
# reading back the states of each of them). A changelog is written by whoever may write to Kafka, and a whole module
# is too much to trust: of numpy alone `memmap` opens and overwrites any file.
_MADE_OF = {
    "array": {"array", "_array_reconstructor"},
    "builtins": {"float", "tuple"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "functools": {"partial"},
    "numpy": {"dtype"},
    "numpy._core.multiarray": {"scalar"},
    "random": {"Random"},
    "river._river_rust.drift": {"AdaptiveWindowing"},
    "river._river_rust.vectordict": {"VectorDict", "euclidean_distance_tuple"},
    "river.anomaly.gaussian": {"GaussianScorer"},
    "river.anomaly.hst": {"HalfSpaceTrees"},
    "river.anomaly.loda": {"LODA"},
    "river.anomaly.lof": {"LocalOutlierFactor"},
    "river.anomaly.pad": {"PredictiveAnomalyDetection"},
    "river.anomaly.sad": {"StandardAbsoluteDeviation"},
    "river.anomaly.svm": {"OneClassSVM"},
    "river.compose.pipeline": {"Pipeline"},
    "river.drift.adwin": {"ADWIN"},
    "river.drift.kswin": {"KSWIN"},
    "river.drift.page_hinkley": {"PageHinkley"},
    "river.linear_model.lin_reg": {"LinearRegression"},
    "river.neighbors.lazy": {"LazySearch"},
    "river.optim.initializers": {"Zeros"},
    "river.optim.losses": {"Hinge", "Squared"},
    "river.optim.schedulers": {"Constant"},
    "river.optim.sgd": {"SGD"},
    "river.preprocessing.scale": {"MinMaxScaler", "StandardScaler"},
    "river.proba.gaussian": {"Gaussian"},
    "river.sketch.histogram": {"Bin", "Histogram"},
    "river.stats.maximum": {"Max"},
    "river.stats.mean": {"Mean"},
    "river.stats.minimum": {"Min"},
    "river.stats.var": {"Var"},
    "river.tree.padded": {"PaddedBranch", "PaddedLeaf"},
    "river.utils.rolling": {"Rolling"},
    "streams.detectors.calibrator": {"Calibrator"},
    "streams.detectors.features": {"Features"},
}
# PageHinkley keeps the method that its `mode` asks for.
_METHODS_KEPT = frozenset({"_test_both", "_test_increase", "_test_decrease"})


class _Unpickler(pickle.Unpickler):
    """Reads only what a river detector is made of, name by name."""

    def find_class(self, module: str, name: str) -> Any:
        if name in _MADE_OF.get(module, ()):
            return super().find_class(module, name)
        if module == "builtins" and name == "getattr":
            return _method
        raise ValueError(f"a detector's state must not hold {module}.{name}")


def _method(owner: object, name: str) -> Any:
    """Return the method that a PageHinkley keeps, and no other."""
    if not isinstance(owner, drift.PageHinkley) or name not in _METHODS_KEPT:
        raise ValueError(f"a detector's state must not hold {name} of {type(owner).__name__}")
    return getattr(owner, name)


class _Adapter(Detector):
    """What the adapters share: a mean to report as expected, and the state as bytes."""

    def __init__(self, warm_up: int) -> None:
        self.warm_up = warm_up
        self._n = 0
        self._mean = 0.0
        self._spread = 0.0
        self._last = 0.0

    @property
    def seen(self) -> int:
        """Readings learned so far."""
        return self._n

    @property
    def ready(self) -> bool:
        """Whether the warm-up is over."""
        return self._n >= self.warm_up

    def peek_surprise(self, value: float, time: float) -> float:
        """Return what `surprise` would return, and change nothing."""
        return copy.deepcopy(self).surprise(value, time)

    def level(self) -> float:
        """Return the last value."""
        return self._last

    def band(self, nats: float) -> tuple[float, float, float]:
        """Return the mean of the last ~33 readings, give or take three of their deviations: only an indication."""
        return self._mean, self._mean - 3.0 * self._spread, self._mean + 3.0 * self._spread

    def explain(self, nats: float) -> Expectation:
        """Tell what was usual before the last reading."""
        expected, lower, upper = self.band(nats)
        return Expectation(expected, lower, upper, "above" if self._last >= expected else "below", "score")

    def _note(self, value: float) -> None:
        if not self._n:
            self._mean = value
        off = value - self._mean
        self._mean += 0.03 * off
        self._spread += 0.03 * (abs(off) - self._spread)
        self._last = value
        self._n += 1

    def encode(self) -> bytes:
        """Return the state."""
        return pickle.dumps(
            {name: value for name, value in self.__dict__.items() if name != "warm_up"}, protocol=5
        )

    def decode(self, data: bytes) -> None:
        """Take over an encoded state.

        Raises:
            ValueError: If the bytes are not a state of this adapter.
        """
        try:
            state = _Unpickler(io.BytesIO(data)).load()
        except Exception as error:  # a damaged pickle raises nearly anything
            raise ValueError(f"not the state of a river detector: {error}") from None
        if not isinstance(state, dict) or state.keys() != self.__dict__.keys() - {"warm_up"}:
            raise ValueError("not the state of this river detector")
        self.__dict__.update(state)


class RiverDetector(_Adapter):
    """One of river's anomaly detectors.

    Args:
        name: One of `RIVER_DETECTORS`.
        warm_up: Readings before the first score.
        features: What it sees, of `streams.detectors.features.FEATURES`; univariate detectors see the value.
        protect_quantile: Do not learn readings whose score is beyond this quantile (river's QuantileFilter).
        parameters: The river class's own parameters.

    Raises:
        ValueError: If there is no such detector, or it does not take these parameters.
    """

    def __init__(
        self,
        name: str,
        warm_up: int = 100,
        features: Sequence[str] = ("value",),
        protect_quantile: float | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(warm_up)
        if name not in RIVER_DETECTORS:
            raise ValueError(f"river detector must be one of {', '.join(RIVER_DETECTORS)}, got {name!r}")
        kind = getattr(anomaly, name)
        if name == "GaussianScorer":
            parameters.setdefault("grace_period", warm_up // 2)
        self._name = name
        self._detector = _make(kind, parameters)
        self._univariate = "y" in inspect.signature(kind.score_one).parameters
        self._scaler: Any = (
            preprocessing.MinMaxScaler() if name == "HalfSpaceTrees" else preprocessing.StandardScaler()
        )
        self._features = Features(features)
        self._calibrator = Calibrator(max(10, warm_up // 2))
        self._filter = Calibrator(max(10, warm_up // 2)) if protect_quantile is not None else None
        self._protect_nats = -log(1.0 - protect_quantile) if protect_quantile is not None else 0.0

    @property
    def ready(self) -> bool:
        """Whether the warm-up is over."""
        return self._n >= self.warm_up and self._calibrator.ready

    def surprise(self, value: float, time: float) -> float:
        """Score a reading, then learn it: surprise in nats, 0.0 in warm-up."""
        x = self._features.of(value, time)
        nats = 0.0
        if self._n >= self.warm_up // 2:
            nats = self._calibrator.surprise(self._score(x, value))
        if self._filter is None or nats < self._protect_nats:
            self._learn(x, value)
        self._features.learn(value)
        self._note(value)
        return nats if self._n > self.warm_up else 0.0

    def _score(self, x: dict[str, float], value: float) -> float:
        if self._univariate:
            score = self._detector.score_one(x, value)
        else:
            score = self._detector.score_one(self._scaler.transform_one(x))
        if self._name == "GaussianScorer":
            score = -log(
                max(1.0 - score, 1e-17)
            )  # a p-value: told apart by its logarithm, up to where it saturates
        return float(score) if score == score and abs(score) < 1e300 else 0.0

    def _learn(self, x: dict[str, float], value: float) -> None:
        if self._univariate:
            self._detector.learn_one(x, value)
            return
        self._scaler.learn_one(x)
        self._detector.learn_one(self._scaler.transform_one(x))


class DriftDetector(_Adapter):
    """One of river's drift detectors: it says yes or no, so surprise is how rarely it has said yes.

    Args:
        name: One of `DRIFT_DETECTORS`.
        warm_up: Readings before the first score.
        parameters: The river class's own parameters.
    """

    def __init__(self, name: str, warm_up: int = 100, **parameters: Any) -> None:
        super().__init__(warm_up)
        if name not in DRIFT_DETECTORS:
            raise ValueError(f"drift detector must be one of {', '.join(DRIFT_DETECTORS)}, got {name!r}")
        self._detector = _make(getattr(drift, name), parameters)
        self._alarms = 0

    def surprise(self, value: float, time: float) -> float:
        """Score a reading, then learn it."""
        self._detector.update(value)
        self._note(value)
        if not self._detector.drift_detected:
            return 0.0
        self._alarms += 1
        return log(self._n / self._alarms) if self._n > self.warm_up else 0.0


def _make(kind: type[Any], parameters: Mapping[str, Any]) -> Any:
    accepted = inspect.signature(kind).parameters
    if unknown := sorted(parameters.keys() - accepted.keys()):
        raise ValueError(f"{kind.__name__} takes {', '.join(accepted)}, got {', '.join(unknown)}")
    return kind(**({"seed": 1} if "seed" in accepted else {}) | dict(parameters))
