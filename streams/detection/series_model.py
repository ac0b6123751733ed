"""One series' model: its limits, a detector, and the verdict on the detector's scores.

    reading -+-> limits (raise, clear) ------------------------------------------+-> AnomalyChange ...
             +-> detector (score, then learn) -> verdict (raise, clear, rest) ---+

What lies beyond `low` or `high` does not reach the detector; limits and detector know nothing of each other.

The worker, a backtest and `weir nab` all call `SeriesModel.observe`, so that they cannot disagree.
"""

from math import inf, isfinite
from struct import Struct
from struct import error as StructError
from typing import Any, Final

import msgspec

from streams.detection.detection_config import DetectionConfig
from streams.detection.limits.limit_rules import LimitRules
from streams.detection.limits.limit_watch import LimitWatch
from streams.detection.newest_values import NewestValues, held_at
from streams.detection.verdicts import (
    LEAST_NATS,
    LONG_AGO,
    USUAL_INTERVAL,
    AnomalyChange,
    ChangeKind,
    Verdict,
)
from streams.detectors import MAX_NATS, make_detector, score_of
from streams.errors import InputError, Reason
from streams.records.identity import reading_mark
from streams.records.room import LARGEST_LEARNED
from streams.records.types import Reading

__all__ = ["AnomalyChange", "DetectionConfig", "SeriesModel"]

_VERSION = 4
_WITHOUT_MARKS = 3  # the version before readings of equal times were told apart: carried over
_WITHOUT_LIMITS = 2  # the version before limits had a state of their own: carried over
_MAGIC = b"sm"
_HEAD = Struct(
    "<2sB4sIddH"
)  # magic, version, configuration, skipped, last time, last surprise, length of the verdict
_CHANGES = Struct("<IddH")  # skipped, last time, last surprise, length of marks
_REMEMBERED: Final = 64  # readings of the newest time, at most
_ANYWHERE: Final = (-inf, inf)
_NEVER: Final = (inf, inf)

_Newest = Reading | float | tuple[float, ...]
"""The last reading, or its value if it is nothing but that; or the marks of all that have its time, oldest first."""


class SeriesModel:
    """Limits, a detector and its verdict, for one series.

    Args:
        config: How the series is watched.

    >>> model = SeriesModel(DetectionConfig())
    >>> changes = [model.observe(60.0 * i, 20.0 + i % 3 if i != 900 else 80.0) for i in range(1000)]
    >>> [(c.kind, c.event_time, c.value, c.cause, c.direction) for each in changes for c in each]
    [('raised', 54000.0, 80.0, 'spike', 'above'), ('cleared', 55680.0, 80.0, 'spike', 'above')]
    """

    __slots__ = (
        "_ahead", "_change", "_detector", "_high", "_home", "_limits", "_low", "_newest", "_peak", "_quiet", "_verdict",
        "_whole", "config", "hour_ends", "last_time", "nats", "skipped",
    )  # fmt: skip

    def __init__(self, config: DetectionConfig) -> None:
        self.config = config
        self._detector = make_detector(config.detector, config.parameters, config.warm_up)
        self._verdict = Verdict(config.rules)
        self._quiet = self._calm  # less surprise than this changes nothing
        self._limits = None if config.limits is None else LimitWatch(config.limits)
        self._attend()
        self.last_time = LONG_AGO
        self.hour_ends = LONG_AGO  # kept by `streams.detection.hour_bands`; no part of the state
        self._ahead = _NEVER  # the last reading ahead of its arrival, and the newest learned when it came
        self._newest: _Newest = ()
        self._peak = 0.0
        self._home = _ANYWHERE  # where the level was when the open anomaly was raised
        self._change: AnomalyChange | None = None
        self._whole = True  # whether the verdict has changed since `take_changes`
        self.nats = 0.0
        self.skipped = 0

    @property
    def open(self) -> bool:
        """Whether an anomaly is open."""
        return bool(self.anomalies)

    @property
    def anomalies(self) -> tuple[AnomalyChange, ...]:
        """The open anomalies: those of limits, and the detector's."""
        found = () if self._limits is None else self._limits.open
        return found if self._change is None else (*found, self._change)

    @property
    def seen(self) -> int:
        """Readings learned."""
        return self._detector.seen

    @property
    def _calm(self) -> float:
        """Less surprise than this changes nothing while the verdict is idle."""
        rules = self.config.rules
        return LEAST_NATS if rules.seconds_per_raise else rules.raise_nats

    @property
    def _raise_nats(self) -> float:
        """The threshold at the interval measured, or the fixed one."""
        detector = self._detector
        return self.config.rules.raise_nats_at(detector.interval or USUAL_INTERVAL, detector.seen)

    @property
    def score(self) -> float | None:
        """The last reading's score in [0, 1]; ``None`` in warm-up."""
        return score_of(self.nats) if self._detector.ready else None

    def observe(
        self,
        event_time: float,
        value: float,
        reading: Reading | None = None,
        ahead: bool = False,
        others: NewestValues | None = None,
    ) -> tuple[AnomalyChange, ...]:
        """Judge a reading by the limits; score it, learn it, and judge the score.

        Readings of equal times are judged and learned in the order of their arrival. One that is older than the last,
        or that was seen (the last 64 of its time are remembered), or not finite, or beyond 1e30 where no limit is set,
        is skipped and counted: the limits alone judge what is older. So is one that is ahead of its arrival, unless
        the last was, too: learned, it would make older than the last all that come until then. One beyond ``low`` or
        ``high`` is neither scored nor learned.

        Args:
            event_time: Seconds since the Unix epoch.
            value: The value measured.
            reading: Of which the value is part, where it may have a sequence number or other quantities.
            ahead: Whether its event time lies after its arrival: see `streams.windows.event_clock`.
            others: Newest values of the sensor, for which a condition of the limits asks.

        Returns:
            What the reading changed in the lives of anomalies: nothing as a rule.
        """
        if ahead and self._is_doubted(event_time):
            self.skipped += 1
            return ()
        newest: _Newest = value if reading is None else reading
        if not event_time > self.last_time:
            marks, (mark,) = _marks(self._newest), _marks(newest)
            if event_time != self.last_time or mark in marks:
                self.skipped += 1
                return self._observe_late(event_time, value, reading) if event_time < self.last_time else ()
            newest = (*marks[1 - _REMEMBERED :], mark)
        if not self._low <= value <= self._high:
            return self._observe_limits(event_time, value, newest, reading, others)
        self.last_time = event_time
        self._newest = newest
        self.nats = nats = self._detector.surprise(value, event_time)
        return () if nats < self._quiet else self._judge(event_time, value, nats)

    def repeats(self, event_time: float, reading: Reading) -> bool:
        """Tell whether a reading is one of the newest that it has seen: a copy, such as a broker keeps of it."""
        return event_time == self.last_time and _marks(reading)[0] in _marks(self._newest)

    def _is_doubted(self, event_time: float) -> bool:
        """Tell whether a reading that is ahead is the first since another was learned, or that one again."""
        last_time = self.last_time
        before, learned_before = self._ahead
        self._ahead = event_time, last_time
        return not (before == last_time or (learned_before == last_time and before != event_time))

    def _attend(self) -> None:
        """Set between which values a reading need not be shown to the limits: nowhere while they are not idle."""
        limits = self._limits
        if limits is None:
            self._low, self._high = -LARGEST_LEARNED, LARGEST_LEARNED
        elif limits.idle:
            self._low, self._high = (
                max(limits.rules.low, -LARGEST_LEARNED),
                min(limits.rules.high, LARGEST_LEARNED),
            )
        else:
            self._low, self._high = inf, -inf

    def _observe_limits(
        self, time: float, value: float, newest: _Newest, reading: Reading | None, others: NewestValues | None
    ) -> tuple[AnomalyChange, ...]:
        """Judge a value by the limits, and go on with the detector if it lies within; skip what is no number."""
        limits = self._limits
        if limits is None or not isfinite(value):
            self.skipped += 1
            return ()
        self.last_time = time
        self._newest = newest
        idle = limits.idle
        held = held_at(limits.rules, time, {} if reading is None else reading.values, others)
        changes = limits.step(time, value, self._detector.seen, held)
        if limits.is_over:
            self._limits = None
        self._attend()
        if not (idle and limits.idle):
            self._whole = True
        beyond = held.holds is True and not limits.within(value)  # without its condition a limit is none
        if beyond or not (-LARGEST_LEARNED <= value <= LARGEST_LEARNED):  # a larger one cannot be squared
            self.nats = MAX_NATS
            return changes
        self.nats = nats = self._detector.surprise(value, time)
        return changes if nats < self._quiet else changes + self._judge(time, value, nats)

    def _observe_late(self, time: float, value: float, reading: Reading | None) -> tuple[AnomalyChange, ...]:
        """Judge a value that is older than the newest by the limits; a condition asks its own reading only."""
        limits = self._limits
        if limits is None or not limits.rules.of_values or not isfinite(value):
            return ()
        held = held_at(limits.rules, time, {} if reading is None else reading.values, None)
        changes = limits.step_late(time, value, self._detector.seen, held)
        self._whole = True
        self._attend()
        return changes

    def limit_by(self, rules: LimitRules | None) -> bool:
        """Judge by these limits from now on; what others have raised is cleared by the first value within these.

        Args:
            rules: What the series may do; ``None``: all.

        Returns:
            Whether its state is another now.
        """
        old = self._limits
        if (None if old is None else old.rules) == rules:
            return False
        before = None if old is None else old.state()
        self._limits = None if rules is None else LimitWatch(rules)
        self._restore_limits(before)
        if self._limits is not None and self._limits.is_over:
            self._limits = None
        self._attend()
        changed = before is not None and (self._limits is None or self._limits.state() != before)
        self._whole |= changed
        return changed

    def take_unjudged(self) -> bool:
        """Tell whether the last value was beyond a limit whose condition is not known, once."""
        return self._limits is not None and self._limits.take_unjudged()

    @property
    def limits(self) -> LimitRules | None:
        """By what it is judged; ``None`` if it has no limits."""
        return None if self._limits is None or not self._limits.rules.limits else self._limits.rules

    def _judge(self, time: float, value: float, nats: float) -> tuple[AnomalyChange, ...]:
        verdict = self._verdict
        verdict.raise_nats = self._raise_nats
        was_idle = verdict.idle
        kind = verdict.step(time, nats)
        if not (was_idle and verdict.idle):
            self._whole = True
        result: tuple[AnomalyChange, ...] = ()
        if kind is ChangeKind.RAISED:
            self._peak = nats
            self._home = self._detector.home(verdict.raise_nats)
            self._change = self._describe(time, value, nats, time, self._detector.seen)
            result = (self._change,)
        elif kind is ChangeKind.CLEARED:
            result = (self._close(time),)
        elif self._change is not None and nats > self._peak:
            self._peak = nats
            self._change = self._describe(time, value, nats, self._change.raised_at, self._change.seen)
        self._quiet = self._calm if verdict.idle else -1.0
        return result

    def _close(self, time: float) -> AnomalyChange:
        """End the open anomaly; a series that stays away from what was expected has a new normal."""
        change = self._change
        assert change is not None
        self._change = None
        self._peak = 0.0
        low, high = self._home
        settled = self._detector.away or not low <= self._detector.level() <= high
        if settled:
            self._detector.accept()
        kind = ChangeKind.REGIME_CHANGE if settled else ChangeKind.CLEARED
        return change.ended(time, kind)

    def _describe(self, time: float, value: float, nats: float, raised_at: float, seen: int) -> AnomalyChange:
        expected, lower, upper, direction, cause = self._detector.explain(self._raise_nats)
        return AnomalyChange(
            kind=ChangeKind.RAISED.value, event_time=time, raised_at=raised_at, cleared_at=None,
            score=score_of(nats), value=value, expected=expected, lower=lower, upper=upper,
            direction=direction, cause=cause, seen=seen, peak_at=time,
        )  # fmt: skip

    def expected_band(self) -> dict[str, Any]:
        """Describe the model's present view, for web views; what is not known yet is ``None``."""
        self._verdict.raise_nats = self._raise_nats
        expected, lower, upper = self._detector.band(self._raise_nats)
        ready = self._detector.ready
        forecast = None if self._limits is None else self._limits.forecast
        return {
            "expected": expected if ready else None,
            "lower": lower if ready and lower > -inf else None,
            "upper": upper if ready and upper < inf else None,
            "score": self.score,
            "threshold": score_of(self._verdict.threshold(self.last_time)),
            "seen": self._detector.seen,
            "warm_up": self.config.warm_up,
            "ready": ready,
            "open": self.open,
            "anomalies": [msgspec.structs.asdict(change) for change in self.anomalies],
            "skipped": self.skipped,
            **({} if forecast is None else {"forecast": forecast}),
        }

    peek = expected_band

    def _marks_to_write(self) -> tuple[Any, ...]:
        """Return the marks of the readings of the newest time, and let go of the last reading.

        Before them stands what is known of a reading ahead, where there was one.
        """
        self._newest = marks = _marks(self._newest)
        return marks if self._ahead is _NEVER else (self._ahead, *marks)

    def to_bytes(self) -> bytes:
        """Encode limits, detector and verdict; `from_bytes` continues bit for bit."""
        change = self._change
        verdict = _encode(
            (
                *self._verdict.state(), self._peak, *self._home,
                None if change is None else change.plain(),
                None if self._limits is None else self._limits.state(),
                self._marks_to_write(),
            )
        )  # fmt: skip
        head = _HEAD.pack(
            _MAGIC, _VERSION, self.config.fingerprint, self.skipped, self.last_time, self.nats, len(verdict)
        )
        return b"".join((head, verdict, self._detector.encode()))

    def take_changes(self) -> bytes | None:
        """Return what has changed since the last call, if it is little; ``None`` if the whole is to be written.

        `to_bytes` of the last time that it was, and the newest changes, make the model.
        """
        changes = self._detector.take_changes()
        if self._whole or changes is None:
            self._whole = False
            return None
        marks = _encode(self._marks_to_write())
        return _CHANGES.pack(self.skipped, self.last_time, self.nats, len(marks)) + marks + changes

    def apply_changes(self, data: bytes) -> None:
        """Take over what `take_changes` returned; a model that began anew only skips what it has seen.

        Raises:
            InputError: ``unreadable_record`` if the bytes are not that.
        """
        try:
            self.skipped, self.last_time, nats, size = _CHANGES.unpack_from(data)
            end = _CHANGES.size + size
            self._restore_marks(msgspec.msgpack.decode(data[_CHANGES.size : end]))
            if self._detector.seen:
                self._detector.apply_changes(data[end:])
                self.nats = nats
        except (ValueError, TypeError, StructError, msgspec.MsgspecError) as error:
            raise InputError(
                Reason.UNREADABLE_RECORD,
                f"expected changes of a series model, got {len(data)} bytes {data[:16]!r}: {error}",
            ) from None

    @classmethod
    def from_bytes(cls, data: bytes, config: DetectionConfig) -> "SeriesModel":
        """Restore a model.

        The state of another detector, of other parameters or of an older version of this code cannot be
        continued: the model then starts its warm-up anew, but still skips what it has seen, and its limits go on.
        The versions before limits had a state of their own, and before equal times were learned, are continued.

        Raises:
            InputError: ``unreadable_record`` if the bytes are not a model's state.
        """
        model = cls(config)
        try:
            magic, version, fingerprint, skipped, last_time, nats, size = _HEAD.unpack_from(data)
            if magic != _MAGIC or version > _VERSION:
                raise ValueError(f"the head must be {_MAGIC!r} and a version up to {_VERSION}")
            model.skipped = skipped
            model.last_time = last_time
            if version < _WITHOUT_LIMITS:
                return model
            end = _HEAD.size + size
            values = msgspec.msgpack.decode(data[_HEAD.size : end])
            if version > _WITHOUT_MARKS:
                model._restore_marks(values.pop())
            if version > _WITHOUT_LIMITS:
                model._restore_limits(values.pop())
            if fingerprint != config.fingerprint:
                return model
            model.nats = nats
            *state, model._peak, low, high, change = values
            model._verdict.restore(tuple(state))
            model._home = (low, high)
            model._change = None if change is None else AnomalyChange(*change)
            model._detector.decode(data[end:])
        except (ValueError, TypeError, StructError, msgspec.MsgspecError) as error:
            raise InputError(
                Reason.UNREADABLE_RECORD,
                f"expected the state of a series model, got {len(data)} bytes {data[:16]!r}: {error}",
            ) from None
        model._quiet = model._calm if model._verdict.idle else -1.0
        model._whole = False
        return model

    def _restore_marks(self, marks: Any) -> None:
        if marks and isinstance(marks[0], list):
            (ahead, learned_before), *marks = marks
            self._ahead = ahead, learned_before
        self._newest = tuple(marks)

    def _restore_limits(self, state: Any) -> None:
        """Take over the state of limits, also of some that are not set any more: what they raised must be cleared."""
        if state is not None:
            if self._limits is None:
                self._limits = LimitWatch(LimitRules())
            self._limits.restore(state)
            self._attend()


def _marks(newest: _Newest) -> tuple[float, ...]:
    """Return what tells readings from others of their series and time: the value, if one is nothing but that."""
    if isinstance(newest, Reading):
        values, sequence = newest.values, newest.sequence
        if sequence is None and len(values) == 1:
            return tuple(values.values())
        return (reading_mark(values, sequence),)
    return newest if isinstance(newest, tuple) else (newest,)


_encode = msgspec.msgpack.Encoder().encode
