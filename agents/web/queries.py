"""Read a request's parameters, and answer in JSON."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from faust.web import Response, View

from agents.web.peers import LOCAL
from streams.errors import InputError
from streams.payloads.event_times import read_when
from streams.records.documents import date

Json = dict[str, Any]

DEFAULT_LIMIT = 50
GREATEST_LIMIT = 1000
LONGEST_TEXT = 200

_encode = msgspec.json.Encoder(enc_hook=str).encode


class BadRequest(Exception):
    """A parameter is not acceptable; the text says which and what would be.

    Attributes:
        status: Of HTTP.
        told: What the answer says beside the text.
    """

    status = 400
    told: Mapping[str, object] = MappingProxyType({})


class MissingWorker(BadRequest):
    """A worker does not answer, which may have what is asked for.

    Args:
        missing: The URLs of all that do not answer.
    """

    status = 503

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"a worker does not answer: {', '.join(missing)}")
        self.told = {"missing": missing}


class Page(NamedTuple):
    """Part of a listing, in the order of keys.

    Args:
        rows: Key and description.
        more: Whether further keys come after the last one.
    """

    rows: list[tuple[str, Json]]
    more: bool


class Listing(NamedTuple):
    """Which part of a listing is asked for."""

    prefix: str
    after: str
    limit: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Listing":
        """Read ``prefix``, ``after`` and ``limit``.

        Raises:
            BadRequest: If the limit is not a number in range.
        """
        limit = read_number(query, "limit", DEFAULT_LIMIT, least=1, greatest=GREATEST_LIMIT)
        return cls(query.get("prefix", ""), query.get("after", ""), int(limit))

    def as_query(self) -> dict[str, str]:
        """Return the parameters, to ask another worker the same."""
        return {"prefix": self.prefix, "after": self.after, "limit": str(self.limit)}


def read_number(
    query: Mapping[str, str], name: str, default: float, *, least: float, greatest: float
) -> float:
    """Read a number.

    Args:
        query: The request's parameters.
        name: Which one.
        default: Its value where it is not given, or empty; in range, too.
        least, greatest: Bounds, both inclusive.

    Raises:
        BadRequest: If it is none, or out of range.
    """
    text = query.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = float("nan")
    if not least <= value <= greatest:
        raise BadRequest(f"{name} must be a number from {least:g} to {greatest:g}, got {text!r}")
    return value


def read_time(query: Mapping[str, str], name: str) -> float | None:
    """Read a time, in seconds since the Unix epoch; ``None`` where none is given.

    Args:
        query: The request's parameters.
        name: Which one: ISO 8601 (a date alone is its midnight in UTC), a number since the epoch, or so long ago:
            ``-30d``, ``-6h``.

    Raises:
        BadRequest: If it is none, or lies outside the years 1 to 9999: neither MongoDB nor Kafka can be asked for it.

    >>> read_time({"from": "2024-09-09"}, "from"), read_time({}, "from")
    (1725840000.0, None)
    """
    text = query.get(name, "")
    if not text:
        return None
    try:
        found = read_when(text, time.time())
        date(found)
    except InputError as error:
        raise BadRequest(f"{name}: {error.detail}") from None
    return found


def read_find(query: Mapping[str, str]) -> str:
    """Read what is looked for in ids and names; empty if nothing is."""
    return query.get("find", "").strip()[:LONGEST_TEXT]


def read_word(query: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """Read one of several words.

    Args:
        query: The request's parameters.
        name: Which one.
        words: What it may be; the first where none is given.

    Raises:
        BadRequest: If it is another one.

    >>> read_word({}, "sort", ("id", "worst"))
    'id'
    """
    text = query.get(name) or words[0]
    if text not in words:
        raise BadRequest(f"{name} must be {' or '.join(words)}, got {text[:LONGEST_TEXT]!r}")
    return text


def is_local(query: Mapping[str, str]) -> bool:
    """Tell whether another worker asks: then only this worker's own state is wanted."""
    return LOCAL in query


def answer(view: View, value: object, status: int = 200) -> Response:
    """Answer in JSON; what is not a number in JSON (NaN, infinity) becomes null.

    Args:
        view: Makes the response.
        value: Plain values; what is of no JSON type becomes its text.
        status: Of HTTP.
    """
    # What is live must not come from a cache without a question whether it still is so.
    return view.bytes(
        _encode(value), content_type="application/json", status=status, headers={"Cache-Control": "no-cache"}
    )


def show_page(view: View, page: str) -> Response:
    """Answer with a page for people; a cache asks whether it is still so."""
    return view.html(page, headers={"Cache-Control": "no-cache"})


def not_found(view: View, what: str) -> Response:
    """Answer that there is no such thing."""
    return answer(view, {"error": f"no such {what}"}, status=404)
