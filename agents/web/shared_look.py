"""What is looked up for a page by one thread, however many ask for it."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from agents.web.queries import BadRequest
from streams.errors import TransientError

T = TypeVar("T")

_PATIENCE_SECONDS: Final = 10.0


class NotKnown(BadRequest):
    """Kafka does not say what a page asks for."""

    status = 503


class SharedLook(Generic[T]):
    """Looks something up in a thread, once at a time: whoever asks meanwhile gets the same answer.

    Args:
        look: Looks it up; called in a thread, and never twice at a time.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._looking: asyncio.Task[T] | None = None

    async def found(self, seconds: float) -> T:
        """Return what is found.

        Args:
            seconds: How long to wait; the look goes on, and whoever asks next may find it done.

        Raises:
            TimeoutError: If that was too short.
            Exception: What the look raises.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(asyncio.to_thread(self._look))
            self._looking.add_done_callback(_note)  # perhaps nobody waits for it any more
        done, _ = await asyncio.wait({self._looking}, timeout=seconds)
        if not done:
            raise TimeoutError
        return done.pop().result()

    async def known(self, what: str) -> T:
        """Return what is found on Kafka, within ten seconds.

        Args:
            what: That it is, for the error: ``which rules there are``.

        Raises:
            NotKnown: If it could not be found, or not in that time.
        """
        try:
            return await self.found(_PATIENCE_SECONDS)
        except TimeoutError:
            raise NotKnown(f"Kafka does not say within {_PATIENCE_SECONDS:g} s {what}") from None
        except TransientError as error:
            raise NotKnown(str(error)) from None


def _note(looking: "asyncio.Task[T]") -> None:
    if not looking.cancelled():
        looking.exception()
