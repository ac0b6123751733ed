"""The notifier as a process: one thread a target, metrics, and a clean stop."""

import time
from threading import Event, Thread
from typing import Any

from bridges.devices.device_registry import DeviceLabels
from bridges.kafka.clients import ensure_topics
from bridges.notify.heartbeat import Heartbeat
from bridges.notify.mail_target import MailOutlet
from bridges.notify.mqtt_target import MqttStateOutlet
from bridges.notify.notifying import TargetNotifier
from bridges.notify.outlets import TargetOutlet
from bridges.notify.web_target import WebOutlet
from bridges.process.backoff import Backoff
from bridges.process.logs import get_logger
from bridges.process.metrics_server import MetricsServer
from bridges.process.notify_settings import MailTarget, MqttTarget, Target
from bridges.process.settings import Settings
from bridges.process.stopping import stop_signals
from streams.alarms.templates import Labels, no_labels
from streams.errors import ConfigurationError, TransientError

log = get_logger(__name__)

STOP_SECONDS = 15.0


def outlet_of(settings: Settings, name: str, target: Target, labels: Labels = no_labels) -> TargetOutlet:
    """Make what tells a target.

    Args:
        settings: All settings.
        name: Of the target.
        target: Its settings.
        labels: What people call a sensor.
    """
    if isinstance(target, MailTarget):
        return MailOutlet(target, settings.notify.listed, labels)
    if isinstance(target, MqttTarget):
        return MqttStateOutlet(target, settings.mqtt, name)
    return WebOutlet(target, settings.notify.listed, labels)


class Notifier:
    """All targets of the settings.

    Args:
        settings: All settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.stopped = Event()
        self._settings = settings
        self._error: Exception | None = None
        self._labels = DeviceLabels(settings)
        labels = self._labels.label
        self.targets = [
            TargetNotifier(
                settings,
                name,
                target,
                outlet_of(settings, name, target, labels),
                self.stopped,
                self._labels.device,
            )
            for name, target in settings.notify.targets.items()
        ]

    def run(self) -> None:
        """Tell until stopped.

        Raises:
            Exception: What a thread ended with: going on without it would look as if all were well.
        """
        work = [(target.name, target.run) for target in self.targets]
        if self._settings.notify.heartbeat_url.get_secret_value():
            work.append(("heartbeat", Heartbeat(self._settings, self.stopped).run))
        threads = [
            Thread(target=self._guarded, args=(run,), name=f"notify-{name}", daemon=True)
            for name, run in work
        ]
        for thread in threads:
            thread.start()
        self.stopped.wait()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in threads):
            self._labels.close()
        if self._error is not None:
            raise self._error

    def _guarded(self, run: Any) -> None:
        try:
            run()
        except Exception as error:
            self._error = error
            self.stopped.set()

    def why_not_ready(self) -> str:
        """Say why it does not do its work; a target that is away does not count: it is told of by itself."""
        waiting = [target.name for target in self.targets if not target.assigned]
        return f"waiting for partitions: {', '.join(waiting)}" if waiting else ""

    def ledger(self) -> dict[str, Any]:
        """Return the counts of each target, and whether they balance."""
        targets = {target.name: target.ledger() for target in self.targets}
        return {"targets": targets, "balanced": all(not each["difference"] for each in targets.values())}


def serve_notifier(settings: Settings) -> None:
    """Run the notifier until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: If there is no target, or an operator must change something else.
    """
    if not settings.notify.targets:
        raise ConfigurationError(
            "nobody is to be told: name a target in [notify.targets.NAME] of the TOML file, or in "
            "WEIR_NOTIFY__TARGETS"
        )
    notifier = Notifier(settings)
    with stop_signals(notifier.stopped.set):
        server = MetricsServer(
            settings.notify.metrics_host,
            settings.notify.metrics_port,
            why_not_ready=notifier.why_not_ready,
            ledger=notifier.ledger,
            allowed_hosts=settings.web.allowed_hosts,
            setting="WEIR_NOTIFY__METRICS_PORT",
        )
        try:
            log.info("notifier.started", targets=list(settings.notify.targets), metrics_port=server.port)
            _wait_for_topics(settings, notifier.stopped)
            if not notifier.stopped.is_set():
                notifier.run()
        finally:
            server.close()


def _wait_for_topics(settings: Settings, stopped: Event) -> None:
    """Make sure that the topics exist, as soon as Kafka is there, or until stopped."""
    backoff = Backoff(first=0.5, cap=10)
    while not stopped.is_set():
        try:
            ensure_topics(settings)
            return
        except TransientError as error:
            delay = backoff.delay()
            log.warning("kafka.awaited", error=str(error), retry_in_seconds=round(delay, 1))
            stopped.wait(delay)
