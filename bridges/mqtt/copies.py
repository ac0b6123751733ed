"""Tell the copies that a broker sends of one message, one for each filter that fits, from another message.

    filters      +/sensor/+/state  (identifier 1)      homeassistant/+/+/state  (identifier 2)
    published    homeassistant/sensor/attic/state  21.5
    comes        21.5 by 1,  21.5 by 2       one message and its copy
                 21.5 by 1,  21.5 by 1       two messages, of which the copies are still to come

A reading with a time of its own has one id however often it comes; one without a time is another each time. So filters
that overlap are subscribed to with identifiers (MQTT 5), and a message is taken for a copy only if the same bytes on
the same topic came by another identifier within the last minute, and by this one not as often. A broker that sends one
copy of a message, or names no identifiers, loses nothing by it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.payloads.maps.template import covers, meet

# A broker sends copies one after another, or, when much has queued, filter by filter.
_SECONDS = 60.0
_REMEMBERED = 32_768
_LONGEST_REMEMBERED = 512
"""Bytes of a topic that is remembered: a longer one, which the bridge refuses by default, is looked at each time."""
_SHARED = "$share/"


def disjoint_groups(filters: Sequence[str]) -> list[list[str]]:
    """Divide filters so that no two of a group overlap; the first group has those that overlap with no other at all.

    Shared filters are in the first, too: what they bring is shared with others, copies included.

    >>> disjoint_groups(["a/#", "+/b", "c/d", "a/x"])
    [['c/d'], ['a/#'], ['+/b', 'a/x']]
    """
    alone: list[str] = []
    groups: list[list[str]] = []
    for filter_ in filters:
        others = [other for other in filters if other is not filter_ and not other.startswith(_SHARED)]
        if filter_.startswith(_SHARED) or not any(meet(filter_, other) for other in others):
            alone.append(filter_)
            continue
        for group in groups:
            if not any(meet(filter_, other) for other in group):
                group.append(filter_)
                break
        else:
            groups.append([filter_])
    return [alone, *groups]


@dataclass(slots=True)
class _Came:
    """The same bytes on one topic: how many messages they are so far, and how often they came by each identifier."""

    since: float
    messages: int = 0
    by: dict[int, int] = field(default_factory=dict)


class Copies:
    """What has come of messages that more than one filter brings.

    Args:
        groups: Filters by the identifier that they were subscribed to with.
        clock: Monotonic, in seconds.
    """

    def __init__(self, groups: Mapping[int, Iterable[str]], clock: Callable[[], float]) -> None:
        self._groups = {number: tuple(group) for number, group in groups.items()}
        self._clock = clock
        self._expected: dict[bytes, frozenset[int]] = {}
        self._open: OrderedDict[int, _Came] = OrderedDict()

    def is_copy(self, topic: bytes, payload: bytes, identifiers: tuple[int, ...]) -> bool:
        """Whether the same message came before by another filter.

        Args:
            topic, payload: As they came.
            identifiers: Of the filters that this copy came by; none: nothing can be said.
        """
        expected = self._expected.get(topic)
        if expected is None:
            expected = self._learn(topic)
        if len(expected) < 2 or not identifiers or expected.issubset(identifiers):
            return False
        now, key = self._clock(), hash((topic, payload))
        came = self._open.pop(key, None)
        if came is None or now - came.since > _SECONDS:
            came = _Came(now)
        for identifier in identifiers:
            came.by[identifier] = came.by.get(identifier, 0) + 1
        copy = min(came.by[identifier] for identifier in identifiers) <= came.messages
        came.messages += not copy
        if any(came.by.get(identifier) != came.messages for identifier in expected):
            self._open[key] = came
            if len(self._open) > _REMEMBERED:
                self._open.popitem(last=False)
        return copy

    def _learn(self, topic: bytes) -> frozenset[int]:
        if len(self._expected) >= _REMEMBERED:
            self._expected.clear()
        text = topic.decode(errors="replace")
        fitting = frozenset(
            n for n, group in self._groups.items() if any(covers(filter_, text) for filter_ in group)
        )
        if len(topic) <= _LONGEST_REMEMBERED:
            self._expected[topic] = fitting
        return fitting
