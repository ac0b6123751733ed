"""The ledger hop by hop: what went in, what it came out as, and which hop does not balance.

bridge ─▶ Kafka ─▶ worker ─▶ one sink of each collection
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agents.views.inside.trace_answers import LedgerHop
from agents.web.queries import Json

_OF_A_SINK = ("stored", "already_there", "refused", "unreadable", "not_kept", "given_back", "under_way")


def ledger_hops(
    bridge: Json, law: Mapping[Any, Json], workers: Sequence[Json], missing: Sequence[str]
) -> list[LedgerHop]:
    """Return the hops of a ledger, in the order in which readings go through them.

    Args:
        bridge: Its own ledger, or why there is none.
        law: The account of each partition of `readings`; empty: Kafka did not tell.
        workers: What each worker has counted.
        missing: Workers that do not answer: what they hold is in no sum.

    >>> [each["balanced"] for each in ledger_hops({"reachable": False, "reason": "away"}, {}, [], [])]
    [None, None, True]
    """
    return [_bridge(bridge), _kafka(law), *_with_doubt([_worker(workers), *_sinks(workers)], missing)]


def _hop(name: str, went_in: int, came_out: dict[str, int], balanced: bool | None, why: str) -> LedgerHop:
    return {
        "name": name,
        "went_in": went_in,
        "came_out": came_out,
        "balanced": balanced,
        "why": "" if balanced else why,
    }


def _bridge(bridge: Json) -> LedgerHop:
    items = bridge.get("items")
    if not bridge["reachable"] or not isinstance(items, dict):
        return _hop("bridge", 0, {}, None, f"the bridge does not answer: {bridge.get('reason', 'no ledger')}")
    came_out = {
        name: sum(count.values()) if isinstance(count, dict) else count
        for name, count in items.items()
        if name != "received"
    }
    named = sum(came_out.values())
    why = f"received {items['received']:,}, and {named:,} have a name; or counts and what is held differ"
    return _hop("bridge", items["received"], came_out, bool(bridge.get("balanced")), why)


def _kafka(law: Mapping[Any, Json]) -> LedgerHop:
    if not law:
        return _hop("Kafka", 0, {}, None, "nobody knows where the partitions begin and end")
    parts = [(partition, each) for partition, each in law.items()]
    came_out = {
        "worked through": sum(
            max(0, (each["reached"] or each["begin"]) - each["begin"]) for _, each in parts
        ),
        "pending": sum(each["pending"] for _, each in parts),
        "deleted unread": sum(lost["end"] - lost["start"] for _, each in parts for lost in each["lost"]),
    }
    wrong = [f"partition {partition}: {_wrong(each)}" for partition, each in parts if not each["balanced"]]
    went_in = sum(each["end"] - each["begin"] for _, each in parts) + came_out["deleted unread"]
    return _hop("Kafka", went_in, came_out, not wrong, "; ".join(wrong))


def _wrong(account: Json) -> str:
    if account["reached"] is None:
        return "no worker reads it"
    if account["lost"]:
        return "records were deleted before they were read"
    return f"reached {account['reached']:,} is not between {account['begin']:,} and {account['end']:,}"


def _worker(workers: Sequence[Json]) -> LedgerHop:
    parts = [each["readings"] for each in workers]
    came_out = _sums(parts, ("readings", "ticks", "unreadable"))
    missing = sum(each["missing"] for each in parts)
    balanced = all(each["balanced"] for each in parts)
    return _hop(
        "worker",
        sum(each["taken"] for each in parts),
        came_out,
        balanced,
        f"{missing:,} offsets did not come",
    )


def _sinks(workers: Sequence[Json]) -> Iterator[LedgerHop]:
    for name in dict.fromkeys(name for worker in workers for name in worker["sinks"]):
        parts = [worker["sinks"][name] for worker in workers if name in worker["sinks"]]
        taken, came_out = sum(each["taken"] for each in parts), _sums(parts, _OF_A_SINK)
        missing, named = sum(each["missing"] for each in parts), sum(came_out.values())
        why = f"{missing:,} offsets did not come; taken {taken:,}, and {named:,} have a name"
        yield _hop(f"MongoDB: {name}", taken, came_out, all(each["balanced"] for each in parts), why)


def _sums(parts: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, int]:
    return {name: sum(each[name] for each in parts) for name in names}


def _with_doubt(hops: Sequence[LedgerHop], missing: Sequence[str]) -> Iterator[LedgerHop]:
    """Take nothing for balanced of which a part is not known."""
    for hop in hops:
        if missing and hop["balanced"]:
            yield _hop(
                hop["name"], hop["went_in"], hop["came_out"], None, f"no answer from {', '.join(missing)}"
            )
        else:
            yield hop
