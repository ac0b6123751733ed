"""How availability fails elsewhere, as public reports have it, and what is told here instead, by hand."""

from collections.abc import Iterable

import pytest

from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.device_past import past_of
from streams.records.types import DeviceChange, Logged, Presence, Reading, Tick

EPOCH = 1_700_000_000
PLAN = DetectionPlan({"detector": "none"})
Records = list[tuple[float, Logged]]


def sent(times: Iterable[float], *, copy_of: float | None = None) -> Records:
    """Readings at these seconds; or copies of the one that was measured then."""
    return [
        (at, Reading("a", EPOCH + (at if copy_of is None else copy_of), {"t": at if copy_of is None else copy_of}))
        for at in times
    ]  # fmt: skip


def ticked(until: int, steady: int | None = None, begin: int = 0) -> Records:
    """Ticks each five seconds; the bridge has heard everything since the beginning, or for so long."""
    return [
        (at + 2, Tick(EPOCH + at + 2, at + 2 if steady is None else steady)) for at in range(begin, until, 5)
    ]


def changes_of(*parts: Records) -> list[DeviceChange]:
    whole = sorted((each for part in parts for each in part), key=lambda each: each[0])
    outcome = DetectionOutcome()
    detect(PLAN, {}, [(n, round((EPOCH + at) * 1000), each) for n, (at, each) in enumerate(whole)], outcome)
    return outcome.devices


def told(
    *parts: Records, words: Iterable[Presence] = (), heard: float | None = None
) -> list[tuple[str, float]]:
    spells = past_of(words, changes_of(*parts), None if heard is None else EPOCH + heard)
    return [(each.state.value, each.since - EPOCH) for each in spells]


def word(state: str, at: float, *, retained: bool = False) -> Presence:
    return Presence("a", state, EPOCH + at, state, "tele/a/LWT", retained)  # type: ignore[arg-type]


MINUTES = range(0, 1801, 60)


def test_a_will_that_is_kept_beside_a_birth_that_is_not_makes_no_device_offline_that_sends() -> None:
    # F1p/Home-Assistant-Mitsubishi-CN105-to-MQTT 60, 256dpi/arduino-mqtt 166
    words = [word("disconnected", 900.5, retained=True)]
    assert told(sent(MINUTES), ticked(1800), words=words, heard=1800) == [
        ("online", 0), ("disconnected", 900.5), ("online", 1800),
    ]  # fmt: skip


def test_a_device_that_says_good_bye_and_stays_online_on_its_topic_is_silent_all_the_same() -> None:
    # arendst/Tasmota 7189; the same after a broker that died with its client: eclipse-mosquitto/mosquitto 1165
    words = [word("online", 0.5), word("online", 2000, retained=True)]
    assert told(sent(MINUTES), ticked(2500), words=words) == [("online", 0), ("late", 1922), ("silent", 2102)]


def test_a_value_that_the_broker_has_kept_and_sends_again_begins_no_time_anew() -> None:
    # home-assistant/core 86992, home-assistant.io 40043
    kept = sent([1850, 1950, 2050], copy_of=1800)
    assert told(sent(MINUTES), kept, ticked(2200)) == [("online", 0), ("late", 1922), ("silent", 2102)]


def test_a_value_that_is_published_twice_makes_nobody_unavailable_in_between() -> None:
    # home-assistant/core 65558
    again = [each for at in MINUTES for each in sent([at, at + 1.6])]
    assert told(again, ticked(1800)) == [("online", 0)]


def test_a_server_that_was_away_makes_nobody_inactive_when_it_is_back() -> None:
    # thingsboard/thingsboard 13715: all devices at once, and false
    away = sent(at for at in MINUTES if not 600 < at < 1200)
    ticks = ticked(600) + [(at, Tick(EPOCH + at, at - 1190)) for at in range(1195, 1800, 5)]
    assert told(away, ticks) == [("online", 0)]


@pytest.mark.parametrize(
    ("back", "late", "silent"), [(1922.0, 2047, 2227), (1921.999, 2042, 2222), (1922.001, 2047, 2227)]
)
def test_a_reading_in_the_very_moment_of_being_late_is_followed_by_the_next_absence(
    back: float, late: int, silent: int
) -> None:
    # thingsboard/thingsboard 9156: such a device never became inactive again
    states = told(sent(MINUTES), sent([back]), ticked(3000))
    assert states[-2:] == [("late", late), ("silent", silent)]
    assert [state for state, _ in states].count("silent") == 1


def test_nobody_waits_for_a_check_that_comes_seldom() -> None:
    # thingsboard/thingsboard 1334, 2968, 6821: a minute to hours late. Here: by the first tick behind the time.
    [_, late, silent] = changes_of(sent(MINUTES), ticked(2500))
    assert late.last is not None and late.usual == 60
    assert 120 < late.since - late.last <= 125 and 300 < silent.since - late.last <= 305


def test_a_device_that_sleeps_deeply_is_there_between_two_of_its_times_and_is_missed_when_it_is_gone() -> (
    None
):
    # home-assistant/core 91602, 99860, nplan/HomeButtons 10
    sleeper = sent(range(0, 12_001, 600))
    words = [each for at in range(0, 12_001, 600) for each in (word("online", at), word("online", at + 1))]
    assert told(sleeper, ticked(12_600), words=words) == [("online", 0)]
    assert told(sleeper, ticked(16_000), words=words) == [("online", 0), ("late", 13_202), ("silent", 15_002)]


def test_that_a_device_of_a_network_server_is_inactive_is_a_record() -> None:
    # brocaar/chirpstack-application-server 642, TheThingsNetwork/lorawan-stack 6283: seen in a console alone
    hourly = sent([*range(0, 36_001, 3600), 80_000])
    assert told(hourly, ticked(80_000)) == [
        ("online", 0), ("late", 43_202), ("silent", 54_002), ("online", 80_000),
    ]  # fmt: skip


def test_devices_that_were_offline_with_their_connection_are_back_with_their_readings() -> None:
    # arteck/ioBroker.zigbee2mqtt 255: offline until a word came again
    words = [word("disconnected", 1000)]
    gap = sent(at for at in MINUTES if not 900 < at < 1300)
    assert told(gap, ticked(1800), words=words) == [
        ("online", 0), ("disconnected", 1000), ("online", 1320),
    ]  # fmt: skip
