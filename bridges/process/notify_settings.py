"""Who is told of alarms, as a section of the settings: targets are settings, never data."""

import re
from datetime import time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from bridges.process.host_names import Host
from bridges.process.section import CommaSeparated, Count, JsonTable, Port, Seconds, Section
from streams.alarms.alarm_rules import MOST_LEVELS
from streams.alarms.routing import AlarmRoute

WebFormat = Literal["webhook", "slack", "teams", "pagerduty", "alertmanager", "ntfy"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


class _Target(Section):
    """What all targets have: which alarms are theirs."""

    severity: Literal["info", "warning", "critical"] = "info"
    """The least severity that is told."""
    sensors: Annotated[tuple[str, ...], CommaSeparated] = ("*",)
    """Patterns of sensor ids: a place is a pattern (``plant:7:*``)."""
    events: Annotated[frozenset[Literal["raised", "returned", "escalated"]], CommaSeparated] = frozenset(
        {"raised", "returned"}
    )
    """What is told: ``raised`` (and what still stands when nothing keeps it from being told any more), ``returned``,
    and ``escalated``: again each time that nobody has acknowledged it for so long."""
    escalation: int = Field(default=0, ge=0, le=MOST_LEVELS)
    """Told only of what nobody has acknowledged: 1 after the first of ``WEIR_ALARMS__ESCALATE_SECONDS``, 2 after the
    second one; 0: of all, at once."""
    quiet_hours: str = ""
    """``22:00-06:00``: then only ``critical`` alarms are told; what else is raised is passed over, and counted."""
    zone: str = "UTC"
    """Time zone of the quiet hours (``Europe/Berlin``)."""
    wait_seconds: float = Field(default=0.1, ge=0, le=60)
    """How long a first alarm waits for others that come with it."""
    group_seconds: float = Field(default=30.0, ge=0, le=3600)
    """At most one message in so many seconds: what comes meanwhile is told in the next one."""
    timeout_seconds: Seconds = 10.0
    """How long the target may take to answer."""
    incidents: bool = True
    """Whether an incident is told as one, and its members are passed over; otherwise each alarm is told."""

    @model_validator(mode="after")
    def _is_a_route(self) -> Self:
        """Refuse hours and zones that are none."""
        self.route()
        self.place_in_time()
        return self

    def route(self) -> AlarmRoute:
        """Return which alarms are told to it, as a value."""
        return AlarmRoute(
            self.severity, self.sensors, frozenset(self.events), _hours(self.quiet_hours), self.escalation
        )

    @property
    def needs_level(self) -> int:
        """How often an alarm must be escalated for it to be told of one."""
        return max(self.escalation, "escalated" in self.events)

    @property
    def tells_incidents(self) -> bool:
        """Whether incidents are told as one: what groups alarms itself is told of each."""
        return self.incidents

    def place_in_time(self) -> ZoneInfo:
        """Return the time zone of the quiet hours."""
        return _zone(self.zone)


def _hours(text: str) -> tuple[time, time] | None:
    if not text:
        return None
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"quiet_hours must be as 22:00-06:00, got {text!r}")
    hours, minutes, until_hours, until_minutes = map(int, found.groups())
    return time(hours, minutes), time(until_hours, until_minutes)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"zone must be a time zone such as Europe/Berlin, got {name!r}") from None


class WebTarget(_Target):
    """A target that is told by HTTP POST."""

    format: WebFormat
    """How a message is written."""
    url: SecretStr
    """Where to: an incoming webhook, ``https://events.pagerduty.com/v2/enqueue``, an Alertmanager's
    ``/api/v2/alerts``, an ntfy topic."""
    secret: SecretStr = SecretStr("")
    """Signs each message: ``X-Weir-Signature`` is HMAC-SHA256 of time, dot, and body."""
    token: SecretStr = SecretStr("")
    """Sent as a bearer token; for ``pagerduty`` the routing key."""

    @property
    def tells_incidents(self) -> bool:
        """As of the others; an Alertmanager groups by itself."""
        return self.incidents and self.format != "alertmanager"

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("url must begin with http:// or https://")
        return url

    @model_validator(mode="after")
    def _has_a_routing_key(self) -> Self:
        if self.format == "pagerduty" and not self.token.get_secret_value():
            raise ValueError("pagerduty needs its routing key as token")
        return self


class MailTarget(_Target):
    """A target that is told by mail."""

    format: Literal["smtp"]
    """By SMTP."""
    host: Host
    """Mail server."""
    port: Port = 587
    """Its port."""
    security: Literal["none", "starttls", "tls"] = "starttls"
    """How the connection is protected."""
    username: str = ""
    """User name; empty for none."""
    password: SecretStr = SecretStr("")
    """Password."""
    sender: str
    """From whom."""
    recipients: Annotated[tuple[str, ...], CommaSeparated, Field(min_length=1)]
    """To whom."""


class MqttTarget(_Target):
    """The state of each series' alarms, retained on the MQTT broker of ``WEIR_MQTT__*`` while one is open."""

    format: Literal["mqtt"]
    """By MQTT."""
    prefix: str = Field(default="weir/alarms", pattern=r"[^+#\x00]+")
    """Begins each topic: ``<prefix>/<place or ->/<sensor>/<quantity>``."""
    home_assistant: str = "homeassistant"
    """Prefix of Home Assistant's discovery, so that alarms appear there by themselves; empty: none."""
    group_seconds: float = Field(default=0.0, ge=0, le=3600)
    """As of the others; a state is shown at once."""


Target = Annotated[WebTarget | MailTarget | MqttTarget, Field(discriminator="format")]


def _named(targets: object) -> object:
    if isinstance(targets, dict):
        for name in targets:
            if not _NAME.fullmatch(str(name)):
                raise ValueError(f"a target's name must be of a-z, 0-9 and -, got {name!r}")
    return targets


class NotifySettings(Section):
    """Who is told of alarms: ``weir notify``.

    In the TOML file each target is a table: ``[notify.targets.operators]``.
    """

    targets: Annotated[dict[str, Target], BeforeValidator(_named), JsonTable] = Field(default_factory=dict)
    """By name; in the environment a JSON object, or a file with one (``WEIR_NOTIFY__TARGETS_FILE``):
    ``{"operators": {"format": "slack", "url": "https://..."}}``. Each target has fields of its format:
    see docs/reference/notifications.md."""
    heartbeat_url: SecretStr = SecretStr("")
    """Asked (GET) while alarms are followed, so that somebody else notices if they no longer are; empty: nobody is."""
    heartbeat_seconds: Seconds = 60.0
    """How often."""
    retry_max_seconds: Seconds = 60.0
    """Cap of the back-off between attempts."""
    listed: Count = 10
    """Alarms that a message for people lists; further ones it counts."""
    metrics_host: str = "127.0.0.1"
    """Where ``/metrics``, ``/health`` and ``/api/ledger`` listen."""
    metrics_port: Port = 9111
    """Port of ``/metrics``; 0 lets the system choose."""
