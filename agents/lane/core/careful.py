"""Apply the records of a batch one at a time: one that fails is undone and set aside, and the others go on.

    record ──▶ copy of its row ──▶ run ──▶ encode results and row ──▶ held
                    ▲                │
                    └── taken back ──┴─ failed ──▶ dead letter `unprocessable`

A tick may touch every row of its partition: it is applied to each by itself, and leaves alone those in which it fails.
"""

from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any, TypeVar

from agents.lane.core.batch import Batch, KafkaRecord
from agents.lane.core.stage import Stage, StageOutcome
from agents.lane.core.state import WriteBehindState
from agents.lane.core.work import StageWork, Surroundings
from bridges.process.logs import get_logger
from bridges.process.metrics import UNPROCESSABLE
from streams.errors import InputError, Reason
from streams.records.apart import copied, rows_touched, take_back
from streams.records.dead_letters import unprocessable
from streams.records.rows import Row

P = TypeVar("P")
R = TypeVar("R")
S = TypeVar("S")
O = TypeVar("O", bound=StageOutcome)  # noqa: E741

_log = get_logger(__name__)


def work_of(stage: Stage[P, R, S, O], around: Surroundings) -> Callable[..., Mapping[str, Row[S]]]:
    """Return what applies a batch to the rows of a stage's state, and returns those that changed."""
    work = StageWork(stage, around)

    def apply(state: WriteBehindState[S], batch: Batch, *, count: bool = True) -> Mapping[str, Row[S]]:
        if batch.partition in state.doubted:
            return apply_one_by_one(work, state, batch, count=count)
        return work.apply(state, batch)

    return apply


def apply_one_by_one(
    work: StageWork[Any, Any, S, O], state: WriteBehindState[S], batch: Batch, *, count: bool
) -> dict[str, Row[S]]:
    """Apply the records of a batch one at a time, and return the rows that changed.

    Args:
        work: The stage.
        state: Its partition is in doubt.
        batch: The batch.
        count: Whether it is to be counted: not if it was before it was undone.

    Raises:
        TooManyFailedError: If it cannot be the records.
    """
    changed: dict[str, Row[S]] = {}
    failures: list[str] = []
    for record in batch.records:
        failure = _apply_one(work, state, batch, record, changed, count=count)
        if failure is not None:
            failures.append(f"{record.offset}: {type(failure).__name__}: {failure}")
            _set_aside(work, state, batch, record, failure)
        state.settle(batch.partition, f"{batch.topic}-{batch.partition} at {record.offset}", failure)
    if failures:
        _log.error(
            "records.unprocessable", stage=work.stage.name, topic=batch.topic, partition=batch.partition,
            records=len(failures), first=failures[0][:500],
        )  # fmt: skip
    return changed


def _apply_one(
    work: StageWork[Any, Any, S, O],
    state: WriteBehindState[S],
    batch: Batch,
    record: KafkaRecord,
    changed: dict[str, Row[S]],
    *,
    count: bool,
) -> Exception | None:
    """Apply one record, and return why it failed if it did: then all is as it was.

    Args:
        work, state, batch, count: As for `apply_one_by_one`.
        record: One of the batch.
        changed: Collects the rows that changed.
    """
    single = Batch(batch.topic, batch.partition, [record], record.offset, record.offset + 1)
    failure: Exception | None = None
    told: set[Any] = set()  # a tick makes some results once, however many rows it is applied to
    for rows, key in _parts(work, state.rows[batch.partition], single):
        begun = perf_counter()
        before = copied(rows, key)
        try:
            effects = work.effects(rows, single, state.claim_of(batch.partition).next)
            for each, row in effects.outcome.changed.items():
                state.check(each, row)
        except Exception as error:
            failure = failure or error
            take_back(rows, key, before)
            continue
        effects.results = [
            (to, [each for each in made if (to, each) not in told]) for to, made in effects.results
        ]
        told |= {(to, each) for to, made in effects.results for each in made}
        work.hold(state, single, effects, perf_counter() - begun if count else None)
        for each, row in effects.outcome.changed.items():
            changed[each] = row
            if row.has_left:  # of what a tick was applied to by itself
                state.rows[batch.partition].pop(each, None)
        count = False  # a tick has happened once, however many rows it touches
    return failure


def _parts(
    work: StageWork[Any, Any, S, O], rows: dict[str, Row[S]], single: Batch
) -> Iterator[tuple[dict[str, Row[S]], str]]:
    """Yield what a record is applied to: rows, and the key of the one that it changes."""
    try:
        readable, _ = work.stage.read(single)
        content = next(iter(readable))[-1]
    except Exception:  # it will fail again, and be set aside
        yield rows, ""
        return
    yield from rows_touched(rows, getattr(content, work.stage.reads.key_field, None))


def _set_aside(
    work: StageWork[Any, Any, S, O],
    state: WriteBehindState[S],
    batch: Batch,
    record: KafkaRecord,
    failure: Exception,
) -> None:
    stage = work.stage
    fault = InputError(
        Reason.UNPROCESSABLE, f"{stage.name} failed: {type(failure).__name__}: {failure}"[:500]
    )
    letter = unprocessable(stage.name, batch.topic, batch.partition, record, fault)
    if work.set_aside(state, batch.partition, batch.topic.encode(), letter):
        UNPROCESSABLE.labels(stage.name).inc()
        work.around.counts.unprocessable += 1
