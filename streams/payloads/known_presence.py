"""Which devices are there, as their topics last said: what is a change becomes a record, what repeats it does not.

    "online" ──▶ online since …          "online" again, or kept by the broker ──▶ nothing
    "offline" ─▶ disconnected since …    an empty message ──▶ withdrawn: nothing is said any more

A gateway that goes takes the devices with it that said they are reached by it, each with a record of its own. When it
comes back they are online again, unless its form has sessions (Sparkplug B): then each device says so itself.

The end of an older session says nothing: a broker publishes the will of a connection that it finds dead after the
device has long connected anew (Sparkplug 3.0.0: an NDEATH counts if its bdSeq is that of the last NBIRTH).
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal

import msgspec

from streams.payloads.maps.decoded import PresenceWord
from streams.records.types import Presence

MAX_DEVICES = 200_000
"""Devices whose state is remembered, about 500 bytes each; those heard last stay."""
_SESSIONS = 256  # bdSeq counts from 0 to 255


class KnownPresence:
    """The presence of every device heard.

    Attributes:
        shared: Whether other bridges hear some of the words: then one that repeats what is known here may be a change
            all the same, and is written.
    """

    def __init__(self) -> None:
        self.shared = False
        self._known: OrderedDict[str, Presence] = OrderedDict()
        self._behind: dict[str, set[str]] = {}

    def restore(self, records: Iterable[Presence]) -> None:
        """Remember the newest record of each device."""
        for record in records:
            self._remember(record)

    def take(self, words: Iterable[PresenceWord], topic: bytes, *, retained: bool) -> list[Presence]:
        """Return the changes that words are; none if they only repeat what is known.

        Args:
            words: Of one message.
            topic: Its topic.
            retained: Whether the broker had kept it.
        """
        where = topic.decode(errors="backslashreplace")
        changes: list[Presence] = []
        for word in words:
            change = self._change(word, where, retained=retained)
            if change is not None:
                changes.append(change)
                changes += self._taken_along(change)
        for change in changes:
            self._remember(change)
        return changes

    def _change(self, word: PresenceWord, topic: str, *, retained: bool) -> Presence | None:
        known = self._known.get(word.sensor_id)
        before = None if known is None else known.state
        if word.state == "withdrawn" and before in (None, "withdrawn"):
            return None
        session = None if known is None else known.session
        if word.state == "offline" and _is_older(word.session, session):
            return None
        state = _STATES[word.state]
        born_anew = word.session is not None and word.session != session
        if state == before and not born_anew and not self.shared:
            return None
        if known is not None and state == before and not born_anew:
            return known
        gateway = word.gateway or ("" if known is None else known.gateway)
        session = session if word.session is None else word.session
        return Presence(word.sensor_id, state, word.at, word.said or topic, topic, retained, gateway, session)

    def _taken_along(self, change: Presence) -> list[Presence]:
        """Return the changes of the devices behind a gateway that has gone, or is back."""
        gone = change.state == "disconnected"
        if not gone and (change.state != "online" or change.session is not None):
            return []
        reason = f"{change.sensor_id} is {'disconnected' if gone else 'online again'}"
        found = []
        for sensor_id in sorted(self._behind.get(change.sensor_id, ())):
            known = self._known[sensor_id]
            if known.state == "online" if gone else _went_with(known, change.sensor_id):
                found.append(
                    msgspec.structs.replace(
                        known, state=change.state, since=change.since, reason=reason, topic=change.topic,
                        retained=change.retained,
                    )
                )  # fmt: skip
        return found

    def _remember(self, record: Presence) -> None:
        before = self._known.pop(record.sensor_id, None)
        if before is not None:
            self._forget_behind(before)
        self._known[record.sensor_id] = record
        if record.gateway:
            self._behind.setdefault(record.gateway, set()).add(record.sensor_id)
        if len(self._known) > MAX_DEVICES:
            self._forget_behind(self._known.popitem(last=False)[1])

    def _forget_behind(self, record: Presence) -> None:
        behind = self._behind.get(record.gateway, set())
        behind.discard(record.sensor_id)
        if not behind:
            self._behind.pop(record.gateway, None)


_State = Literal["online", "disconnected", "withdrawn"]
_STATES: dict[str, _State] = {"online": "online", "offline": "disconnected", "withdrawn": "withdrawn"}


def _went_with(known: Presence, gateway: str) -> bool:
    return known.state == "disconnected" and known.reason == f"{gateway} is disconnected"


def _is_older(session: int | None, known: int | None) -> bool:
    """Tell whether a session came before the one that is known; they are counted round.

    >>> _is_older(4, 5), _is_older(5, 5), _is_older(0, 255), _is_older(255, 0), _is_older(None, 5)
    (True, False, False, True, False)
    """
    return session is not None and known is not None and 0 < (known - session) % _SESSIONS < _SESSIONS // 2
