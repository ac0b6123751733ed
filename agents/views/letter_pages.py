"""Dead letters on the worker's web server: what was refused, why, and what to do about it, from MongoDB.

MongoDB (`dead_letters`) ──▶ the newest that are meant ──┬──▶ counted by reason and topic
Kafka (`redrives`) ──▶ what was sent through again ──────┴──▶ rows
bridge's ledger ──▶ shares of the last hour, and since its start
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from faust.web import Request, Response, View

from agents.views import ledger
from agents.views.store_asking import SHORT_PATIENCE_SECONDS, asked_store
from agents.web.queries import (
    LONGEST_TEXT,
    BadRequest,
    Json,
    answer,
    not_found,
    read_number,
    read_time,
)
from agents.web.shared_look import SharedLook
from bridges.dead_letters.letters import Attempts, letter_told
from bridges.dead_letters.redrive_log import RedriveLog
from bridges.dead_letters.redriving import why_never
from bridges.mongo.letters_reading import LetterHead, letters_by_id, newest_heads
from streams.errors import Reason
from streams.payloads.refusal_words import REFUSAL_WORDS
from streams.records.types import DeadLetter

if TYPE_CHECKING:
    from agents.views.worker_pages import WorkerPages

DEFAULT_LETTERS: Final = 30
MOST_LETTERS: Final = 200
MOST_GROUPS: Final = 200
_SHOWN_BYTES: Final = 400
_LOOK_SECONDS: Final = 2.0


class RedriveWatch:
    """What redrives have made of letters, read on from Kafka while somebody asks: by one thread, however many ask.

    Args:
        redrives: Reads it.
    """

    def __init__(self, redrives: RedriveLog) -> None:
        self._redrives = redrives
        self._look = SharedLook(partial(redrives.look, _LOOK_SECONDS))

    @property
    def attempts(self) -> Attempts:
        """What they have made of letters, as far as that is known."""
        return self._redrives.attempts

    async def is_known(self) -> bool:
        """Tell whether all was read; nobody waits for Kafka longer than two seconds: letters are in MongoDB."""
        try:
            return await self._look.found(_LOOK_SECONDS)
        except TimeoutError:
            return False


async def list_letters(pages: "WorkerPages", view: View, request: Request) -> Response:
    """List dead letters, the newest first, with counts by reason and topic."""
    query = request.query
    reasons, since, until = _reasons(query), read_time(query, "since"), read_time(query, "until")
    limit = int(read_number(query, "limit", DEFAULT_LETTERS, least=1, greatest=MOST_LETTERS))
    bridge, known = await asyncio.gather(ledger.bridge_part(pages.app), pages.redrives.is_known())
    async with asked_store(pages.app, SHORT_PATIENCE_SECONDS) as mongo, pages.histories:
        found = await newest_heads(mongo, reasons, query.get("topic", "")[:LONGEST_TEXT], since, until)
        shown = found.heads[:limit]
        letters = await letters_by_id(mongo, (each.id for each in shown))
    rows = [
        _row(letters[each.id], pages.redrives.attempts, _SHOWN_BYTES) for each in shown if each.id in letters
    ]
    return answer(
        view,
        {
            "rows": rows,
            "letters": len(found.heads),
            "whole": found.whole,
            "groups": groups_of(found.heads),
            "refused": refused_part(bridge),
            "reasons": {reason: words._asdict() for reason, words in REFUSAL_WORDS.items()},
            "attempts_known": known,
        },
    )


async def show_letter(pages: "WorkerPages", view: View, request: Request, letter_id: str) -> Response:
    """Return one dead letter with all of its bytes that are kept."""
    known = await pages.redrives.is_known()
    async with asked_store(pages.app, SHORT_PATIENCE_SECONDS) as mongo, pages.histories:
        found = await letters_by_id(mongo, [letter_id])
    letter = found.get(letter_id)
    if letter is None:
        return not_found(view, f"dead letter in MongoDB: {letter_id[:LONGEST_TEXT]}")
    row = _row(letter, pages.redrives.attempts)
    return answer(view, {"letter": row, "reason": words_of(letter.reason), "attempts_known": known})


def _reasons(query: Mapping[str, str]) -> frozenset[str]:
    """Read which reasons are asked for; none: any.

    Raises:
        BadRequest: If there is no such reason.
    """
    reasons = frozenset(filter(None, query.get("reason", "").split(",")))
    if strange := sorted(reasons - set(Reason)):
        raise BadRequest(f"reason must be of {', '.join(Reason)}, got {strange[0][:LONGEST_TEXT]!r}")
    return reasons


def groups_of(heads: Iterable[LetterHead]) -> list[Json]:
    """Count letters by reason and topic: the most first, at most 200.

    Args:
        heads: The newest first.

    >>> heads = [LetterHead("b", "not_json", "t/1", 2.0), LetterHead("a", "not_json", "t/1", 1.0)]
    >>> groups_of(heads)
    [{'reason': 'not_json', 'topic': 't/1', 'count': 2, 'newest': 2.0, 'id': 'b'}]
    """
    groups: dict[tuple[str, str], Json] = {}
    for each in heads:
        begun = {
            "reason": each.reason,
            "topic": each.topic,
            "count": 0,
            "newest": each.received_at,
            "id": each.id,
        }
        groups.setdefault((each.reason, each.topic), begun)["count"] += 1
    return sorted(groups.values(), key=lambda each: (-each["count"], -each["newest"]))[:MOST_GROUPS]


def refused_part(bridge: Json) -> Json:
    """Return what the bridge counts as refused: since its start, within the last hour, by topic; or why nothing is.

    Args:
        bridge: The bridge's ledger, or why there is none; one of an older release has no last hour, and no topics.
    """
    if not bridge["reachable"]:
        return {"reachable": False, "reason": bridge["reason"]}
    items = bridge.get("items", {})
    start = {"received": items.get("received", 0), "dead_letters": items.get("dead_letters", {})}
    return {
        "reachable": True,
        "since_start": start,
        "last_hour": bridge.get("last_hour"),
        "topics": bridge.get("refused_topics"),
    }


def words_of(reason: str) -> dict[str, Any]:
    """Return a reason in plain words; one of another release has none but its name.

    Args:
        reason: As the letter has it.
    """
    if reason not in set(Reason):
        return {
            "what": reason.replace("_", " "),
            "remedy": "see the detail: this release does not know this reason",
        }
    return REFUSAL_WORDS[Reason(reason)]._asdict()


def _row(letter: DeadLetter, attempts: Attempts, most: int | None = None) -> Json:
    last = attempts.of(letter)
    return {
        **letter_told(letter, attempts, most),
        "bytes": len(letter.payload),
        "became": "" if last is None else last.refused or "read",
        "never": why_never(letter),
    }
