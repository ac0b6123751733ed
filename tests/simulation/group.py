"""The group coordinator of the simulated Kafka: the classic protocol of consumer groups, with static membership.

    empty ──join──▶ preparing ──all have joined, or the time is up──▶ completing ──the leader's assignment──▶ stable
                        ▲                                                                                       │
                        └───────── somebody new, somebody gone, the leader joins again ─────────────────────────┘

A static member (KIP-345) that comes back under its name gets its old assignment without a rebalance, and whoever had
the name before is not known any more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

UNKNOWN_MEMBER, ILLEGAL_GENERATION, REBALANCING, FENCED_INSTANCE = (
    25,
    22,
    27,
    82,
)  # error codes of the protocol

Reply = Callable[[Any], None]
Later = Callable[[float, Callable[[], None]], object]


class State(Enum):
    """Where a group stands."""

    EMPTY = "empty"
    PREPARING = "preparing"
    COMPLETING = "completing"
    STABLE = "stable"


@dataclass(slots=True)
class Member:
    """A member, and what it waits for."""

    id: str
    instance: str | None
    protocols: list[tuple[str, bytes]]
    session: float
    rebalance: float
    beats: int = 0
    joining: Reply | None = None
    syncing: Reply | None = None
    assignment: bytes = b""


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to a request to join; `members` is empty for all but the leader."""

    error: int
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    member: str = ""
    members: list[tuple[str, str | None, bytes]] = field(default_factory=list)


class Group:
    """One consumer group.

    Args:
        later: Calls something after some seconds.
        first_seconds: How long the first member waits for others.
    """

    def __init__(self, later: Later, first_seconds: float = 0.5) -> None:
        self._later = later
        self._first_seconds = first_seconds
        self.state = State.EMPTY
        self.generation = 0
        self.leader = ""
        self.members: dict[str, Member] = {}
        self._static: dict[str, str] = {}
        self._numbers = 0
        self._rebalances = 0
        self._not_before: float | None = None

    # -- joining -------------------------------------------------------------------------------------------------

    def join(
        self,
        member_id: str,
        instance: str | None,
        protocols: list[tuple[str, bytes]],
        session: float,
        rebalance: float,
        reply: Reply,
    ) -> None:
        """Join, or join again; the reply comes when the group has formed."""
        if not member_id:
            self._join_newly(instance, protocols, session, rebalance, reply)
            return
        if error := self._refused(member_id, instance):
            reply(Joined(error, member=member_id))
            return
        member = self.members[member_id]
        changed = member.protocols != protocols
        member.protocols = protocols
        leads = self.state is State.STABLE and member_id == self.leader
        if self.state is not State.PREPARING and not changed and not leads:
            reply(self._joined(member))
            return
        self._prepare()
        self._await(member, reply)

    def _join_newly(
        self, instance: str | None, protocols: Any, session: float, rebalance: float, reply: Reply
    ) -> None:
        self._numbers += 1
        member = Member(f"{instance or 'member'}-{self._numbers}", instance, protocols, session, rebalance)
        old = self.members.pop(self._static[instance], None) if instance in self._static else None
        self.members[member.id] = member
        if instance is not None:
            self._static[instance] = member.id
        if old is None:
            self._prepare()
            self._await(member, reply)
            return
        for waiting in (old.joining, old.syncing):
            if waiting is not None:
                waiting(Joined(FENCED_INSTANCE) if waiting is old.joining else (FENCED_INSTANCE, b""))
        was_leader, member.assignment = self.leader == old.id, old.assignment
        if was_leader:
            self.leader = member.id
        if self.state is State.STABLE:
            self._beat(member)
            # The old leader's id: who comes back does not assign.
            reply(self._joined(member, leader=old.id if was_leader else self.leader))
            return
        if self.state is not State.PREPARING:
            self._prepare()
        self._await(member, reply)

    def _await(self, member: Member, reply: Reply) -> None:
        member.joining = reply
        self._beat(member)
        self._complete_if_all()

    def rebalance(self) -> None:
        """Have all members join anew."""
        if self.state in (State.STABLE, State.COMPLETING) and self.members:
            self._prepare()

    def _prepare(self) -> None:
        if self.state is State.PREPARING:
            return
        first = self.state is State.EMPTY
        self.state = State.PREPARING
        for member in self.members.values():
            if (syncing := member.syncing) is not None:
                member.syncing = None
                syncing((REBALANCING, b""))
        self._rebalances += 1
        number = self._rebalances
        if first:
            self._not_before = 1.0
            self._later(self._first_seconds, self._first_have_waited)
        longest = max((member.rebalance for member in self.members.values()), default=60.0)
        self._later(longest, lambda: self._complete(number))

    def _first_have_waited(self) -> None:
        self._not_before = None
        self._complete_if_all()

    def _complete_if_all(self) -> None:
        waits = self._not_before is not None or any(m.joining is None for m in self.members.values())
        if self.state is State.PREPARING and not waits:
            self._complete(self._rebalances)

    def _complete(self, number: int) -> None:
        if self.state is not State.PREPARING or number != self._rebalances:
            return
        for member in [m for m in self.members.values() if m.joining is None and m.instance is None]:
            del self.members[member.id]
        joined = [member for member in self.members.values() if member.joining is not None]
        if not joined:
            self._wait_on()
            return
        self.generation += 1
        self.state = State.COMPLETING
        if self.leader not in {member.id for member in joined}:
            self.leader = joined[0].id
        for member in joined:
            joining, member.joining = member.joining, None
            assert joining is not None
            self._beat(member)
            joining(self._joined(member))

    def _wait_on(self) -> None:
        """Static members that are late stay until their sessions end; with nobody left the group is empty."""
        if not self.members:
            self.state = State.EMPTY
        else:
            number = self._rebalances
            self._later(max(m.rebalance for m in self.members.values()), lambda: self._complete(number))

    def _joined(self, member: Member, leader: str | None = None) -> Joined:
        leader = self.leader if leader is None else leader
        members = (
            [(each.id, each.instance, each.protocols[0][1]) for each in self.members.values()]
            if member.id == leader
            else []
        )
        return Joined(0, self.generation, member.protocols[0][0], leader, member.id, members)

    # -- the rest ------------------------------------------------------------------------------------------------

    def sync(
        self,
        member_id: str,
        instance: str | None,
        generation: int,
        assignments: dict[str, bytes],
        reply: Reply,
    ) -> None:
        """Bring or get the assignment; the reply is an error code and the assignment."""
        error = self._refused(member_id, instance) or self._other(generation)
        if error or self.state is State.PREPARING:
            reply((error or REBALANCING, b""))
            return
        member = self.members[member_id]
        self._beat(member)
        if self.state is State.STABLE:
            reply((0, member.assignment))
            return
        member.syncing = reply
        if member_id == self.leader:
            self.state = State.STABLE
            for each in self.members.values():
                each.assignment = assignments.get(each.id, b"")
                syncing, each.syncing = each.syncing, None
                if syncing is not None:
                    syncing((0, each.assignment))

    def heartbeat(self, member_id: str, generation: int) -> int:
        """Keep a member alive; returns the error code."""
        if error := self._refused(member_id, None) or self._other(generation):
            return error
        self._beat(self.members[member_id])
        return REBALANCING if self.state is State.PREPARING else 0

    def may_commit(self, member_id: str, generation: int) -> int:
        """Tell whether a member may commit offsets."""
        if generation < 0 and not self.members:
            return 0
        if error := self._refused(member_id, None) or self._other(generation):
            return error
        self._beat(self.members[member_id])
        return REBALANCING if self.state is State.COMPLETING else 0

    def leave(self, member_id: str) -> int:
        """Take a member out."""
        if member_id not in self.members:
            return UNKNOWN_MEMBER
        self._remove(self.members[member_id])
        return 0

    def _refused(self, member_id: str, instance: str | None) -> int:
        if instance is not None and self._static.get(instance, member_id) != member_id:
            return FENCED_INSTANCE
        return 0 if member_id in self.members else UNKNOWN_MEMBER

    def _other(self, generation: int) -> int:
        return 0 if generation == self.generation else ILLEGAL_GENERATION

    def _beat(self, member: Member) -> None:
        member.beats += 1
        beats = member.beats
        self._later(member.session, lambda: self._expire(member, beats))

    def _expire(self, member: Member, beats: int) -> None:
        if member.beats == beats and self.members.get(member.id) is member and member.joining is None:
            self._remove(member)

    def _remove(self, member: Member) -> None:
        del self.members[member.id]
        if member.instance is not None and self._static.get(member.instance) == member.id:
            del self._static[member.instance]
        if not self.members:
            self.state = State.EMPTY
        elif self.state is State.PREPARING:
            self._complete_if_all()
        else:
            self._prepare()
