"""The bridge as a process: waits for Kafka, serves its metrics, stops cleanly when told to."""

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from bridges.bridge.bridge import Bridge
from bridges.devices.device_learning import DeviceLearner
from bridges.devices.device_presence import presence_on_kafka
from bridges.kafka.clients import ensure_topics
from bridges.kafka.known_births import births_on_kafka
from bridges.maps.map_files import limits_of
from bridges.maps.unasked_topics import UnaskedTopics
from bridges.maps.unread_topics import UnreadPage
from bridges.process.backoff import Backoff
from bridges.process.logs import get_logger
from bridges.process.metrics_server import MetricsServer
from bridges.process.settings import Settings
from streams.errors import TransientError

log = get_logger(__name__)

_FIRST_BACK_OFF_SECONDS = 0.5
_LONGEST_BACK_OFF_SECONDS = 10.0


class _Stop:
    """Remember that a stop was asked for, and pass it on to who is interested."""

    def __init__(self) -> None:
        self.asked = False
        self.also: Callable[[], None] | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            # Asked twice: whoever waits does not want to wait any more. The broker sends the rest again.
            raise SystemExit(128 + number)
        self.asked = True
        if self.also is not None:
            self.also()


@contextmanager
def _signals() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(settings: Settings) -> None:
    """Run the bridge until SIGTERM or SIGINT. Returns when everything under way is finished.

    Raises:
        ConfigurationError: If an operator must change something: a setting, a topic, a right.
    """
    with _signals() as stop:
        bridge = Bridge(settings)
        # What is there now stays: the collector need not look at compiled maps and classes again and again.
        gc.freeze()
        waiting_for = "Kafka"

        def why_not_ready() -> str:
            return f"waiting for {waiting_for}" if waiting_for else bridge.why_not_ready()

        unasked = UnaskedTopics(settings)

        def ledger() -> dict[str, Any]:
            return {**bridge.ledger(), "unasked_topics": unasked.as_json()}

        learner: DeviceLearner | None = None
        unread = UnreadPage(bridge.unread, limits_of(settings))
        server = MetricsServer(
            settings.bridge.metrics_host,
            settings.bridge.metrics_port,
            why_not_ready=why_not_ready,
            ledger=ledger,
            more={"/api/unread": lambda: {**unread(), "unasked": unasked.as_json()}},
            allowed_hosts=settings.web.allowed_hosts,
        )
        try:
            log.info(
                "bridge.started",
                mqtt=f"{settings.mqtt.host}:{settings.mqtt.port}",
                kafka=settings.kafka.brokers,
                topics=settings.mqtt.topics,
                maps=bridge.maps_fingerprint,
                metrics_port=server.port,
            )
            if _wait_for_topics(settings, stop, bridge):
                waiting_for = ""
                stop.also = bridge.stop
                if settings.bridge.learn_devices:
                    learner = DeviceLearner(settings)
                    learner.start()
                unasked.start()
                if not stop.asked:
                    bridge.run()
        finally:
            unasked.stop()
            if learner is not None:
                learner.stop()
            server.close()


def _wait_for_topics(settings: Settings, stop: _Stop, bridge: Bridge) -> bool:
    """Make sure that the topics exist, and read births and presence, as soon as Kafka is there.

    Args:
        settings: Where Kafka is.
        stop: Ends the waiting.
        bridge: Remembers them.

    Returns:
        ``False`` if a stop was asked for first.
    """
    back_off = Backoff(first=_FIRST_BACK_OFF_SECONDS, cap=_LONGEST_BACK_OFF_SECONDS)
    while not stop.asked:
        try:
            ensure_topics(settings)
            bridge.remember(births_on_kafka(settings), presence_on_kafka(settings).values())
            return True
        except TransientError as error:
            delay = back_off.delay()
            log.warning("kafka.awaited", error=str(error), retry_in_seconds=round(delay, 1))
        until = time.monotonic() + delay
        while not stop.asked and time.monotonic() < until:
            time.sleep(0.05)
    return False
