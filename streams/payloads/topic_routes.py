"""Who may read a topic: the rules whose templates fit it, in the order in which they are asked.

What fits a topic by its levels is remembered for each topic. Built-in rules that fit any topic, and know their messages
by what is in them, come last and are the same for all: they stand here once, not in each route.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any

import msgspec

from streams.errors import InputError
from streams.payloads.accepted import Limits
from streams.payloads.addresses import Address, TopicKind, parse
from streams.payloads.maps.compiled import CompiledRule
from streams.payloads.maps.template import Template

_OWN_FORM_RANK = (3, 1, 1)
_MAX_REMEMBERED_BYTES = 8_388_608
# By tracemalloc (CPython 3.11) over 2,000 topics: a topic's entry with what it decides, and each rule of it.
_TOPIC_BYTES = 400
_CANDIDATE_BYTES = 330

# Last level of a topic on which a device is asked for something: a map that Weir brings reads there only what it names.
_ASKING = frozenset({b"set", b"get", b"cmd", b"command"})
# Any level of a topic on which something is asked for, or announced: no number there was measured.
_NOT_MEASURED = _ASKING | {
    b"cmnd", b"commands", b"config", b"configuration", b"settings", b"setting", b"control", b"ctrl", b"request", b"req",
    b"rpc", b"desired", b"write", b"setpoints", b"discovery", b"announce", b"log", b"logs", b"debug", b"schedule",
    b"forecast",
}  # fmt: skip


class Origin(IntEnum):
    """Where a map comes from; the larger is asked first."""

    BUILT_IN = 0
    INSTALLED = 1
    OWN = 2


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A rule that may read a topic; ``None`` is Weir's own form.

    Args:
        rule: The rule.
        names: The levels of the topic that it names.
        sensor: The sensor's id, if these decide it.
        by_content: Whether it is asked of any topic, and knows its messages by what is in them.
    """

    rule: CompiledRule | None
    names: Mapping[str, str]
    sensor: str | None = None
    by_content: bool = False


class Routes:
    """Templates of all rules in force, and the topics that were asked for.

    Args:
        limits: What is accepted; the prefix of Weir's own form is in it.
    """

    def __init__(self, limits: Limits) -> None:
        self._prefix = limits.prefix
        self._by_first: dict[str, list[AskedRule]] = {}
        self._by_content: tuple[AskedRule, ...] = ()
        self._by_name: tuple[AskedRule, ...] = ()
        self._routes: dict[bytes, tuple[Candidate, ...]] = {}
        self.own_form: dict[bytes, Address] = {}
        """Topics that Weir's own form is asked of before all others."""
        self.remembered_bytes = 0
        """About what the remembered topics take."""

    def add(self, rule: CompiledRule, origin: Origin, number: int) -> None:
        """Let a rule be asked.

        Args:
            rule: The rule.
            origin: Where its map comes from.
            number: Its place among all; of equal templates that with the smaller number comes first.
        """
        for template in rule.templates:
            entry = AskedRule((origin, template.rank, -number), template, rule)
            if entry.by_content and origin is Origin.BUILT_IN:
                if rule.rule.telling:
                    self._by_name = _with(self._by_name, entry)
                else:
                    self._by_content = _with(self._by_content, entry)
                continue
            for first in template.firsts:
                self._by_first.setdefault(first, []).append(entry)

    def of(self, topic: bytes) -> tuple[Candidate, ...]:
        """Return who may read a topic by its levels, in the order in which they are asked."""
        if (found := self._routes.get(topic)) is not None:
            return found
        found = tuple(self._candidates(topic))
        cost = len(topic) + _TOPIC_BYTES + _CANDIDATE_BYTES * len(found)
        if self.remembered_bytes + cost > _MAX_REMEMBERED_BYTES:
            self._routes.clear()
            self.own_form.clear()
            self.remembered_bytes = 0
        self.remembered_bytes += cost
        self._routes[topic] = found
        if found and found[0].rule is None and (address := self._address(topic)) is not None:
            self.own_form[topic] = address
        return found

    def asked_last(self, topic: bytes, payload: bytes, *, by_name: bool) -> Iterator["AskedRule"]:
        """Yield what is asked of any topic that no other rule has read: what goes by names alone comes last.

        Args:
            topic, payload: The message.
            by_name: Whether that may read it, too. It never does where nothing was measured, nor what a setting reads.
        """
        if _asks(topic):
            return
        yield from self._by_content
        if by_name and _NOT_MEASURED.isdisjoint(topic.split(b"/")) and not _is_own_form(topic, payload):
            yield from self._by_name

    def _candidates(self, topic: bytes) -> Iterable[Candidate]:
        try:
            text = topic.decode()
        except UnicodeDecodeError:
            return [Candidate(None, {})]
        found: list[tuple[tuple[Any, ...], Candidate]] = []
        asks = _asks(topic)
        for entry in (*self._by_first.get(text.partition("/")[0], ()), *self._by_first.get("", ())):
            if asks and entry.order[0] is Origin.BUILT_IN and entry.reads_any:
                continue
            if (candidate := entry.candidate(text)) is not None:
                found.append((entry.order, candidate))
        if self._address(topic) is not None:
            found.append(((Origin.BUILT_IN, _OWN_FORM_RANK, 0), Candidate(None, {})))
        return [candidate for _, candidate in sorted(found, key=lambda each: each[0], reverse=True)]

    def _address(self, topic: bytes) -> Address | None:
        try:
            return parse(topic, self._prefix)
        except InputError:
            return None


class AskedRule(msgspec.Struct, frozen=True, gc=False):
    """A template in the order in which it is asked."""

    order: tuple[Origin, tuple[int, ...], int]
    template: Template
    rule: CompiledRule

    @property
    def by_content(self) -> bool:
        """Whether it fits any topic, and what is in a message says whether the rule reads it."""
        return self.template.filters == ("#",) and bool(self.rule.rule.when or self.rule.rule.telling)

    @property
    def reads_any(self) -> bool:
        """Whether it reads topics whatever their last level is."""
        return self.rule.rule.what == "readings" and not self.template.ends_in_text

    def candidate(self, topic: str) -> Candidate | None:
        """Return the rule with what it takes from a topic's levels; ``None`` if its template does not fit."""
        if (match := self.template.pattern.fullmatch(topic)) is None:
            return None
        names = match.groupdict()
        return Candidate(self.rule, names, self.rule.sensor_of(names), self.by_content)


def _is_own_form(topic: bytes, payload: bytes) -> bool:
    """Whether a message is of Weir's own form but for the levels before: below a quantity stands a bare number."""
    try:
        kind = parse(topic, "ignored").kind
    except InputError:
        return False
    return kind is not TopicKind.VALUE or not payload.lstrip().startswith((b"{", b"["))


def _with(asked: "tuple[AskedRule, ...]", entry: "AskedRule") -> "tuple[AskedRule, ...]":
    return tuple(sorted((*asked, entry), key=lambda each: each.order, reverse=True))


def _asks(topic: bytes) -> bool:
    return topic[topic.rfind(b"/") + 1 :] in _ASKING
