"""Whether a device is there: what its topics say, against when it last sent something."""

import msgspec
import pytest

from streams.detection.attendance import Attendance
from streams.detection.verdicts import AnomalyChange
from streams.device_states import DeviceState, count_states, search_text, told_of
from streams.records.types import Device, Presence

T = 1_790_000_000.0
GONE = Presence("plug", "disconnected", T, "Offline", "tele/plug/LWT")
THERE = msgspec.structs.replace(GONE, state="online", reason="Online")


@pytest.mark.parametrize(
    ("presence", "last", "usual", "now", "state", "since"),
    [
        (GONE, T - 5, 10.0, T + 9000, DeviceState.DISCONNECTED, T),
        (GONE, None, None, T + 9000, DeviceState.DISCONNECTED, T),
        # A will that is kept, and a birth that is not: the topic says Offline for ever, and the device sends.
        (GONE, T + 100, 10.0, T + 110, DeviceState.ONLINE, None),
        # And then it has gone indeed: the broker said nothing of it a second time.
        (GONE, T + 100, 10.0, T + 9000, DeviceState.SILENT, T + 100),
        # A broker that restarted, a device that said good-bye: the topic says Online for ever.
        (THERE, T + 100, 10.0, T + 401, DeviceState.SILENT, T + 100),
        (THERE, T + 100, 10.0, T + 400, DeviceState.LATE, T + 100),
        (THERE, T + 100, 10.0, T + 160, DeviceState.ONLINE, T),
        (THERE, None, None, T + 9000, DeviceState.ONLINE, T),
        (None, T, 3600.0, T + 7200, DeviceState.ONLINE, None),
        (None, T, 3600.0, T + 7201, DeviceState.LATE, T),
        (None, T, 3600.0, T + 18_001, DeviceState.SILENT, T),
        # No word of presence is none of absence, and a gap that is not known is no silence.
        (None, T, None, T + 90_000, DeviceState.ONLINE, None),
        (None, None, None, T, DeviceState.UNKNOWN, None),
        (msgspec.structs.replace(GONE, state="withdrawn"), None, None, T, DeviceState.UNKNOWN, None),
    ],
)
def test_a_device_is_what_the_newest_sign_of_it_says(
    presence: Presence | None,
    last: float | None,
    usual: float | None,
    now: float,
    state: DeviceState,
    since: float | None,
) -> None:
    told = told_of(presence, last, usual, now)
    assert (told.state, told.since, told.last) == (state, since, last)


def test_the_reason_says_who_says_so_and_what_is_not_known() -> None:
    assert told_of(GONE, None, None, T).reason == "tele/plug/LWT: Offline"
    kept = msgspec.structs.replace(GONE, retained=True)
    assert told_of(kept, None, None, T).reason == "tele/plug/LWT: Offline, at the latest then"
    assert told_of(GONE, T + 1, 10.0, T + 2).reason == "it sends, although its topic says otherwise"
    assert (
        told_of(THERE, T, 600.0, T + 4000).reason
        == "nothing for 66.7 min, usually every 10 min at the latest"
    )


def silent_since(raised_at: float, seconds: float) -> AnomalyChange:
    return AnomalyChange(
        kind="raised", event_time=raised_at, raised_at=raised_at, cleared_at=None, score=1.0, value=seconds,
        expected=None, lower=None, upper=60.0, direction="above", cause="silence", seen=0, peak_at=raised_at,
    )  # fmt: skip


def test_what_a_limit_of_silence_has_raised_is_what_the_state_says() -> None:
    raised = {"t": silent_since(T + 70, 70.0), "h": silent_since(T + 71, 71.0)}
    told = told_of(THERE, T, 600.0, T + 90, raised)
    assert (told.state, told.since) == (DeviceState.SILENT, T + 70), "sooner than its usual gap would say"
    assert told.reason == "an anomaly of silence is open: no h, t for 71 s when it was raised"
    assert told_of(THERE, T, None, T + 90, raised).state is DeviceState.SILENT, "also if no gap is known"
    assert told_of(GONE, T - 5, 600.0, T + 90, raised).state is DeviceState.DISCONNECTED


def test_a_quantity_that_stays_away_while_its_sensor_sends_is_said_and_does_not_make_it_silent() -> None:
    for presence in (None, THERE):
        told = told_of(presence, T + 100, 10.0, T + 110, {"h": silent_since(T + 70, 70.0)})
        assert told.state is DeviceState.ONLINE
        assert told.reason == "an anomaly of silence is open: no h for 70 s when it was raised"


def test_what_is_learned_of_its_readings_is_told_unless_the_registry_says_an_interval() -> None:
    attendance = Attendance(round(T * 1000))
    for minute in range(1, 10):
        attendance.hear("a", round((T + 60 * minute) * 1000))
    last = T + 540
    assert told_of(None, last, None, last + 200, {}, attendance).state is DeviceState.ONLINE, (
        "no tick has said so"
    )
    attendance.take_tick("a", round((last + 121) * 1000), 0)
    told = told_of(None, last, None, last + 200, {}, attendance)
    assert (told.state, told.since, told.last) == (DeviceState.LATE, last + 121, last)
    assert told.reason == "nothing for 3.33 min, usually every 60 s at the latest"
    assert told_of(None, last, 3600.0, last + 200, {}, attendance).state is DeviceState.ONLINE
    attendance.take_tick("a", round((last + 301) * 1000), 0)
    assert told_of(THERE, last, None, last + 400, {}, attendance).state is DeviceState.SILENT


def test_every_state_is_counted_and_names_are_found_in_whatever_case() -> None:
    told = {"a": told_of(GONE, None, None, T), "b": told_of(THERE, None, None, T)}
    assert count_states({each.state: [name] for name, each in told.items()}) == {
        "disconnected": 1, "silent": 0, "late": 0, "online": 1, "unknown": 0,
    }  # fmt: skip
    device = Device("B-1", T, "Heizung Süd", "Halle 7", "Presse", "boilers", units={"p": "mbar"})
    text = search_text("B-1", device)
    found = [
        wanted.casefold() in text for wanted in ("b-1", "süd", "HALLE", "presse", "boil", "MBar", "nord")
    ]
    assert found == [True] * 6 + [False]
    assert search_text("B-1", None) == "b-1"
