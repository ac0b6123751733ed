"""Write windows and the supplements to them: documents of one id are parts of one window.

    windows      ─▶ insert; an id that is taken: of a supplement that was first, or of a write before
    supplements  ─▶ read what is stored, join, replace it unless it has changed meanwhile: then again

Hardly anything is a supplement, so that windows are written as fast as all else. A joined document keeps its parts:
writing one again changes nothing, and neither does the order in which they come.
"""

from typing import Any

from pymongo import InsertOne, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from bridges.mongo.write_outcome import DUPLICATE_KEY, TRANSIENT_CODES, Left, Written, refuse, sort_out, taken
from streams.records.versions import Document
from streams.records.window_parts import as_it_was, with_part

Collection = AsyncCollection[dict[str, Any]]
Write = InsertOne[Document] | ReplaceOne[Document]


async def insert_windows(
    there: list[Document], collection: Collection, documents: list[Document], written: Written
) -> Left:
    """Insert windows.

    Args:
        there: Collects those whose id was taken; they are not counted.
        collection: Where to.
        documents: Of windows.
        written: Counts the others.

    Returns:
        What to try again, and why.
    """
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        left = sort_out(error, documents, written)
        found = taken(error, documents)
        written.already_there -= len(found)
        there += found
        return left
    written.stored += len(documents)
    return [], None


async def join_parts(collection: Collection, documents: list[Document], written: Written) -> Left:
    """Join parts to the windows that are stored.

    Args:
        collection: Where they are.
        documents: Of supplements, and of windows whose id was taken.
        written: Counts them.

    Returns:
        What to try again, and why it failed, if it did: somebody else may have changed a window meanwhile.
    """
    ids = list({each["_id"] for each in documents})
    stored: dict[Any, Document] = {each["_id"]: each async for each in collection.find({"_id": {"$in": ids}})}
    after = dict(stored)
    new: dict[Any, list[Document]] = {}
    outcome = Written()
    for part in documents:
        key = part["_id"]
        try:
            document = with_part(after.get(key), part)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            refuse(outcome, part, f"cannot be joined to what is stored: {type(error).__name__}: {error}")
            continue
        if document is None:
            outcome.already_there += 1
        else:
            after[key] = document
            new.setdefault(key, []).append(part)
    left = await _write(collection, stored, after, new, outcome) if new else ([], None)
    written.add(outcome)
    return left


async def _write(
    collection: Collection,
    stored: dict[Any, Document],
    after: dict[Any, Document],
    new: dict[Any, list[Document]],
    outcome: Written,
) -> Left:
    """Write windows, each unless it has changed meanwhile.

    Args:
        collection: Where to.
        stored, after: As they were read, and as they are to be.
        new: By window, the parts that it has got.
        outcome: Counts them.
    """
    writes: list[Write] = [
        ReplaceOne(as_it_was(stored[key]), after[key]) if key in stored else InsertOne(after[key])
        for key in new
    ]
    changed = list(new.values())
    try:
        result = await collection.bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        return _sorted_out(error, changed, outcome)
    if result.inserted_count + result.matched_count < len(writes):
        return _all_of(changed), None  # nobody says which; what is joined already is found the next time
    outcome.stored += sum(map(len, changed))
    return [], None


def _sorted_out(error: BulkWriteError, changed: list[list[Document]], outcome: Written) -> Left:
    """Refuse what is refused for good; all the rest is tried again, and found if it is there."""
    details = error.details or {}
    waits = bool(details.get("writeConcernErrors"))
    refused: set[int] = set()
    for failure in details.get("writeErrors", []):
        index, code = failure["index"], failure["code"]
        if code in TRANSIENT_CODES:
            waits = True
        elif code != DUPLICATE_KEY:
            refused.add(index)
            for part in changed[index]:
                refuse(outcome, part, f"code {code}: {failure.get('errmsg', '')}")
    again = _all_of([parts for index, parts in enumerate(changed) if index not in refused])
    return again, error if waits else None


def _all_of(groups: list[list[Document]]) -> list[Document]:
    return [part for parts in groups for part in parts]
