"""What the pages of dead letters answer, as types."""

from typing import Any, TypedDict


class LetterRow(TypedDict):
    """A dead letter, with the beginning of its bytes (as text, and in hexadecimal) and how many there are.

    ``attempts``: how often it was sent through again; ``became``: what the last one made of it, ``read`` or why it was
    refused again; ``never``: why it cannot be sent through.
    """

    id: str
    reason: str
    detail: str
    origin: str
    topic: str
    received_at: float
    bytes: int
    payload: str
    payload_hex: str
    partition: int | None
    offset: int | None
    attempts: int
    became: str
    never: str


class LetterGroup(TypedDict):
    """Letters of one reason and topic: how many, and the newest of them."""

    reason: str
    topic: str
    count: int
    newest: float
    id: str


class ReasonWords(TypedDict):
    """A reason in plain words, and what to do about it."""

    what: str
    remedy: str


class LettersAnswer(TypedDict):
    """Dead letters, the newest first, and how many of each reason and topic there are.

    ``letters``: how many are meant, of which ``rows`` has the first; ``whole``: they are all that MongoDB has, and not
    only those of the newest that were looked at; ``refused``: the bridge's counts, since its start, of the last
    hour and by topic; ``attempts_known``: all was read of what was sent through again.
    """

    rows: list[LetterRow]
    letters: int
    whole: bool
    groups: list[LetterGroup]
    refused: dict[str, Any]
    reasons: dict[str, ReasonWords]
    attempts_known: bool


class LetterAnswer(TypedDict):
    """One dead letter with all of its bytes that are kept."""

    letter: LetterRow
    reason: ReasonWords
    attempts_known: bool
