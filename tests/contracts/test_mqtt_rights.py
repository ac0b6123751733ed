"""Who may publish where, by the files of docker/: judged by Mosquitto's rules, and by Mosquitto where it is installed.

The rules are those of mosquitto.conf(5), "acl_file": `pattern` lines hold for every user, with ``%u`` for the name;
`topic` lines hold for the user named last. The container journey (`tests/containers/journey.py`) asks the broker of
the stack the same.
"""

import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from bridges.stack.child_process import Program, free_port
from bridges.stack.mqtt_server import find_mosquitto, mqtt_answers
from tests.support.patience import until

DOCKER = Path(__file__).parents[2] / "docker"
CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous false
user {user}
password_file {folder}/passwords
acl_file {folder}/acl
"""


class Broker(Protocol):
    """Tells whether a user may publish on a topic."""

    def takes(self, user: str, topic: str) -> bool: ...


def _words(line: str) -> tuple[str, str, str]:
    first, _, rest = line.strip().partition(" ")
    second, _, third = rest.partition(" ")
    return first, second, third


def _matches(topic_filter: str, topic: str) -> bool:
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted, levels = wanted[:-1], levels[: len(wanted) - 1]
    return len(wanted) == len(levels) and all(
        w in ("+", level) for w, level in zip(wanted, levels, strict=True)
    )


class Rules:
    """The rights of an ACL file, by the manual."""

    def __init__(self, rights: str) -> None:
        self._topics: list[tuple[str, str]] = []
        self._patterns: list[str] = []
        user = ""
        for first, second, third in map(_words, rights.splitlines()):
            if first == "user":
                user = second
            elif first == "topic" and second in ("write", "readwrite"):
                self._topics.append((user, third))
            elif first == "pattern" and second in ("write", "readwrite"):
                self._patterns.append(third)

    def takes(self, user: str, topic: str) -> bool:
        """Tell whether the file lets a user publish there."""
        own = [allowed for who, allowed in self._topics if who == user]
        return any(_matches(each, topic) for each in own + [p.replace("%u", user) for p in self._patterns])


class Mosquitto(Program):
    """The broker itself with these rights.

    Args:
        folder: For its files.
        program: Path of ``mosquitto``.
        rights: Text of its ACL file.
        passwords: Text of its password file.
        users: Password of each user.
    """

    def __init__(
        self, folder: Path, program: str, rights: str, passwords: str, users: dict[str, str]
    ) -> None:
        self.port = free_port()
        self._users = users
        folder.mkdir()
        (folder / "acl").write_text(rights)
        (folder / "passwords").write_text(passwords)
        for name in ("acl", "passwords"):
            (folder / name).chmod(0o600)
        text = CONFIGURATION.format(port=self.port, user=getpass.getuser(), folder=folder)
        (folder / "mosquitto.conf").write_text(text)
        super().__init__("mosquitto", folder, (program, "-c", str(folder / "mosquitto.conf")), {})

    def is_ready(self) -> bool:
        """Tell whether it answers."""
        return self.is_running() and mqtt_answers("127.0.0.1", self.port)

    def takes(self, user: str, topic: str) -> bool:
        """Publish there at QoS 1 by MQTT 5, whose acknowledgement says what became of it."""
        answers: list[ReasonCode] = []
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"{user}-1", protocol=paho.MQTTv5)
        client.username_pw_set(user, self._users[user])
        client.on_publish = lambda _client, _data, _mid, code, _properties: answers.append(code)
        client.on_connect = lambda c, *_: c.publish(topic, b"1", qos=1)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            code = until(lambda: answers, f"an acknowledgement of {topic}")[0]
        finally:
            client.disconnect()
            client.loop_stop()
        assert not code.is_failure or code.getName() == "Not authorized", code
        return not code.is_failure


BROKERS = ["rules", *(["mosquitto"] if find_mosquitto() else [])]


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Rights and passwords as `prepare.py` and `mosquitto.sh` make them for two devices and a gateway."""
    folder = tmp_path_factory.mktemp("rights")
    secrets = folder / "secrets"
    users = {"bridge": "b", "simulator": "s"}
    for kind, name in (("device", "evil"), ("device", "victim"), ("gateway", "hall-7")):
        users[name] = _run(
            sys.executable,
            DOCKER / "prepare.py",
            "--env",
            folder / "env",
            "--secrets",
            secrets,
            f"--{kind}",
            name,
        ).split()[1]
    rights = _run(
        "sh", DOCKER / "mosquitto.sh", "rights", SECRETS=str(secrets), ACL=str(DOCKER / "mosquitto.acl")
    )
    if request.param == "rules":
        yield Rules(rights)
        return
    passwords = "".join((secrets / f"mqtt_{kind}").read_text() for kind in ("devices", "gateways"))
    program = find_mosquitto()
    assert program
    for name in ("bridge", "simulator"):
        passwords += f"{name}:{_hashed(users[name])}\n"
    server = Mosquitto(folder / "broker", program, rights, passwords, users)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _run(*command: str | Path, **environment: str) -> str:
    whole = {**os.environ, **environment}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=whole).stdout


def _hashed(password: str) -> str:
    script = f"import prepare; print(prepare.hashed({password!r}))"
    return _run(sys.executable, "-c", script, PYTHONPATH=str(DOCKER)).strip()


@pytest.mark.parametrize("topic", ["sensors/evil/reading", "sensors/evil/temperature"])
def test_a_device_publishes_readings_of_its_own(broker: Broker, topic: str) -> None:
    assert broker.takes("evil", topic)


@pytest.mark.parametrize(
    "topic",
    [
        "sensors/victim/reading",
        "sensors/evil/sensors/victim/reading",
        "sensors/evil/labels/victim/temperature",
        "sensors/evil/sensors/reading",
        "sensors/evil",
        "sensors/reading",
        "labels/evil/temperature",
        "plant/sensors/evil/reading",
    ],
)
def test_a_device_speaks_for_no_other_and_tells_no_ground_truth(broker: Broker, topic: str) -> None:
    assert not broker.takes("evil", topic)


def test_a_gateway_publishes_readings_of_any_sensor_in_one_place_alone(broker: Broker) -> None:
    assert broker.takes("hall-7", "sensors/reading")
    for topic in ("sensors/victim/reading", "labels/victim/temperature", "sensors/hall-7/sensors/reading"):
        assert not broker.takes("hall-7", topic)


def test_the_simulator_publishes_readings_and_ground_truth_of_any_sensor(broker: Broker) -> None:
    assert broker.takes("simulator", "sensors/a1/reading")
    assert broker.takes("simulator", "labels/a1/temperature")
    assert not broker.takes("simulator", "sensors/a1/sensors/b2/reading")


def test_the_bridge_publishes_for_no_sensor(broker: Broker) -> None:
    assert not broker.takes("bridge", "sensors/victim/reading")
    assert not broker.takes("bridge", "sensors/reading")
