"""The doctor looks at real servers, says what is wrong with them, and changes nothing."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient, NewTopic

from agents.cli import main
from bridges.doctor.diagnosis import Diagnosis, Grade
from bridges.doctor.examination import examine
from bridges.stack.child_process import free_port
from bridges.stack.environment import write_environment


@pytest.fixture
def here(
    kafka: str,
    mqtt: tuple[str, int],
    mongo: str,
    mongo_database: str,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Point the settings at the servers of the tests, with names of our own."""
    for name, value in {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": topic_prefix,
        "WEIR_MQTT__HOST": mqtt[0],
        "WEIR_MQTT__PORT": str(mqtt[1]),
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": mongo_database,
        "WEIR_BRIDGE__METRICS_PORT": str(free_port()),
        "WEIR_WEB__PORT": str(free_port()),
        "WEIR_ANALYSIS__PORT": str(free_port()),
    }.items():
        monkeypatch.setenv(name, value)


def by_name(findings: list[Diagnosis]) -> dict[str, Diagnosis]:
    return {finding.what: finding for finding in findings}


@pytest.mark.usefixtures("here")
def test_good_servers_without_topics_are_no_failure_and_get_no_topics(tmp_path: Path, kafka: str) -> None:
    found = by_name(examine(tmp_path))
    assert [one for one in found.values() if one.verdict is Grade.FAILURE] == []
    assert "answer" in found["Kafka"].found
    assert "answers MQTT 5" in found["MQTT"].found
    assert found["subscription sensors/#"].found == "QoS 1"
    assert found["bridge or Kafka away"].verdict is Grade.WARNING, (
        "the limit of a foreign broker is not known"
    )
    topics = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    assert [
        name for name in topics if name in {one.what.removeprefix("topic ") for one in found.values()}
    ] == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("partitions", "config", "verdict", "found"),
    [
        (3, {}, Grade.FAILURE, "3 partitions, the settings say 4"),
        (4, {"retention.ms": "3600000"}, Grade.WARNING, "retention.ms is 3600000"),
        (4, {"retention.ms": "2592000000", "cleanup.policy": "compact"}, Grade.WARNING, "cleanup.policy is compact"),
        (4, {"retention.ms": "2592000000", "max.message.bytes": "1000"}, Grade.WARNING, "max.message.bytes is 1,000"),
        (4, {"retention.ms": "2592000000"}, Grade.OK, "4 partitions, kept 30 days"),
    ],
)  # fmt: skip
def test_a_topic_that_is_not_as_weir_makes_it_is_named_with_its_setting(
    tmp_path: Path,
    kafka: str,
    topic_prefix: str,
    partitions: int,
    config: dict[str, str],
    verdict: Grade,
    found: str,
) -> None:
    topic = NewTopic(f"{topic_prefix}readings", partitions, 1, config=config)
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([topic])[topic.topic].result(20)
    finding = by_name(examine(tmp_path))[f"topic {topic_prefix}readings"]
    assert (finding.verdict, finding.found[: len(found)]) == (verdict, found)
    assert bool(finding.remedy) == (verdict is not Grade.OK)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("config", "verdict", "found"),
    [
        ({"cleanup.policy": "delete"}, Grade.FAILURE, "cleanup.policy is delete"),
        ({"cleanup.policy": "compact"}, Grade.WARNING, "segment.bytes is 1073741824"),
        ({"cleanup.policy": "compact", "segment.bytes": "33554432"}, Grade.OK, "compacted, in segments of 33554432"),
    ],
)  # fmt: skip
def test_a_changelog_that_would_lose_state_or_grow_without_compaction_is_named(
    tmp_path: Path, kafka: str, topic_prefix: str, config: dict[str, str], verdict: Grade, found: str
) -> None:
    names = [f"{topic_prefix}weir-models-changelog", f"{topic_prefix}another-models-changelog"]
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(name, 4, 1, config=config) for name in names]).values():
        future.result(20)
    findings = by_name(examine(tmp_path))
    finding = findings[f"topic {names[0]}"]
    assert (finding.verdict, finding.found[: len(found)]) == (verdict, found)
    assert bool(finding.remedy) == (verdict is not Grade.OK)
    assert f"topic {names[1]}" not in findings  # another application's


@pytest.mark.usefixtures("here")
def test_a_wrong_password_of_mongodb_is_a_failure_that_does_not_show_it(
    tmp_path: Path, mongo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = mongo.rpartition("@")[2]
    monkeypatch.setenv("WEIR_MONGO__URI", f"mongodb://weir:not-the-password@{address}")
    finding = by_name(examine(tmp_path))["MongoDB"]
    assert finding.verdict is Grade.FAILURE
    assert "refuses us" in finding.found
    assert "not-the-password" not in f"{finding.found} {finding.remedy}"


def test_servers_that_are_away_are_failures_with_the_settings_that_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("WEIR_KAFKA__BROKERS", f"127.0.0.1:{port}")
    monkeypatch.setenv("WEIR_MQTT__PORT", str(port))
    monkeypatch.setenv("WEIR_MONGO__URI", f"mongodb://127.0.0.1:{port}")
    found = by_name(examine(tmp_path))
    for what, variable in (
        ("Kafka", "WEIR_KAFKA__BROKERS"),
        ("MQTT", "WEIR_MQTT__HOST"),
        ("MongoDB", "WEIR_MONGO__URI"),
    ):
        assert found[what].verdict is Grade.FAILURE
        assert variable in found[what].remedy


@pytest.mark.usefixtures("here")
def test_a_port_that_something_else_has_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("WEIR_WEB__PORT", str(other.getsockname()[1]))
        finding = by_name(examine(tmp_path))["port of worker"]
    assert finding.verdict is Grade.FAILURE
    assert "WEIR_WEB__PORT" in finding.remedy


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("configuration", "verdict", "found"),
    [("max_queued_messages 1000000\n", Grade.OK, "nothing is lost for 5 h"), ("", Grade.WARNING, "20 s")],
)
def test_a_local_stack_is_used_where_the_settings_name_nothing_and_its_queue_is_known(
    tmp_path: Path,
    mqtt: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
    configuration: str,
    verdict: Grade,
    found: str,
) -> None:
    write_environment(tmp_path, {"WEIR_MQTT__HOST": mqtt[0], "WEIR_MQTT__PORT": str(mqtt[1])})
    (tmp_path / "mqtt").mkdir()
    (tmp_path / "mqtt" / "mosquitto.conf").write_text(configuration)
    monkeypatch.delenv("WEIR_MQTT__HOST")
    monkeypatch.delenv("WEIR_MQTT__PORT")
    findings = by_name(examine(tmp_path, rate=50))
    assert "mqtt" in findings["local stack"].found
    outage = findings["bridge or Kafka away"]
    assert outage.verdict is verdict
    assert found in outage.found


def test_an_unknown_setting_is_the_only_finding_and_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEIR_KAFKA__BROKER", "k:9092")
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert result.exit_code == 1
    (finding,) = json.loads(result.stdout)
    assert finding["what"] == "settings"
    assert finding["verdict"] == "failure"
    assert "WEIR_KAFKA__BROKER" in finding["found"]


@pytest.mark.usefixtures("here")
def test_the_table_names_everything_and_the_exit_code_is_0_in_spite_of_warnings(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", "--data", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "Kafka" in result.output
    assert "warning" in result.output
