"""Decisions of the local stack and the doctor that need no server."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.doctor.diagnosis import Grade
from bridges.doctor.survival import OutageBounds, outages
from bridges.process.backoff import Backoff
from bridges.process.settings import KafkaSettings, MongoSettings, MqttSettings, Settings
from bridges.stack.environment import read_environment, remove_environment, write_environment
from bridges.stack.existing import existing_part, split_address
from bridges.stack.jars import KAFKA, LOCK_FILE, read_lock
from bridges.stack.parts import Plan, plan_parts
from bridges.stack.probes import Rate, total
from bridges.stack.rumqttd import protocol_level
from streams.errors import ConfigurationError


def mqtt_connect(name: bytes, level: int, length: int = 20) -> bytes:
    return bytes([0x10, length]) + struct.pack(">H", len(name)) + name + bytes([level, 2, 0, 60])


def test_the_relay_tells_mqtt_versions_apart_as_soon_as_enough_has_come() -> None:
    for level in (4, 5):
        whole = mqtt_connect(b"MQTT", level)
        answers = [protocol_level(whole[:length]) for length in range(len(whole))]
        assert answers == [None] * 9 + [level] * (len(whole) - 9)


def test_the_relay_reads_versions_behind_a_long_remaining_length() -> None:
    whole = b"\x10\xac\x02" + mqtt_connect(b"MQTT", 5)[2:]
    assert protocol_level(whole) == 5


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1", mqtt_connect(b"MQTT", 3), mqtt_connect(b"MQIsdp", 3), b"\x20\x02\x00\x00"]
)
def test_the_relay_refuses_what_is_not_mqtt_3_1_1_or_5(start: bytes) -> None:
    with pytest.raises(ValueError, match="MQTT"):
        protocol_level(start)


def test_every_jar_is_locked_once_with_a_checksum_and_kafka_is_among_them() -> None:
    locked = read_lock(LOCK_FILE)
    coordinates = [coordinate for coordinate, _ in locked]
    assert set(KAFKA) <= set(coordinates)
    assert len({coordinate.rpartition(":")[0] for coordinate in coordinates}) == len(coordinates)
    assert all(len(sha256) == 64 for _, sha256 in locked)
    versions = {
        coordinate.split(":")[2] for coordinate in coordinates if coordinate.startswith("org.apache.kafka:")
    }
    assert len(versions) == 1, f"Kafka's own jars are of several versions: {versions}"


def test_a_back_off_grows_to_its_cap_and_begins_anew_after_a_run_that_lasted() -> None:
    backoff = Backoff(first=0.5, cap=30, stable=60, draw=lambda: 0.0)
    assert [backoff.delay(ran_for=1) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.delay(ran_for=60) == 0.5


@given(draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=12))
def test_two_who_lost_the_same_server_come_back_apart_and_none_before_half_the_delay(
    draws: list[float],
) -> None:
    numbers = iter(draws)
    drawn = Backoff(first=0.5, cap=30, draw=lambda: next(numbers))
    whole = Backoff(first=0.5, cap=30, draw=lambda: 0.0)
    for each in draws:
        ceiling = whole.delay()
        delay = drawn.delay()
        assert delay == ceiling * (1 - each / 2)
        assert ceiling / 2 <= delay <= ceiling


def test_a_rate_is_unknown_when_the_counter_cannot_be_read_or_began_anew() -> None:
    values = iter([100.0, 150.0, None, 300.0, 40.0, 60.0])
    rate = Rate(lambda: next(values))
    assert [rate.look(float(second)) for second in range(6)] == [None, 50.0, None, None, None, 20.0]


def test_counters_are_summed_over_their_labels_and_not_over_names_that_begin_alike() -> None:
    text = '# HELP a_total x\na_total{k="1 2"} 1.0\na_total 2.5\na_total_created 9.0\nb_total{k="}"} 4.0\n'
    assert total(text, "a_total") == 3.5
    assert total(text, "a_total", "b_total") == 7.5
    assert total(text, "c_total") is None


def test_variables_of_a_stack_survive_a_file(tmp_path: Path) -> None:
    variables = {
        "WEIR_KAFKA__BROKERS": "127.0.0.1:9092",
        "WEIR_MONGO__URI_FILE": "/tmp/with space/it's $HOME",
    }
    file = write_environment(tmp_path, variables)
    assert file.stat().st_mode & 0o077 == 0
    assert read_environment(tmp_path) == variables
    remove_environment(tmp_path)
    assert read_environment(tmp_path) == {}


def test_only_what_the_settings_name_is_an_existing_system() -> None:
    settings = Settings(kafka=KafkaSettings(brokers="k1:9093,k2:9093"))
    assert existing_part("mqtt", settings) is None
    assert existing_part("mongo", settings) is None
    kafka = existing_part("kafka", settings)
    assert kafka is not None
    assert kafka.program is None
    assert kafka.address == "k1:9093,k2:9093"


def test_the_address_of_an_existing_mongodb_shows_no_password() -> None:
    uri = "mongodb://weir:secret@db-1:27017,db-2:27017/?replicaSet=rs0"
    part = existing_part("mongo", Settings(mongo=MongoSettings(uri=uri)))  # type: ignore[arg-type]
    assert part is not None
    assert part.address == "db-1:27017,db-2:27017"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("k:1", ("k", 1)),
        ("k", ("k", 9092)),
        ("[::1]:5", ("::1", 5)),
        ("[::1]", ("::1", 9092)),
        (" k:1 ", ("k", 1)),
    ],
)
def test_addresses_are_split_with_a_usual_port(text: str, address: tuple[str, int]) -> None:
    assert split_address(text, 9092) == address


def test_parts_start_servers_first_and_sensors_last(tmp_path: Path) -> None:
    levels, environment = plan_parts(Settings(), Plan(tmp_path, free_ports=True))
    assert [[part.name for part in level] for level in levels] == [
        ["kafka", "mqtt", "mongo"],
        ["bridge", "worker", "analysis"],
        ["simulator"],
    ]
    addresses = {part.name: part.address for level in levels for part in level}
    assert environment["WEIR_KAFKA__BROKERS"] == addresses["kafka"]
    assert len(set(addresses.values())) == 7


def test_programs_beside_a_stack_are_pointed_at_pages_on_other_ports(tmp_path: Path) -> None:
    usual = {"worker": Settings().web.port, "analysis": 8123}
    _, variables = plan_parts(Settings(), Plan(tmp_path, ports=usual))
    assert "WEIR_WEB__PORT" not in variables
    assert variables["WEIR_ANALYSIS__PORT"] == "8123"
    _, variables = plan_parts(Settings(), Plan(tmp_path, ("worker",), free_ports=True))
    assert int(variables["WEIR_WEB__PORT"]) > 0


def test_alarms_are_told_where_somebody_is_to_be_told(tmp_path: Path) -> None:
    targets = {"ops": {"format": "webhook", "url": "http://127.0.0.1:9/"}}
    settings = Settings.model_validate({"notify": {"targets": targets}})
    levels, _ = plan_parts(settings, Plan(tmp_path, free_ports=True))
    assert [part.name for part in levels[1]] == ["bridge", "worker", "analysis", "notify"]
    assert levels[1][3].describes == "tells ops of alarms"
    levels, _ = plan_parts(settings, Plan(tmp_path, parts=("kafka", "worker"), free_ports=True))
    assert "notify" not in [part.name for level in levels for part in level]


def test_an_existing_server_is_not_started_and_not_pointed_at(tmp_path: Path) -> None:
    settings = Settings(kafka=KafkaSettings(brokers="k:9092"), mqtt=MqttSettings(host="m"))
    levels, environment = plan_parts(settings, Plan(tmp_path, parts=("kafka", "mongo"), free_ports=True))
    started = [part.name for level in levels for part in level if part.program is not None]
    assert started == ["mongo"]
    assert set(environment) == {"WEIR_MONGO__URI_FILE"}


def test_unknown_parts_and_programs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no part 'kafak'"):
        plan_parts(Settings(), Plan(tmp_path, parts=("kafak",)))
    with pytest.raises(ConfigurationError, match="no MQTT broker 'emqx'"):
        plan_parts(Settings(), Plan(tmp_path, parts=("mqtt",), programs={"mqtt": "emqx"}))
    with pytest.raises(ConfigurationError, match="no MongoDB server 'mango'"):
        plan_parts(Settings(), Plan(tmp_path, parts=("mongo",), programs={"mongo": "mango"}))


def verdicts(limits: OutageBounds) -> dict[str, tuple[Grade, str]]:
    return {finding.what: (finding.verdict, finding.found) for finding in outages(limits)}


def test_an_outage_is_survived_until_the_queue_is_full_or_the_session_ends() -> None:
    full = verdicts(OutageBounds(rate=50, queued_messages=1_000_000, session_seconds=7 * 86_400))
    assert full["bridge or Kafka away"] == (Grade.OK, "nothing is lost for 5 h (1,000,000 queued at 50/s)")
    ended = verdicts(OutageBounds(rate=0.1, queued_messages=1_000_000, session_seconds=86_400))
    assert ended["bridge or Kafka away"] == (Grade.OK, "nothing is lost for 24 h (then the session ends)")
    short = verdicts(OutageBounds(rate=100, queued_messages=1000, session_seconds=86_400))
    assert short["bridge or Kafka away"][0] is Grade.WARNING


def test_an_outage_with_a_limit_that_nobody_knows_is_a_warning() -> None:
    assert verdicts(OutageBounds(rate=50))["bridge or Kafka away"][0] is Grade.WARNING


def test_a_broker_that_forgets_and_a_short_retention_are_warnings() -> None:
    found = verdicts(OutageBounds(rate=1, broker_keeps=False, readings_seconds=3600, results_seconds=-1))
    assert found["MQTT broker restarted"][0] is Grade.WARNING
    assert found["worker away"] == (Grade.WARNING, "nothing is lost for 60 min (retention)")
    assert found["MongoDB away"][0] is Grade.OK
