"""Wait for something, but not for ever."""

import asyncio
from collections.abc import Awaitable


async def ended(work: Awaitable[object], seconds: float) -> bool:
    """Wait for something, but not longer than this; tells whether it ended well.

    `asyncio.wait_for` would also wait until what it cancels has ended, and take a cancellation inside for its own.
    """
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=seconds)
    if task.done() and not task.cancelled() and task.exception() is None:
        return True
    task.cancel()
    return False
