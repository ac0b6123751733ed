"""Under which names a web server answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.process.http_guard import AllowedHosts


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:3000",
        "127.0.0.1:3000",
        "127.1.2.3",
        "[::1]:3000",
        "worker-1:3000",
        "Worker-1.",
        "[fd00::1]",
    ],
)
def test_names_of_this_machine_and_those_of_the_setting_are_admitted(host: str) -> None:
    assert AllowedHosts(["worker-1", "fd00::1"]).admits(host)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:3000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "worker-1.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1:3000@evil.example",
        "evil.example/127.0.0.1",
        "127.0.0.1, evil.example",
        "10.0.0.1",
        "[::1",
        "::1",
        ":3000",
    ],
)
def test_a_name_that_anybody_can_point_at_this_machine_is_not(host: str | None) -> None:
    assert not AllowedHosts(["worker-1"]).admits(host, "192.168.1.5")


def test_the_address_that_was_reached_is_admitted_and_no_other() -> None:
    allowed = AllowedHosts([])
    assert allowed.admits("192.168.1.5:3000", "192.168.1.5")
    assert not allowed.admits("192.168.1.6:3000", "192.168.1.5")


def test_an_empty_name_of_the_setting_admits_nothing() -> None:
    assert not AllowedHosts(["", " "]).admits("")


def test_a_star_admits_any_name() -> None:
    assert AllowedHosts(["*"]).admits("evil.example")


@given(name=st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z0-9-]{1,10}){0,3}", fullmatch=True))
def test_only_what_is_listed_is_admitted_whatever_the_name(name: str) -> None:
    assert AllowedHosts([]).admits(name) is (name in ("localhost", "localhost.localdomain"))
    assert AllowedHosts([name]).admits(f"{name.upper()}:80")
