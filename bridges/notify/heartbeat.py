"""A heartbeat, so that somebody else notices when Weir itself is silent.

It is sent only while alarms are followed: `alarm-inputs` gets a tick each minute, through bridge and worker. If the
bridge, the worker, Kafka or this process stands still, no heartbeat comes, and who waits for it tells somebody.
"""

import time
import urllib.error
import urllib.request
from threading import Event
from typing import Any

from bridges.kafka.connecting import connect_reader
from bridges.process import metrics
from bridges.process.logs import get_logger
from bridges.process.settings import Settings
from streams.records.alarm_records import AlarmInput
from streams.records.catalogue import CATALOGUE

log = get_logger(__name__)

STANDSTILL_SECONDS = 180.0
"""Three ticks: so long `alarm-inputs` may stand still."""
_ASK_SECONDS = 10.0


class Heartbeat:
    """Sends a heartbeat while alarms are followed.

    Args:
        settings: Where Kafka is, where to, and how often.
        stopped: Set when it is to end.
    """

    def __init__(self, settings: Settings, stopped: Event) -> None:
        self._settings = settings
        self._stopped = stopped
        self._topic = settings.topic(CATALOGUE.of(AlarmInput).topic.name)
        self._end = -1
        self._grown_at = time.monotonic()
        self._withheld = False

    def run(self) -> None:
        """Beat until stopped."""
        reader = connect_reader(self._settings, "weir-heartbeat", quiet=True)
        try:
            while not self._stopped.is_set():
                self._beat(reader)
                self._stopped.wait(self._settings.notify.heartbeat_seconds)
        finally:
            reader.close()

    def _beat(self, reader: Any) -> None:
        if not self._is_followed(reader):
            metrics.NOTIFY_HEARTBEATS.labels("withheld").inc()
            if not self._withheld:
                log.error(
                    "heartbeat.withheld", reason=f"no tick in {self._topic} for {STANDSTILL_SECONDS:.0f} s"
                )
            self._withheld = True
            return
        self._withheld = False
        url = self._settings.notify.heartbeat_url.get_secret_value()
        try:
            with urllib.request.urlopen(url, timeout=_ASK_SECONDS) as answer:
                answer.read(1000)
            metrics.NOTIFY_HEARTBEATS.labels("sent").inc()
        except (OSError, ValueError) as error:
            metrics.NOTIFY_HEARTBEATS.labels("failed").inc()
            reason = error.reason if isinstance(error, urllib.error.URLError) else type(error).__name__
            log.warning("heartbeat.failed", error=str(reason))

    def _is_followed(self, reader: Any) -> bool:
        from confluent_kafka import KafkaException, TopicPartition

        try:
            found = reader.list_topics(self._topic, timeout=_ASK_SECONDS).topics[self._topic]
            end = sum(
                reader.get_watermark_offsets(TopicPartition(self._topic, each), timeout=_ASK_SECONDS)[1]
                for each in found.partitions
            )
        except KafkaException:
            return False
        if end != self._end:
            self._end, self._grown_at = end, time.monotonic()
        return time.monotonic() - self._grown_at < STANDSTILL_SECONDS
