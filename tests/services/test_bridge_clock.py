"""The host's clock jumps while a bridge runs: what it writes is dated by a clock that does not."""

import json
import threading
import time
from collections.abc import Iterator

import pytest

from bridges.bridge.bridge import Bridge
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import Settings, load
from streams.records.types import Tick, decode_reading
from tests.services.bridge_kit import Publisher, records_when
from tests.support.patience import until


class Host:
    """A host whose clock the test sets, with a bridge on it."""

    def __init__(self, settings: Settings) -> None:
        self.ahead = 0.0
        self.bridge = Bridge(settings, lambda: time.time() + self.ahead)
        self.thread = threading.Thread(target=self.bridge.run)

    def start(self) -> None:
        """Run the bridge until it is ready."""
        self.thread.start()
        until(lambda: not self.bridge.why_not_ready(), "the bridge is ready")

    def stop(self) -> None:
        """Stop it."""
        self.bridge.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def ticks(self, count: int) -> None:
        """Wait for so many more ticks."""
        target = self.bridge.ledger()["ticks"] + count
        until(lambda: self.bridge.ledger()["ticks"] >= target, f"{count} ticks")


@pytest.fixture
def host(bridge_settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for name, value in {**bridge_settings, "WEIR_BRIDGE__TICK_SECONDS": "0.2"}.items():
        monkeypatch.setenv(name, value)
    settings = load()
    ensure_topics(settings)
    host = Host(settings)
    host.start()
    yield host
    host.stop()


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_readings_and_ticks_keep_their_time_when_the_hosts_clock_jumps(
    host: Host, publisher: Publisher, kafka: str, unique_name: str, jump: float
) -> None:
    began = time.time()
    for ahead in (0.0, jump, 0.0):
        host.ahead = ahead
        host.ticks(6)
        reading = {"temperature": 21.5, "collected_at": time.time()}
        publisher.publish(f"{unique_name}/sensors/a1/reading", json.dumps(reading))
        publisher.wait()
        host.ticks(6)
    items = host.bridge.ledger()["items"]
    assert (items["readings"], items["dead_letters"]) == (3, {})
    records = records_when(kafka, f"{unique_name}.readings", 3 + 36)
    for record in records:
        ingest = record.timestamp()[1] / 1000
        content = decode_reading(record.value())
        assert began - 1 <= ingest <= time.time() + 1
        if isinstance(content, Tick):
            assert content.tick_at == ingest
