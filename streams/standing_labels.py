"""Which labels stand: what people say of an alarm they may say otherwise later, and the newest counts."""

from collections.abc import Iterable
from math import inf

from streams.records.types import Label

_Key = tuple[str, str, float, str]


def standing(labels: Iterable[Label]) -> list[Label]:
    """Return the labels that nobody has revoked or said anew, in their order.

    Args:
        labels: All that were ever said, in any order.

    >>> said = Label("boiler-1", "t", 1.0, 2.0, "fault")
    >>> revoked = Label("boiler-1", "t", 1.0, 2.0, "fault", at=9.0, revoked=True)
    >>> standing([said, revoked]), standing([revoked, Label("boiler-1", "t", 1.0, 5.0, "fault", at=10.0), said])
    ([], [Label(sensor_id='boiler-1', quantity='t', start=1.0, end=5.0, kind='fault', at=10.0, revoked=False)])
    """
    known = list(labels)
    newest: dict[_Key, float] = {}
    for each in known:
        newest[_key(each)] = max(newest.get(_key(each), -inf), _said_at(each))
    return [each for each in known if not each.revoked and _said_at(each) == newest[_key(each)]]


def _key(label: Label) -> _Key:
    return label.sensor_id, label.quantity, label.start, label.kind


def _said_at(label: Label) -> float:
    return -inf if label.at is None else label.at
