"""Read dead letters back from MongoDB, the newest first: identical messages of a topic are one document there."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from bson import ObjectId

from bridges.mongo.mongo_sink import MongoSink
from streams.payloads.maps.template import covers
from streams.records.catalogue import CATALOGUE
from streams.records.documents import date, letter_of_document
from streams.records.identity import event_ms, event_seconds
from streams.records.types import DeadLetter

MOST_LOOKED_AT: Final = 5000
"""Letters that a question looks at, the newest: a bound on what it can cost."""
_LETTERS: Final = CATALOGUE.of(DeadLetter).collection
_HEAD: Final = {"reason": 1, "topic": 1, "received_at": 1}


class LetterHead(NamedTuple):
    """What a letter is counted by.

    Args:
        id: Its id.
        reason, topic: Of the letter.
        received_at: Ingest time (seconds since the Unix epoch).
    """

    id: str
    reason: str
    topic: str
    received_at: float


class HeadsFound(NamedTuple):
    """Letters that are meant.

    Args:
        heads: The newest first.
        whole: Whether there are no others: not more had to be looked at than a question may.
    """

    heads: list[LetterHead]
    whole: bool


async def newest_heads(
    sink: MongoSink,
    reasons: Iterable[str] = (),
    topic: str = "",
    since: float | None = None,
    until: float | None = None,
) -> HeadsFound:
    """Find the newest letters that are meant, without their bytes; waits while MongoDB is away.

    Args:
        sink: Where MongoDB is.
        reasons: Only these; none: any.
        topic: MQTT filter that the letters' topics fit; empty: any.
        since, until: Ingest time (seconds since the Unix epoch), half-open; ``None``: any.
    """
    query: dict[str, Any] = {}
    if meant := sorted(reasons):
        query["reason"] = {"$in": meant}
    bounds = {"$gte": since, "$lt": until}
    if times := {name: date(at) for name, at in bounds.items() if at is not None}:
        query["received_at"] = times

    async def ask() -> HeadsFound:
        cursor = sink.collection(_LETTERS).find(query, _HEAD).sort("received_at", -1).limit(MOST_LOOKED_AT)
        found = [_head(each) async for each in cursor]
        heads = [each for each in found if not topic or covers(topic, each.topic)]
        heads.sort(key=lambda each: (-each.received_at, each.id))
        return HeadsFound(heads, len(found) < MOST_LOOKED_AT)

    return await sink.until_answered(ask)


async def letters_by_id(sink: MongoSink, ids: Iterable[str]) -> dict[str, DeadLetter]:
    """Read whole letters; waits while MongoDB is away.

    Args:
        sink: Where MongoDB is.
        ids: Those of the letters; of an id that there is none of there is no letter.
    """
    wanted = [ObjectId(each) for each in ids if ObjectId.is_valid(each)]

    async def ask() -> dict[str, DeadLetter]:
        cursor = sink.collection(_LETTERS).find({"_id": {"$in": wanted}})
        letters = [letter_of_document(each) async for each in cursor]
        return {each.id: each for each in letters}

    return await sink.until_answered(ask)


def _head(document: dict[str, Any]) -> LetterHead:
    at = event_seconds(event_ms(document["received_at"].timestamp()))
    return LetterHead(document["_id"].binary.hex(), document["reason"], document["topic"], at)
