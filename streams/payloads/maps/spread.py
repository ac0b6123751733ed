"""Arrays of values of one quantity, a fixed time apart: each value is a reading.

    {"t0": 1795149960, "dt_ms": 250, "rms": [0.8, 0.9, 1.0]}      t0, t0 + 0.25 s, t0 + 0.5 s

Without a time the last value is as old as the message.
"""

from collections.abc import Callable
from typing import Any

from streams.errors import InputError, Reason, shown
from streams.payloads.event_times import PER_SECOND
from streams.payloads.maps.gathering import Notes
from streams.payloads.maps.merging import Merged
from streams.payloads.maps.model import Series
from streams.payloads.maps.names import quantity_name
from streams.payloads.maps.numbers import number_in
from streams.payloads.maps.paths import Path, compile_path

Follow = Callable[[Path], Any]
_MAX_VALUES = 10_000


class Spread:
    """One ``series`` of a rule, compiled."""

    def __init__(self, series: Series) -> None:
        self._values = compile_path(series.values)
        self._quantity = quantity_name((series.quantity,))
        self._step = compile_path(series.step) if isinstance(series.step, str) else series.step
        self._unit = PER_SECOND[series.step_unit]
        self._first = series.first
        self.paths = [self._values, *([self._step] if isinstance(self._step, Path) else [])]

    def is_in(self, follow: Follow) -> bool:
        """Whether the part has such an array."""
        return type(follow(self._values)) is list

    def add_to(
        self,
        merged: Merged,
        sensor: str,
        time: float | None,
        follow: Follow,
        notes: Notes,
        way: tuple[str, ...],
        *,
        arrival: bool = False,
    ) -> None:
        """Add a reading for each value.

        Without a time of its own the last value is taken to have been measured when the message came.

        Args:
            merged: Collects the readings.
            sensor: Their sensor's id.
            time: Event time (seconds) of the first value, or of the last, as the series says; ``None``: there is none.
            follow: Leads to what stands at a path.
            notes: Collects the values that are passed over or refused.
            way: Where the part with the array stands in the document.
            arrival: Whether ``time`` was reckoned from the arrival.

        Raises:
            InputError: ``bad_value`` if the step is no number; ``too_large``.
        """
        values = follow(self._values)
        if len(values) > _MAX_VALUES:
            raise InputError(
                Reason.TOO_LARGE, f"a series must have at most {_MAX_VALUES} values, got {len(values)}"
            )
        step = self._seconds(follow)
        start = merged.ingest_time if time is None else time
        if not self._first or time is None:
            start -= (len(values) - 1) * step
        for number, value in enumerate(values):
            place = (*way, *self._values.text.split("."), f"[{number}]")
            try:
                found = number_in(value)
            except InputError as error:
                notes.refuse(place, error)
                continue
            if isinstance(found, float):
                at = round((start + number * step) * 1000) / 1000
                merged.add(sensor, at, {self._quantity: found}, arrival=arrival or time is None)
            else:
                notes.passed(place, f"not measured, or no number: {shown(value)}")

    def _seconds(self, follow: Follow) -> float:
        if isinstance(self._step, float | int):
            return float(self._step)
        found = number_in(follow(self._step))
        if isinstance(found, float) and 0 <= found <= 1e12:
            return found / self._unit
        raise InputError(Reason.BAD_VALUE, f"{self._step.text} must be the time between two values")
