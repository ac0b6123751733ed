"""What is told of a device's past: words of its topics and its readings' own records, put together."""

from streams.device_past import past_of
from streams.device_states import DeviceState
from streams.records.types import DeviceChange, Presence

HEARD = DeviceChange("1", "a", "online", 0.0)
LATE = DeviceChange("2", "a", "late", 500.0, 380.0, 60.0)
SILENT = DeviceChange("3", "a", "silent", 700.0, 380.0, 60.0)
BACK = DeviceChange("4", "a", "online", 2000.0, 380.0, 60.0, untold=3)
OFF = Presence("a", "disconnected", 450.0, "Offline", "tele/a/LWT")
ON = Presence("a", "online", 1990.0, "Online", "tele/a/LWT")


def states(
    *records: Presence | DeviceChange, heard: float | None = None
) -> list[tuple[str, float, float | None]]:
    words = [each for each in records if isinstance(each, Presence)]
    changes = [each for each in records if isinstance(each, DeviceChange)]
    return [(each.state.value, each.since, each.until) for each in past_of(words, changes, heard)]


def test_readings_alone_say_late_silent_and_back() -> None:
    wanted = [("online", 0, 500), ("late", 500, 700), ("silent", 700, 2000), ("online", 2000, None)]
    assert states(HEARD, LATE, SILENT, BACK) == wanted
    assert states(BACK, SILENT, HEARD, LATE, LATE, HEARD) == wanted, "in any order, and several times"


def test_reasons_say_how_long_nothing_came_and_what_would_be_usual() -> None:
    spells = past_of([], [HEARD, LATE, SILENT, BACK])
    assert [each.reason for each in spells] == [
        "heard for the first time",
        "nothing for 2 min, usually every 60 s at the latest",
        "nothing for 5.33 min, usually every 60 s at the latest",
        "back after 27 min",
    ]
    assert spells[-1].untold == 3


def test_a_topic_that_says_offline_comes_first_and_what_stays_away_then_is_known() -> None:
    assert states(HEARD, OFF, LATE, SILENT, ON, BACK) == [
        ("online", 0, 450), ("disconnected", 450, 1990), ("silent", 1990, 2000), ("online", 2000, None),
    ]  # fmt: skip
    assert states(OFF, ON) == [("disconnected", 450, 1990), ("online", 1990, None)]


def test_a_device_that_sends_is_not_disconnected_whatever_its_topic_says() -> None:
    assert states(HEARD, OFF, heard=460.0) == [
        ("online", 0, 450), ("disconnected", 450, 460), ("online", 460, None),
    ]  # fmt: skip
    assert states(HEARD, OFF, heard=440.0)[-1] == ("disconnected", 450, None)
    assert states(OFF, BACK)[-1] == ("online", 2000, None)


def test_a_word_that_was_withdrawn_says_nothing() -> None:
    gone = Presence("a", "withdrawn", 600.0, "", "tele/a/LWT")
    assert states(OFF, gone)[-1] == (DeviceState.UNKNOWN, 600, None)
    assert states(HEARD, OFF, gone)[-1] == (DeviceState.ONLINE, 600, None)
    assert states() == []
