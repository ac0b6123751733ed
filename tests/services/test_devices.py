"""The registry of devices on a real Kafka: imported, listed, exported, and its names where alarms are told."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.devices.device_learning import AGAIN_SECONDS, DeviceLearner
from bridges.devices.device_registry import DeviceLabels, devices_on_kafka, write_devices
from bridges.kafka.clients import ensure_topics, topic_configs
from bridges.kafka.confirmed_writing import OF_ITS_KEY, write_confirmed
from bridges.process import settings as all_settings
from bridges.process.settings import KafkaSettings, Settings
from streams.records.catalogue import CATALOGUE
from streams.records.types import Birth, Device
from tests.services.bridge_kit import Publisher
from tests.support.alarm_records import alarm, write_alarms


@pytest.fixture
def settings(kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIR_KAFKA__BROKERS", kafka)
    monkeypatch.setenv("WEIR_KAFKA__NAMESPACE", topic_prefix)
    monkeypatch.setenv("WEIR_KAFKA__PARTITIONS", "2")
    found = Settings(kafka=KafkaSettings(brokers=kafka, namespace=topic_prefix, partitions=2))
    ensure_topics(found)
    return found


def weir(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, result.output
    return result.output if code else result.stdout


def test_devices_are_imported_changed_listed_and_exported(settings: Settings) -> None:
    assert topic_configs(settings)[settings.topic("devices")]["cleanup.policy"] == "compact"
    assert "no devices" in weir("devices", "list")
    Path("a.csv").write_text(
        "sensor_id,name,place,group,interval,unit:t\nb-1,Boiler 1,hall 7,boilers,60,°C\nb-2,Boiler 2,hall 8,,,\n"
    )
    assert weir("devices", "import", "a.csv", "--dry-run") == "2 new, 0 changed, 0 as they were\n"
    assert "no devices" in weir("devices", "list")
    assert weir("devices", "import", "a.csv") == "2 new, 0 changed, 0 as they were\n"
    Path("b.toml").write_text('["b-2"]\nname = "Boiler two"\n["b-3"]\nmachine = "press"\n')
    assert weir("devices", "import", "b.toml") == "1 new, 1 changed, 0 as they were\n"
    assert weir("devices", "import", "b.toml") == "0 new, 0 changed, 2 as they were\n"
    assert weir("devices", "list").splitlines() == [
        "b-1: Boiler 1, hall 7; group boilers; each 60 s; t in °C",
        "b-2: Boiler two",
        "b-3: machine press",
    ]
    [only] = weir("devices", "list", "--place", "hall 7", "--json").splitlines()
    assert json.loads(only)["units"] == {"t": "°C"}
    for name in ("c.csv", "c.toml"):
        assert weir("devices", "export", name) == f"3 devices written to {name}\n"
        assert weir("devices", "import", name) == "0 new, 0 changed, 3 as they were\n"
    assert "cannot write nowhere/c.csv" in weir("devices", "export", "nowhere/c.csv", code=2)
    Path("d.csv").write_text("sensor_id,name\nb-9,Boiler 9\nb 1,x\n")
    assert "d.csv, line 3" in weir("devices", "import", "d.csv", code=2)
    assert "b-9" not in weir("devices", "list")


def test_names_are_shown_with_alarms_and_a_new_name_is_seen_while_it_runs(settings: Settings) -> None:
    raised = alarm(1)
    write_alarms(settings, [raised])
    now = 0.0
    labels = DeviceLabels(settings, lambda: now)
    assert labels.label(raised.sensor_id) == ""
    assert f"{raised.sensor_id} pressure is beyond" in weir("alarms", "list")
    write_devices(settings, [Device(raised.sensor_id, 1.0, "Boiler 1", "hall 7")])
    assert labels.label(raised.sensor_id) == ""  # looked for every half a minute, not at each alarm
    now = 31.0
    assert labels.label(raised.sensor_id) == "Boiler 1, hall 7"
    assert f"Boiler 1, hall 7 ({raised.sensor_id}) pressure is beyond" in weir("alarms", "list")
    assert json.loads(weir("alarms", "list", "--json"))["title"].startswith("Boiler 1, hall 7 (")


def test_what_devices_announce_fills_in_what_nobody_has_said(
    settings: Settings, mqtt: tuple[str, int], unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIR_MQTT__HOST", mqtt[0])
    monkeypatch.setenv("WEIR_MQTT__PORT", str(mqtt[1]))
    device = Publisher(*mqtt, f"{unique_name}-device")
    config = {
        "state_topic": f"tele/{unique_name}/SENSOR", "unit_of_measurement": "W", "name": "Power",
        "value_template": "{{ value_json.ENERGY.Power }}", "device": {"name": "Washer", "suggested_area": "Bath"},
    }  # fmt: skip
    device.publish(f"homeassistant/sensor/{unique_name}/config", json.dumps(config), retain=True)
    device.wait()
    device.close()
    birth = Birth(f"{unique_name}/line/saw", 1.0, {})
    write_confirmed(settings, CATALOGUE.of(Birth), [(birth, OF_ITS_KEY)], seconds=30, remedy="")
    write_devices(settings, [Device(unique_name, 1.0, "The washer", units={"x": "y"})])
    arguments = ("devices", "import", "--from", "mqtt", "--from", "births", "--seconds", "1")
    before = weir("devices", "list")
    assert " new, 0 changed" in weir(*arguments, "--dry-run")
    assert weir("devices", "list") == before
    weir(*arguments)
    lines = weir("devices", "list").splitlines()
    assert f"{unique_name}: The washer, Bath; ENERGY_Power in W; x in y" in lines
    assert f"{unique_name}:line:saw: saw; machine line; group {unique_name}" in lines
    assert "0 new, 0 changed" in weir(*arguments)
    assert "give a file, or --from" in weir("devices", "import", code=2)


def test_the_bridge_learns_what_is_announced_and_what_people_say_is_never_overwritten(
    settings: Settings, mqtt: tuple[str, int], unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIR_MQTT__HOST", mqtt[0])
    monkeypatch.setenv("WEIR_MQTT__PORT", str(mqtt[1]))
    settings = all_settings.load()
    broker = Publisher(*mqtt, f"{unique_name}-broker")

    def announce(area: str) -> None:
        config = {
            "state_topic": f"tele/{unique_name}/SENSOR", "value_template": "{{ value_json.ENERGY.Power }}",
            "device": {"name": "Washer", "suggested_area": area}, "expire_after": 600,
        }  # fmt: skip
        broker.publish(f"homeassistant/sensor/{unique_name}/config", json.dumps(config), retain=True)
        broker.wait()

    now = 1_790_000_000.0
    learner = DeviceLearner(settings, lambda: now)

    def learnt() -> Device:
        learner.learn(1.0)
        return devices_on_kafka(settings)[unique_name]

    announce("Bath")
    found = learnt()
    assert (found.name, found.place, found.interval, found.at) == ("Washer", "Bath", 120.0, now)
    now += 10
    assert learnt().at == now - 10, "it says nothing new"
    announce("Kitchen")
    assert learnt().place == "Bath", "it changes at most once an hour"
    now += AGAIN_SECONDS
    assert learnt().place == "Kitchen"
    Path("said.csv").write_text(f"sensor_id,place\n{unique_name},Cellar\n")
    assert weir("devices", "import", "said.csv") == "1 new, 0 changed, 0 as they were\n"
    announce("Attic")
    now += 2 * AGAIN_SECONDS
    assert (learnt().place, learnt().name) == ("Cellar", "Washer")
    [conflict] = weir("devices", "conflicts").splitlines()
    assert conflict == f"{unique_name}: place is 'Cellar', homeassistant announces 'Attic'"
    assert json.loads(weir("devices", "conflicts", "--json"))["announced"] == "Attic"
    for at, place in ((1_790_000_005, "Bath"), (1_790_000_000 + 4000, "Kitchen")):
        weir("devices", "export", "then.csv", "--at", str(at))
        assert f"{unique_name},Washer,{place}" in Path("then.csv").read_text()
    broker.publish(f"homeassistant/sensor/{unique_name}/config", b"", retain=True)
    broker.wait()
    broker.close()
