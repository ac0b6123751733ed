"""Lists of names that the rules of a map file share: written once, and put in wherever ``<list>`` stands.

    [lists]
    device = ["deviceId", "device_id"]
    time = ["ts", "time"]

    {.{<device>,id}}          {.{deviceId,device_id,id}}     in braces, behind { or a comma: all of them
    ["<time>", "at"]          ["ts", "time", "at"]           elsewhere in an element of a list: one element for each
    ["$.<time>"]              ["$.ts", "$.time"]

A list may use those before it. What is put in is what the file would say without lists: no rule knows of them, and no
fingerprint of a map changes with them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from streams.errors import ConfigurationError

_NAME: Final = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)
_JOINED: Final = re.compile(r"(?<=[{,])<([^<>{},]*)>")
_EACH: Final = re.compile(r"<([^<>{},]*)>")
_MOST_NAMES: Final = 2000
_MOST_CHARACTERS: Final = 1_048_576


def put_in(table: dict[str, Any]) -> dict[str, Any]:
    """Return a map file's table with its lists put in, and without them.

    Args:
        table: As it was read; without ``lists`` it is returned as it is.

    Raises:
        ConfigurationError: If the lists are none, one is not known where it stands, or too much would come of them.

    >>> put_in({"lists": {"t": ["ts", "at"]}, "rule": [{"time": ["<t>", "$.<t>"], "when": ["{<t>,x}"]}]})
    {'rule': [{'time': ['ts', 'at', '$.ts', '$.at'], 'when': ['{ts,at,x}']}]}
    """
    if "lists" not in table:
        return table
    lists: dict[str, list[str]] = {}
    putting, given = _Putting(lists), table["lists"]
    for name, names in given.items() if isinstance(given, dict) else [("", given)]:
        if (
            not _NAME.fullmatch(name)
            or not isinstance(names, list)
            or not all(isinstance(each, str) for each in names)
        ):
            raise ConfigurationError(
                f"lists.{name[:40]} must be a list of texts, and its name lower-case letters and _, "
                f"got {str(names)[:80]}"
            )
        lists[name] = putting.texts(names)
        if not 1 <= len(lists[name]) <= _MOST_NAMES:
            raise ConfigurationError(
                f"lists.{name} must have 1 to {_MOST_NAMES:,} texts, got {len(lists[name]):,}"
            )
    return {name: putting.value(each) for name, each in table.items() if name != "lists"}


class _Putting:
    """Puts lists in.

    Args:
        lists: By name; more may come.
    """

    def __init__(self, lists: Mapping[str, list[str]]) -> None:
        self._lists = lists
        self._left = _MOST_CHARACTERS

    def value(self, value: Any) -> Any:
        match value:
            case dict():
                return {self._text(name): self.value(each) for name, each in value.items()}
            case list() if all(isinstance(each, str) for each in value):
                return self.texts(value)
            case list():
                return [self.value(each) for each in value]
            case str():
                return self._text(value)
        return value

    def texts(self, given: list[str]) -> list[str]:
        """Return the elements of a list, each that names a list outside of braces once for each of its names."""
        return [self._count(text) for each in given for text in self._each(self._joined(each))]

    def _text(self, text: str) -> str:
        joined = self._joined(text)
        if found := _EACH.search(joined):
            raise ConfigurationError(
                f"{found[0]} in {text[:80]!r} stands for several texts: expected {{{found[0]}}}, or a list of texts"
            )
        return self._count(joined)

    def _joined(self, text: str) -> str:
        return _JOINED.sub(lambda found: ",".join(self._names(found[1], text)), text) if "<" in text else text

    def _each(self, text: str) -> Iterator[str]:
        found = _EACH.search(text)
        if found is None:
            yield text
            return
        for name in self._names(found[1], text):
            yield from self._each(text[: found.start()] + name + text[found.end() :])

    def _names(self, name: str, text: str) -> list[str]:
        names = self._lists.get(name)
        if names is None:
            raise ConfigurationError(
                f"there is no list <{name[:40]}>, which {text[:80]!r} names; before it there are "
                f"{', '.join(self._lists) or 'none'}"
            )
        return names

    def _count(self, text: str) -> str:
        self._left -= len(text)
        if self._left < 0:
            raise ConfigurationError(
                f"with its lists a map must have at most {_MOST_CHARACTERS:,} characters"
            )
        return text
