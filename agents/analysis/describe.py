"""What this worker knows of its series, groups and findings, as plain values. Times are seconds since the epoch."""

from collections.abc import Iterator
from heapq import nlargest, nsmallest
from math import isnan
from typing import TYPE_CHECKING, Any, TypeVar

from agents.lane.core.state import WriteBehindState
from agents.web.tables import found_row, owned_rows
from streams.analysis.findings import Finding, InsightState
from streams.analysis.marks import Mark, Marks
from streams.analysis.sensor import SensorAnalysis
from streams.analysis.series import BUCKET_SECONDS, SeriesAnalysis
from streams.analysis.telling import change_details, profile, shown_forecasts
from streams.records.rows import Row

if TYPE_CHECKING:
    from agents.analysis.app import AnalysisApp

Json = dict[str, Any]
S = TypeVar("S")
HOUR = 3600.0


class Known:
    """What this worker knows.

    Args:
        app: The application.
    """

    def __init__(self, app: "AnalysisApp") -> None:
        self._app = app

    def series_count(self) -> int:
        """Return how many series there are."""
        return sum(len(row.state.series) for _, row in self._rows(self._app.analysed))

    def series(self, prefix: str, after: str, limit: int) -> tuple[list[Json], bool]:
        """List series by id (``sensor/quantity``), briefly; also whether there are more.

        Args:
            prefix: Only ids that begin so.
            after: Only ids greater than this one.
            limit: How many at most.
        """
        ids = nsmallest(
            limit + 1,
            (
                (series_id, sensor_id, quantity)
                for sensor_id, row in self._rows(self._app.analysed)
                for quantity in row.state.series
                if (series_id := f"{sensor_id}/{quantity}") > after and series_id.startswith(prefix)
            ),
        )
        shown = [self._brief(*each) for each in ids[:limit]]
        return shown, len(ids) > limit

    def _brief(self, series_id: str, sensor_id: str, quantity: str) -> Json:
        sensor = self._sensor(sensor_id)
        assert sensor is not None
        series = sensor.series[quantity]
        location, scale = None, None
        if series.digest.count:
            location, scale = series.digest.quantile(0.5), series.digest.scale()
        forecasts = shown_forecasts(series.history.last_hour, series.forecasting)
        return {
            "id": series_id, "sensor_id": sensor_id, "quantity": quantity,
            "newest": sensor.newest, "location": location, "scale": scale,
            "hours": len(series.history), "recent": _thinned(series),
            "forecast": forecasts[0] if forecasts else None,
            "conditions": conditions(sensor, series),
        }  # fmt: skip

    def sensor(self, sensor_id: str, quantity: str = "") -> Json | None:
        """Describe a sensor with all its series, or one of them; ``None`` if this worker does not have it."""
        sensor = self._sensor(sensor_id)
        if sensor is None or (quantity and quantity not in sensor.series):
            return None
        health = sensor.health
        return {
            "sensor_id": sensor_id,
            "newest": sensor.newest,
            "health": {
                "cadence_seconds": health.cadence,
                "stalled": health.stalled_at >= 0,
                "clock": health.clock or "right",
                "clock_offset_seconds": health.offset / 1000 if health.clock else 0.0,
                "missing": health.missing_total,
                "late": sensor.late, "duplicates": sensor.duplicates, "left_out": sensor.left_out,
            },
            "findings": [_told(sensor_id, finding) for finding in reversed(sensor.noted)],
            "series": {
                name: self._full(sensor_id, sensor, series)
                for name, series in sorted(sensor.series.items())
                if not quantity or name == quantity
            },
        }  # fmt: skip

    def _full(self, sensor_id: str, sensor: SensorAnalysis, series: SeriesAnalysis) -> Json:
        history, forecasting = series.history, series.forecasting
        last = history.last_hour
        farthest = forecasting.horizons[-1]
        outcomes = list(farthest.outcomes)
        path = forecasting.path(history, series.shape)
        return {
            "id": f"{sensor_id}/{series.quantity}",
            "history": {"start": history.first_hour * HOUR, "step": HOUR, "means": list(history.means)},
            "recent": {
                "start": (series.last_bucket - len(series.recent) + 1) * float(BUCKET_SECONDS),
                "step": float(BUCKET_SECONDS),
                "means": list(series.recent),
            },
            "profile": profile(series.digest, history, series.shape),
            "forecasts": shown_forecasts(last, forecasting),
            "path": [
                {"start": (last + lead) * HOUR, "low": each.low, "point": each.point, "high": each.high}
                for lead, each in enumerate(path, 1)
            ],
            "past": {
                "hours": farthest.hours,
                "start": (last - len(outcomes) // 3 + 1) * HOUR, "step": HOUR,
                "low": outcomes[0::3], "point": outcomes[1::3], "high": outcomes[2::3],
            },
            "changes": [change_details(change) for change in series.drift.changes],
            "conditions": conditions(sensor, series),
            "anomalies": _marks(self._marks(self._app.anomaly_marks, sensor_id, series.quantity)),
            "labels": _marks(self._marks(self._app.label_marks, sensor_id, series.quantity)),
        }  # fmt: skip

    def groups(self) -> list[Json]:
        """Describe the groups of this worker and which of their sensors are related, strongest first."""
        described = []
        for name, row in sorted(self._rows(self._app.compared)):
            related = [
                {"quantity": quantity, **relation._asdict()}
                for quantity, relations in row.state.related.items()
                for relation in relations.values()
            ]
            related.sort(key=lambda each: -abs(each["z"]))
            described.append(
                {
                    "group": name,
                    "sensors": {quantity: len(rings) for quantity, rings in row.state.quantities.items()},
                    "related": related,
                }
            )
        return described

    def findings(self, limit: int) -> list[Json]:
        """List the newest findings of all sensors, newest first."""
        noted = (
            (finding.at, sensor_id, number, finding)
            for sensor_id, row in self._rows(self._app.analysed)
            for number, finding in enumerate(row.state.noted)
        )
        return [_told(sensor_id, finding) for _, sensor_id, _, finding in nlargest(limit, noted)]

    def open_conditions(self) -> dict[str, int]:
        """Count the conditions that are open now, by kind."""
        counts = {"stalled": 0, "clock": 0, "stuck": 0, "unit": 0}
        for _, row in self._rows(self._app.analysed):
            sensor = row.state
            counts["stalled"] += sensor.health.stalled_at >= 0
            counts["clock"] += bool(sensor.health.clock)
            for series in sensor.series.values():
                counts["stuck"] += series.stuck.raised
                counts["unit"] += series.unit.raised
        return counts

    def _rows(self, state: WriteBehindState[S]) -> Iterator[tuple[str, Row[S]]]:
        for rows in owned_rows(self._app, state):
            yield from rows.items()

    def _sensor(self, sensor_id: str) -> SensorAnalysis | None:
        row = self._row(self._app.analysed, sensor_id)
        return None if row is None else row.state

    def _row(self, state: WriteBehindState[S], key: str) -> Row[S] | None:
        found = found_row(self._app, state, key)
        return None if found is None else found[1]

    def _marks(self, state: WriteBehindState[Marks], sensor_id: str, quantity: str) -> list[Mark]:
        row = self._row(state, sensor_id)
        return [] if row is None else row.state.of(quantity)


def conditions(sensor: SensorAnalysis, series: SeriesAnalysis) -> list[str]:
    """List what is wrong with a series now."""
    found = []
    if sensor.health.stalled_at >= 0:
        found.append("stalled")
    if sensor.health.clock:
        found.append(f"clock {sensor.health.clock}")
    if series.stuck.raised:
        found.append("stuck")
    if series.unit.raised:
        found.append("unit")
    return found


def _thinned(series: SeriesAnalysis) -> list[float | None]:
    """Return the last two days by the hour, for a line of the size of a word."""
    return [None if isnan(mean) else mean for mean in series.history.means[-48:]]


def _told(sensor_id: str, finding: Finding) -> Json:
    kind, quantity, at, state, summary, details = finding
    return {
        "sensor_id": sensor_id, "quantity": quantity, "kind": kind.value, "at": at,
        "state": state.value, "open": state is InsightState.RAISED, "summary": summary, "details": details,
    }  # fmt: skip


def _marks(marks: list[Mark]) -> list[Json]:
    return [{"start": mark.start, "end": mark.end, "what": mark.what} for mark in marks]
