"""Assign readings to windows of event time, and decide when a window closes.

A window is half-open, [start, end); starts are multiples of ``step`` counted from the Unix epoch, so every worker
draws the same grid. A sensor's *stream time* is its newest event time, its *watermark* is stream time minus grace;
a window closes when ``watermark >= end``:

    event time    0    5    10   13        20
    windows       [0 ------- 10)
                       [5 ------- 15)                  size = 10 s, step = 5 s
                            [10 ------- 20)
    reading                       ^ 13: in [5, 15) and [10, 20); closes [0, 10) once 13 - grace >= 10

A reading none of whose windows is open any more is *late*: it goes into no open window, but into supplements to those
that have closed (`streams.windows.supplements`). A reading that was seen before is a *duplicate*: the same event time,
sequence number, quantities and values. Whatever differs in any of them is another reading, and counts. Known are those
of open windows, the newest of closed ones, and the newest late ones (`SeenReadings`).
A silent sensor is closed by a tick: a record in the log that carries ingest time, so that a replay decides alike. What
it closes are the windows that its stream time has reached; one that holds only readings ahead (`EventClock`) waits
until ingest time has passed its end.
"""

from collections.abc import Sequence
from typing import Any, Final

from streams.counters.sensor_counters import SensorCounters
from streams.records.identity import reading_mark
from streams.records.rows import Changes
from streams.windows.event_clock import AHEAD_MS, NEVER, NOT_AHEAD, EventClock
from streams.windows.policy import ClosedWindow, WindowPolicy
from streams.windows.seen_readings import FEWEST_KEPT, NONE_SEEN, SeenReadings
from streams.windows.series_windows import SeriesWindows
from streams.windows.summaries import Sketch, Summary
from streams.windows.supplements import Arrival, Supplements

IN_TIME: Final = ((), ())
"""What becomes of most readings, and so of all their quantities: see `SensorWindows.observe`."""


class SensorWindows(EventClock):
    """Windows of all series of one sensor, under one clock.

    `observe` takes readings in the order of the log and says what happened to each; `take_closed` then returns
    the windows that have closed. Times are integer milliseconds.

    Attributes:
        compound: The readings in open windows that have several quantities, or a sequence number; ``None`` until
            there is one.
        counters: Its counters; ``None`` while there are none in the plan.
        last_end_ms: End of the window that the last reading went into, which the next need not look up if it goes
            there, too; nowhere if windows overlap, since a reading goes into several.
        supplements: Of what comes late; ``None`` until something does.
    """

    __slots__ = ("compound", "counters", "ingest_ms", "last_end_ms", "next_close_ms", "series", "supplements")

    def __init__(self) -> None:
        super().__init__()
        self.ingest_ms = 0
        self.last_end_ms = -NEVER
        self.next_close_ms = NEVER
        self.series: dict[str, SeriesWindows] = {}
        self.compound: SeenReadings | None = None
        self.counters: SensorCounters | None = None
        self.supplements: Supplements | None = None

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
        passed_ms, end_ms = self.watermark_ms, self.last_end_ms
        if not passed_ms < end_ms > ms >= end_ms - policy.size_ms:
            step_ms = policy.step_ms
            end_ms = ms // step_ms * step_ms + policy.size_ms
            if end_ms <= passed_ms:  # `has_closed`, without the 3 % that the call costs each reading
                self.pass_over(ms, ingest_ms)
                return (), tuple(values)
            if step_ms == policy.size_ms:
                self._turn_to(end_ms)
        plain = sequence is None and len(values) == 1
        if not plain:
            mark = reading_mark(values, sequence)
            known = self.compound
            if known is None:
                known = self._begin_compound()
            if ms > known.newest_ms:
                known.newest_ms = ms
                known.times.append(ms)
                known.marks.append(mark)
            elif not known.add(ms, mark):
                return tuple(values), ()
        late: tuple[str, ...] = ()
        for quantity in values:  # noqa: PLC0206 - pairs would cost each reading 2 % more
            value = values[quantity]
            series = self.series.get(quantity)
            if series is None:
                if len(self.series) >= policy.room.quantities:
                    late = (*late, quantity)
                    continue
                series = self.series[quantity] = SeriesWindows()
            if plain:
                if ms > series.newest_ms:
                    series.newest_ms = ms
                    series.times.append(ms)
                    series.marks.append(value)
                elif not series.add(ms, value):
                    return (quantity,), ()
            summary = series.last
            if summary is None:
                self._add(policy, series, end_ms, ms, value)
            else:
                summary.add(ms, value)
        if ms > self.stream_ms and ms - ingest_ms <= AHEAD_MS and self.ahead_ms == NOT_AHEAD:
            self.stream_ms = ms  # `advance`, without the 5 % that the call costs each reading
            ms -= policy.grace_ms
            if ms > self.watermark_ms:
                self.watermark_ms = ms
        else:
            self.advance(ms, policy.grace_ms, ingest_ms)
        return ((), late) if late else IN_TIME

    def _begin_compound(self) -> SeenReadings:
        """Begin to note readings that are not plain; what was written of the sensor before has none."""
        self.compound = SeenReadings(kept=0 if self.series else -1)
        return self.compound

    def _turn_to(self, end_ms: int) -> None:
        """Note that readings go into the window that ends there from now on, until one does not."""
        self.last_end_ms = end_ms
        for series in self.series.values():
            series.last = None

    def _add(self, policy: WindowPolicy, series: SeriesWindows, end_ms: int, ms: int, value: float) -> None:
        """Add a value to all windows of its series that contain its event time and are not closed.

        Args:
            policy: How windows are drawn.
            series: Of the value.
            end_ms: Where the newest of these windows ends, which is not closed.
            ms, value: The event time, and the value.
        """
        step_ms = policy.step_ms
        index = (end_ms - policy.size_ms) // step_ms
        open_windows = series.open
        passed_ms = self.watermark_ms
        if ms > passed_ms:
            passed_ms = ms
        while True:
            summary = open_windows.get(index)
            if summary is None:
                summary = open_windows[index] = Summary(Sketch() if policy.quantiles else None)
                if end_ms < self.next_close_ms:
                    self.next_close_ms = end_ms
            if end_ms == self.last_end_ms:
                series.last = summary
            summary.add(ms, value)
            end_ms -= step_ms
            if end_ms <= passed_ms:  # closed, or it does not contain the reading
                break
            index -= 1

    def take_rate(self, policy: WindowPolicy, ms: int, quantity: str, rate: float) -> None:
        """Put the rate of a counter into those of its windows that are open, behind the reading that it follows from.

        Args:
            policy: How windows are drawn.
            ms: Event time of that reading, which was not late.
            quantity: The rate's; it has room.
            rate: Finite.
        """
        self._add(policy, self.series[quantity], policy.newest_end_ms(ms), ms, rate)

    def make_room(self, policy: WindowPolicy, quantity: str) -> bool:
        """Tell whether a quantity has windows, and begin them if there is room."""
        if quantity not in self.series:
            if len(self.series) >= policy.room.quantities:
                return False
            self.series[quantity] = SeriesWindows()
        return True

    def is_late(self, policy: WindowPolicy, ms: int) -> bool:
        """Tell whether all windows of an event time have closed."""
        return self.has_closed(policy.newest_end_ms(ms))

    def note_late(self, ms: int, values: dict[str, float], sequence: int | None) -> bool | None:
        """Note a late reading; tells whether it is known, ``None`` if it is too old to be.

        Args:
            ms: Event time.
            values, sequence: As in the reading.
        """
        mark = reading_mark(values, sequence)
        if self.supplements is None:
            self.supplements = Supplements()
        late = self.supplements.note(ms, mark)
        if sequence is None and len(values) == 1:
            ((quantity, value),) = values.items()
            series = self.series.get(quantity)
            in_time = False if series is None else series.recall(ms, value)
        else:
            in_time = False if self.compound is None else self.compound.recall(ms, mark)
        if late or in_time:
            return True
        return None if late is None or in_time is None else False

    def supplement(
        self, policy: WindowPolicy, ms: int, values: dict[str, float], offset: int, *, checked: bool
    ) -> list[ClosedWindow]:
        """Put the values of the reading that was observed last into those of its windows that have closed.

        Args:
            policy: How windows are drawn.
            ms: Event time.
            values: Quantity -> finite value.
            offset: Where the reading stands in the log.
            checked: Whether it would be known if it had come before.

        Returns:
            The supplements that give way.
        """
        if self.supplements is None:
            self.supplements = Supplements()
        came = Arrival(offset, self.ingest_ms, checked)
        return self.supplements.add(policy, ms, values, watermark_ms=self.watermark_ms, came=came)

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

    def awaits(self, policy: WindowPolicy, now_ms: int) -> bool:
        """Tell whether a tick has something to do here: for windows (`is_idle`), or for supplements."""
        late = self.supplements
        return self.is_idle(policy, now_ms) or (late is not None and late.is_quiet(policy, now_ms))

    def take_idle(self, policy: WindowPolicy, now_ms: int) -> list[ClosedWindow]:
        """Return and forget what a tick closes: windows, and supplements behind them."""
        closed: list[ClosedWindow] = []
        if self.is_idle(policy, now_ms):
            self.close_idle(policy, now_ms)
            closed = self.take_closed(policy)
        if self.supplements is not None:
            closed += self.supplements.take_quiet(policy, now_ms)
        return closed

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
        size_ms, step_ms = policy.size_ms, policy.step_ms
        # The window of index i ends at i * step + size; it is open iff that is after the watermark.
        first_open = (watermark_ms - size_ms) // step_ms + 1
        oldest_ms = first_open * step_ms  # event time of the oldest reading that would not be late now
        next_close = NEVER
        for quantity, series in self.series.items():
            open_windows = series.open
            passed: list[int] = []
            for index in open_windows:
                if index < first_open:
                    passed.append(index)
                elif index < next_close:
                    next_close = index
            for index in passed:
                start_ms = index * step_ms
                summary = open_windows.pop(index)
                if summary is series.last:
                    series.last = None
                closed.append(ClosedWindow(quantity, start_ms, start_ms + size_ms, summary))
            if passed and len(series.times) > FEWEST_KEPT:
                series.forget_before(oldest_ms)
        compound = self.compound
        if closed and compound is not None and len(compound.times) > FEWEST_KEPT:
            compound.forget_before(oldest_ms)
        self.next_close_ms = NEVER if next_close == NEVER else next_close * step_ms + size_ms
        if len(closed) > 1:
            closed.sort(key=lambda window: (window.end_ms, window.quantity))
        return closed

    def open_values(self) -> int:
        """Count the values in open windows, in each, and in open supplements."""
        open_windows = sum(
            summary.count for series in self.series.values() for summary in series.open.values()
        )
        return open_windows + (0 if self.supplements is None else self.supplements.open_values())

    def to_state(self) -> list[Any]:
        """Return the state as plain values; `from_state` restores it bit by bit."""
        state = self._values(True)
        assert state is not None
        return state

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
        compound, late = self.compound, self.supplements
        if compound is None:
            much_is_new = not self.series
        else:
            much_is_new = compound.much_is_new()
        if late is not None:
            much_is_new = much_is_new or late.seen.much_is_new()
        values = None if much_is_new else self._values(False)
        if values is None:
            self._note_whole()
        return values

    def apply_changes(self, changes: list[Any]) -> None:
        """Take over what `take_changes` returned, in the state that was written whole before it.

        Raises:
            ConfigurationError: If they follow another state.
        """
        (
            self.stream_ms, self.watermark_ms, self.ahead_ms, self.ingest_ms, self.next_close_ms,
            compound, late, *series_states,
        ) = changes  # fmt: skip
        self.last_end_ms = -NEVER
        if self.compound is None and any(compound):
            self._begin_compound()
        if self.compound is not None:
            self.compound.follow(*compound)
        if late is not None:
            self.supplements = self.supplements or Supplements()
            self.supplements.follow(late)
        self.counters = None
        for quantity, plain, *summaries in series_states:
            if quantity is None:
                self.counters = SensorCounters.from_state(plain)
                continue
            self.series.setdefault(quantity, SeriesWindows()).follow_windows(plain, summaries)

    def _note_whole(self) -> None:
        if self.compound is not None:
            self.compound.kept = len(self.compound.times)
        if self.supplements is not None:
            self.supplements.seen.kept = len(self.supplements.seen.times)
        for series in self.series.values():
            series.kept = len(series.times)

    def _values(self, whole: bool) -> list[Any] | None:
        """Return the state as plain values; ``None`` if what has changed was asked for, and is much of a series."""
        compound, late = self.compound, self.supplements
        values: list[Any] = [
            self.stream_ms, self.watermark_ms, self.ahead_ms, self.ingest_ms, self.next_close_ms,
            NONE_SEEN if compound is None else compound.state(whole),
            None if late is None else late.state(whole=whole),
        ]  # fmt: skip
        for quantity, series in self.series.items():
            of_series = series.windows_state(quantity, whole)
            if of_series is None:
                return None
            values.append(of_series)
        if self.counters is not None and not self.counters.is_empty:
            values.append([None, self.counters.to_state()])
        return values


WINDOW_CHANGES: Final = Changes(SensorWindows.take_changes, SensorWindows.apply_changes)
"""How a sensor's windows are written between two times that they are written whole."""
