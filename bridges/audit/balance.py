"""The ledger of a finite scenario: what was sent, and where each reading is now."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bridges.audit.audit import Audit
from streams.records.types import Anomaly, DeadLetter, Label, Reading
from streams.signals import DELIVERY_FAULTS, Totals

K = TypeVar("K", bound=Hashable)

_NOT_IN_VALUES = frozenset(kind.value for kind in DELIVERY_FAULTS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One comparison of the ledger.

    Args:
        what: What is counted.
        expected: From the hop before.
        found: At this hop.
        note: What else is to say.
        store: The hop from Kafka to MongoDB: what is not found yet is still in Kafka.
    """

    what: str
    expected: int
    found: int
    note: str = ""
    store: bool = False

    @property
    def balances(self) -> bool:
        """Whether nothing is missing and nothing is too many."""
        return self.expected == self.found


def balance(sent: Totals, audit: Audit) -> list[Entry]:
    """Compare every hop of a scenario whose windows have all closed.

    Args:
        sent: What the scenario publishes, from the plan alone.
        audit: What arrived.
    """
    log, published, stored = audit.log, audit.published, audit.stored
    # Where windows overlap, a value is in several: then only the replay can tell.
    rates = log.windowed.rates  # which nobody has sent
    counted = published.counted - rates - log.counted_again + log.in_none
    placed = counted if audit.policy.overlap == 1 else log.values
    late = f"{log.late:,} late, {log.in_none:,} in none"
    kept = stored[audit.catalogue.of(Reading).collection]
    return [
        Entry("readings: sent to Kafka", sent.readings, log.distinct, f"{log.repeated:,} more than once"),
        Entry("readings: Kafka to MongoDB", log.distinct, kept, store=True),
        Entry("values: sent to Kafka", sum(sent.values.values()), log.values),
        Entry("values: in windows", log.values, placed, late),
        *_hops(sent, audit),
        Entry("results with two contents", 0, published.conflicts),
    ]


def _hops(sent: Totals, audit: Audit) -> Iterator[Entry]:
    """Follow each audited type of record: from the log replayed, or the sensors, to Kafka, and on to MongoDB."""
    wanted = audit.log.results()
    for kind in audit.catalogue.audited:
        found = audit.published.of(kind.kind)
        if (expected := wanted.get(kind.kind)) is not None:
            noun = kind.word if kind.stored.versions is None else "changes"
            unlike = _differences(expected, found)
            yield Entry(f"{kind.word}: unlike the log replayed", 0, unlike, f"{len(expected):,} {noun}")
        elif kind.kind is DeadLetter:
            yield Entry("malformed: sent to dead letters", sent.malformed, len(found), _reasons(audit))
        elif kind.kind is Label:
            yield Entry("labels: sent to Kafka", sent.labels, len(found))
        documents = kind.documents_of(found)
        yield Entry(f"{kind.word}: Kafka to MongoDB", documents, audit.stored[kind.collection], store=True)


def _differences(expected: Mapping[K, bytes], found: Mapping[K, bytes]) -> int:
    """Count what is missing, too many, or has another content."""
    return sum(expected.get(key) != found.get(key) for key in expected.keys() | found.keys())


def _reasons(audit: Audit) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in audit.published.reasons().items())


@dataclass(frozen=True, slots=True)
class Findings:
    """How the anomalies compare with what is known.

    Args:
        by_kind: Kind of label -> (found, known); only kinds that show in values.
        raised: Anomalies raised.
        unknown: Of those, raised where nothing is known.
    """

    by_kind: dict[str, tuple[int, int]]
    raised: int
    unknown: int

    @property
    def found(self) -> int:
        """Known anomalies that were found."""
        return sum(found for found, _ in self.by_kind.values())

    @property
    def known(self) -> int:
        """Known anomalies."""
        return sum(known for _, known in self.by_kind.values())


def findings(labels: set[Label], anomalies: list[Anomaly], slack: float) -> Findings:
    """Compare anomalies with labels.

    Args:
        labels: What is known; kinds that do not show in values only excuse an anomaly.
        anomalies: The raise of each anomaly.
        slack: Seconds after a label's end in which a raise still counts as of this label.
    """
    by_series: dict[tuple[str, str], list[Anomaly]] = defaultdict(list)
    for anomaly in anomalies:
        by_series[anomaly.sensor_id, anomaly.quantity].append(anomaly)
    explained: set[str] = set()
    by_kind: dict[str, tuple[int, int]] = {}
    for label in sorted(labels, key=lambda label: label.kind):
        hits = [
            anomaly
            for anomaly in by_series[label.sensor_id, label.quantity]
            if label.start <= anomaly.raised_at < label.end + slack
        ]
        explained.update(anomaly.id for anomaly in hits)
        if label.kind not in _NOT_IN_VALUES:
            found, known = by_kind.get(label.kind, (0, 0))
            by_kind[label.kind] = (found + bool(hits), known + 1)
    return Findings(by_kind, len(anomalies), sum(anomaly.id not in explained for anomaly in anomalies))
