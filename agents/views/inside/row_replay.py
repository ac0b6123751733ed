"""What a replay of the log gives for one key against what its table holds durably.

    changelog ──▶ newest claim: rows contain all before offset N ──▶ the row as it is written      ─┐
    log [begin .. N) ──▶ windows, detection, alarms or peers, as a replay runs them ──▶ its row    ─┴─▶ equal?

The engines are those of `weir replay --verify`. Of `readings` only what is of the key is applied, with ticks and rules;
of what alarms and peers are made of, all of the partition, since its keys depend on each other.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from glob import escape
from typing import Any, Final

from agents.views.inside.row_history import RowReader, keep_newest
from agents.views.inside.row_words import first_differences
from agents.web.queries import Json
from bridges.backtest.configuration_files import current
from bridges.looking.changelog_search import FoundRecords
from bridges.process.settings import Settings
from bridges.sources.kafka_source import KafkaSource, Log
from bridges.sources.offset_range import OffsetRange
from bridges.sources.source import Selection
from streams.alarms.raising import AlarmOutcome, raise_alarms
from streams.backtest.net import Doubts
from streams.backtest.runs import DetectionRun, WindowRun
from streams.errors import InputError, TransientError, WeirError
from streams.peers.comparing import PeerOutcome, compare_peers
from streams.records.alarm_records import AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.peer_records import PeerInput
from streams.records.record_type import RecordType
from streams.records.rows import RULES_ROW, Row

REPLAY_SECONDS: Final = 30.0
"""So long a page's replay reads the log."""

Rows = dict[str, Row[Any]]


class TooLongError(TransientError):
    """A replay would take longer than a page waits."""


@dataclass
class Replay:
    """A stretch of a partition, replayed for one key.

    Args:
        settings: Of the worker.
        partition: Which.
        end: Offset before which all is replayed.
        key: The row's.
        seconds: How long it may take.

    Attributes:
        begin: Where the log begins.
        records: How many were read.
    """

    settings: Settings
    partition: int
    end: int
    key: str
    seconds: float = REPLAY_SECONDS
    begin: int = 0
    records: int = 0

    def __post_init__(self) -> None:
        """Begin to count time."""
        self._ends = time.monotonic() + self.seconds

    def rows(self, table: str) -> Rows:
        """Return the rows of a table that the stretch makes.

        Args:
            table: Its name.

        Raises:
            TooLongError: If it takes too long.
            WeirError: If the log cannot be read, or too much of it fails.
        """
        run: dict[str, Callable[[], Rows]] = {
            "windows": self._windows,
            "models": self._models,
            "alarms": self._alarms,
            "peers": self._peers,
        }
        return run[table]()

    def _windows(self) -> Rows:
        doubts = Doubts(self.settings.worker.max_unprocessable)
        policy = current(self.settings).policy()
        return doubts.settle(lambda: self._of_readings(WindowRun(policy, doubts=doubts)))

    def _models(self) -> Rows:
        doubts = Doubts(self.settings.worker.max_unprocessable)
        plan = current(self.settings).plan()
        return doubts.settle(lambda: self._of_readings(DetectionRun(plan, doubts=doubts)))

    def _of_readings(self, run: WindowRun | DetectionRun) -> Rows:
        opened = KafkaSource.open(self.settings, Selection(sensors=(escape(self.key),)), allow_missing=True)
        low = opened.ranges[self.partition].low
        self.begin, self.records = low, 0
        source = replace(opened, ranges={self.partition: OffsetRange(low, max(low, self.end), low)})
        for chunk in source.read([self.partition]):
            self._count(chunk.done)
            run.apply(self.partition, chunk.records)
        return run.rows[self.partition]

    def _alarms(self) -> Rows:
        rules, rows = self.settings.alarms.rules(self.settings.windows.policy().room), Rows()
        for record in self._inputs(CATALOGUE.of(AlarmInput)):
            raise_alarms(rules, rows, [record], AlarmOutcome())
        return rows

    def _peers(self) -> Rows:
        rows = Rows()
        compare_peers(self.settings.peer_plan(), rows, self._inputs(CATALOGUE.of(PeerInput)), PeerOutcome())
        return rows

    def _inputs(self, kind: RecordType[Any]) -> Iterator[tuple[int, Any]]:
        topic = self.settings.topic(kind.topic.name)
        with Log(self.settings) as log:
            self.begin = log.ends(topic, self.partition)[0]
            for messages in log.read(topic, self.partition, self.begin, self.end):
                self._count(len(messages))
                for message in messages:
                    try:
                        yield message.offset(), kind.read(message.value() or b"")
                    except InputError:
                        continue  # as the worker does: it sets it aside

    def _count(self, records: int) -> None:
        self.records += records
        if time.monotonic() > self._ends:
            raise TooLongError(
                f"replayed {self.records:,} of {self.end - self.begin:,} offsets in {self.seconds:g} s: "
                "`weir replay --verify` compares the results of all of them"
            )


def compare_rows(table: str, reader: RowReader, found: FoundRecords, replay: Replay) -> Json:
    """Compare what a table holds durably with what a replay gives.

    Args:
        table: Its name.
        reader: Reads its row.
        found: What its changelog has of the key.
        replay: Of the log up to the claim of that changelog.

    Returns:
        What `RowReplayed` has beside the names of the row.
    """
    begun = time.monotonic()
    told: Json = {"equal": None, "why": "", "differences": [], "untold": 0}
    try:
        rows = replay.rows(table)
        newest: dict[bytes, bytes] = {}
        for record in found.records:
            keep_newest(newest, record)
        held = reader.row(newest, rows.get(RULES_ROW))
    except WeirError as error:
        told["why"] = str(error)
    else:
        before, after = reader.described(held), reader.described(rows.get(replay.key))
        told["differences"], told["untold"] = first_differences(before, after)
        told["equal"], told["why"] = _judged(replay, found, equal=not told["differences"])
    return {
        "begin": replay.begin,
        "through": replay.end,
        "records": replay.records,
        "seconds": round(time.monotonic() - begun, 3),
        **told,
    }


def _judged(replay: Replay, found: FoundRecords, *, equal: bool) -> tuple[bool | None, str]:
    """Tell whether both are equal, or why nobody can tell."""
    if equal:
        return True, ""
    reasons = []
    if replay.begin > 0:
        reasons.append(
            f"the log begins at offset {replay.begin:,}: retention has deleted what was before, of which the row "
            "may have been made"
        )
    if found.claim is not None and found.claim.lost:
        reasons.append("records were deleted before they were read")
    return (None, "; ".join(reasons)) if reasons else (False, "")
