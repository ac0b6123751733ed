"""The ledger names the hop that does not balance, and says of none that it does while part of it is not known."""

from typing import Any

from agents.views.inside.ledger_hops import ledger_hops

BRIDGE = {
    "reachable": True,
    "balanced": True,
    "items": {"received": 9, "readings": 7, "labels": 0, "dead_letters": {"not_json": 1}, "in_flight": 1},
}
ACCOUNT = {"begin": 0, "reached": 5, "end": 7, "pending": 2, "lost": [], "balanced": True}


def worker(**sink: int) -> dict[str, Any]:
    counts = {"stored": 5, "already_there": 0, "refused": 0, "unreadable": 0, "not_kept": 0, "given_back": 0}
    return {
        "readings": {"taken": 5, "readings": 4, "ticks": 1, "unreadable": 0, "missing": 0, "balanced": True},
        "sinks": {"sensors": {"taken": 5, **counts, "under_way": 0, "missing": 0, "balanced": True, **sink}},
    }


def balances(**parts: Any) -> dict[str, bool | None]:
    whole = {"bridge": BRIDGE, "law": {0: ACCOUNT}, "workers": [worker()], "missing": [], **parts}
    return {each["name"]: each["balanced"] for each in ledger_hops(**whole)}


def test_every_hop_that_balances_says_so_without_a_reason() -> None:
    hops = ledger_hops(BRIDGE, {0: ACCOUNT}, [worker(), worker()], [])
    assert {each["name"]: each["balanced"] for each in hops} == dict.fromkeys(
        ("bridge", "Kafka", "worker", "MongoDB: sensors"), True
    )
    assert not any(each["why"] for each in hops)
    by_name = {each["name"]: each for each in hops}
    assert by_name["bridge"]["came_out"] == {"readings": 7, "labels": 0, "dead_letters": 1, "in_flight": 1}
    assert by_name["Kafka"]["came_out"] == {"worked through": 5, "pending": 2, "deleted unread": 0}
    assert by_name["MongoDB: sensors"]["went_in"] == 10, "of all workers"


def test_the_hop_that_does_not_balance_is_named_and_no_other() -> None:
    assert balances(workers=[worker(stored=4, balanced=False)])["MongoDB: sensors"] is False
    assert balances(law={0: {**ACCOUNT, "reached": None, "balanced": False}}) == {
        "bridge": True,
        "Kafka": False,
        "worker": True,
        "MongoDB: sensors": True,
    }
    [kafka] = [
        each
        for each in ledger_hops(
            BRIDGE, {3: {**ACCOUNT, "lost": [{"start": 2, "end": 5}], "balanced": False}}, [], []
        )
        if each["name"] == "Kafka"
    ]
    assert (kafka["why"], kafka["came_out"]["deleted unread"]) == (
        "partition 3: records were deleted before they were read",
        3,
    )


def test_what_nobody_answers_for_is_not_known() -> None:
    assert balances(bridge={"reachable": False, "reason": "away"})["bridge"] is None
    assert balances(law={})["Kafka"] is None
    found = balances(missing=["http://10.0.0.2:3000"], workers=[worker(balanced=False)])
    assert (found["worker"], found["MongoDB: sensors"]) == (None, False)
