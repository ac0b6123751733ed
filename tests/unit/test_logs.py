"""Logs: one form for our lines and the libraries'."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bridges.process.logs import REPEATED_LINES, REPEATED_SECONDS, Repetitions, configure, get_logger
from bridges.process.settings import Settings


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(settings: Settings) -> list[dict[str, object]]:
    out = io.StringIO()
    configure(settings, "bridge", out)
    get_logger("bridges.bridge.bridge").info("session.resumed", queued=3)
    get_logger("bridges.bridge.bridge").debug("detail.seen")
    logging.getLogger("some.library").warning("disk is %s", "full")
    logging.getLogger("aiokafka.consumer").info("joined the group")
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_our_lines_and_those_of_libraries_are_json_with_the_same_fields() -> None:
    ours, theirs = _lines(Settings(log_format="json"))
    assert (ours["event"], ours["queued"], ours["level"]) == ("session.resumed", 3, "info")
    assert (theirs["event"], theirs["level"]) == ("disk is full", "warning")
    for line in (ours, theirs):
        assert line["service"] == "bridge"
        assert str(line["timestamp"]).endswith("Z")


def test_the_level_is_a_setting() -> None:
    assert [line["event"] for line in _lines(Settings(log_format="json", log_level="WARNING"))] == [
        "disk is full"
    ]
    assert len(_lines(Settings(log_format="json", log_level="DEBUG"))) == 4


def test_the_console_is_for_people() -> None:
    out = io.StringIO()
    configure(Settings(log_format="console"), "bridge", out)
    get_logger("x").warning("broker.lost", address="127.0.0.1:1883")
    assert "broker.lost" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_an_exception_is_part_of_its_line() -> None:
    out = io.StringIO()
    configure(Settings(log_format="json"), "bridge", out)
    try:
        raise ValueError("boom")
    except ValueError:
        get_logger("x").exception("bridge.failed")
    assert "ValueError: boom" in json.loads(out.getvalue())["exception"]


def test_a_library_that_says_the_same_again_and_again_is_heard_a_few_times_a_minute_and_counted() -> None:
    now = 0.0
    repeated = Repetitions(clock=lambda: now)

    def goes_out(name: str) -> logging.LogRecord | None:
        record = logging.LogRecord(
            name, logging.WARNING, "conn.py", 99, "broker %s is away", ("k:9092",), None
        )
        return record if repeated.filter(record) else None

    assert sum(goes_out("aiokafka.conn") is not None for _ in range(1000)) == REPEATED_LINES
    assert goes_out("pymongo.topology") is not None, "another library has lines of its own"
    assert all(goes_out("bridges.kafka.producer") for _ in range(100)), "ours are one each state change"
    now = REPEATED_SECONDS
    told = goes_out("aiokafka.conn")
    assert told is not None
    assert told.getMessage() == f"broker k:9092 is away ({1000 - REPEATED_LINES} more of these in 60 s)"
