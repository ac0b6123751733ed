"""What detection keeps of one sensor: a model for each of its series, and the watch for its silence."""

from collections.abc import Mapping

from streams.detection.series_model import SeriesModel
from streams.detection.silence import SilenceWatch
from streams.detection.verdicts import AnomalyChange
from streams.records.rows import Row


class SensorModels(dict[str, SeriesModel]):
    """The models of one sensor, by quantity.

    Args:
        silence: Watches for its silence; ``None`` while no limit asks for that.
    """

    __slots__ = ("silence",)

    def __init__(self) -> None:
        super().__init__()
        self.silence: SilenceWatch | None = None

    @property
    def silences(self) -> Mapping[str, AnomalyChange]:
        """The open anomalies of silence, by quantity."""
        return {} if self.silence is None else self.silence.open

    @property
    def open_anomalies(self) -> int:
        """How many anomalies are open."""
        return sum(len(model.anomalies) for model in self.values()) + len(self.silences)

    def attend(self, seen_ms: int) -> bool:
        """Watch for the silence of the series whose limits say so, and of no others.

        Args:
            seen_ms: When the sensor's last reading came (ingest time).

        Returns:
            Whether the state is another now.
        """
        limits = {
            quantity: rules
            for quantity, model in self.items()
            if (rules := model.limits) is not None and rules.of_silence
        }
        if self.silence is None:
            if not limits:
                return False
            self.silence = SilenceWatch()
        changed = self.silence.attend(limits, seen_ms)
        if self.silence.is_over:
            self.silence = None
        return changed


def attend_all(rows: dict[str, Row[SensorModels]]) -> list[str]:
    """Watch all sensors of a partition for the silence that their limits speak of.

    Returns:
        The sensors whose state that changed.
    """
    return [sensor_id for sensor_id, row in rows.items() if row.state.attend(row.seen_ms)]
