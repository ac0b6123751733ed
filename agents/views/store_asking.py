"""Ask MongoDB for a page: not for long, and what keeps it from answering is said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from agents.web.queries import BadRequest
from bridges.mongo.mongo_client import cancellations_told
from bridges.mongo.mongo_sink import MongoSink

if TYPE_CHECKING:
    from agents.app import WorkerApp


PATIENCE_SECONDS: Final = 10.0
"""How long somebody waits for a page that MongoDB has to read a lot for."""
LONG_PATIENCE_SECONDS: Final = 60.0
"""How long somebody waits who tries a rule over a month: a busy machine takes ten times as long as another."""
SHORT_PATIENCE_SECONDS: Final = 5.0
"""How long it may take where a page shows it beside other things."""


class StoreSilent(BadRequest):
    """There is no MongoDB, or it does not answer; the text says why."""

    status = 503


@asynccontextmanager
async def asked_store(app: "WorkerApp", seconds: float, slow: str = "slow") -> AsyncIterator[MongoSink]:
    """Ask the worker's MongoDB.

    Args:
        app: The worker.
        seconds: How long a page waits.
        slow: What is said if that was too short, and MongoDB is not known to be away.

    Raises:
        StoreSilent: If this worker has none, or it does not answer in time.
    """
    if app.sinks is None:
        raise StoreSilent("this worker has no MongoDB (WEIR_WORKER__SINKS)")
    mongo = app.sinks.mongo
    try:
        async with asyncio.timeout(seconds):
            with cancellations_told():
                yield mongo
    except TimeoutError:
        raise StoreSilent(f"MongoDB: {mongo.why_away or slow}") from None
