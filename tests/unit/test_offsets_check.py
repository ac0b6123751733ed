"""The doctor beside a worker that runs: what it reads on meanwhile is not taken for another log."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from agents.rebuilding import stages_of
from bridges.doctor.offsets_check import ANALYSIS_TABLES, WORKER_TABLES, examine_tables
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings
from streams.records.claims import CLAIM_KEY, Claim, Committed


class Message:
    """A claim on a changelog."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def key(self) -> bytes:
        return CLAIM_KEY

    def value(self) -> bytes:
        return msgspec.json.encode(self._claim)


class LogThatGrows:
    """Ten records more each time that anything is asked; the worker has always read all of them."""

    def __init__(self) -> None:
        self._end = 0

    def ends(self, topic: str, _: int) -> tuple[int, int]:
        self._end += 10
        return 0, self._end

    def read(self, topic: str, *_: int) -> Iterator[list[Message]]:
        self._end += 10
        yield [Message(Claim(next=self._end))]


def test_a_worker_that_reads_on_while_the_doctor_looks_is_not_told_to_rebuild() -> None:
    log: Any = LogThatGrows()
    tables = {"weir-windows-changelog": "windows"}
    assert examine_tables(log, "readings", 0, tables, Committed(5), "") is None


@pytest.mark.parametrize(("analysis", "known"), [(False, WORKER_TABLES), (True, ANALYSIS_TABLES)])
def test_the_doctor_examines_each_table_that_a_stage_keeps(
    analysis: bool, known: dict[type[msgspec.Struct], tuple[str, ...]]
) -> None:
    with_peers = Settings(detection=DetectionSettings(peers="group"))
    kept = [(stage.reads.kind, stage.table) for stage in stages_of(with_peers, analysis=analysis)]
    assert sorted((kind.__name__, table) for kind, names in known.items() for table in names) == sorted(
        (kind.__name__, table) for kind, table in kept
    )
