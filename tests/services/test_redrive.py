"""Dead letters that are sent through again on a real Kafka: each reading once, whatever is interrupted."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from agents.cli import main
from bridges.dead_letters.letters import LettersMeant, LettersOnKafka
from bridges.dead_letters.redriving import RedriveOutcome, Redriver
from bridges.kafka.clients import ensure_topics
from bridges.kafka.topic_reader import TopicReader
from bridges.maps.map_files import maps_in_force
from bridges.process.settings import KafkaSettings, Settings
from streams.errors import ConfigurationError, InputError
from streams.payloads.accepted import Refusal
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Found
from streams.payloads.maps.model import parse_map
from streams.records.catalogue import CATALOGUE
from streams.records.dead_letters import from_mqtt
from streams.records.identity import event_ms
from streams.records.types import (
    HEADER_CLOCK,
    HEADER_MAPS,
    HEADER_MQTT_TOPIC,
    HEADER_READING_ID,
    DeadLetter,
    Reading,
    decode_as,
    encode,
)
from tests.support.documented import command_of, commands_of
from tests.support.patience import PATIENCE

# Lately: Kafka deletes by the timestamps of records, and `readings` are kept for 30 days.
AT = float(int(time.time()) - 86_400)
PAGE = "docs/howto/redrive-dead-letters.md"
GREENHOUSE = """
name = "greenhouse"
about = "The controllers of the greenhouses."
source = "Manual of the controller, version 3"

[[rule]]
topic = "farm/{house}/{sensor}/data"
sensor = "{house}:{sensor}"
time = "at"
texts = "refuse"

[rule.fields]
t10 = { name = "temperature", scale = 0.1 }
door = { words = { open = 1, shut = 0 } }
humidity = {}

[[rule]]
topic = "farm/{house}/{sensor}/{quantity}"
sensor = "{house}:{sensor}"
quantity = "{quantity}"
"""
Came = tuple[str, bytes, float]


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> Settings:
    found = Settings(kafka=KafkaSettings(brokers=kafka, namespace=topic_prefix, partitions=2))
    ensure_topics(found)
    return found


def with_map(settings: Settings, text: str = GREENHOUSE) -> MapsInForce:
    return maps_in_force(settings, parse_map(text))


def came(settings: Settings, maps: MapsInForce, messages: list[Came]) -> list[Reading]:
    """Do with messages what the bridge does; return the readings, and write the dead letters."""
    producer = Producer({"bootstrap.servers": settings.kafka.brokers})
    found: list[Reading] = []
    for topic, payload, at in messages:
        try:
            items = maps.decode(topic.encode(), payload, at)
        except InputError as error:
            items = [Refusal(error.reason, error.detail, payload)]
        for item in items:
            if isinstance(item, Refusal):
                letter = from_mqtt(topic, item.payload, at, item, read=item.read)
                producer.produce(settings.topic("dead-letters"), encode(letter), topic.encode())
            elif isinstance(item, Found | Reading):
                found.append(item.reading if isinstance(item, Found) else item)
    producer.flush()
    return found


def data(house: int, at: float, **fields: Any) -> Came:
    return f"farm/{house}/probe/data", json.dumps({"at": at, **fields}).encode(), at + 0.5


def in_log(settings: Settings) -> list[tuple[Reading, dict[str, bytes]]]:
    found: list[tuple[Reading, dict[str, bytes]]] = []
    reader = TopicReader(settings, [CATALOGUE.of(Reading).topic])
    while not reader.read(
        lambda _, it: found.append((decode_as(Reading, it.value()), dict(it.headers()))), 1.0
    ):
        pass
    reader.close()
    return found


def values(readings: list[Reading]) -> Counter[tuple[str, int, str, float]]:
    return Counter(
        (each.sensor_id, event_ms(each.collected_at), name, value)
        for each in readings
        for name, value in each.values.items()
    )


def run(settings: Settings, maps: MapsInForce, *, dry: bool = False, **options: Any) -> RedriveOutcome:
    return Redriver(settings, maps, **options).run(LettersMeant(), dry=dry)


def test_what_no_map_read_is_read_by_a_new_one_with_its_topic_and_its_arrival(settings: Settings) -> None:
    messages = [data(number, AT + number, t10=200 + number) for number in range(3)]
    messages += [("farm/1/tank/fill", b"4.5", AT + 7.25)]
    assert came(settings, maps_in_force(settings), messages) == []
    maps = with_map(settings)
    assert (run(settings, maps, dry=True).readings, in_log(settings)) == (4, [])

    outcome = run(settings, with_map(settings))

    assert (outcome.letters, outcome.read, outcome.readings, outcome.refused) == (4, 4, 4, {})
    found = {each.sensor_id: (each, headers) for each, headers in in_log(settings)}
    assert found["2:probe"][0] == Reading("2:probe", AT + 2, {"temperature": 20.2})
    assert found["2:probe"][1][HEADER_MQTT_TOPIC] == b"farm/2/probe/data"
    assert HEADER_READING_ID in found["2:probe"][1]
    assert found["2:probe"][1][HEADER_MAPS] == with_map(settings).fingerprint
    tank, headers = found["1:tank"]
    assert (tank.collected_at, headers[HEADER_CLOCK]) == (AT + 7.25, b"arrival")
    again = run(settings, with_map(settings))
    assert (again.letters, again.left) == (0, {"redriven before, and read": 4})
    assert len(in_log(settings)) == 4


def test_what_had_been_read_of_a_message_is_not_read_twice(settings: Settings) -> None:
    messages = [data(number, AT + number, t10=200, door="ajar", humidity="soaked") for number in range(3)]
    kept = came(settings, with_map(settings), messages)
    ajar = GREENHOUSE.replace("shut = 0", "shut = 0, ajar = 0.5")
    wet = ajar.replace("humidity = {}", "humidity = { words = { soaked = 100 } }")

    first, second = run(settings, with_map(settings, ajar)), run(settings, with_map(settings, wet))

    assert (first.readings, first.read, list(first.refused)) == (3, 0, ["bad_value"])
    assert (second.readings, second.read) == (3, 3)
    at_once: list[Reading] = []
    for topic, payload, at in messages:
        at_once += [
            it.reading if isinstance(it, Found) else it
            for it in with_map(settings, wet).decode(topic.encode(), payload, at)
            if isinstance(it, Found | Reading)
        ]
    assert values([*kept, *(reading for reading, _ in in_log(settings))]) == values(at_once)


def test_what_is_refused_again_is_not_tried_for_ever(settings: Settings) -> None:
    came(settings, maps_in_force(settings), [data(1, AT, t10=200)])
    for _ in range(3):
        assert list(run(settings, maps_in_force(settings)).refused) == ["unknown_topic"]
    assert run(settings, maps_in_force(settings)).left.total() == 1
    assert run(settings, with_map(settings), most_attempts=4).readings == 1


class Interrupted(BaseException):
    pass


def clock_that_stops(after: int) -> Iterator[float]:
    for number in range(after):
        yield AT + 86_400 + number / 1000
    raise Interrupted


@pytest.mark.parametrize("moment", range(8))
def test_a_redrive_that_is_interrupted_at_any_moment_is_finished_by_the_next(
    settings: Settings, moment: int
) -> None:
    messages = [data(number, AT + number, t10=200 + number) for number in range(4)]
    came(settings, maps_in_force(settings), messages)
    clock = clock_that_stops(moment)
    with pytest.raises(Interrupted):
        run(settings, with_map(settings), wall=lambda: next(clock))
    assert moment < 2 or LettersOnKafka(settings).attempts().unfinished is not None
    if moment >= 2:
        with pytest.raises(ConfigurationError, match="another redrive"):
            run(settings, with_map(settings), wall=lambda: AT + 86_401)

    run(settings, with_map(settings), wall=lambda: AT + 86_500)

    assert values([reading for reading, _ in in_log(settings)]) == {
        (f"{number}:probe", event_ms(AT + number), "temperature", round(20 + number / 10, 1)): 1
        for number in range(4)
    }
    assert LettersOnKafka(settings).attempts().unfinished is None


def test_letters_that_hold_no_whole_message_are_left_with_the_reason(settings: Settings) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.brokers})
    left: tuple[tuple[str, Literal["mqtt", "kafka", "mongo"]], ...] = (
        ("too_large", "mqtt"),
        ("unreadable_record", "kafka"),
        ("refused_by_mongo", "mongo"),
    )
    for reason, origin in left:
        letter = DeadLetter("00" * 12, reason, "", origin, "farm/1/tank/fill", AT, b"4.5")
        producer.produce(settings.topic("dead-letters"), encode(letter))
    producer.produce(settings.topic("dead-letters"), b"no letter")
    producer.flush()
    outcome = run(settings, with_map(settings))
    assert (outcome.letters, outcome.left.total(), in_log(settings)) == (0, 3, [])


def test_the_commands_of_the_page_list_show_and_redrive(settings: Settings, tmp_path: Path) -> None:
    came(settings, maps_in_force(settings), [data(1, AT, t10=200), data(1, AT + 1, t10=201)])
    came(settings, maps_in_force(settings), [("fields/2", b"{}", AT)])
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/greenhouse.toml").write_text(GREENHOUSE)
    kafka = {"BROKERS": settings.kafka.brokers, "NAMESPACE": settings.kafka.namespace, "PARTITIONS": "2"}
    environment = {
        **os.environ,
        **{f"WEIR_KAFKA__{name}": value for name, value in kafka.items()},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def typed(beginning: str, *, own_id: str = "", end: str = "") -> str:
        text = command_of(PAGE, beginning).text if not end else next(
            each.text for each in commands_of(PAGE) if each.text.startswith(beginning) and each.text.endswith(end)
        )  # fmt: skip
        text = text.replace("3f2a9c", own_id)
        done = subprocess.run(text, shell=True, env=environment, cwd=tmp_path, capture_output=True, text=True,
                              timeout=PATIENCE, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    listed = typed("weir dead-letters list")
    assert "2  unknown_topic  farm/1/probe/data" in listed
    assert "3  dead letters" in listed
    [newest] = re.findall(r"farm/1/probe/data\n +newest (\w+)", listed)
    assert f'{{"at": {AT + 1}, "t10": 201}}' in typed("weir dead-letters show", own_id=newest)
    assert "farm/" in typed("weir map suggest --from dead-letters")
    assert "looked at" in typed("weir map check")
    redrive = "WEIR_MQTT__MAPS=maps weir dead-letters redrive"
    assert "2 letters would become 2 readings" in typed(redrive, end="--dry-run")
    assert "2 letters became 2 readings" in typed(redrive, end="'farm/#'")
    assert "2 read since" in typed("weir dead-letters list")


def test_a_reason_that_does_not_exist_is_refused_with_those_that_do() -> None:
    refused = CliRunner().invoke(main, ["dead-letters", "redrive", "--reason", "unknown"])
    assert (refused.exit_code, "there is no reason unknown; there are not_utf8" in refused.output) == (
        2,
        True,
    )
