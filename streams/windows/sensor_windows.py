"""Assign readings to windows of event time, and decide when a window closes.

A window is half-open, [start, end); starts are multiples of ``step`` counted from the Unix epoch, so every worker
draws the same grid. A sensor's *stream time* is its newest event time, its *watermark* is stream time minus grace;
a window closes when ``watermark >= end``:

    event time    0    5    10   13        20
    windows       [0 ------- 10)
                       [5 ------- 15)                  size = 10 s, step = 5 s
                            [10 ------- 20)
    reading                       ^ 13: in [5, 15) and [10, 20); closes [0, 10) once 13 - grace >= 10

A reading none of whose windows is open any more is *late*: it is not aggregated, but returned as such. A reading
that was seen before while its windows are open is a *duplicate*: the same event time, sequence number, quantities and
values. Whatever differs in any of them is another reading, and counts.
A silent sensor is closed by a tick: a record in the log that carries ingest time, so that a replay decides alike. What
it closes are the windows that its stream time has reached; one that holds only readings ahead (`EventClock`) waits
until ingest time has passed its end.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from streams.errors import ConfigurationError
from streams.records.identity import reading_mark
from streams.records.room import ENOUGH, Room
from streams.records.rows import Changes
from streams.windows.event_clock import AHEAD_MS, NEVER, NOT_AHEAD, EventClock
from streams.windows.summaries import Sketch, Summary

_FEW: Final = 16  # new readings, with which a state need not be written whole again


class Window(NamedTuple):
    """Bounds of a window in seconds since the Unix epoch, half-open."""

    start: float
    end: float


def windows_for(event_time: float, *, size: float, step: float) -> list[Window]:
    """List the windows that contain ``event_time``, oldest first.

    Args:
        event_time: Seconds since the Unix epoch.
        size: Window length in seconds.
        step: Seconds between window starts; ``step == size`` is tumbling, ``step < size`` is hopping.

    Raises:
        ConfigurationError: If ``step`` is not in ``(0, size]``, or a length is not in whole milliseconds.

    >>> windows_for(13, size=10, step=5)
    [Window(start=5.0, end=15.0), Window(start=10.0, end=20.0)]
    """
    policy = WindowPolicy.of(size=size, step=step, grace=0)
    newest = round(event_time * 1000) // policy.step_ms
    return [
        Window(index * policy.step_ms / 1000, (index * policy.step_ms + policy.size_ms) / 1000)
        for index in range(newest - policy.overlap + 1, newest + 1)
        if index * policy.step_ms + policy.size_ms > event_time * 1000
    ]


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """How windows are drawn and closed; all in milliseconds.

    Args:
        size_ms, step_ms: Length of a window and distance between starts.
        grace_ms: How far out of order a reading may be and still count.
        idle_ms: A sensor silent for so long, by ingest time, is closed by the next tick.
        quantiles: Probabilities whose quantiles each aggregate carries.
        room: How many sensors and quantities have windows.
    """

    size_ms: int
    step_ms: int
    grace_ms: int
    idle_ms: int
    quantiles: tuple[float, ...] = ()
    room: Room = ENOUGH

    @classmethod
    def of(
        cls,
        *,
        size: float,
        step: float | None = None,
        grace: float,
        idle: float = 60.0,
        quantiles: tuple[float, ...] = (),
    ) -> "WindowPolicy":
        """Make a policy from seconds.

        Args:
            size: Window length.
            step: Between window starts; ``None``: tumbling, equal to the size.
            grace, idle: As ``grace_ms`` and ``idle_ms`` of the policy, in seconds.
            quantiles: Probabilities in (0, 1).

        Raises:
            ConfigurationError: If a length is not in whole milliseconds, or ``step`` is not in ``(0, size]``:
                a larger step would leave gaps in which readings belong to no window.
        """
        step = size if step is None else step
        milliseconds = []
        for name, seconds in (("size", size), ("step", step), ("grace", grace), ("idle", idle)):
            ms = round(seconds * 1000)
            if abs(ms - seconds * 1000) > 1e-6 or ms < 0:
                raise ConfigurationError(f"window {name} must be whole milliseconds >= 0, got {seconds} s")
            milliseconds.append(ms)
        size_ms, step_ms, grace_ms, idle_ms = milliseconds
        if not 0 < step_ms <= size_ms:
            raise ConfigurationError(f"window step must be in (0, size = {size} s], got {step} s")
        return cls(size_ms, step_ms, grace_ms, idle_ms, quantiles)

    @property
    def shape(self) -> str:
        """Return in words what the open windows of a sensor depend on; grace and idle time may change between two runs.

        >>> WindowPolicy.of(size=60, grace=10).shape
        'windows of 60 s every 60 s without quantiles'
        """
        quantiles = "quantiles" if self.quantiles else "without quantiles"
        return f"windows of {self.size_ms / 1000:g} s every {self.step_ms / 1000:g} s {quantiles}"

    @property
    def overlap(self) -> int:
        """Return how many windows can contain one instant."""
        return -(-self.size_ms // self.step_ms)


class ClosedWindow(NamedTuple):
    """A window that has closed, with its summary; bounds in milliseconds."""

    quantity: str
    start_ms: int
    end_ms: int
    summary: Summary


class SeenReadings:
    """The readings that are in open windows, so that none of them counts twice: event times and marks, sorted by both.

    Args:
        marks: What tells readings of one millisecond apart: ``d``, a value, or ``Q``, the 64 bits of `reading_mark`.

    Attributes:
        kept: How many, from the first on, are as they were written whole; -1: not all of those any more.
    """

    __slots__ = ("kept", "marks", "times")

    def __init__(self, marks: str) -> None:
        self.times: array[int] = array("q")
        self.marks: array[Any] = array(marks)
        self.kept = -1

    def add(self, ms: int, mark: float) -> bool:
        """Add a reading in its place; returns whether it was not there yet."""
        times, marks = self.times, self.marks
        first = bisect_left(times, ms)
        after = bisect_right(times, ms, first)
        at = bisect_left(marks, mark, first, after)
        if at < after and marks[at] == mark:
            return False
        times.insert(at, ms)
        marks.insert(at, mark)
        if at < self.kept:
            self.kept = at  # what follows has moved
        return True

    def forget_before(self, oldest_ms: int) -> None:
        """Drop the readings before ``oldest_ms``."""
        at = bisect_left(self.times, oldest_ms)
        if at:
            del self.times[:at], self.marks[:at]
            self.kept = -1

    @property
    def much_is_new(self) -> bool:
        """Whether it is to be written whole: some were dropped since it was, or the new ones are many."""
        kept = self.kept
        return kept < 0 or len(self.times) - kept > max(_FEW, kept // 2)

    def state(self, *, whole: bool) -> tuple[int, bytes, bytes]:
        """Return how many were written before, and what follows those."""
        kept = 0 if whole else self.kept
        return kept, self.times[kept:].tobytes(), self.marks[kept:].tobytes()

    def follow(self, kept: int, times: bytes, marks: bytes) -> None:
        """Take over what `state` returned.

        Args:
            kept: How many readings were written before.
            times, marks: Those that follow, as the bytes of the arrays.

        Raises:
            ConfigurationError: If it follows another state.
        """
        if len(self.times) < kept:
            raise ConfigurationError(
                f"expected changes after {len(self.times)} readings, got those after {kept}: rebuild the table"
            )
        del self.times[kept:], self.marks[kept:]
        self.times.frombytes(times)
        self.marks.frombytes(marks)
        self.kept = kept


class SeriesWindows(SeenReadings):
    """Open windows of one series, and the plain readings in them.

    A reading of this quantity alone, without a sequence number, is *plain*: told from others by its value.
    """

    __slots__ = ("open",)

    def __init__(self) -> None:
        super().__init__("d")
        self.open: dict[int, Summary] = {}


class SensorWindows(EventClock):
    """Windows of all series of one sensor, under one clock.

    `observe` takes readings in the order of the log and says what happened to each; `take_closed` then returns
    the windows that have closed. Times are integer milliseconds.

    Attributes:
        compound: The readings in open windows that have several quantities, or a sequence number.
    """

    __slots__ = ("compound", "ingest_ms", "next_close_ms", "series")

    def __init__(self) -> None:
        super().__init__()
        self.ingest_ms = 0
        self.next_close_ms = NEVER
        self.series: dict[str, SeriesWindows] = {}
        self.compound = SeenReadings("Q")

    def observe(
        self, policy: WindowPolicy, ms: int, sequence: int | None, values: dict[str, float], ingest_ms: int
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Put one reading into its windows.

        Args:
            policy: How windows are drawn.
            ms: Event time.
            sequence: The sensor's own counter, where it has one.
            values: Quantity -> finite value.
            ingest_ms: Ingest time.

        Returns:
            The quantities for which it was a duplicate, and those for which it was late or there is no room.
        """
        self.ingest_ms = ingest_ms
        step_ms = policy.step_ms
        newest = ms // step_ms
        newest_end_ms = newest * step_ms + policy.size_ms
        passed_ms = self.watermark_ms
        if newest_end_ms <= passed_ms:  # `has_closed`, without the 3 % that the call costs each reading
            self.pass_over(ms, ingest_ms)
            return (), tuple(values)
        if ms > passed_ms:
            passed_ms = ms
        if sequence is None and len(values) == 1:
            plain = True
        else:
            plain = False
            mark = reading_mark(values, sequence)
            known = self.compound
            if not known.times or ms > known.times[-1]:
                known.times.append(ms)
                known.marks.append(mark)
            elif not known.add(ms, mark):
                return tuple(values), ()
        late: tuple[str, ...] = ()
        for quantity, value in values.items():
            series = self.series.get(quantity)
            if series is None:
                if len(self.series) >= policy.room.quantities:
                    late = (*late, quantity)
                    continue
                series = self.series[quantity] = SeriesWindows()
            if plain:
                times = series.times
                if not times or ms > times[-1]:
                    times.append(ms)
                    series.marks.append(value)
                elif not series.add(ms, value):
                    return (quantity,), ()
            open_windows = series.open
            index, end_ms = newest, newest_end_ms
            while end_ms > passed_ms:  # it contains the reading, and is not closed
                summary = open_windows.get(index)
                if summary is None:
                    summary = open_windows[index] = Summary(Sketch() if policy.quantiles else None)
                    if end_ms < self.next_close_ms:
                        self.next_close_ms = end_ms
                summary.add(ms, value)
                index -= 1
                end_ms -= step_ms
        if ms > self.stream_ms and ms - ingest_ms <= AHEAD_MS and self.ahead_ms == NOT_AHEAD:
            self.stream_ms = ms  # `advance`, without the 5 % that the call costs each reading
            ms -= policy.grace_ms
            if ms > self.watermark_ms:
                self.watermark_ms = ms
        else:
            self.advance(ms, policy.grace_ms, ingest_ms)
        if late:
            return (), late
        return (), ()

    def has_room(self, policy: WindowPolicy, quantity: str) -> bool:
        """Tell whether a quantity has windows, or could have."""
        return quantity in self.series or len(self.series) < policy.room.quantities

    def is_idle(self, policy: WindowPolicy, now_ms: int) -> bool:
        """Tell whether a tick has something to do here: nothing has come for the idle time (ingest times).

        Windows are to be closed, or what came last is from the future: the bridge's clock was set back.
        """
        if self.next_close_ms == NEVER:
            return False
        silent_ms = now_ms - self.ingest_ms
        if silent_ms >= policy.idle_ms:
            return self.next_close_ms <= self._idle_end(policy, now_ms)
        return silent_ms < -policy.idle_ms

    def close_idle(self, policy: WindowPolicy, now_ms: int) -> None:
        """Move the watermark past the open windows that end a sensor's silence, for `take_closed`.

        After the bridge's clock was set back, silence counts from now on instead.
        """
        if now_ms < self.ingest_ms:
            self.ingest_ms = now_ms
            return
        last_ms = self._idle_end(policy, now_ms)
        for series in self.series.values():
            for index in series.open:
                end_ms = index * policy.step_ms + policy.size_ms
                if end_ms <= last_ms:
                    self.close_through(end_ms)

    def _idle_end(self, policy: WindowPolicy, now_ms: int) -> int:
        """Return up to where the windows of a silent sensor are closed: its stream time's, and those of the past."""
        step_ms = policy.step_ms
        return max(self.stream_ms // step_ms * step_ms + policy.size_ms, now_ms - policy.grace_ms)

    def close_all(self, policy: WindowPolicy) -> None:
        """Move the watermark past every open window, so that `take_closed` returns them all."""
        for series in self.series.values():
            for index in series.open:
                self.close_through(index * policy.step_ms + policy.size_ms)

    def take_closed(self, policy: WindowPolicy) -> list[ClosedWindow]:
        """Return and forget the windows that the watermark has passed, by end, then by quantity."""
        watermark_ms = self.watermark_ms
        if watermark_ms < self.next_close_ms:
            return []
        closed: list[ClosedWindow] = []
        next_close_ms = NEVER
        for quantity, series in self.series.items():
            passed: list[int] = []
            for index in series.open:
                end_ms = index * policy.step_ms + policy.size_ms
                if end_ms <= watermark_ms:
                    passed.append(index)
                elif end_ms < next_close_ms:
                    next_close_ms = end_ms
            for index in passed:
                start_ms = index * policy.step_ms
                closed.append(
                    ClosedWindow(quantity, start_ms, start_ms + policy.size_ms, series.open.pop(index))
                )
            if passed:
                series.forget_before(self._oldest_that_counts(policy))
        if closed:
            self.compound.forget_before(self._oldest_that_counts(policy))
        self.next_close_ms = next_close_ms
        if len(closed) > 1:
            closed.sort(key=lambda window: (window.end_ms, window.quantity))
        return closed

    def _oldest_that_counts(self, policy: WindowPolicy) -> int:
        """Return the event time of the oldest reading that would not be late now."""
        # The newest window of a reading at t starts at floor(t / step) * step; it is open iff start + size > watermark.
        first_index = (self.watermark_ms - policy.size_ms) // policy.step_ms + 1
        return first_index * policy.step_ms

    def to_state(self) -> list[Any]:
        """Return the state as plain values; `from_state` restores it bit by bit."""
        return self._values(whole=True)

    @classmethod
    def from_state(cls, state: list[Any]) -> "SensorWindows":
        """Restore from `to_state`."""
        sensor = cls()
        sensor.apply_changes(state)
        sensor._note_whole()
        return sensor

    def take_changes(self) -> list[Any] | None:
        """Return the state without the readings that it had when it was written whole; ``None``: write it whole again.

        That is when one was dropped since, or when the new ones are many.
        """
        if self.compound.much_is_new or any(series.much_is_new for series in self.series.values()):
            self._note_whole()
            return None
        return self._values(whole=False)

    def apply_changes(self, changes: list[Any]) -> None:
        """Take over what `take_changes` returned, in the state that was written whole before it.

        Raises:
            ConfigurationError: If they follow another state.
        """
        (
            self.stream_ms, self.watermark_ms, self.ahead_ms, self.ingest_ms, self.next_close_ms,
            compound, *series_states,
        ) = changes  # fmt: skip
        self.compound.follow(*compound)
        for quantity, plain, *summaries in series_states:
            series = self.series.setdefault(quantity, SeriesWindows())
            series.follow(*plain)
            indexes = summaries[::2]
            series.open = dict(zip(indexes, map(Summary.from_state, summaries[1::2]), strict=True))

    def _note_whole(self) -> None:
        self.compound.kept = len(self.compound.times)
        for series in self.series.values():
            series.kept = len(series.times)

    def _values(self, *, whole: bool) -> list[Any]:
        values: list[Any] = [
            self.stream_ms, self.watermark_ms, self.ahead_ms, self.ingest_ms, self.next_close_ms,
            self.compound.state(whole=whole),
        ]  # fmt: skip
        for quantity, series in self.series.items():
            of_series: list[Any] = [quantity, series.state(whole=whole)]
            for index, summary in series.open.items():
                of_series += (index, summary.to_state())
            values.append(of_series)
        return values


WINDOW_CHANGES: Final = Changes(SensorWindows.take_changes, SensorWindows.apply_changes)
"""How a sensor's windows are written between two times that they are written whole."""
