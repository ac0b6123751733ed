"""Gather deliveries into large writes, a few at once, and acknowledge them in the order they came.

    put ──▶ waiting ──▶ taken, up to `batch` documents ──▶ write ──▶ done ──▶ acknowledged, oldest first
            (bounded)        (at most `writers` at once)

Small batches are what a quick consumer fetches, and what a database is slow at: while a write is under way the
next deliveries gather, so writes grow with the load by themselves.

Delivery: a delivery is acknowledged after its documents are written and after all that came before it; what is told
before it is acknowledged (`reached`) is true by then.
Back pressure: `put` waits while `room` documents are in the outbox.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol

from bridges.mongo.write_outcome import Written
from streams.records.versions import Document

Refused = Sequence[tuple[Document, str]]


class Delivery(Protocol):
    """What the outbox is given: documents that belong together, and what to do once they are written."""

    @property
    def documents(self) -> Sequence[Document]:
        """The documents, the same objects each time."""

    async def written(self, refused: Refused) -> None:
        """Set aside what was refused; deliveries may come here in any order."""

    def acknowledge(self) -> None:
        """Tell the source; deliveries come here in the order they were put."""


@dataclass(eq=False, slots=True)
class _Entry:
    delivery: Delivery
    done: bool = False


class Outbox:
    """Deliveries on their way to one collection.

    Args:
        write: Writes documents; returns when all are stored or refused, however long that takes.
        batch: Most documents gathered for one write (a larger delivery goes alone).
        writers: Writes under way at once.
        reached: Told of deliveries, in the order they were put, before they are acknowledged; these wait for it.
        linger_seconds: How long a write that is not full waits for more.
        room: Documents in the outbox at which `put` waits.
    """

    def __init__(
        self,
        write: Callable[[list[Document]], Awaitable[Written]],
        *,
        reached: Callable[[Sequence[Any]], Awaitable[None]] | None = None,
        batch: int = 2000,
        writers: int = 2,
        linger_seconds: float = 0.02,
        room: int = 10_000,
    ) -> None:
        self._write = write
        self._reached = reached
        self._acknowledging = asyncio.Lock()
        self._batch = batch
        self._linger = linger_seconds
        self._room = room
        self._slots = asyncio.Semaphore(writers)
        self._entries: deque[_Entry] = deque()  # all that is not acknowledged, oldest first
        self._waiting: deque[_Entry] = deque()  # those of them that no write has taken yet
        self._waiting_documents = 0
        self._writes: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._failure: BaseException | None = None
        self.documents_in = 0
        """Documents put and not acknowledged yet."""
        self.unwritten = 0
        """Documents put and not written yet."""

    async def put(self, delivery: Delivery) -> None:
        """Add a delivery, when there is room for it.

        Raises:
            Exception: What a write failed with: the outbox is of no use any more, nothing further is acknowledged.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._failure or self.documents_in < self._room)
            self._raise_failure()
            entry = _Entry(delivery)
            self._entries.append(entry)
            self._waiting.append(entry)
            self._waiting_documents += len(delivery.documents)
            self.documents_in += len(delivery.documents)
            self.unwritten += len(delivery.documents)
            self._changed.notify_all()

    async def run(self) -> None:
        """Write what is put, until cancelled; writes under way are cancelled then, too.

        Raises:
            Exception: What a write failed with.
        """
        try:
            while True:
                await self._until(lambda: bool(self._waiting) or self._failure is not None)
                self._raise_failure()
                if self._waiting_documents < self._batch:
                    await asyncio.sleep(self._linger)
                await self._slots.acquire()
                if group := self._take():
                    task = asyncio.create_task(self._deliver(group))
                    self._writes.add(task)
                    task.add_done_callback(self._writes.discard)
                else:  # forgotten meanwhile
                    self._slots.release()
        finally:
            self._cancel_writes()

    async def settle(self, seconds: float) -> bool:
        """Wait until everything is acknowledged; returns whether it was, within that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._until(lambda: not self._entries or self._failure is not None)
        except TimeoutError:
            return False
        return not self._entries

    async def forget(self) -> int:
        """Drop what is not acknowledged, and cancel its writes: someone else is going to deliver it again.

        Returns:
            How many documents were dropped before their write had returned; it may have stored some.
        """
        self._cancel_writes()
        dropped, self.unwritten, self.documents_in = self.unwritten, 0, 0
        self._entries.clear()
        self._waiting.clear()
        self._waiting_documents = 0
        await self._notify()
        return dropped

    def _take(self) -> list[_Entry]:
        """Take the oldest waiting deliveries, up to a batch."""
        group: list[_Entry] = []
        documents = 0
        while self._waiting:
            size = len(self._waiting[0].delivery.documents)
            if group and documents + size > self._batch:
                break
            group.append(self._waiting.popleft())
            documents += size
        self._waiting_documents -= documents
        return group

    async def _deliver(self, group: list[_Entry]) -> None:
        try:
            documents = [each for entry in group for each in entry.delivery.documents]
            refused = (await self._write(documents)).refused if documents else []
            self.unwritten -= len(documents)
            for entry, own in zip(group, _by_delivery(group, refused), strict=True):
                await entry.delivery.written(own)
                entry.done = True
            await self._acknowledge()
        except Exception as error:
            self._failure = error
        finally:
            self._slots.release()
            await self._notify()

    async def _acknowledge(self) -> None:
        async with self._acknowledging:
            done = [entry.delivery for entry in takewhile(lambda entry: entry.done, self._entries)]
            if done and self._reached is not None:
                await self._reached(done)
            for delivery in done:
                self._entries.popleft()
                self.documents_in -= len(delivery.documents)
                delivery.acknowledge()

    def _cancel_writes(self) -> None:
        for task in self._writes:
            task.cancel()

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _by_delivery(group: Iterable[_Entry], refused: Refused) -> list[Refused]:
    """Sort refused documents by the delivery they came in; two documents may have the same ``_id``."""
    if not refused:
        return [() for _ in group]
    why = {id(document): (document, detail) for document, detail in refused}
    return [
        [why[id(document)] for document in entry.delivery.documents if id(document) in why] for entry in group
    ]
