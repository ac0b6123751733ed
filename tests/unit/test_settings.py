"""Settings: one documented model, strict names, secrets from files."""

import os
import traceback
from pathlib import Path

import msgspec
import pytest

from bridges.doctor.diagnosis import Grade
from bridges.doctor.examination import examine
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings, load
from streams.detection.detection_config import DetectionConfig
from streams.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WEIR_")]:
        monkeypatch.delenv(name)


def test_defaults_need_no_environment() -> None:
    assert load().kafka.brokers == "127.0.0.1:9092"


def test_a_variable_sets_a_nested_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_KAFKA__BROKERS", "kafka:9092")
    monkeypatch.setenv("WEIR_MQTT__TOPICS", "sensors/#, $share/weir/labels/#")
    monkeypatch.setenv("WEIR_WINDOWS__QUANTILES", "0.5,0.95")
    settings = load()
    assert settings.kafka.brokers == "kafka:9092"
    assert settings.mqtt.topics == ("sensors/#", "$share/weir/labels/#")
    assert settings.windows.quantiles == (0.5, 0.95)


@pytest.mark.parametrize(
    "topics",
    [
        "plant/7/sensors/#",
        "sensors/#,$share/weir/plant/#",
        "/sensors/#",
        "maps,plant/+/sensors/#",
        "maps,a/labels/#",
    ],
)
def test_a_filter_with_levels_before_needs_a_setting_that_says_what_they_mean(
    monkeypatch: pytest.MonkeyPatch, topics: str
) -> None:
    monkeypatch.setenv("WEIR_MQTT__TOPICS", topics)
    with pytest.raises(ConfigurationError, match="WEIR_MQTT__PREFIX=identity"):
        load()
    monkeypatch.setenv("WEIR_MQTT__PREFIX", "identity")
    assert load().mqtt.prefix == "identity"


@pytest.mark.parametrize("topics", ["sensors/#,labels/#,maps,site1/#", "maps,$share/weir/plant9/line/+"])
def test_beside_maps_a_filter_of_ones_own_is_for_them_to_read(
    monkeypatch: pytest.MonkeyPatch, topics: str
) -> None:
    monkeypatch.setenv("WEIR_MQTT__TOPICS", topics)
    assert load().mqtt.topics == tuple(topics.split(","))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WEIR_KAFKA__BROKER", "WEIR_KAFKA__BROKERS"),
        ("WEIR_KAFAK__BROKERS", "WEIR_KAFKA__BROKERS"),
        ("WEIR_LOGLEVEL", "WEIR_LOG_LEVEL"),
        ("WEIR_MAPS", "WEIR_MQTT__MAPS"),
    ],
)
def test_an_unknown_variable_is_refused_by_name_with_the_one_that_is_near(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError, match=rf"{name}.*Did you mean {meant}\?$"):
        load()


@pytest.mark.parametrize("name", ["WEIR_TEST_SCHEDULES", "WEIR_BENCH_READINGS"])
def test_a_variable_of_tests_and_benchmarks_is_no_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert load() == Settings()


def test_a_wrong_value_names_the_variable_and_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_WINDOWS__SIZE_SECONDS", "-5")
    with pytest.raises(ConfigurationError, match=r"WEIR_WINDOWS__SIZE_SECONDS: .*greater than 0, got '-5'"):
        load()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("WEIR_KAFKA__BROKERS", "127.0.0.1:notaport"),
        ("WEIR_KAFKA__BROKERS", "http://127.0.0.1:9092"),
        ("WEIR_KAFKA__BROKERS", "a:9092,,b:9092"),
        ("WEIR_KAFKA__BROKERS", "a:0"),
        ("WEIR_KAFKA__BROKERS", "a:99999"),
        ("WEIR_KAFKA__BROKERS", "::1:9092"),
        ("WEIR_KAFKA__BROKERS", " "),
        ("WEIR_MQTT__HOST", "mqtt://broker"),
        ("WEIR_MQTT__HOST", "broker:1883"),
        ("WEIR_MQTT__HOST", ""),
    ],
)
def test_an_address_that_can_be_none_is_refused_and_not_looked_up_again_and_again(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: str
) -> None:
    monkeypatch.setenv(name, wrong)
    with pytest.raises(ConfigurationError, match=rf"{name}: .*expected (?:host:port|a host's name)"):
        load()


@pytest.mark.parametrize("brokers", ["kafka", "a:9092, b:9092", "[::1]:9092", "kafka_1.example:65535"])
def test_brokers_are_named_by_host_and_port(monkeypatch: pytest.MonkeyPatch, brokers: str) -> None:
    monkeypatch.setenv("WEIR_KAFKA__BROKERS", brokers)
    monkeypatch.setenv("WEIR_MQTT__HOST", "fe80::1")
    assert load().kafka.brokers == brokers


def test_a_typo_in_the_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "weir.toml"
    config.write_text("[windows]\nsize_secs = 5\n")
    monkeypatch.setenv("WEIR_CONFIG", str(config))
    with pytest.raises(
        ConfigurationError, match=r"WEIR_WINDOWS__SIZE_SECS: .*Did you mean WEIR_WINDOWS__SIZE_SECONDS\?"
    ):
        load()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "weir.toml"
    config.write_text("[windows]\nsize_seconds = 5\ngrace_seconds = 1\n[detection]\nwarm_up = 72\n")
    monkeypatch.setenv("WEIR_CONFIG", str(config))
    monkeypatch.setenv("WEIR_WINDOWS__SIZE_SECONDS", "30")
    settings = load()
    assert (settings.windows.size_seconds, settings.windows.grace_seconds) == (30, 1)
    assert settings.detection.given() == {"warm_up": 72}


def test_a_secret_comes_from_a_file_and_never_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "uri"
    secret.write_text("mongodb://weir:hunter2@mongo/\n")
    monkeypatch.setenv("WEIR_MONGO__URI_FILE", str(secret))
    settings = load()
    assert settings.mongo.uri.get_secret_value() == "mongodb://weir:hunter2@mongo/"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "text",
    [
        "[kafka]\npassword = 12345678\n",
        "[mongo]\nuri = 12345678\n",
        "[web]\npeer_secret = [12345678]\n",
        "[mqtt.password]\nvalue = 12345678\n",
        "[kafka]\npasword = '12345678'\n",
        "kafka = 'weir:12345678'\n",
        "mqtt = ['12345678']\n",
        "[mqtt]\npassword = '12345678'\ntopics = ['plant/#']\n",
        "[kafka]\npassword = '12345678'\nbrokers = 5\n",
        "passwords = {kafka = '12345678'}\n",
    ],
)
def test_no_error_shows_the_value_of_a_secret_or_of_what_holds_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    config = tmp_path / "weir.toml"
    config.write_text(text)
    monkeypatch.setenv("WEIR_CONFIG", str(config))
    with pytest.raises(ConfigurationError, match="WEIR_") as refused:
        load()
    assert "12345678" not in "".join(traceback.format_exception(refused.value))


def test_a_section_given_as_one_text_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_KAFKA", '{"password": "12345678"}')
    with pytest.raises(ConfigurationError, match="WEIR_KAFKA") as refused:
        load()
    assert "12345678" not in str(refused.value)


def test_a_missing_secret_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_MONGO__URI_FILE", "/nowhere/uri")
    with pytest.raises(ConfigurationError, match="WEIR_MONGO__URI_FILE must name a readable file"):
        load()


def test_tables_of_detection_are_json_objects_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_DETECTION__SERIES", '{"boiler-*/temperature": {"high": 120}}')
    monkeypatch.setenv("WEIR_DETECTION__WARM_UP", "72")
    assert load().detection.given() == {"series": {"boiler-*/temperature": {"high": 120}}, "warm_up": 72}
    monkeypatch.setenv("WEIR_DETECTION__SERIES", "boiler")
    with pytest.raises(ConfigurationError, match=r"WEIR_DETECTION__SERIES: .*expected a JSON object"):
        load()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("WEIR_DETECTION__RAIS_AT", "0.5", "unknown setting WEIR_DETECTION__RAIS_AT"),
        ("WEIR_DETECTION__RAISE_AT", "1.5", "raise_at"),
        ("WEIR_DETECTION__WARM_UP", "soon", "WEIR_DETECTION__WARM_UP: .*got 'soon'"),
        ("WEIR_DETECTION__DETECTOR", "oracle", "detector must be one of tailwatch"),
        ("WEIR_DETECTION__SERIES", '{"boiler-*/temperature": {"hihg": 120}}', "boiler-.*hihg"),
        ("WEIR_DETECTION__BUDGET_PER_WEEK", "-1", "budget_per_week"),
        ("WEIR_WINDOWS__SIZE_SECONDS", "0.0015", "window size must be whole milliseconds"),
    ],
)
def test_what_the_worker_would_refuse_is_refused_at_load_and_by_the_doctor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=said):
        load()
    (only,) = examine(tmp_path)
    assert (only.what, only.verdict) == ("settings", Grade.FAILURE)


def test_each_parameter_of_detection_is_a_setting_with_the_same_default() -> None:
    section = DetectionSettings().model_dump(exclude={"series", "peer_rules"})  # which are of the whole plan
    assert section == msgspec.structs.asdict(DetectionConfig())


def test_a_section_that_is_refused_as_a_whole_does_not_show_what_else_is_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEIR_DETECTION__PARAMETERS", '{"half_life": 12345}')
    with pytest.raises(ConfigurationError) as raised:
        load()
    assert "got {" not in str(raised.value)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"CERTIFICATE_FILE": "c.pem"}, "certificate_file needs security_protocol SSL or SASL_SSL"),
        ({"CA_FILE": "ca.pem", "SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "ca_file needs security_protocol"),
        ({"KEY_FILE": "k.pem", "SECURITY_PROTOCOL": "SSL"}, "key_file needs a certificate_file"),
    ],
)
def test_a_certificate_of_kafka_that_would_not_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"WEIR_KAFKA__{name}", value)
    with pytest.raises(ConfigurationError, match=says):
        load()
