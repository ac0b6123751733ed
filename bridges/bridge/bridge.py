"""The bridge: every MQTT message becomes records on Kafka, and is acknowledged when Kafka has them.

    MQTT ──▶ receive ──▶ decode ──▶ produce ──▶ delivery report ──▶ acknowledge ──▶ MQTT
                            │                        │
                            └ dead letter            └ in arrival order: a message waits for those before it

Delivery: at least once. A message is acknowledged after all that came of it (readings, a label, dead letters) is
on all in-sync replicas; until then it is the broker's to send again. A reading has the same id each time.

Back pressure: when ``max_inflight`` items (or ``max_inflight_bytes`` of payload) are not confirmed yet, the
bridge stops reading from the socket. Messages then wait in the network and with the broker, not in memory here.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from confluent_kafka import KafkaError

from bridges.bridge.bridge_counts import BESIDE, Ledger
from bridges.bridge.flight import Flight
from bridges.bridge.last_hour import LastHour
from bridges.bridge.obstacles import obstacle
from bridges.bridge.refused_topics import RefusedTopics
from bridges.bridge.steady_clock import SteadyClock
from bridges.bridge.ticker import Ticker
from bridges.kafka.producer import Headers, KafkaProducer, Outgoing
from bridges.maps.map_files import maps_in_force
from bridges.mqtt.frames import Publish
from bridges.mqtt.session import MqttSession
from bridges.process import metrics
from bridges.process.backoff import Backoff
from bridges.process.logs import get_logger
from bridges.process.settings import Settings
from streams.errors import InputError, Reason, TransientError
from streams.payloads.accepted import Limits, Refusal
from streams.payloads.maps.decoded import Found
from streams.payloads.unread import UnreadKind
from streams.records.catalogue import CATALOGUE
from streams.records.dead_letters import from_mqtt
from streams.records.identity import event_ms, event_seconds, reading_id
from streams.records.record_type import RecordType
from streams.records.types import (
    HEADER_CLOCK,
    HEADER_MAPS,
    HEADER_MQTT_TOPIC,
    HEADER_READING_ID,
    Birth,
    DeadLetter,
    Presence,
    Reading,
    encode,
)

log = get_logger(__name__)

_IDLE_SECONDS = 0.1
# While records are under way the bridge looks for reports so often; also the time in which small reads gather.
_BUSY_SECONDS = 0.001
_SMALL_READ = 64
_PUBLISH_SECONDS = 0.25
_FIRST_BACK_OFF_SECONDS = 0.2
# A dead letter that Kafka itself finds too large is cut to this.
_LAST_RESORT_BYTES = 1024
_DETAIL_CHARACTERS = 500


class Bridge:
    """Carry messages from one MQTT session to Kafka until told to stop.

    Args:
        settings: Everything it needs to know.
        wall: The host's clock: seconds since the Unix epoch.
    """

    def __init__(self, settings: Settings, wall: Callable[[], float] = time.time) -> None:
        bridge = settings.bridge
        self._settings = bridge
        self._clock = clock = SteadyClock(wall)
        self._maps = maps_in_force(settings)
        self._limits = self._maps.limits
        self._of_maps = (HEADER_MAPS, self._maps.fingerprint)
        self._readings = settings.topic(CATALOGUE.of(Reading).topic.name)
        self._beside: dict[
            type, tuple[str, RecordType[Any], Callable[[Outgoing, KafkaError | None], None]]
        ] = {
            kind: (settings.topic(CATALOGUE.of(kind).topic.name), CATALOGUE.of(kind), self._settled_as(word))
            for kind, word in BESIDE.items()
        }
        self._maps.presence.shared = any(each.startswith("$share/") for each in settings.mqtt.topics)
        self._dead_letters = settings.topic(CATALOGUE.of(DeadLetter).topic.name)
        self._session = MqttSession(
            settings.mqtt,
            of_maps=self._maps.filters(),
            receive_maximum=bridge.max_inflight,
            max_payload_bytes=bridge.max_payload_bytes,
        )
        self._producer = KafkaProducer(settings, max_records=bridge.max_inflight, clock=clock)
        self._ticker = Ticker(self._producer, self._readings, bridge.tick_seconds, clock)
        self._flights: deque[Flight] = deque()
        self._items_open = 0
        self._bytes_open = 0
        self._paused = False
        # A connection that is lost again at once must not be tried at full speed.
        longest = bridge.reconnect_max_seconds
        self._back_off = Backoff(first=_FIRST_BACK_OFF_SECONDS, cap=longest, stable=longest)
        self._connect_at = 0.0
        self._connected_at = 0.0
        self._ledger = Ledger()
        self._published = Ledger()
        self._published_at = 0.0
        self._last_hour = LastHour(time.monotonic())
        self._refused_topics = RefusedTopics()
        self._snapshot: dict[str, Any] = self._counted()
        self._unread: list[UnreadKind] = []
        self._not_ready = "starting"
        self._stopping = False

    def why_not_ready(self) -> str:
        """Return why readings do not flow now; empty when they do. For any thread."""
        return self._not_ready

    @property
    def maps_fingerprint(self) -> str:
        """The fingerprint of the maps in force, as `weir map check` shows it."""
        return self._maps.fingerprint.hex()

    def ledger(self) -> dict[str, Any]:
        """Return the counts, at most a quarter of a second old. For any thread."""
        return self._snapshot

    def unread(self) -> list[UnreadKind]:
        """Return what nothing reads, with examples; the same list until something comes. For any thread."""
        return self._unread

    def remember(self, births: Iterable[Birth], presence: Iterable[Presence]) -> None:
        """Know what aliases of Sparkplug B stood for before, and which devices were there: once, before `run`."""
        self._maps.births.restore(births)
        self._maps.presence.restore(presence)

    def stop(self) -> None:
        """Ask `run` to return: no more is read, what is under way is finished. For signal handlers too."""
        self._stopping = True

    def run(self) -> None:
        """Carry messages until `stop`.

        Raises:
            ConfigurationError: If the MQTT broker refuses what the settings say.
        """
        try:
            while not self._stopping:
                try:
                    self._once()
                except TransientError as error:
                    self._lost(error)
            self._finish()
        finally:
            self._session.drop()
            self._publish()

    def _once(self) -> None:
        """Do one round: read, produce, take reports, acknowledge."""
        session, producer = self._session, self._producer
        if not session.connected:
            self._connect()
        elif self._is_full():
            session.idle(_BUSY_SECONDS)
        else:
            owing = bool(self._flights)
            messages = session.receive(0 if owing else _IDLE_SECONDS, owing=owing)
            if messages:
                self._take(messages)
            if self._flights and len(messages) < _SMALL_READ:
                producer.serve(_BUSY_SECONDS)
        producer.serve()
        self._acknowledge()
        now = time.monotonic()
        if now - self._published_at > _PUBLISH_SECONDS:
            self._published_at = now
            self._tick()
            self._publish()

    def _connect(self) -> None:
        """Connect if the back-off is over, or wait a little; raises what `MqttSession.connect` raises."""
        if (wait := self._connect_at - time.monotonic()) > 0:
            self._producer.serve(min(wait, _IDLE_SECONDS))
            return
        self._connect_at = time.monotonic() + _FIRST_BACK_OFF_SECONDS
        self._session.connect()
        self._connected_at = time.monotonic()
        self._ledger.connections += 1
        self._ticker.hold_back()
        log.info(
            "session.resumed" if self._session.resumed else "session.started",
            connections=self._ledger.connections,
        )

    def _lost(self, error: TransientError) -> None:
        """Forget the connection; the next one comes after a back-off that doubles up to its cap."""
        now = time.monotonic()
        delay = self._back_off.delay(ran_for=now - self._connected_at if self._session.subscribed else 0.0)
        self._session.drop()
        self._connect_at = now + delay
        log.warning("connection.lost", error=str(error), retry_in_seconds=round(delay, 1))

    def _is_full(self) -> bool:
        """Whether no more may be read; down to three quarters of the bound once it was reached."""
        share = 0.75 if self._paused else 1.0
        full = (
            self._items_open >= share * self._settings.max_inflight
            or self._bytes_open >= share * self._settings.max_inflight_bytes
        )
        if full and not self._paused:
            self._ledger.pauses += 1
            self._ticker.hold_back()
        self._paused = full
        return full

    def _take(self, messages: list[Publish]) -> None:
        """Send what comes of the messages to Kafka."""
        now = self._clock()
        time_ms = event_ms(now)
        received_at = time.monotonic()
        self._maps.limits = self._limits_in_doubt()
        ledger, send, decode = self._ledger, self._producer.send, self._maps.decode
        for message in messages:
            topic, payload = message.topic, message.payload
            try:
                if message.size > len(payload) and not message.copy:
                    raise InputError(
                        Reason.TOO_LARGE,
                        f"payload must have at most {self._settings.max_payload_bytes} bytes "
                        f"(WEIR_BRIDGE__MAX_PAYLOAD_BYTES), got {message.size}; this dead letter holds the first "
                        f"{len(payload)}",
                    )
                items = [] if message.copy else decode(topic, payload, now, retained=message.retained)
            except InputError as error:
                items = [Refusal(error.reason, error.detail, payload)]
            flight = Flight(message, self._ledger.connections, received_at, len(items))
            self._flights.append(flight)
            self._items_open += len(items)
            self._bytes_open += len(payload)
            ledger.messages += 1
            ledger.items += len(items)
            ledger.payload_bytes += message.size
            if not items:
                ledger.passed_over += not message.copy
                ledger.copies += message.copy
            if message.flags & 9:
                ledger.redelivered += message.redelivered
                ledger.retained += message.retained
            reason = None
            for item in items:
                if arrival := type(item) is Found:
                    item = item.reading
                if type(item) is Reading:
                    identity = reading_id(item.sensor_id, item.collected_at, item.values, item.sequence)
                    headers: Headers = [
                        (HEADER_READING_ID, identity),
                        (HEADER_MQTT_TOPIC, topic),
                        self._of_maps,
                    ]
                    if arrival:
                        headers.append((HEADER_CLOCK, b"arrival"))
                    send(
                        Outgoing(
                            self._readings,
                            item.sensor_id.encode(),
                            encode(item),
                            time_ms,
                            headers,
                            self._reading_settled,
                            flight,
                        )
                    )
                elif isinstance(item, Refusal):
                    self._set_aside(flight, item, time_ms)
                    reason = item.reason
                elif (beside := self._beside.get(type(item))) is not None:
                    where, kind, settled = beside
                    send(Outgoing(where, kind.key(item), encode(item), time_ms, None, settled, flight))
            if not message.copy:
                self._refused_topics.take(topic, reason, now)

    def _limits_in_doubt(self) -> Limits:
        """Return what is accepted: if the host's clock is right after all, readings by it are none of the future."""
        limits, doubt = self._limits, self._clock.doubt
        return limits if doubt <= 0 else replace(limits, max_future_seconds=limits.max_future_seconds + doubt)

    def _set_aside(self, flight: Flight, refusal: Refusal, time_ms: int) -> None:
        """Send a dead letter."""
        topic = flight.message.topic.decode(errors="backslashreplace")
        letter = from_mqtt(
            topic,
            refusal.payload,
            event_seconds(time_ms),
            refusal,
            retained=flight.message.retained,
            read=refusal.read,
        )

        def settled(record: Outgoing, error: KafkaError | None) -> None:
            if error is None:
                self._ledger.add_dead_letter(refusal.reason)
                self._settle(flight)
            elif refusal.payload:
                # Only its size can be at fault: the topic takes less than this bridge's bound.
                shorter = refusal.payload[: min(_LAST_RESORT_BYTES, len(refusal.payload) // 2)]
                detail = f"{refusal.detail} (payload of {len(refusal.payload)} bytes cut: {error.str()})"
                self._set_aside(
                    flight, Refusal(refusal.reason, detail[:_DETAIL_CHARACTERS], shorter), record.time_ms
                )
            else:
                # Not even a letter without a payload: an operator must let the topic take more.
                self._producer.hold(record, error)

        self._producer.send(
            Outgoing(self._dead_letters, topic.encode(), encode(letter), time_ms, None, settled)
        )

    def _reading_settled(self, record: Outgoing, error: KafkaError | None) -> None:
        if error is None:
            self._ledger.readings += 1
            self._settle(record.owner)
        else:
            self._refused_by_kafka(record, error)

    def _settled_as(self, word: str) -> Callable[[Outgoing, KafkaError | None], None]:
        """Return what is told of a record that is no reading: Kafka has it, or refuses it."""

        def settled(record: Outgoing, error: KafkaError | None) -> None:
            if error is None:
                self._ledger.beside[word] += 1
                self._settle(record.owner)
            else:
                self._refused_by_kafka(record, error)

        return settled

    def _refused_by_kafka(self, record: Outgoing, error: KafkaError) -> None:
        detail = f"Kafka must accept the record on {record.topic}, it answered {error.name()}: {error.str()}"
        self._set_aside(record.owner, Refusal(Reason.REFUSED_BY_KAFKA, detail, record.value), record.time_ms)

    def _settle(self, flight: Flight) -> None:
        """Count an item of a message as done."""
        flight.open -= 1
        self._items_open -= 1

    def _acknowledge(self) -> None:
        """Acknowledge the messages that are done, up to the first that is not."""
        flights = self._flights
        if not flights or flights[0].open:
            return
        oldest = flights[0]
        connection, mids = self._ledger.connections, []
        while flights and not flights[0].open:
            flight = flights.popleft()
            self._bytes_open -= len(flight.message.payload)
            self._ledger.confirmed += 1
            # A packet id belongs to its connection: the broker may use it for another message on the next one.
            if flight.message.mid and flight.connection == connection:
                mids.append(flight.message.mid)
        metrics.BRIDGE_LATENCY.observe(time.monotonic() - oldest.received_at)
        if mids and self._session.connected:
            self._session.acknowledge(mids)
            self._ledger.acknowledged += len(mids)

    def _tick(self) -> None:
        """Write ticks when they are due and the bridge is not behind."""
        hearing = self._session.hearing(self._settings.tick_seconds)
        self._ticker.tick(caught_up=not self._flights, hearing=hearing)
        self._ledger.ticks = self._ticker.stored
        self._ledger.retries = self._producer.retries

    def _publish(self) -> None:
        """Let other threads see the counts and whether readings flow."""
        self._ledger.at_qos_0 = self._session.at_qos_0
        self._ledger.unread = self._maps.unread.messages
        self._unread = self._maps.unread.snapshot()  # before the count: who has seen that finds these
        self._snapshot = self._counted()
        self._published = self._ledger.publish(self._published)
        metrics.BRIDGE_CLOCK_DOUBT.set(self._clock.doubt)
        metrics.BRIDGE_REFUSED_TOPICS.set(self._snapshot["refused_topics"]["count"])
        metrics.MQTT_CONNECTED.set(self._session.connected)
        waiting = time.monotonic() - self._flights[0].received_at if self._flights else 0.0
        self._not_ready = (
            "stopping" if self._stopping else obstacle(self._session, self._producer, self._ticker, waiting)
        )

    def _counted(self) -> dict[str, Any]:
        """Return the counts since the start, with those of the last hour and of topics that are refused."""
        told = self._ledger.as_json((len(self._flights), self._items_open))
        hour = self._last_hour.counted(time.monotonic(), self._ledger.items, self._ledger.dead_letters)
        return {**told, "last_hour": hour, "refused_topics": self._refused_topics.as_json()}

    def _finish(self) -> None:
        """Wait for what is under way, acknowledge it, and leave the broker with the session kept."""
        self._publish()
        deadline = time.monotonic() + self._settings.stop_seconds
        while self._flights and time.monotonic() < deadline:
            self._producer.serve(_BUSY_SECONDS)
            try:
                self._acknowledge()
            except TransientError:
                self._session.drop()
        self._session.disconnect()
        log.info("bridge.stopped", unconfirmed=len(self._flights), readings=self._ledger.readings)
