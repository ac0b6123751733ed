"""The lane refuses to start with another Faust or aiokafka than it was written for, and reads back what it has set."""

import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchResult
from faust.transport.consumer import ThreadDelegateConsumer

from agents.lane.faust import buffer, consumer, coordinator, recovery, thread
from agents.lane.faust.internals import RELEASES, RELIED_ON, Wanted, check_internals, check_started
from streams.errors import ConfigurationError

BUFFER: dict[str, Any] = {}
WANTED = Wanted(BUFFER, min_bytes=1000, max_wait_ms=100)


def test_what_is_installed_is_what_the_lane_was_written_for_and_what_is_pinned() -> None:
    check_internals()
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    pinned = dict(each.split("==") for each in project["dependencies"] if "==" in each)
    for name, release in RELEASES.items():
        assert version(name) == release
        assert pinned[name] == release


@pytest.mark.parametrize(
    ("owner", "name", "told"),
    [
        (ThreadDelegateConsumer, "seek_wait", "faust's ThreadDelegateConsumer.seek_wait"),
        (FetchResult, "getall", "aiokafka's FetchResult.getall"),
    ],
)
def test_a_function_that_is_another_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, told: str
) -> None:
    monkeypatch.setattr(owner, name, lambda self: None)
    with pytest.raises(ConfigurationError, match=f"here {told} is another"):
        check_internals()


def test_every_method_that_faust_calls_and_the_lane_overrides_is_checked() -> None:
    checked = {name for functions in RELIED_ON.values() for name in functions}
    for module in (consumer, thread, recovery):
        for _, mine in inspect.getmembers(module, inspect.isclass):
            if mine.__module__ != module.__name__:
                continue
            for name in vars(mine):
                owners = [base for base in mine.__mro__[1:] if name in vars(base)]
                if not owners or not owners[0].__module__.startswith("faust") or name in HOOKS:
                    continue
                assert name in checked, f"{mine.__name__}.{name}"


HOOKS = {"__module__", "__doc__", "__init__", "__post_init__", "__orig_bases__", "__parameters__", "app"}
HOOKS |= {"__abstractmethods__", "_abc_impl", "__annotations__", "logger", "log", "on_recovery_completed"}
"""What a class has anyway, and what Faust offers to be overridden."""


def test_each_private_name_of_aiokafka_that_the_lane_uses_is_there() -> None:
    source = "".join(map(inspect.getsource, (thread, buffer, coordinator)))
    names = set(re.findall(r"\b(?:consumer|fetcher|coordinator|client)(?:\.\w+)?\.(_\w+)", source))
    assert {"_isolation_level", "_records", "_send_req", "_perform_assignment"} <= names
    relied_on = "".join(inspect.getsource(owner) for owner in RELIED_ON)
    for name in names:
        assert f"self.{name}" in relied_on or f"def {name}(" in relied_on, name


def test_how_a_member_leaves_and_a_leader_assigns_is_checked() -> None:
    checked = {f"{owner.__name__}.{name}" for owner, functions in RELIED_ON.items() for name in functions}
    assert {"GroupCoordinator._send_req", "LeaveGroupRequest.__init__"} <= checked
    assert {"GroupCoordinator._perform_assignment", "GroupCoordinator.check_errors"} <= checked


def started(**other: Any) -> Any:
    """Return a consumer that has started, but for what is another."""
    fetcher = {
        "_isolation_level": READ_COMMITTED,
        "_fetch_min_bytes": 1000,
        "_fetch_max_wait_ms": 100,
        "_records": BUFFER,
    }
    return SimpleNamespace(_fetcher=SimpleNamespace(**fetcher | other))


def test_a_consumer_that_was_started_as_it_was_set_is_accepted() -> None:
    check_started(started(), WANTED)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"_isolation_level": READ_UNCOMMITTED}, "isolation: 0 instead of 1"),
        ({"_fetch_min_bytes": 1}, "smallest fetch: 1 instead of 1000"),
        ({"_fetch_max_wait_ms": 500}, "longest wait: 500 instead of 100"),
        ({"_records": {}}, "buffer: False instead of True"),
    ],
)
def test_a_consumer_that_has_not_taken_over_what_was_set_is_refused(other: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        check_started(started(**other), WANTED)
