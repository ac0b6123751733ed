"""A scenario: which sensors are simulated or replayed, from when to when, with what faults."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bridges.simulator.recordings import WATERFLOW, from_csv, waterflow
from streams.errors import ConfigurationError
from streams.signals import (
    DIALECTS,
    Dressed,
    Fleet,
    MessageSource,
    Recording,
    Totals,
    merged,
    parse_faults,
    totals,
)


@dataclass(frozen=True)
class Scenario:
    """What a simulation publishes; two equal scenarios publish the same bytes in the same order.

    Args:
        sensors: Number of synthetic sensors.
        rate: Readings per second of each, of simulated time.
        start: Event time of the first reading, seconds since the Unix epoch; ``None``: the recordings' own.
        seconds: Length in simulated seconds; ``None``: no end, or that of the recordings if ``once``.
        once: End with the last recorded reading; without recorded data, after ``seconds``.
        seed: Same seed, same readings and faults.
        faults: See `streams.signals.parse_faults`.
        calm: Readings at the start of each synthetic sensor without a fault.
        recorded: Recorded data that Weir knows by name: ``waterflow``.
        csv: Files with recorded data.
        labels: File with what is known of the CSV files.
        dialect: How synthetic sensors publish: one of `streams.signals.DIALECTS`; empty is Weir's own form.
    """

    sensors: int = 0
    rate: float = 1.0
    start: float | None = None
    seconds: float | None = None
    once: bool = False
    seed: int = 1
    faults: str = ""
    calm: int = 0
    recorded: tuple[str, ...] = ()
    csv: tuple[Path, ...] = ()
    labels: Path | None = None
    dialect: str = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense together.

        Raises:
            ConfigurationError: With the reason.
        """
        try:
            parse_faults(self.faults)
        except ValueError as error:
            raise ConfigurationError(f"faults: {error}") from None
        if unknown := set(self.recorded) - {WATERFLOW}:
            raise ConfigurationError(
                f"no recorded data named {', '.join(sorted(unknown))}: there is {WATERFLOW}"
            )
        if self.dialect not in ("", *DIALECTS):
            raise ConfigurationError(f"there is no dialect {self.dialect!r}: there are {', '.join(DIALECTS)}")
        if self.dialect and (self.recorded or self.csv):
            raise ConfigurationError(
                "only synthetic sensors speak a dialect: leave out recorded data and files"
            )
        if not (self.recorded or self.csv):
            if self.once and self.seconds is None:
                raise ConfigurationError(
                    "once ends with the recorded data, but there is none, and no length: add --for, or leave it out"
                )
            if self.start is None:
                raise ConfigurationError("without recorded data, an event time to start with is needed")
            if not self.sensors:
                raise ConfigurationError("nothing to publish: neither sensors nor recorded data")

    def sources(self) -> list[MessageSource]:
        """List what publishes."""
        until = self.until
        found: list[MessageSource] = [_cut(recording, until) for recording in self._recordings]
        if self.sensors:
            found.append(Dressed(self.fleet, self.dialect) if self.dialect else self.fleet)
        return found

    @property
    def fleet(self) -> Fleet:
        """The synthetic sensors."""
        return Fleet(
            sensors=self.sensors,
            start=self.begins,
            interval=1.0 / self.rate,
            seed=self.seed,
            faults=parse_faults(self.faults),
            until=self.until,
            calm=self.calm,
        )

    @property
    def begins(self) -> float:
        """Simulated time at which it begins, seconds since the Unix epoch."""
        starts = [recording.start for recording in self._recordings]
        return min(starts) if self.start is None else self.start

    @property
    def until(self) -> float | None:
        """Event time before which it ends; ``None``: never."""
        if self.seconds is not None:
            return self.begins + self.seconds
        return self.recorded_until if self.once else None

    @property
    def recorded_until(self) -> float:
        """Event time just after the last recorded reading; where it begins, without recorded data."""
        return max((recording.end for recording in self._recordings), default=self.begins)

    def totals(self) -> Totals:
        """Count what it publishes in all; only for a scenario that ends."""
        return totals(merged(self.sources()))

    def describe(self) -> dict[str, Any]:
        """Return it as plain values, to recognise it by."""
        described = asdict(self)
        described["csv"] = [str(path) for path in self.csv]
        described["labels"] = None if self.labels is None else str(self.labels)
        if not self.dialect:
            del described["dialect"]  # so that a state of before is known again
        return described

    @cached_property
    def _recordings(self) -> list[Recording]:
        named = [waterflow() for _ in self.recorded]
        return named + [recording for path in self.csv for recording in from_csv(path, self.labels)]


def _cut(recording: Recording, until: float | None) -> Recording:
    if until is None:
        return recording
    return replace(recording, rows=tuple(row for row in recording.rows if row[0] < until))
