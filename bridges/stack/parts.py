"""What ``weir up`` runs: which parts, in which order, where, and how each is asked how it is.

Servers first (kafka, mqtt, mongo), then what reads from them (bridge, worker, analysis, and notify where somebody is to
be told of alarms), then the simulator: a sensor
that publishes before the bridge has a session would talk to nobody. A server that the settings point at is an
existing system: it is watched, not started.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridges.process.settings import Settings
from bridges.stack import probes
from bridges.stack.child_process import Server, free_port
from bridges.stack.existing import existing_part
from bridges.stack.kafka_server import KafkaServer
from bridges.stack.mongo_server import MongoServer
from bridges.stack.mqtt_server import MqttServer
from bridges.stack.part import PARTS, SERVERS, Part, asks
from bridges.stack.profiles import PROFILES
from streams.conditions import only_qos_0
from streams.errors import ConfigurationError

DEFAULT_PORTS: Mapping[str, int] = {"kafka": 9092, "mqtt": 1883, "mongo": 27017}
# A local broker that is killed forgets what it had acknowledged and not delivered: rumqttd all of it, Mosquitto
# what came after its last save. The sensors send the last minute again; reading ids make that harmless. It must be
# more than the bridge may be behind on a busy machine.
OVERLAP_SECONDS = 60
_OF_THE_WORKER = frozenset({"loss", "store_away", "lag"})


@dataclass(frozen=True)
class Plan:
    """What is asked of ``weir up``.

    Args:
        data: Folder of everything that is written; each part has a folder in it.
        parts: Names of the parts to run.
        ports: Ports that differ from the usual ones, by part.
        programs: Which program a server is, where not the best that is installed: ``{"mqtt": "rumqttd"}``.
        free_ports: Take free ports where `ports` says nothing.
        profile: What the sensors send; one of `PROFILES`.
        sensor_arguments: Further arguments of ``weir simulator``.
        say: Called with a line of progress.
    """

    data: Path
    parts: Sequence[str] = PARTS
    ports: Mapping[str, int] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)
    free_ports: bool = False
    profile: str = "default"
    sensor_arguments: Sequence[str] = ()
    say: Callable[[str], None] = lambda _: None

    def port(self, name: str, usual: int) -> int | None:
        """Return the port of a part; ``None``: any free one."""
        return self.ports.get(name) or (None if self.free_ports else usual)


def plan_parts(settings: Settings, plan: Plan) -> tuple[list[list[Part]], dict[str, str]]:
    """Return the parts by start order, and the variables that point other programs of Weir at them.

    Raises:
        ConfigurationError: If a part is unknown, or a server is asked for that is not installed.
    """
    for name in (*plan.parts, *plan.ports):
        if name not in PARTS:
            raise ConfigurationError(f"no part {name!r}: choose from {', '.join(PARTS)}")
    servers = [part for name in SERVERS if (part := _server(name, settings, plan))]
    profile = PROFILES[plan.profile]
    environment = {name: value for name, value in profile.environment.items() if name not in os.environ}
    environment |= _environment(servers)
    wanted = [name for name in plan.parts if name not in profile.without]
    readers = [_bridge(settings, plan, environment)] if "bridge" in wanted else []
    bridge = readers[0].address if readers else None
    if bridge and not settings.web.bridge_url:
        environment["WEIR_WEB__BRIDGE_URL"] = f"http://{bridge}"
    readers += [
        make(settings, plan, environment)
        for name, make in (("worker", _worker), ("analysis", _analysis))
        if name in wanted
    ]
    if "notify" in wanted and settings.notify.targets:
        readers.append(_notify(settings, plan, environment))
    sensors = [_sensor(plan, environment, servers, bridge)] if "simulator" in wanted else []
    environment |= _other_ports(settings, readers)
    levels = [servers, readers, sensors]
    return [level for level in levels if level], environment


def _server(name: str, settings: Settings, plan: Plan) -> Part | None:
    if (existing := existing_part(name, settings)) is not None:
        return existing
    if name not in plan.parts:
        return None
    directory = (plan.data / name).resolve()
    usual = settings.mqtt.port if name == "mqtt" else DEFAULT_PORTS[name]
    port = plan.port(name, usual)
    server: Server
    if name == "kafka":
        server = KafkaServer(directory, port, say=plan.say)
    elif name == "mqtt":
        server = MqttServer(directory, port, program=plan.programs.get(name, "auto"))
    else:
        server = MongoServer(directory, port, program=plan.programs.get(name, "auto"))
    return Part(name, server.address, server.describes, server, asks(server.answers))


def _environment(servers: Sequence[Part]) -> dict[str, str]:
    """Return the variables that point programs at the servers that we run."""
    environment: dict[str, str] = {}
    for server in (part.program for part in servers):
        if isinstance(server, KafkaServer):
            environment["WEIR_KAFKA__BROKERS"] = server.address
        elif isinstance(server, MqttServer):
            environment |= {"WEIR_MQTT__HOST": server.host, "WEIR_MQTT__PORT": str(server.port)}
        elif isinstance(server, MongoServer):
            environment["WEIR_MONGO__URI_FILE"] = str(server.uri_file)
    return environment


def _other_ports(settings: Settings, parts: Iterable[Part]) -> dict[str, str]:
    """Return the variables that point programs at pages that are not where the settings say."""
    pages = {
        "worker": ("WEIR_WEB__PORT", settings.web.port),
        "analysis": ("WEIR_ANALYSIS__PORT", settings.analysis.port),
        "notify": ("WEIR_NOTIFY__METRICS_PORT", settings.notify.metrics_port),
    }
    found = {}
    for part in parts:
        variable, usual = pages.get(part.name, ("", 0))
        _, _, port = part.address.rpartition(":")
        if variable and port != str(usual):
            found[variable] = port
    return found


def _bridge(settings: Settings, plan: Plan, environment: Mapping[str, str]) -> Part:
    port = plan.port("bridge", settings.bridge.metrics_port) or free_port()
    program = Service(
        "bridge",
        (plan.data / "bridge").resolve(),
        port,
        remedy="choose another port with WEIR_BRIDGE__METRICS_PORT",
        command=_weir("bridge"),
        environment={**environment, "WEIR_BRIDGE__METRICS_PORT": str(port)},
    )
    rate = program.rate("weir_bridge_items_produced_total", "weir_bridge_items_refused_total")
    return Part(
        "bridge",
        program.address,
        "MQTT to Kafka",
        program,
        program.why_not_ready,
        rate,
        warns=lambda: bridge_warning(probes.page_of(program.address, "/api/ledger") or {}),
    )


def _worker(settings: Settings, plan: Plan, environment: Mapping[str, str]) -> Part:
    port = plan.port("worker", settings.web.port) or free_port()
    directory = (plan.data / "worker").resolve()
    program = Service(
        "worker",
        directory,
        port,
        remedy="choose another port with WEIR_WEB__PORT",
        command=_weir("worker"),
        environment={
            **environment,
            "WEIR_WEB__PORT": str(port),
            "WEIR_WORKER__DATA_DIR": str(directory),
        },
    )
    rate = program.rate("weir_worker_values_total")
    return Part(
        "worker",
        program.address,
        "windows, detection, sinks, web views",
        program,
        program.why_not_ready,
        rate,
        warns=lambda: worker_warning(probes.page_of(program.address, "/api/overview") or {}),
    )


def _analysis(settings: Settings, plan: Plan, environment: Mapping[str, str]) -> Part:
    port = plan.port("analysis", settings.analysis.port) or free_port()
    directory = (plan.data / "analysis").resolve()
    program = Service(
        "analysis",
        directory,
        port,
        remedy="choose another port with WEIR_ANALYSIS__PORT",
        command=_weir("analysis"),
        environment={
            **environment,
            "WEIR_ANALYSIS__PORT": str(port),
            "WEIR_ANALYSIS__DATA_DIR": str(directory),
        },
    )
    rate = program.rate("weir_analysis_readings_total")
    return Part("analysis", program.address, "model analysis", program, program.why_not_ready, rate)


def _notify(settings: Settings, plan: Plan, environment: Mapping[str, str]) -> Part:
    port = plan.port("notify", settings.notify.metrics_port) or free_port()
    program = Service(
        "notify",
        (plan.data / "notify").resolve(),
        port,
        remedy="choose another port with WEIR_NOTIFY__METRICS_PORT",
        command=_weir("notify"),
        environment={**environment, "WEIR_NOTIFY__METRICS_PORT": str(port)},
    )
    return Part(
        "notify",
        program.address,
        f"tells {', '.join(settings.notify.targets)} of alarms",
        program,
        program.why_not_ready,
        program.rate("weir_notify_changes_read_total"),
        warns=lambda: targets_away(probes.page_of(program.address, "/api/ledger") or {}),
    )


def targets_away(ledger: Mapping[str, Any]) -> str:
    """Say which targets take nothing now, from the notifier's ledger; empty if all do.

    >>> targets_away({"targets": {"ops": {"failing": "503"}, "house": {"failing": ""}}})
    'not told: ops (503)'
    """
    away = [
        f"{name} ({each['failing']})" for name, each in ledger.get("targets", {}).items() if each["failing"]
    ]
    return f"not told: {', '.join(away)}" if away else ""


def _sensor(plan: Plan, environment: Mapping[str, str], servers: Sequence[Part], bridge: str | None) -> Part:
    port = plan.port("simulator", 0) or free_port()
    directory = (plan.data / "sensor").resolve()  # its name on disk, from before
    variables = {
        **environment,
        "WEIR_SIMULATOR__METRICS_PORT": str(port),
        "WEIR_SIMULATOR__STATE_FILE": str(directory / "state.json"),
    }
    if bridge:
        variables["WEIR_SIMULATOR__READY_URL"] = f"http://{bridge}/health/ready"
    if any(isinstance(part.program, MqttServer) for part in servers):
        variables["WEIR_SIMULATOR__OVERLAP_SECONDS"] = str(OVERLAP_SECONDS)
    program = Service(
        "simulator",
        directory,
        port,
        remedy="choose another port with --port simulator=PORT",
        command=_weir("simulator", *PROFILES[plan.profile].sensor_arguments, *plan.sensor_arguments),
        environment=variables,
    )
    rate = program.rate("weir_simulator_messages_acknowledged_total")
    return Part(
        "simulator",
        program.address,
        "sensors that are simulated",
        program,
        program.why_not_ready,
        rate,
        may_end=True,
    )


def bridge_warning(ledger: Mapping[str, Any]) -> str:
    """Return what a bridge's ledger says that an operator should know although it works.

    >>> bridge_warning({"at_qos_0": ["sensors/#"]})
    'readings can be lost: the MQTT broker grants QoS 0 for sensors/#'
    """
    filters = ledger.get("at_qos_0")
    return only_qos_0(filters) if filters else ""


def worker_warning(overview: Mapping[str, Any]) -> str:
    """Return what a worker's overview says that an operator should know: the worst that is Weir's own.

    Open anomalies are about what is measured, and of the bridge its own row tells.

    >>> worker_warning({"conditions": [{"name": "anomalies", "text": "2 anomalies are open"},
    ...                                {"name": "lag", "text": "53,000 records are not worked through yet"}]})
    '53,000 records are not worked through yet'
    """
    own = [each["text"] for each in overview.get("conditions", ()) if each["name"] in _OF_THE_WORKER]
    return str(own[0]) if own else ""


class Service(Server):
    """A process of Weir itself: serves its health and metrics over HTTP."""

    start_seconds = 90
    stop_seconds = 25  # the bridge itself waits up to 20 s for Kafka

    def why_not_ready(self) -> str:
        """Ask ``/health/ready``."""
        return probes.why_process_not_ready(self.address)

    def rate(self, *metrics: str) -> probes.Rate:
        """Return the rate of some of its counters."""
        return probes.Rate(lambda: probes.count(self.address, *metrics))

    def answers(self) -> bool:
        """Tell whether it is ready."""
        return not self.why_not_ready()


def _weir(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "agents", *arguments]
