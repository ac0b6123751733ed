"""A sensor's health apart from its values: its cadence, its clock, its sequence numbers.

    event time   ──•───•───•───•───•───────────────•──     gaps between event times: the cadence
    ingest time  ───•───•───•───•───•──────────────── •    gaps between arrivals: what silence is usual
                                     |<-- stalled? -->     five times its usual long silence, at least a minute

Each sensor is measured against itself: the last 32 readings say what is usual. Ticks, which the bridge writes into
the log, tell how long a silent sensor has been silent, so that a replay of the log decides alike.
"""

from array import array
from statistics import median
from typing import Any

from streams.analysis.findings import Finding, InsightKind, InsightState, duration
from streams.records.identity import event_seconds

_REMEMBERED = 32
STALL_FACTOR = 5.0
STALL_MIN_MS = 60_000
# A clock that is ahead says so in every reading: arrival cannot come before measurement.
AHEAD_MS = 30_000
# Behind cannot be told from slow transport by one reading, but by a steady, long delay at the sensor's own pace.
BEHIND_MS = 120_000
_IN_A_ROW = 3
# A sequence that jumps further than this has been set anew.
_MAX_MISSING = 100_000


class SensorHealth:
    """Watches one sensor. All times are integer milliseconds."""

    __slots__ = (
        "_arrivals", "_clock_count", "_delays", "_seen", "_steps", "_usual_silence", "clock", "last_arrival",
        "last_event", "last_sequence", "missing", "missing_total", "offset", "stalled_at",
    )  # fmt: skip

    def __init__(self) -> None:
        self.last_event = -1
        self.last_arrival = -1
        self._seen = 0
        self._steps = array("d", bytes(8 * _REMEMBERED))
        self._arrivals = array("d", bytes(8 * _REMEMBERED))
        self._delays = array("d", bytes(8 * _REMEMBERED))
        self._usual_silence = -1.0
        self.stalled_at = -1
        self.clock = ""
        self.offset = 0
        self._clock_count = 0
        self.last_sequence = -1
        self.missing = 0
        self.missing_total = 0

    def observe(self, event: int, arrival: int, sequence: int | None) -> list[Finding]:
        """Learn when a reading was measured and when it arrived.

        Args:
            event, arrival: Event time and ingest time.
            sequence: The sensor's own counter, where it has one.
        """
        at = self._seen % _REMEMBERED
        self._delays[at] = arrival - event
        findings: list[Finding] = []
        if self.last_event >= 0:
            self._steps[at] = event - self.last_event
            self._arrivals[at] = self._usual_part(arrival - self.last_arrival)
            if at == _REMEMBERED - 1:
                self._learn_pace(event, findings)
        self._seen += 1
        if event - arrival > AHEAD_MS or self.clock == "ahead":
            self._watch_ahead(event, arrival, findings)
        if self.stalled_at >= 0:
            findings.append(self._resumed(arrival))
        self.last_event = max(self.last_event, event)
        self.last_arrival = max(self.last_arrival, arrival)
        if sequence is not None:
            self._count_missing(sequence)
        return findings

    def tick(self, now: int, since: int = 0) -> Finding | None:
        """Learn from a tick how late it is; returns a finding when the sensor has just stalled.

        Args:
            now: Ingest time of the tick, in ms.
            since: Since when all that was sent has come: what nobody heard before is no silence. 0: not known.
        """
        if self.stalled_at >= 0 or self._usual_silence < 0:
            return None
        silence = now - self.last_arrival
        if now - max(self.last_arrival, since) <= max(STALL_MIN_MS, STALL_FACTOR * self._usual_silence):
            return None
        self.stalled_at = now
        usual = self.cadence or 0.0
        summary = f"silent for {duration(silence / 1000)}; it usually sends every {duration(usual)}"
        return Finding(
            InsightKind.STALLED, "", event_seconds(self.last_arrival), InsightState.RAISED, summary,
            {"silent_seconds": silence / 1000, "cadence_seconds": usual, "noticed_at": event_seconds(now)},
        )  # fmt: skip

    def take_missing(self, at: float) -> Finding | None:
        """Report the sequence numbers that were missed since the last time this was asked."""
        missing, self.missing = self.missing, 0
        if missing <= 0:
            return None
        noun = "reading" if missing == 1 else "readings"
        return Finding(
            InsightKind.GAPS, "", at, InsightState.OBSERVED, f"{missing} {noun} never came, by their sequence numbers",
            {"missing": missing, "missing_total": self.missing_total},
        )  # fmt: skip

    @property
    def cadence(self) -> float | None:
        """Usual seconds between two readings' event times; ``None`` before 32 readings."""
        return median(self._steps) / 1000 if self._usual_silence >= 0 else None

    def _usual_part(self, gap: int) -> float:
        """Learn of a stall only so much that a sensor whose pace has changed for good gets used to in a while."""
        return min(gap, max(STALL_MIN_MS, 2.0 * self._usual_silence)) if self.stalled_at >= 0 else gap

    def _learn_pace(self, event: int, findings: list[Finding]) -> None:
        # The longer of now and a slow memory: a burst of buffered readings must not make the usual pace a stall.
        self._usual_silence = max(*self._arrivals, 0.75 * self._usual_silence)
        self._watch_behind(event, findings)

    def _watch_ahead(self, event: int, arrival: int, findings: list[Finding]) -> None:
        ahead = event - arrival > AHEAD_MS
        if ahead == (self.clock == "ahead"):
            self._clock_count = 0
            self.offset = event - arrival
            return
        self._clock_count += 1
        if self._clock_count < _IN_A_ROW:
            return
        self._clock_count = 0
        self.offset = event - arrival
        if ahead:
            self._set_clock("ahead", event, findings)
        else:
            self._set_clock("", event, findings)

    def _watch_behind(self, event: int, findings: list[Finding]) -> None:
        if self.clock == "ahead":
            return
        steps, arrivals = sum(self._steps), sum(self._arrivals)
        low, high = min(self._delays), max(self._delays)
        at_own_pace = steps > 0 and 0.8 < arrivals / steps < 1.25
        behind = at_own_pace and low > BEHIND_MS and high - low < 0.5 * low
        if behind == (self.clock == "behind"):
            return
        self.offset = -round(median(self._delays))
        self._set_clock("behind" if behind else "", event, findings)

    def _set_clock(self, clock: str, event: int, findings: list[Finding]) -> None:
        before, self.clock = self.clock, clock
        seconds = self.offset / 1000
        if clock == "ahead":
            summary = f"the clock is {duration(seconds)} ahead: readings arrive before they were measured"
        elif clock == "behind":
            summary = (
                f"the clock is {duration(-seconds)} behind, or something holds every reading back so long"
            )
        else:
            summary = f"the clock is no longer {before}"
        state = InsightState.RAISED if clock else InsightState.CLEARED
        details = {"direction": clock or before, "offset_seconds": seconds}
        findings.append(Finding(InsightKind.CLOCK, "", event_seconds(event), state, summary, details))

    def _resumed(self, arrival: int) -> Finding:
        silence = (arrival - self.last_arrival) / 1000
        since = event_seconds(self.last_arrival)
        self.stalled_at = -1
        summary = f"sends again after {duration(silence)}"
        return Finding(
            InsightKind.STALLED, "", since, InsightState.CLEARED, summary, {"silent_seconds": silence}
        )

    def _count_missing(self, sequence: int) -> None:
        last = self.last_sequence
        step = sequence - last
        if last < 0 or step > _MAX_MISSING or step < -_MAX_MISSING:
            self.last_sequence = sequence
        elif step > 0:
            self.missing += step - 1
            self.missing_total += step - 1
            self.last_sequence = sequence
        elif step > -_REMEMBERED and self.missing_total > 0:
            # It was only late. A repetition is recognised before it comes here.
            self.missing -= 1
            self.missing_total -= 1
        elif step <= -_REMEMBERED:
            self.last_sequence = sequence  # the sensor has started anew

    def to_state(self) -> list[Any]:
        """Return the watch as plain values."""
        return [
            self.last_event, self.last_arrival, self._seen, self._steps.tobytes(), self._arrivals.tobytes(),
            self._delays.tobytes(), self._usual_silence, self.stalled_at, self.clock, self.offset,
            self._clock_count, self.last_sequence, self.missing, self.missing_total,
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: list[Any]) -> "SensorHealth":
        """Restore a watch from `to_state`."""
        health = cls()
        (
            health.last_event, health.last_arrival, health._seen, steps, arrivals, delays, health._usual_silence,
            health.stalled_at, health.clock, health.offset, health._clock_count, health.last_sequence,
            health.missing, health.missing_total,
        ) = state  # fmt: skip
        for name, data in (("_steps", steps), ("_arrivals", arrivals), ("_delays", delays)):
            values = array("d")
            values.frombytes(data)
            setattr(health, name, values)
        return health
