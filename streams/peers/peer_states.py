"""What a partition of `peer-inputs` keeps: of its sources, of each group, and of each member, in a row each.

    key                       state
    (empty)                   Sources: how far each source is, by its ticks
    group                     PeerGroup: windows that are not compared yet
    relation                  RelationGroup: the same, and fit and model of one quantity
    limits of group           LimitGroup: the same, and the limits of its members
    sensor ^A quantity        PeerMember: offset and model of one series

A member has a row of its own, so that a group of a thousand is no row that has to be written whole each minute.
"""

from typing import Any, Final

from streams.detection.series_model import SeriesModel
from streams.peers.limit_group import LimitGroup
from streams.peers.peer_group import PeerGroup
from streams.peers.peer_plan import PeerPlan
from streams.peers.references import Offset, Standing
from streams.peers.relation_fit import RelationFit
from streams.records.rows import Changes

SOURCES: Final = ""
"""The key of the row of the sources."""


def member_key(sensor_id: str, quantity: str) -> str:
    """Return the key of a member's row.

    Args:
        sensor_id, quantity: The series.
    """
    return f"{sensor_id}\1{quantity}"


class Sources:
    """How far each source is.

    Attributes:
        ticked_at: The last tick of each.
        through: The earliest of them, when windows were last looked at.
    """

    __slots__ = ("through", "ticked_at")

    def __init__(self) -> None:
        self.ticked_at: dict[int, float] = {}
        self.through = 0.0

    def to_state(self) -> list[Any]:
        """Return it as plain values."""
        return [self.through, sorted(self.ticked_at.items())]

    @classmethod
    def from_state(cls, values: Any) -> "Sources":
        """Restore what `to_state` returned."""
        sources = cls()
        sources.through, ticks = values
        sources.ticked_at = dict(ticks)
        return sources


class PeerMember:
    """One series beside the others of its group.

    Args:
        group: In which it is compared.
        sensor_id, quantity: The series.
        model: Watches its residual.

    Attributes:
        offset: How far it usually is from the others.
        first_at: End of the first window in which it was compared.
        at_peak: What the others said when the open anomaly was at its peak.
        others: How many others there were in its last window.
    """

    __slots__ = ("at_peak", "first_at", "group", "model", "offset", "others", "quantity", "sensor_id")

    def __init__(self, group: str, sensor_id: str, quantity: str, model: SeriesModel) -> None:
        self.group = group
        self.sensor_id = sensor_id
        self.quantity = quantity
        self.model = model
        self.offset = Offset()
        self.first_at: float | None = None
        self.at_peak = 0.0
        self.others = 0

    def standing(self, value: float, hour: int) -> Standing:
        """Return it as it stands in a window.

        Args:
            value: What it had.
            hour: Of the day.
        """
        return Standing(value, self.offset.at(hour) if self.offset.seen else None, self.model.open)

    def own(self) -> list[Any]:
        """Return all but the model as plain values."""
        return [
            self.group, self.sensor_id, self.quantity, self.offset.to_state(), self.first_at, self.at_peak, self.others,
        ]  # fmt: skip

    def follow(self, values: Any) -> None:
        """Take over what `own` returned."""
        self.group, self.sensor_id, self.quantity, offset, self.first_at, self.at_peak, self.others = values
        self.offset.restore(offset)


class RelationGroup(PeerGroup):
    """The quantities of one sensor of which one follows from the others, and how: all of it is one row.

    Args:
        member: The quantity that follows.
        others: The others.
    """

    __slots__ = ("fit", "member", "others")

    def __init__(self, member: PeerMember, others: tuple[str, ...]) -> None:
        super().__init__(member.quantity)
        self.member = member
        self.others = others
        self.fit = RelationFit(len(others))


PeerState = Sources | PeerGroup | PeerMember
"""What a row has."""

_KINDS: Final[dict[str, Any]] = {"s": Sources, "g": PeerGroup, "l": LimitGroup}


def state_to_plain(state: PeerState) -> list[Any]:
    """Return the state of a row as plain values."""
    if isinstance(state, PeerMember):
        return ["m", state.own(), state.model.to_bytes()]
    if isinstance(state, RelationGroup):
        member = state.member
        return [
            "r",
            state.to_state(),
            member.model.to_bytes(),
            member.own(),
            state.others,
            state.fit.to_state(),
        ]
    if isinstance(state, LimitGroup):
        return ["l", state.to_state()]
    return ["s" if isinstance(state, Sources) else "g", state.to_state()]


def state_from_plain(plan: PeerPlan, key: str, values: Any) -> PeerState:
    """Restore the state of a row from `state_to_plain`.

    Args:
        plan: How residuals are watched now.
        key: Of the row.
        values: What `state_to_plain` returned.

    Raises:
        InputError: ``unreadable_record`` if the bytes are not a model's state.
        ValueError, TypeError, KeyError: If it is another's state.
    """
    kind, state, *model = values
    if kind == "r":
        return _relation_from(plan, state, *model)
    if kind != "m":
        found: PeerState = _KINDS[kind].from_state(state)
        return found
    config = plan.config_of(*key.split("\1", 1))
    member = PeerMember("", "", "", SeriesModel.from_bytes(model[0], config))
    member.follow(state)
    return member


def _relation_from(
    plan: PeerPlan, state: Any, model: bytes, own: Any, others: Any, fit: Any
) -> RelationGroup:
    _, sensor_id, quantity, *_ = own
    member = PeerMember("", "", "", SeriesModel.from_bytes(model, plan.config_of(sensor_id, quantity)))
    member.follow(own)
    relation = RelationGroup(member, tuple(others))
    relation.restore(state)
    relation.fit = RelationFit.from_state(fit)
    return relation


def begin_state(key: str) -> PeerState:
    """Return the state of a row that is new: only that of the sources and of a group begin by themselves.

    Args:
        key: Of the row.
    """
    return Sources() if key == SOURCES else PeerGroup()


def _take_changes(state: PeerState) -> list[Any] | None:
    if not isinstance(state, PeerMember):
        return None
    changes = state.model.take_changes()
    return None if changes is None else [state.own(), changes]


def _apply_changes(state: PeerState, changes: Any) -> None:
    own, model = changes
    assert isinstance(state, PeerMember)
    state.follow(own)
    state.model.apply_changes(model)


PEER_CHANGES: Final = Changes(_take_changes, _apply_changes)
"""How a row is written when little of it has changed: of a member what its model has learned."""
