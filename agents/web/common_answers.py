"""What the pages answer that both applications have, as types: see `agents.views.worker_answers`."""

from typing import NotRequired, TypedDict


class PageEntry(TypedDict):
    """A page, with its parameters, and what it shows in Markdown."""

    path: str
    help: str


class IndexAnswer(TypedDict):
    """All pages."""

    pages: list[PageEntry]


class LiveAnswer(TypedDict):
    """The event loop runs."""

    live: bool


class TableEntry(TypedDict):
    """A table of Faust's."""

    name: str
    help: str
    rows: NotRequired[dict[str, int]]


class AssignmentAnswer(TypedDict):
    """Partitions by topic: worked through here, and held ready."""

    actives: dict[str, list[int]]
    standbys: dict[str, list[int]]
