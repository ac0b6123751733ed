"""What detection keeps of one sensor: a model for each of its series, the watch for its silence, newest values."""

from collections.abc import Iterable, Mapping

from streams.counters.sensor_counters import SensorCounters
from streams.detection.attendance import Attendance
from streams.detection.limits.limit_rules import LimitRules
from streams.detection.newest_values import NewestValues
from streams.detection.series_model import SeriesModel
from streams.detection.silence import SilenceWatch
from streams.detection.verdicts import AnomalyChange
from streams.records.rows import Row


class SensorModels(dict[str, SeriesModel]):
    """The models of one sensor, by quantity.

    Args:
        silence: Watches for its silence; ``None`` while no limit asks for that.
        newest: What conditions of limits ask for; ``None`` while there are none.
        counters: Its counters; ``None`` while there are none in the plan.
        attendance: Whether its readings come; ``None`` before one has come of which is known when.
    """

    __slots__ = ("attendance", "counters", "newest", "silence")

    def __init__(self) -> None:
        super().__init__()
        self.silence: SilenceWatch | None = None
        self.newest: NewestValues | None = None
        self.counters: SensorCounters | None = None
        self.attendance: Attendance | None = None

    @property
    def silences(self) -> Mapping[str, AnomalyChange]:
        """The open anomalies of silence, by quantity."""
        return {} if self.silence is None else self.silence.open

    @property
    def open_anomalies(self) -> int:
        """How many anomalies are open."""
        return sum(len(model.anomalies) for model in self.values()) + len(self.silences)

    def attend(self, seen_ms: int) -> bool:
        """Watch for what the limits of its series ask for beside their values, and for nothing else.

        Args:
            seen_ms: When the sensor's last reading came (ingest time).

        Returns:
            Whether the state is another now.
        """
        limits = {quantity: rules for quantity, model in self.items() if (rules := model.limits) is not None}
        forgotten = self._attend_conditions(limits.values())
        return self._attend_silence(limits, seen_ms) or forgotten

    def _attend_silence(self, limits: Mapping[str, LimitRules], seen_ms: int) -> bool:
        silent = {quantity: rules for quantity, rules in limits.items() if rules.of_silence}
        if self.silence is None:
            if not silent:
                return False
            self.silence = SilenceWatch()
        changed = self.silence.attend(silent, seen_ms)
        if self.silence.is_over:
            self.silence = None
        return changed

    def _attend_conditions(self, limits: Iterable[LimitRules]) -> bool:
        named = {
            each.quantity for rules in limits if rules.when is not None for each in rules.when.comparisons
        }
        if self.newest is None:
            self.newest = NewestValues() if named else None
        if self.newest is None:
            return False
        changed = self.newest.attend(named)
        if not named:
            self.newest = None
        return changed


def attend_all(rows: dict[str, Row[SensorModels]]) -> list[str]:
    """Watch all sensors of a partition for what their limits ask for beside their values.

    Returns:
        The sensors whose state that changed.
    """
    return [sensor_id for sensor_id, row in rows.items() if row.state.attend(row.seen_ms)]
