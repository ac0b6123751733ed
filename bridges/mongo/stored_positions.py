"""Up to where MongoDB has each partition of a topic: noted there, before offsets are committed.

    documents written ──▶ position noted ──▶ offset committed

A group's offsets can be moved by anybody, and a topic can be made anew; what a database holds says neither. A position
that is behind the group's offset tells where to read on (`streams.records.claims.resume`): nothing is skipped unseen.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from pymongo import UpdateOne

from bridges.mongo.mongo_client import QUICK_SECONDS, connect_blocking
from bridges.mongo.mongo_sink import MongoSink
from bridges.process.logs import get_logger
from bridges.process.settings import MongoSettings
from streams.records.claims import Claim, Loss

log = get_logger(__name__)

POSITIONS: Final = "positions"
"""The collection: a document for each partition, ``{_id: "readings-0", topic_id, next, lost}``."""

Place = tuple[str, int]


class StoredPositions:
    """The positions of one database.

    Args:
        mongo: The edge: it waits until MongoDB answers.
        topics: Topics that are stored, by their full names.
    """

    def __init__(self, mongo: MongoSink, topics: Iterable[str]) -> None:
        self._mongo = mongo
        self.topics = frozenset(topics)

    async def of(self, places: Iterable[Place]) -> dict[Place, Claim]:
        """Return the positions that are noted of partitions; one that cannot be read says nothing."""
        names = {name_of(*place): place for place in places}

        async def ask() -> list[dict[str, Any]]:
            wanted = {"_id": {"$in": sorted(names)}}
            return [each async for each in self._mongo.collection(POSITIONS).find(wanted)]

        found = await self._mongo.until_answered(ask)
        return {names[each["_id"]]: claim for each in found if (claim := claim_of_document(each)) is not None}

    async def note(self, claims: Mapping[Place, Claim]) -> None:
        """Note up to where MongoDB has partitions, waiting out any outage."""
        writes = [
            UpdateOne({"_id": name_of(*place)}, {"$set": _document(claim)}, upsert=True)
            for place, claim in claims.items()
        ]
        collection = self._mongo.collection(POSITIONS)
        await self._mongo.until_answered(lambda: collection.bulk_write(writes, ordered=False))


def noted(settings: MongoSettings) -> dict[str, Claim]:
    """Return all that a database notes, by topic and partition, for who only looks.

    Raises:
        PyMongoError: If MongoDB does not answer, or refuses.
    """
    with connect_blocking(settings, seconds=QUICK_SECONDS) as client:
        found = client[settings.database][f"{settings.collection_prefix}{POSITIONS}"].find()
        return {str(each["_id"]): claim for each in found if (claim := claim_of_document(each)) is not None}


def name_of(topic: str, partition: int) -> str:
    """Return the id of a partition's document."""
    return f"{topic}-{partition}"


def claim_of_document(document: Mapping[str, Any]) -> Claim | None:
    """Return what a document says; ``None``, and a line in the log, if it cannot be read.

    >>> claim_of_document({"_id": "readings-0", "topic_id": "id", "next": 7, "lost": [[3, 5, None, None]]}).lost
    (Loss(start=3, end=5, after_ms=None, before_ms=None),)
    """
    try:
        # int: BSON's own for large numbers is a subclass, which no encoder takes.
        lost = tuple(
            Loss(int(start), int(end), *(None if at is None else int(at) for at in times))
            for start, end, *times in document["lost"]
        )
        return Claim(str(document["topic_id"]), int(document["next"]), lost=lost)
    except (KeyError, TypeError, ValueError) as error:
        log.warning("position.unreadable", document=str(document)[:300], error=repr(error))
        return None


def _document(claim: Claim) -> dict[str, Any]:
    lost = [list(msgspec.structs.astuple(each)) for each in claim.lost]
    return {"topic_id": claim.topic_id, "next": claim.next, "lost": lost}
