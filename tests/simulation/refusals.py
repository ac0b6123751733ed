"""Answers of a broker that does not lead a partition, or does not coordinate a group or transaction, at the moment."""

from collections.abc import Callable
from typing import Any

NOT_LEADER, NOT_COORDINATOR = 6, 16  # error codes of the protocol

_REFUSALS: dict[int, Callable[[Any], Any]] = {
    0: lambda r: r.RESPONSE_TYPE(
        [(topic, [(number, NOT_LEADER, -1, -1, -1) for number, _ in parts]) for topic, parts in r.topics], 0
    ),
    1: lambda r: r.RESPONSE_TYPE(
        0,
        [
            (topic, [(number, NOT_LEADER, -1, -1, [], b"") for number, _, _ in parts])
            for topic, parts in r.topics
        ],
    ),
    8: lambda r: r.RESPONSE_TYPE(
        0, [(topic, [(number, NOT_COORDINATOR) for number, _, _ in parts]) for topic, parts in r.topics]
    ),
    9: lambda r: r.RESPONSE_TYPE(
        0,
        [(topic, [(number, -1, "", NOT_COORDINATOR) for number in numbers]) for topic, numbers in r.topics],
        0,
    ),
    11: lambda r: r.RESPONSE_TYPE(0, NOT_COORDINATOR, -1, "", "", r.member_id, []),
    12: lambda r: r.RESPONSE_TYPE(0, NOT_COORDINATOR),
    14: lambda r: r.RESPONSE_TYPE(0, NOT_COORDINATOR, b""),
    22: lambda r: r.RESPONSE_TYPE(0, NOT_COORDINATOR, -1, -1) if r.transactional_id else None,
    24: lambda r: r.RESPONSE_TYPE(
        0, [(topic, [(number, NOT_COORDINATOR) for number in numbers]) for topic, numbers in r.topics]
    ),
    26: lambda r: r.RESPONSE_TYPE(0, NOT_COORDINATOR),
}


def refusal_of(request: Any) -> Any:
    """Make the answer that refuses a request; ``None`` if it is answered by every broker."""
    refuse = _REFUSALS.get(request.API_KEY)
    return None if refuse is None else refuse(request)
