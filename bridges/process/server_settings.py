"""Settings of the servers that everything talks to: Kafka, MQTT and MongoDB."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from bridges.process.host_names import Brokers, Host
from bridges.process.section import CommaSeparated, Count, Port, Seconds, Section
from streams.payloads.addresses import Prefix

LEAST_WINDOWS_DAYS = 31
"""The topic of windows keeps them for 30 days, and the audit looks for their documents."""

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]


class KafkaSettings(Section):
    """Kafka: where it is, and how Weir's topics are made."""

    brokers: Brokers = "127.0.0.1:9092"
    """Bootstrap servers, comma separated ``host:port``."""
    namespace: str = ""
    """Prefix of every topic and of the application id: two systems on one Kafka stay apart."""
    partitions: Count = 4
    """Partitions of each topic that Weir creates; the number of workers that can share the work."""
    replication: Count = 1
    """Replication factor of each topic that Weir creates; 3 in production."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How clients connect."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """Used when ``security_protocol`` is one of the SASL ones."""
    username: str = ""
    """SASL user."""
    password: SecretStr = SecretStr("")
    """SASL password."""
    ca_file: Path | None = None
    """Certificate authority that signed the brokers' certificates; the system's when not set."""
    certificate_file: Path | None = None
    """Client certificate (PEM, with its chain), for mutual TLS."""
    key_file: Path | None = None
    """Key of the client certificate (PEM); not set: in ``certificate_file``, too."""
    key_password: SecretStr = SecretStr("")
    """Password of the key, if it has one."""
    compression: Compression = "zstd"
    """Compression of readings, by the bridge."""
    retention_days: float = Field(default=30, gt=0)
    """How long `readings` are kept: how far back a replay from Kafka can reach."""

    @model_validator(mode="after")
    def _certificates_are_used(self) -> Self:
        """Refuse what would be left out in silence: a certificate without TLS, a key without a certificate."""
        files = {
            "ca_file": self.ca_file,
            "certificate_file": self.certificate_file,
            "key_file": self.key_file,
        }
        given = [name for name, file in files.items() if file is not None]
        if given and not self.security_protocol.endswith("SSL"):
            raise ValueError(
                f"{given[0]} needs security_protocol SSL or SASL_SSL, got {self.security_protocol}"
            )
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs a certificate_file")
        return self


class MqttSettings(Section):
    """MQTT: the broker and how the bridge subscribes."""

    host: Host = "127.0.0.1"
    """Broker's host."""
    port: Port = 1883
    """Broker's port; 8883 is usual with TLS."""
    protocol: Literal["5", "3.1.1"] = "5"
    """MQTT version."""
    client_id: str = "weir-bridge"
    """Fixed, so that the broker keeps the session while the bridge is away."""
    topics: Annotated[tuple[str, ...], CommaSeparated] = ("sensors/#", "labels/#", "maps")
    """Topic filters; ``$share/<group>/...`` shares them between several bridges. ``maps`` stands for the filters of all
    maps in force; one of these that the broker refuses is only told."""
    maps: Path | None = None
    """Folder of map files (``*.toml``) of one's own; they come before Weir's own form and the built-in maps."""
    built_in_maps: Annotated[tuple[str, ...], CommaSeparated] = ("all",)
    """Built-in maps in force: ``all``, ``none``, or names (``weir map list``)."""
    prefix: Prefix = "refused"
    """What levels before ``sensors/`` or ``labels/`` mean. ``refused``: such a message is a dead letter.
    ``identity``: they begin the sensor's id (``plant/7/sensors/t1`` is ``plant:7:t1``), and names may not hold a
    colon. ``ignored``: nothing, so ``plant/7/sensors/t1`` and ``plant/8/sensors/t1`` are one sensor."""
    not_wanted: Annotated[tuple[str, ...], CommaSeparated] = ()
    """Topic filters of which nothing is wanted. With ``maps`` among its topics the bridge looks around, for half a
    minute of every ten, and tells of topics that could be readings and are not asked for, but not of these; ``#``: it
    does not look around."""
    session_expiry_seconds: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 7 * 24 * 3600
    """How long the broker keeps the session of a bridge that is away (MQTT 5)."""
    keepalive_seconds: Count = 30
    """Ping interval; a dead connection is noticed after one and a half of it."""
    username: str = ""
    """User name; empty for none."""
    password: SecretStr = SecretStr("")
    """Password."""
    tls: bool = False
    """Connect by TLS."""
    ca_file: Path | None = None
    """Certificate authority; the system's when not set."""
    certificate_file: Path | None = None
    """Client certificate, for mutual TLS."""
    key_file: Path | None = None
    """Key of the client certificate."""

    @model_validator(mode="after")
    def _prefix_is_decided(self) -> Self:
        """Refuse a filter that can only bring what would be refused; beside ``maps`` any other topic is for them."""
        for topic in self.topics if self.prefix == "refused" else ():
            levels = topic.split("/")[2 if topic.startswith("$share/") else 0 :]
            if "maps" in self.topics and not {"sensors", "labels"} & set(levels):
                continue
            if levels and levels[0] not in ("sensors", "labels", "maps", "#", "+"):
                raise ValueError(
                    f"topics has a level before sensors/ and labels/ in {topic!r}: say what it means by "
                    "WEIR_MQTT__PREFIX=identity (part of the sensor's id) or ignored"
                )
        return self


class MongoSettings(Section):
    """MongoDB: where readings and results are kept."""

    uri: SecretStr = SecretStr("mongodb://127.0.0.1:27017")
    """Connection string; may hold a password."""
    database: str = "server"
    """Database with the collections ``sensors``, ``aggregates``, ``anomalies``, ``dead_letters``."""
    collection_prefix: str = ""
    """Put before each collection's name, for rehearsals beside a live system."""
    timeout_seconds: Seconds = 20
    """Server selection and socket time-out of one attempt; an outage is waited out beyond it."""
    insert_batch: Count = 2000
    """Documents in one ``insert_many``."""
    writers: Count = 2
    """Writes under way at once, per collection: one is prepared while another is stored."""
    linger_seconds: float = Field(default=0.02, ge=0)
    """How long a write that is not full waits for more documents."""
    ttl_days: float = Field(default=0, ge=0)
    """Delete raw readings after so many days; 0 keeps them."""
    keep_windows_days: float = Field(default=92, ge=0)
    """Delete windows after so many days without anything new for their day; 0 keeps them. Their hours and days stay
    (collection ``history``). At least 31: the log keeps windows for 30 days, and what it has is compared."""
    keep_hours_days: float = Field(default=1100, ge=0)
    """Delete hours of the history whose windows are deleted after so many days, three years by default; 0 keeps them.
    Days stay for ever."""
    time_series: bool = False
    """Keep raw readings in a time-series collection: smaller, but it cannot refuse a duplicate."""

    @model_validator(mode="after")
    def _tiers_are_in_order(self) -> Self:
        """Refuse to delete what is still compared, or what coarser tiers are made of."""
        if 0 < self.keep_windows_days < LEAST_WINDOWS_DAYS:
            raise ValueError(
                f"keep_windows_days must be 0 or at least {LEAST_WINDOWS_DAYS}, got {self.keep_windows_days:g}"
            )
        if 0 < self.keep_hours_days < self.keep_windows_days:
            raise ValueError(
                f"keep_hours_days must be 0 or at least keep_windows_days ({self.keep_windows_days:g}), "
                f"got {self.keep_hours_days:g}"
            )
        return self
