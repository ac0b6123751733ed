"""Watch a sensor for silence: what it has sent so far, and sends no longer.

    t  x  x  x  x              |<- raised                  x cleared
    h  x  x  x  x               (held back: one silence)      (from there on anew)
       ticks  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |
                    |<- silent_after ->|

Each series has a time of its own after which it is silent, counted by arrival (ingest time), so that neither a device's
clock nor what it had gathered plays a part; time passes by ticks. Of a sensor of which nothing comes any more only the
series that is due first is told: while nothing that is watched has come since, what else falls due is held back. When
the sensor is heard again, what was held back has its whole time once more. A series that stays away while others of
its sensor come is told by itself.

The time may be told, or learned: so many times the usual gap between two readings (`streams.detection.arrival_gaps`).

What was not listened to is not silent: a tick says since when the bridge has heard everything (`Tick.steady`), and no
time before counts. There is no clock here.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from streams.detection.arrival_gaps import ArrivalGaps
from streams.detection.limits.limit_rules import SILENCE, LimitRules
from streams.detection.verdicts import AnomalyChange, ChangeKind
from streams.records.identity import event_seconds
from streams.records.types import LATEST

LEAST_SILENT_SECONDS: Final = 300.0
"""Nothing is silent sooner whose time is learned, unless a limit says so."""
_ALWAYS: Final = 0
_NEVER: Final = 1 << 62

Told = list[tuple[str, AnomalyChange]]
"""What has changed, by quantity."""


class _Series:
    """One series that is watched; times are ingest times in ms.

    Args:
        rules: What it may do.
        last_ms: When its last reading came; 0: not known, and nothing is told then.
    """

    __slots__ = ("after_ms", "from_ms", "gaps", "last_ms", "rules")

    def __init__(self, rules: LimitRules, last_ms: int) -> None:
        self.last_ms = self.from_ms = last_ms
        self.gaps: ArrivalGaps | None = None
        self.limit_by(rules)

    def limit_by(self, rules: LimitRules) -> None:
        self.rules = rules
        if not rules.silent_gaps:
            self.gaps = None
        elif self.gaps is None:
            self.gaps = ArrivalGaps()
        self._reckon()

    def _reckon(self) -> None:
        """Set after how many ms it is silent."""
        rules, gaps = self.rules, self.gaps
        if gaps is None:
            self.after_ms = max(1, round(rules.silent_after * 1000))
        elif gaps.usual_ms:
            least = rules.silent_after or LEAST_SILENT_SECONDS
            self.after_ms = round(max(least * 1000, rules.silent_gaps * gaps.usual_ms))
        else:
            self.after_ms = _NEVER

    def learn(self, ingest_ms: int) -> bool:
        """Learn from how long a reading took to come; tells whether it is silent sooner than before.

        Args:
            ingest_ms: When it came.
        """
        before = self.after_ms
        if self.gaps is not None and self.last_ms > 0:
            self.gaps.learn(ingest_ms - self.last_ms)
            self._reckon()
        return self.after_ms < before

    def due_ms(self, since_ms: int = 0) -> int:
        """When it is silent if nothing comes and the bridge has heard everything since a time."""
        return max(self.from_ms, since_ms) + self.after_ms if self.last_ms > 0 else _NEVER


class SilenceWatch:
    """The series of one sensor that have a time after which they are silent.

    >>> watch = SilenceWatch()
    >>> watch.attend({"t": LimitRules(silent_after=60.0)}, 1_000)
    True
    >>> [[(q, change.kind, change.value) for q, change in watch.take_tick(ms, 0) or []] for ms in (60_999, 61_500)]
    [[], [('t', 'raised', 60.5)]]
    >>> [(q, change.kind, change.event_time) for q, change in watch.hear(("t", "h"), 70_000)]
    [('t', 'cleared', 70.0)]
    """

    __slots__ = ("_heard", "_held_back", "_open", "_series", "due_ms")

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}
        self._open: dict[str, AnomalyChange] = {}
        self._held_back: set[str] = set()
        self._heard = False  # whether anything watched has come since the last raise
        self.due_ms = _ALWAYS
        """No tick before it changes anything."""

    @property
    def open(self) -> dict[str, AnomalyChange]:
        """The open anomalies, by quantity."""
        return self._open

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to watch, and nothing to be cleared."""
        return not self._series and not self._open

    def attend(self, limits: Mapping[str, LimitRules], seen_ms: int) -> bool:
        """Watch these series from now on, and no others.

        Args:
            limits: By quantity; of those alone that can be silent.
            seen_ms: When the sensor's last reading came: from there a series that is new here is counted.

        Returns:
            Whether that changed its state.
        """
        gone = [quantity for quantity in self._series if quantity not in limits]
        for quantity in gone:
            del self._series[quantity]
            self._held_back.discard(quantity)
        new = [quantity for quantity in limits if quantity not in self._series]
        for quantity, rules in limits.items():
            if (series := self._series.get(quantity)) is None:
                self._series[quantity] = _Series(rules, seen_ms)
            else:
                series.limit_by(rules)
        self.due_ms = _ALWAYS
        return bool(gone or new)

    def hear(self, quantities: Collection[str], ingest_ms: int) -> Told:
        """Take note of a reading that has come, however old.

        Args:
            quantities: Of the reading, as far as it is no copy of one that came before.
            ingest_ms: When it came.
        """
        heard, known = False, self._series.get
        for quantity in quantities:
            if (series := known(quantity)) is not None:
                sooner = series.gaps is not None and series.learn(ingest_ms)
                if sooner or ingest_ms < series.from_ms:  # or the bridge's clock was set back
                    self.due_ms = _ALWAYS
                series.last_ms = series.from_ms = ingest_ms
                heard = True
        if not heard:
            return []
        self._heard = True
        for quantity in self._held_back:
            self._series[quantity].from_ms = ingest_ms
        if self._held_back:
            self._held_back.clear()
            self.due_ms = _ALWAYS
        if not self._open:
            return []
        time = event_seconds(ingest_ms)
        back = [quantity for quantity in quantities if quantity in self._open and quantity in self._series]
        return [self._close(quantity, time, ChangeKind.CLEARED) for quantity in back]

    def _close(self, quantity: str, time: float, kind: ChangeKind) -> tuple[str, AnomalyChange]:
        change = self._open.pop(quantity)
        time = min(max(time, change.raised_at), LATEST)  # arrival is what a producer says
        self.due_ms = _ALWAYS
        gone = change.value + time - change.raised_at
        return quantity, msgspec.structs.replace(change.ended(time, kind), value=gone)

    def take_tick(self, tick_ms: int, since_ms: int) -> Told | None:
        """Let time pass.

        Args:
            tick_ms: Time of the tick.
            since_ms: Since when everything that was sent has come.

        Returns:
            What has changed, ``None``: nothing at all, also nothing that must be kept.
        """
        if tick_ms < self.due_ms:
            return None
        time = event_seconds(tick_ms)
        unwatched = sorted(self._open.keys() - self._series.keys())
        told = [self._close(quantity, time, ChangeKind.CLEARED) for quantity in unwatched]
        if not self._open:
            self._held_back.clear()
        waiting = self._waiting()
        overdue = sorted(
            (due, quantity) for quantity in waiting if (due := self._series[quantity].due_ms(since_ms)) <= tick_ms
        )  # fmt: skip
        for _, quantity in overdue:
            if self._open and not self._heard:
                self._held_back.add(quantity)
            else:
                told.append((quantity, self._raise(quantity, tick_ms)))
        self.due_ms = min((self._series[quantity].due_ms() for quantity in self._waiting()), default=_NEVER)
        return told if told or overdue else None

    def _waiting(self) -> list[str]:
        """List the series that may still fall silent."""
        return [
            quantity
            for quantity in self._series
            if quantity not in self._open and quantity not in self._held_back
        ]

    def _raise(self, quantity: str, tick_ms: int) -> AnomalyChange:
        series, time = self._series[quantity], event_seconds(tick_ms)
        change = AnomalyChange(
            kind=ChangeKind.RAISED.value, event_time=time, raised_at=time, cleared_at=None, score=1.0,
            value=(tick_ms - series.last_ms) / 1000, expected=None, lower=None, upper=series.after_ms / 1000,
            direction="above", cause=SILENCE, seen=0, peak_at=time,
            severity=series.rules.severity, rule=series.rules.rule,
        )  # fmt: skip
        self._open[quantity] = change
        self._heard = False
        return change

    def give_up(self, tick_ms: int) -> Told:
        """End what is open: the sensor has been silent for so long that it is taken for gone.

        Args:
            tick_ms: When that was.
        """
        time = event_seconds(tick_ms)
        return [self._close(quantity, time, ChangeKind.REGIME_CHANGE) for quantity in sorted(self._open)]

    def to_state(self) -> tuple[Any, ...]:
        """Return the state as plain values; the limits are not in it."""
        series = [
            (quantity, each.last_ms, each.from_ms, quantity in self._held_back)
            + (() if each.gaps is None else each.gaps.to_state())
            for quantity, each in self._series.items()
        ]
        return series, [(quantity, change.plain()) for quantity, change in self._open.items()], self._heard

    @classmethod
    def from_state(cls, state: Any) -> "SilenceWatch":
        """Restore what `to_state` returned; `attend` says by which limits it goes on.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        series, opened, heard = state
        watch = cls()
        for quantity, last_ms, from_ms, held_back, *gaps in series:
            known = watch._series[quantity] = _Series(LimitRules(), int(last_ms))
            known.from_ms = int(from_ms)
            known.gaps = ArrivalGaps.from_state(gaps) if gaps else None
            if held_back:
                watch._held_back.add(quantity)
        watch._open = {quantity: AnomalyChange(*change) for quantity, change in opened}
        watch._heard = bool(heard)
        return watch
