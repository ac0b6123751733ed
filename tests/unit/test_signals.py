"""Synthetic sensors: deterministic, resumable anywhere, and honest about what they did."""

import json
from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import InputError
from streams.payloads.accepted import Limits, Refusal
from streams.payloads.flat import decode
from streams.signals import FaultKind, Fleet, Message, MessageKind, merged, parse_faults, totals

START = 1_650_000_000.0
HOUR = 3600.0


def fleet(faults: str = "", **changes: object) -> Fleet:
    given: dict[str, object] = {
        "sensors": 3, "start": START, "interval": HOUR, "seed": 7, "until": START + 1500 * HOUR,
        "faults": parse_faults(faults),
    }  # fmt: skip
    return Fleet(**{**given, **changes})  # type: ignore[arg-type]


def labels(messages: list[Message]) -> list[dict[str, object]]:
    return [json.loads(message.payload) for message in messages if message.kind is MessageKind.LABEL]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    once, again = list(fleet("all").messages()), list(fleet("all").messages())
    other = list(fleet("all", seed=8).messages())
    assert once == again
    assert {message.payload for message in once}.isdisjoint(message.payload for message in other)


def test_messages_come_in_the_order_of_their_keys_and_no_key_comes_twice() -> None:
    keys = [message.key for message in fleet("all").messages()]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))


@settings(max_examples=30, deadline=None)
@given(where=st.integers(min_value=0, max_value=900), interval=st.sampled_from([1.0, 60.0, HOUR]))
def test_resuming_at_any_message_yields_exactly_the_rest(where: int, interval: float) -> None:
    source = fleet("all", sensors=2, interval=interval, until=START + 500 * interval)
    whole = list(source.messages())
    where = min(where, len(whole) - 1)
    assert list(source.messages(whole[where].key)) == whole[where:]


def test_a_fault_free_fleet_measures_every_interval_in_half_degrees() -> None:
    messages = list(fleet(sensors=1).messages())
    values = [json.loads(message.payload)["temperature"] for message in messages]
    assert len(messages) == 1500
    assert all(value * 2 == int(value * 2) for value in values)
    assert 3.0 < max(values) - min(values) < 30.0, "a daily cycle and weather, but nothing wild"


def test_every_reading_has_an_event_time_of_its_own_whatever_happens_to_clocks() -> None:
    events = Counter(
        (message.key.sensor_id, json.loads(message.payload)["collected_at"])
        for message in fleet("all").messages()
        if message.kind is MessageKind.READING
    )
    assert max(events.values()) == 1


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fault_covers_about_its_share_and_each_episode_has_a_label(kind: FaultKind) -> None:
    source = fleet(f"{kind.value}:0.02", sensors=1, until=START + 20_000 * HOUR)
    found = labels(list(source.messages()))
    assert {label["kind"] for label in found} == {kind.value}
    covered = sum(float(str(label["end"])) - float(str(label["start"])) for label in found) / HOUR
    assert 0.01 < covered / 20_000 <= 0.021


def test_episodes_of_one_sensor_do_not_overlap() -> None:
    source = fleet("all", sensors=1, until=START + 20_000 * HOUR)
    found = sorted(
        (float(str(each["start"])), float(str(each["end"]))) for each in labels(list(source.messages()))
    )
    for (_, end), (start, _) in pairwise(found):
        assert start >= end


def test_nothing_goes_wrong_in_the_calm_readings_at_the_start() -> None:
    found = labels(list(fleet("all", calm=400).messages()))
    assert found
    assert min(float(str(label["start"])) for label in found) >= START + 400 * HOUR


def test_values_outside_value_faults_are_those_of_the_fault_free_sensor() -> None:
    sound, faulty = fleet(sensors=1).sensor(0), fleet("spike:0.01,unit:0.05", sensors=1)
    episodes = [(label["start"], label["end"]) for label in labels(list(faulty.messages()))]
    for index in range(1500):
        time = sound.time_of(index)
        inside = any(float(str(start)) <= time < float(str(end)) for start, end in episodes)
        assert (faulty.sensor(0).value_of(index) != sound.value_of(index)) == inside


def reasons(message: Message) -> set[str]:
    """Return why nothing can be read of a message."""
    try:
        items = decode(message.topic.encode(), message.payload, message.key.at, Limits())
    except InputError as error:
        return {error.reason}
    assert items
    return {item.reason if isinstance(item, Refusal) else "read" for item in items}


def test_a_duplicate_is_the_same_bytes_again_and_malformed_payloads_are_all_different() -> None:
    messages = list(fleet("duplicate:0.02,bad_json:0.02").messages())
    by_kind = {
        kind: [message.payload for message in messages if message.kind is kind] for kind in MessageKind
    }
    assert set(by_kind[MessageKind.DUPLICATE]) < set(by_kind[MessageKind.READING])
    assert len(by_kind[MessageKind.MALFORMED]) == len(set(by_kind[MessageKind.MALFORMED])) > 50
    broken = [message for message in messages if message.kind is MessageKind.MALFORMED]
    assert {reason for message in broken for reason in reasons(message)} == {
        "not_json",
        "not_utf8",
        "bad_time",
    }


def test_a_late_upload_arrives_after_newer_readings() -> None:
    source = fleet("late:0.1", sensors=1, interval=60.0, until=START + 3000 * 60.0)
    messages = [message for message in source.messages() if message.kind is MessageKind.READING]
    newest, late = 0, 0
    for message in messages:
        late += message.key.number < newest
        newest = max(newest, message.key.number)
    assert late >= 60, "an hour of readings was uploaded late"


def test_a_dropout_sends_nothing_and_the_totals_say_so() -> None:
    whole, gappy = totals(fleet().messages()), totals(fleet("dropout:0.05").messages())
    assert whole.readings == whole.values["temperature"] == 4500
    assert gappy.readings == whole.readings - 24 * gappy.labels
    assert gappy.labels > 0


def test_totals_count_each_reading_once_however_often_it_is_sent() -> None:
    counted = totals(fleet("duplicate:0.05,bad_json:0.05").messages())
    assert counted.duplicates > 0
    assert counted.readings + counted.malformed == 4500
    assert counted.sensors == 3


def test_an_endless_fleet_goes_on() -> None:
    source = fleet("all", until=None)
    assert len(list(islice(source.messages(), 20_000))) == 20_000


def test_sources_are_merged_in_one_order_and_resumed_in_it() -> None:
    sources = [fleet("all", sensors=1), fleet("all", sensors=1, seed=99)]
    whole = list(merged(sources))
    assert [message.key for message in whole] == sorted(message.key for message in whole)
    assert list(merged(sources, whole[777].key)) == whole[777:]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("sparks", "unknown fault 'sparks'"), ("spike:much", "spike:much"), ("spike:0.9", "share must be"),
     ("spike,spike", "named twice")],
)  # fmt: skip
def test_a_wrong_list_of_faults_is_refused_with_the_part_that_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_faults(text)
