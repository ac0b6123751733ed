"""One window from its parts: the window as it closed, and the supplements of what came late for it.

    window      {_id: W, count: 58, ...}                      stored as it is
    supplement  {_id: W, count: 2, ..., supplement: 4711}     joined: {_id: W, count: 60, ..., parts: [{58}, {2, 4711}]}

A joined document keeps its parts. So one that is written again changes nothing, and the result is the same in whatever
order they come: what it says of the whole is computed from the parts by their numbers, the window before them.
Quantiles are not joined: an aggregate has values of a sketch, not the sketch, and none is better than a wrong one.
"""

import sys
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, Final

import msgspec

from streams.moments import Moments, merge_moments
from streams.records.types import Aggregate
from streams.records.versions import Document

NUMBER: Final = "supplement"
"""In a part: its number. The window itself has none."""
PARTS: Final = "parts"
"""In a joined document: all its parts, by their numbers."""
_OF_THE_WINDOW: Final = frozenset({"_id", "metadata", "start", "end", PARTS})
_LARGEST: Final = sys.float_info.max


def with_part(stored: Document | None, part: Document) -> Document | None:
    """Return the document of a window with one more part; ``None`` if it has that part already.

    Args:
        stored: The document as it stands, if there is one.
        part: The document of a part (`streams.records.documents.aggregate_document`).
    """
    new = _without_window(part)
    if stored is None:
        return part if NUMBER not in part else {**_window(part), **_summed([new]), PARTS: [new]}
    parts: list[Document] = stored.get(PARTS) or [_without_window(stored)]
    if any(each.get(NUMBER) == new.get(NUMBER) for each in parts):
        return None
    parts = sorted([*parts, new], key=lambda each: each.get(NUMBER, -1))
    return {**_window(stored), **_summed(parts), PARTS: parts}


def as_it_was(stored: Mapping[str, Any]) -> Document:
    """Return the filter that finds a stored document while no part has been added: parts never leave it."""
    parts = stored.get(PARTS)
    return {"_id": stored["_id"], PARTS: None if parts is None else {"$size": len(parts)}}


def join_documents(parts: Iterable[Document]) -> list[Document]:
    """Return the documents that come of these of parts, in the order of the first part of each."""
    found: dict[Any, Document] = {}
    for part in parts:
        if (document := with_part(found.get(part["_id"]), part)) is not None:
            found[part["_id"]] = document
    return list(found.values())


def join_aggregates(parts: Iterable[Aggregate]) -> Aggregate:
    """Return what the records of one window say together; it is a window, and no supplement.

    Args:
        parts: Of one window, each once: the window, if it is there, and supplements.

    >>> window = Aggregate("", "s", "t", 0, 60, 2, 1.0, 2.0, 0.0, 2.0, 0.0, 2.0, first_at=0, last_at=30)
    >>> late = Aggregate("", "s", "t", 0, 60, 1, 4.0, 0.0, 4.0, 4.0, 4.0, 4.0, first_at=40, last_at=40, supplement=9)
    >>> whole = join_aggregates([late, window])
    >>> whole.count, whole.mean, whole.variance, whole.first, whole.last, whole.supplement
    (3, 2.0, 4.0, 0.0, 4.0, None)
    """
    ordered = sorted(parts, key=lambda part: -1 if part.supplement is None else part.supplement)
    together = _summed([msgspec.structs.asdict(part) for part in ordered])
    if len(ordered) > 1:
        together["quantiles"] = None
    return msgspec.structs.replace(ordered[0], **{**together, NUMBER: None})


def _window(document: Document) -> Document:
    return {name: document[name] for name in ("_id", "metadata", "start", "end")}


def _without_window(document: Document) -> Document:
    part = {name: value for name, value in document.items() if name not in _OF_THE_WINDOW}
    # A record of before says no times of these: of all its window, the first and the last are most likely its own.
    part.setdefault("first_at", document["start"])
    part.setdefault("last_at", document["end"])
    return part


def _summed(parts: list[Document]) -> Document:
    whole = reduce(_both, parts)
    dropped = {NUMBER} if len(parts) == 1 else {NUMBER, "quantiles"}
    return {name: value for name, value in whole.items() if name not in dropped}


def _moments(part: Document) -> Moments:
    return part["count"], part["mean"], part["variance"] * (part["count"] - 1)


def _both(one: Document, other: Document) -> Document:
    """Add up two parts, as `streams.windows.summaries` does."""
    if not (one["count"] and other["count"]):
        return one if one["count"] else other
    count, mean, squares = merge_moments(_moments(one), _moments(other))
    first = other if other["first_at"] < one["first_at"] else one
    last = other if other["last_at"] > one["last_at"] else one
    return {
        **one,
        "count": count,
        "mean": mean,
        "variance": min(squares / (count - 1), _LARGEST),
        "min": min(one["min"], other["min"]),
        "max": max(one["max"], other["max"]),
        "first": first["first"],
        "last": last["last"],
        "first_at": first["first_at"],
        "last_at": last["last_at"],
        "unchecked": one.get("unchecked", 0) + other.get("unchecked", 0),
    }
