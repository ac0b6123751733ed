"""Say of topics that nothing reads what they could be read as: with examples, and a map that is tried on them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from bridges.maps.suggesting import tried_proposal
from bridges.maps.trying import Sample
from streams.payloads.accepted import Limits
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import parse_map
from streams.payloads.maps.proposals import Unread, propose
from streams.payloads.unread import Example, UnreadKind

_SHOWN_CHARACTERS = 200


class UnreadPage:
    """The page of what nothing reads: made when it is asked for, and again when something has come since.

    Args:
        snapshot: Returns what nothing reads; the same list until something comes.
        limits: What is accepted.
    """

    def __init__(self, snapshot: Callable[[], list[UnreadKind]], limits: Limits) -> None:
        self._snapshot = snapshot
        self._limits = limits
        self._of: list[UnreadKind] | None = None
        self._page: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        """Return the page."""
        if (kinds := self._snapshot()) is not self._of:
            self._page = {"kinds": unread_as_json(kinds, self._limits)}
            self._of = kinds
        return self._page


def unread_as_json(kinds: Sequence[UnreadKind], limits: Limits) -> list[dict[str, Any]]:
    """Describe what nothing reads.

    Args:
        kinds: What came, and examples of it.
        limits: What is accepted.
    """
    found: list[dict[str, Any]] = []
    number = 1
    for kind in kinds:
        examples = [each for each in kind.examples.values() if _is_text(each)]
        samples = {
            (sample.topic, sample.payload): sample
            for sample in (Sample(each.topic.decode(), each.payload, each.at) for each in examples)
        }

        def with_map(text: str) -> MapsInForce:
            return MapsInForce([parse_map(text)], limits=limits)

        suggestions = []
        for group in propose((Unread(topic, payload) for topic, payload in samples), first=number):
            number += 1
            proposal = tried_proposal(group, samples, with_map)
            suggestions.append(
                {
                    "topics": group.template,
                    "map": group.map_text,
                    "examples": len(group.messages),
                    "readable": proposal.readable,
                    "sensors": proposal.sensors,
                }
            )
        found.append(
            {
                "messages": kind.messages,
                "dead_letters": kind.dead_letters,
                "passed_over": kind.messages - kind.dead_letters,
                "last": datetime.fromtimestamp(kind.last, UTC).isoformat(timespec="seconds"),
                "examples": [
                    {"topic": _shown(each.topic), "payload": _shown(each.payload)}
                    for each in kind.examples.values()
                ],
                "suggestions": suggestions,
            }
        )
    return found


def _is_text(example: Example) -> bool:
    try:
        example.topic.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(raw: bytes) -> str:
    text = raw[: 4 * _SHOWN_CHARACTERS].decode(errors="backslashreplace")
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
