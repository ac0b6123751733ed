"""Every setting of Weir, in one place.

A setting comes from, first found wins: an environment variable ``WEIR_<SECTION>__<NAME>``, a file named by
``WEIR_<SECTION>__<NAME>_FILE`` (for secrets), the TOML file named by ``WEIR_CONFIG``, the default here.
An unknown ``WEIR_*`` variable is an error: a typo must not pass silently.
"""

import os
from dataclasses import replace
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from bridges.process.alarm_settings import AlarmSettings
from bridges.process.detection_settings import DetectionSettings
from bridges.process.notify_settings import NotifySettings
from bridges.process.section import CommaSeparated, CommaSeparatedPairs, Count, Port, Seconds, Section
from bridges.process.server_settings import Compression, KafkaSettings, MongoSettings, MqttSettings
from bridges.process.wrong_settings import fields_of, near, tell_wrong
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.peers.peer_plan import PeerPlan
from streams.windows.policy import WindowPolicy
from streams.windows.window_config import WindowConfig

__all__ = [
    "AnalysisSettings",
    "BridgeSettings",
    "KafkaSettings",
    "MongoSettings",
    "MqttSettings",
    "Settings",
    "SimulatorSettings",
    "WebSettings",
    "WindowSettings",
    "WorkerSettings",
    "load",
]

# Read by other parts of the system, not settings of this model.
_OTHER_VARIABLES = frozenset({"WEIR_CONFIG", "WEIR_HOME", "WEIR_NAB_DIR"})
_OTHER_PREFIXES = ("WEIR_TEST_", "WEIR_BENCH_")


class BridgeSettings(Section):
    """The MQTT -> Kafka bridge."""

    max_payload_bytes: Count = 262_144
    """A larger payload becomes a dead letter that holds its beginning, and cannot be sent through again."""
    max_inflight: Count = 10_000
    """Messages taken from MQTT that Kafka has not confirmed yet; at this bound the bridge stops reading."""
    max_inflight_bytes: Count = 4_194_304
    """The same bound in bytes of payload: what large payloads may take of the bridge's memory."""
    stop_seconds: Seconds = 20
    """How long a stop waits for Kafka to confirm what is under way; the broker sends the rest again."""
    max_future_seconds: Seconds = 3600
    """A reading whose event time is further ahead of its ingest time becomes a dead letter."""
    min_collected_at: float = 946_684_800.0
    """A reading older than this event time (2000-01-01) has a device's clock that was never set."""
    strict: bool = False
    """On Weir's own topics: one field that cannot be read refuses the whole reading, and nothing but JSON numbers with
    an event time is read. Otherwise what can be read counts, and each field that cannot is named by a dead letter."""
    zone: str = ""
    """Time zone of local times without an offset (``Europe/Berlin``). Not set: UTC in Weir's own form; in maps the
    offset that puts the time nearest to its arrival."""
    unmatched: Literal["dead_letter", "ignore"] = "dead_letter"
    """What becomes of a message on a topic that nothing reads; ``ignore`` only counts it."""
    max_elements: Count = 4096
    """A payload of more readings or elements becomes one dead letter (``too_many_elements``)."""
    max_topic_bytes: Annotated[int, Field(ge=16, le=65_535)] = 512
    """A message on a longer topic becomes a dead letter (``too_large``)."""
    ignored_fields: Annotated[frozenset[str], CommaSeparated] = frozenset()
    """Fields of a payload that are no quantities and may hold anything (``unit,firmware``)."""
    learn_devices: bool = False
    """Keep the registry of devices filled with what is announced by MQTT and in births: every five minutes, by a
    connection of its own. What people say is never overwritten."""
    tick_seconds: Seconds = 5
    """How often a tick is written into each partition of `readings`."""
    linger_ms: float = Field(default=5, ge=0)
    """How long the producer waits to fill a batch."""
    reconnect_max_seconds: Seconds = 30
    """Cap of the back-off between connection attempts."""
    metrics_host: str = "127.0.0.1"
    """Where ``/metrics`` and ``/health`` listen."""
    metrics_port: Port = 9108
    """Port of ``/metrics``; 0 lets the system choose."""


class WindowSettings(Section):
    """Windows of event time, per sensor."""

    size_seconds: Seconds = WindowConfig.size_seconds
    """Window length."""
    step_seconds: Seconds | None = WindowConfig.step_seconds
    """Seconds between window starts; not set: tumbling (equal to the size)."""
    grace_seconds: float = Field(default=WindowConfig.grace_seconds, ge=0)
    """How far out of order a reading may arrive and still count."""
    idle_seconds: Seconds = WindowConfig.idle_seconds
    """A sensor silent for so long (by ingest time) has its open windows closed by the next tick."""
    quantiles: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], CommaSeparated] = (
        WindowConfig.quantiles
    )
    """Quantiles in each aggregate (DDSketch, 1 % relative error); they cost time and memory."""
    late_seconds: float = Field(default=WindowConfig.late_seconds, ge=0)
    """A reading that comes after its windows have closed still counts in them, unless it is older than this by its
    sensor's newest event time: a week, since loggers and gateways are looked after on working days, and what is older
    has mostly a wrong clock. 0: none counts."""
    max_sensors: Count = WindowConfig.max_sensors
    """Sensors of one partition that have windows, models and analysis: about 5 kB each, and 11 kB in the analysis.
    Readings of further ones are stored, and become dead letters (``too_many_sensors``)."""
    silent_days: float = Field(default=WindowConfig.silent_days, ge=0, le=36_500)
    """Sensors that have sent nothing for so many days (ingest time) leave the tables of windows, models and analysis.

    They make room for others, and begin anew when they come back. 0: they stay. By default as long as Kafka keeps
    their readings.
    """
    max_quantities: Count = WindowConfig.max_quantities
    """Quantities of one sensor that have windows and models. Further ones are stored, and become dead letters
    (``too_many_quantities``)."""

    @model_validator(mode="after")
    def _is_a_policy(self) -> "WindowSettings":
        try:
            self.policy()
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def policy(self) -> WindowPolicy:
        """Make the policy of windows."""
        return WindowConfig(**self.model_dump()).policy()


class WorkerSettings(Section):
    """The Faust worker."""

    application: str = "weir"
    """Faust application id: consumer group and prefix of changelog topics."""
    instance: str = ""
    """Static membership: a fixed name of this worker, so that a restart gets its partitions back at once.

    Host name and web port when not set.
    """
    checkpoint_seconds: Seconds = 1.0
    """How often state and results are made durable: latency of results against work per reading. Anomalies and alarms
    do not wait for it."""
    fetch_records: Count = 5000
    """Most readings of one fetch."""
    fetch_wait_seconds: float = Field(default=0.1, ge=0.005, le=10)
    """How long Kafka collects readings for one fetch, unless there is a megabyte: latency against work per reading."""
    compression: Compression = "snappy"
    """Compression of results and tables: models hardly compress, and aiokafka's `lz4` takes 15 times as long."""
    session_timeout_seconds: Seconds = 10
    """After so long without a heartbeat a worker's partitions go to others."""
    max_unprocessable: Count = 100
    """So many records of a partition may fail in a stage or a sink, beyond as many as succeed, and be set aside.

    More are taken for a fault of the code: the worker stops, and sets none of them aside.
    """
    go_on_after_loss: bool = True
    """Read on where records were deleted before they were read, and name the loss; otherwise stop before it."""
    data_dir: Path = Path(".weir/worker")
    """Faust's local files."""
    sinks: bool = True
    """Run the MongoDB sinks in this worker."""
    processing: bool = True
    """Run windows and detection in this worker."""


class WebSettings(Section):
    """Web views of the worker."""

    host: str = "127.0.0.1"
    """Address to listen on; views have no login, so put a proxy with one in front before opening it."""
    port: Port = 3000
    """Port."""
    advertised_host: str = ""
    """How other workers reach this one; not set: this machine's name, or 127.0.0.1 if it listens there only."""
    allowed_hosts: Annotated[tuple[str, ...], CommaSeparated] = ()
    """Further names under which Weir's web servers (worker, analysis, metrics) answer, besides ``localhost``, the
    advertised host and the address that was reached: a proxy's, a service's. ``*``: any, which lets a web site that
    somebody visits read everything (DNS rebinding)."""
    peer_secret: SecretStr = SecretStr("")
    """What workers of one group prove their answers to each other with. Not set: derived from
    ``WEIR_KAFKA__PASSWORD``; without that, too, whatever the group's members advertise is asked and believed."""
    action_token: SecretStr = SecretStr("")
    """Bearer token of who may acknowledge, shelve and label alarms over HTTP. Not set: whoever is on this machine."""
    bridge_url: str = ""
    """Where the bridge's ``/api/ledger`` is; not set: at its own metrics address on this machine."""
    pages_url: str = ""
    """Where browsers find these pages, to which those of model analysis lead; not set: at the port of the worker, under
    the name under which model analysis was reached. Behind a proxy: ``https://weir.example``."""

    @property
    def url(self) -> str:
        """Where other workers reach this one: different for each, or they cannot tell each other apart."""
        alone = self.host in ("127.0.0.1", "localhost", "::1")
        return f"http://{self.advertised_host or ('127.0.0.1' if alone else gethostname())}:{self.port}"


class AnalysisSettings(Section):
    """Model analysis: the second Faust application."""

    application: str = "weir-analysis"
    """Faust application id: consumer group and prefix of changelog topics."""
    instance: str = ""
    """Static membership, as ``WEIR_WORKER__INSTANCE``."""
    checkpoint_seconds: Seconds = 30
    """How often models and insights are made durable. A model is up to 17 kB a series, so more often costs more;
    what a crash loses of it is learned again from the log."""
    host: str = "127.0.0.1"
    """Address to listen on; the pages have no login, so put a proxy with one in front before opening it."""
    port: Port = 8010
    """Port."""
    advertised_host: str = ""
    """How other analysis workers reach this one, as ``WEIR_WEB__ADVERTISED_HOST``."""
    pages_url: str = ""
    """Where browsers find the pages of model analysis, as ``WEIR_WEB__PAGES_URL``."""
    data_dir: Path = Path(".weir/analysis")
    """Faust's local files."""
    groups: Annotated[dict[str, str], CommaSeparatedPairs] = Field(default_factory=lambda: {"all": "*"})
    """Which sensors are compared with which: name of a group = pattern of sensor ids (``boilers=boiler-*,all=*``)."""


class SimulatorSettings(Section):
    """The sensor simulator."""

    sensors: Count = 50
    """How many sensors."""
    rate: float = Field(default=1.0, gt=0)
    """Readings per second of each sensor (of event time)."""
    speed: float = Field(default=1.0, gt=0)
    """Event-time seconds per wall-clock second."""
    seed: int = 1
    """Same seed, same readings and faults."""
    faults: str = ""
    """Faults to inject, comma separated ``kind`` or ``kind:share``, or ``all``; empty for none."""
    connections: Count = 2
    """MQTT connections that the sensors share."""
    max_inflight: Count = 500
    """Messages published that the broker has not acknowledged yet; at this bound the simulator waits."""
    overlap_seconds: float = Field(default=0, ge=0)
    """After a lost connection, what was sent in the last so many seconds is sent again: a broker that keeps
    sessions in memory forgets what it had acknowledged. Reading ids make the repetition harmless."""
    ready_url: str = ""
    """Publish only while this address answers 200: the bridge's ``/health/ready``, so that a broker that has
    no session of the bridge yet does not throw readings away."""
    state_file: Path | None = None
    """Where the place is kept at which a restarted simulator goes on."""
    metrics_host: str = "127.0.0.1"
    """Where ``/metrics`` and ``/health`` listen, when ``metrics_port`` is set."""
    metrics_port: Port | None = None
    """Port of ``/metrics``; 0 lets the system choose; not set: none."""


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix="WEIR_",
        env_nested_delimiter="__",
        enable_decoding=False,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # a traceback must not hold a secret either
    )

    kafka: KafkaSettings = KafkaSettings()
    mqtt: MqttSettings = MqttSettings()
    mongo: MongoSettings = MongoSettings()
    bridge: BridgeSettings = BridgeSettings()
    windows: WindowSettings = WindowSettings()
    detection: DetectionSettings = DetectionSettings()
    alarms: AlarmSettings = AlarmSettings()
    notify: NotifySettings = NotifySettings()
    worker: WorkerSettings = WorkerSettings()
    web: WebSettings = WebSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    log_format: Literal["auto", "console", "json"] = "auto"
    """``auto``: console on a terminal, JSON lines otherwise."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level that is written."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, the TOML file."""
        sources = (init_settings, _Environment(settings_cls))
        if config := os.environ.get("WEIR_CONFIG"):
            return (*sources, TomlConfigSettingsSource(settings_cls, Path(config)))
        return sources

    @model_validator(mode="after")
    def _levels_are_reached(self) -> "Settings":
        """Refuse a target that would never be told of anything."""
        times = len(self.alarms.escalate_seconds)
        for name, target in self.notify.targets.items():
            if target.needs_level > times:
                raise ValueError(
                    f"target {name} is told of escalations to level {target.needs_level}: alarms.escalate_seconds "
                    f"must have so many times (as 900,1800), got {times}"
                )
        return self

    def detection_plan(self) -> DetectionPlan:
        """Make the plan of how each series is watched."""
        return self.detection.plan(self.windows.policy().room)

    def window_policy(self) -> WindowPolicy:
        """Make the policy of windows, with the counters that detection names: their rates have windows, too."""
        return replace(self.windows.policy(), counters=self.detection_plan().counters)

    def peer_plan(self) -> PeerPlan:
        """Make the plan of what is compared with its peers."""
        return PeerPlan(
            self.detection_plan(), self.windows.policy(), self.kafka.partitions, self.bridge.tick_seconds
        )

    def topic(self, name: str) -> str:
        """Return the name on Kafka of a topic of the catalogue."""
        return f"{self.kafka.namespace}{name}"


class _Environment(EnvSettingsSource):
    """The environment, with secrets from files: ``WEIR_MONGO__URI_FILE=/run/secrets/uri``."""

    def __call__(self) -> dict[str, Any]:
        sections = super().__call__()
        for variable, path in os.environ.items():
            if (setting := _secret_file_of(variable)) is None:
                continue
            section, name = setting
            del sections[section][f"{name}_file"]
            try:
                sections[section].setdefault(name, Path(path).read_text(encoding="utf-8").strip())
            except OSError as error:
                raise ConfigurationError(f"{variable} must name a readable file: {error}") from None
        return sections


def load() -> Settings:
    """Read the settings from the environment and the files it names.

    Raises:
        ConfigurationError: If a variable or a name in the file is unknown, or a value is not acceptable.
    """
    if (config := os.environ.get("WEIR_CONFIG")) and not Path(config).is_file():
        raise ConfigurationError(f"WEIR_CONFIG must name a TOML file, got {config!r}")
    if unknown := sorted(name for name in os.environ if not _is_known(name)):
        raise ConfigurationError(
            f"unknown setting {', '.join(unknown)}: see docs/reference/settings.md for the names that exist."
            + "".join(near(Settings, name) for name in unknown)
        )
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(tell_wrong(Settings, error)) from None
    except (SettingsError, ValueError) as error:
        where = f" or {config}" if config else ""
        raise ConfigurationError(f"cannot read the settings of the environment{where}: {error}") from None


def _is_known(variable: str) -> bool:
    if (
        not variable.startswith("WEIR_")
        or variable in _OTHER_VARIABLES
        or variable.startswith(_OTHER_PREFIXES)
    ):
        return True
    section, delimiter, name = variable.removeprefix("WEIR_").lower().partition("__")
    if not delimiter:
        return section in Settings.model_fields
    return name in (fields_of(Settings, section) or ()) or _secret_file_of(variable) is not None


def _secret_file_of(variable: str) -> tuple[str, str] | None:
    """Return section and name of the setting that the file named by this variable holds, if it is one."""
    if not (variable.startswith("WEIR_") and variable.endswith("_FILE")):
        return None
    section, _, name = variable.removeprefix("WEIR_").lower().partition("__")
    fields = fields_of(Settings, section) or set()
    base = name.removesuffix("_file")
    return (section, base) if base in fields and name not in fields else None
