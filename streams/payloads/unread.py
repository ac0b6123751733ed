"""What nothing reads, kept as examples within bounds: kinds of topics, and of each a few messages.

    plant/7/oven/telemetry   {"ts": …}  ┐
    plant/8/press/telemetry  {"ts": …}  ┴─ one kind: as many levels, the same first one, both objects (or arrays)

Keeping them costs as little as counting: what they could be read as is found out when somebody asks.
"""

from collections import OrderedDict

import msgspec

MOST_KINDS = 32
MOST_EXAMPLES = 8
MOST_BYTES = 4096
Key = tuple[bytes, int, bytes]


class Example(msgspec.Struct, frozen=True, gc=False):
    """A message that nothing reads.

    Args:
        topic: MQTT topic.
        payload: Bytes; the first 4 kB of longer ones.
        at: When it came (seconds since the Unix epoch).
    """

    topic: bytes
    payload: bytes
    at: float


class UnreadKind(msgspec.Struct, gc=False):
    """Messages of one kind.

    Args:
        messages: How many came.
        dead_letters: How many of them became dead letters; the others are passed over.
        last: When the last one came (seconds since the Unix epoch).
        examples: The newest of each of a few topics.
    """

    messages: int = 0
    dead_letters: int = 0
    last: float = 0.0
    examples: dict[bytes, Example] = {}


class UnreadTopics:
    """Remember what nothing reads.

    >>> unread = UnreadTopics()
    >>> unread.take(b"plant/7/oven", b'{"t": 212.5}', 10.0, dead_letter=True)
    >>> unread.take(b"plant/8/press", b'{"t": 31.0}', 11.0, dead_letter=True)
    >>> [(each.messages, sorted(each.examples)) for each in unread.snapshot()]
    [(2, [b'plant/7/oven', b'plant/8/press'])]
    """

    def __init__(self) -> None:
        self._kinds: OrderedDict[Key, UnreadKind] = OrderedDict()
        self._shown: list[UnreadKind] = []
        self._shown_at = 0
        self.messages = 0
        """How many messages nothing has read so far."""
        self.forgotten = 0
        """How many of them are of kinds that had to give way to newer ones."""

    def take(self, topic: bytes, payload: bytes, at: float, *, dead_letter: bool) -> None:
        """Note a message.

        Args:
            topic, payload: As they came.
            at: When (seconds since the Unix epoch).
            dead_letter: Whether it became one.
        """
        self.messages += 1
        first = payload[:1]
        key = (topic.partition(b"/")[0], topic.count(b"/"), first if first in (b"{", b"[") else b"")
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= MOST_KINDS:
                _, gone = self._kinds.popitem(last=False)
                self.forgotten += gone.messages
            kind = self._kinds[key] = UnreadKind()
        self._kinds.move_to_end(key)
        kind.messages += 1
        kind.dead_letters += dead_letter
        kind.last = at
        if topic in kind.examples or len(kind.examples) < MOST_EXAMPLES:
            kind.examples[topic] = Example(topic, payload[:MOST_BYTES], at)

    def snapshot(self) -> list[UnreadKind]:
        """Return the kinds as they are now, those of the most messages first; for any thread to keep."""
        if self._shown_at != self.messages:
            self._shown_at = self.messages
            found = sorted(self._kinds.values(), key=lambda each: -each.messages)
            self._shown = [msgspec.structs.replace(each, examples=dict(each.examples)) for each in found]
        return self._shown
