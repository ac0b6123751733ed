"""What is wrong now, worst first: the one list that the page, ``/api/overview`` and ``weir doctor`` follow.

    loss        readings are missing, or counts do not add up         bad      somebody must act
    not_ready   a worker does not do all of its work                  bad
    store_away  MongoDB takes nothing                                 bad
    peers       workers do not answer                                 bad
    refused     messages became dead letters                          warning  nothing is lost, somebody should look
    lag         records are not worked through yet                    warning
    anomalies   anomalies are open                                    warning
    unknown     the bridge cannot be asked                            unknown  it may be well, or not

All is well only if the list is empty: what cannot be asked is not taken for well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

REFUSED_SHARE = 0.01
"""Share of what the bridge has received that may be refused without a word: a device that is being set up."""

LAG_RECORDS = 10_000
"""Records behind that are normal: about two fetches (``WEIR_WORKER__FETCH_RECORDS``, 5,000)."""


class Severity(StrEnum):
    """How bad a condition is, worst first."""

    BAD = "bad"
    WARNING = "warning"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is not as it should be.

    Args:
        name: Which of the list above.
        severity: How bad it is.
        text: What is the case, in one line.
    """

    name: str
    severity: Severity
    text: str

    def as_json(self) -> dict[str, str]:
        """Return it as plain JSON values."""
        return {"name": self.name, "severity": self.severity.value, "text": self.text}


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of the whole system at one moment.

    Args:
        missing_records: Records that the log handed to nobody.
        unbalanced: Hops whose counts do not add up.
        not_ready: Worker -> why it does not do all of its work.
        store_away: Why MongoDB takes nothing; empty if it does, or is not used.
        silent_workers: Addresses of workers that do not answer.
        received: Items that the bridge has received since it started; ``None``: it cannot be asked.
        refused: Reason -> how many of them became dead letters.
        bridge_silent: Why the bridge cannot be asked; empty if it answers.
        lag: Records not worked through yet; ``None``: not known.
        open_anomalies: Anomalies that are raised and not cleared.
    """

    missing_records: int = 0
    unbalanced: tuple[str, ...] = ()
    not_ready: Mapping[str, str] = field(default_factory=dict)
    store_away: str = ""
    silent_workers: tuple[str, ...] = ()
    received: int | None = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    bridge_silent: str = ""
    lag: int | None = 0
    open_anomalies: int = 0


def what_is_wrong(seen: Observed) -> list[Condition]:
    """List what is wrong, worst first.

    >>> [each.text for each in what_is_wrong(Observed(open_anomalies=2, store_away="connection refused"))]
    ['MongoDB: connection refused', '2 anomalies are open']
    >>> what_is_wrong(Observed())
    []
    """
    order = list(Severity)
    return sorted(_found(seen), key=lambda each: order.index(each.severity))


def _found(seen: Observed) -> Iterator[Condition]:
    if seen.missing_records:
        yield Condition("loss", Severity.BAD, f"{seen.missing_records:,} records are missing in the log")
    if seen.unbalanced:
        yield Condition("loss", Severity.BAD, f"counts do not balance: {', '.join(seen.unbalanced)}")
    for worker, reason in sorted(seen.not_ready.items()):
        yield Condition("not_ready", Severity.BAD, f"{worker} is not ready: {reason}")
    if seen.store_away:
        yield Condition("store_away", Severity.BAD, f"MongoDB: {seen.store_away}")
    if seen.silent_workers:
        silent = ", ".join(seen.silent_workers)
        yield Condition(
            "peers", Severity.BAD, f"{len(seen.silent_workers)} worker(s) do not answer: {silent}"
        )
    yield from _refused(seen)
    if seen.lag is not None and seen.lag > LAG_RECORDS:
        yield Condition("lag", Severity.WARNING, f"{seen.lag:,} records are not worked through yet")
    if seen.open_anomalies:
        noun = "anomaly is" if seen.open_anomalies == 1 else "anomalies are"
        yield Condition("anomalies", Severity.WARNING, f"{seen.open_anomalies:,} {noun} open")
    if seen.bridge_silent:
        text = f"the bridge does not answer ({seen.bridge_silent}): what it refuses or holds is not known"
        yield Condition("unknown", Severity.UNKNOWN, text)
    if seen.lag is None:
        yield Condition("unknown", Severity.UNKNOWN, "how far behind the workers are is not known")


def _refused(seen: Observed) -> Iterator[Condition]:
    """Tell of refused messages once they are more than a trifle, with the reasons, most frequent first."""
    refused = sum(seen.refused.values())
    if not seen.received or refused <= REFUSED_SHARE * seen.received:
        return
    reasons = sorted(seen.refused.items(), key=lambda each: (-each[1], each[0]))
    told = ", ".join(f"{count:,} {reason}" for reason, count in reasons if count)
    yield Condition(
        "refused",
        Severity.WARNING,
        f"{100 * refused / seen.received:.0f} % of what came since the bridge started is refused: {told}",
    )
