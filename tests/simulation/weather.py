"""What servers and networks do while a schedule's faults last: asked by the simulated Kafka, network and MongoDB."""

import random
from collections.abc import Callable

from tests.simulation.kafka import Chance
from tests.simulation.mongo import MongoTrouble
from tests.simulation.network import Trouble
from tests.simulation.schedule import Fault

_HANGS = 0.1  # of what gets lost
_SLOW_SECONDS = (0.2, 1.5)
_STUCK_SECONDS = (1.0, 4.0)


class Weather(Trouble, Chance):
    """What the broker and its network do.

    Args:
        draw: Draws what happens to each message.
        now: Tells the virtual time in seconds.
    """

    def __init__(self, draw: random.Random, now: Callable[[], float]) -> None:
        super().__init__(draw)
        self._now = now
        self._lasting: list[tuple[float, Fault]] = []

    def begins(self, fault: Fault) -> None:
        """Let a fault last as long as it does."""
        self._lasting.append((self._now() + fault.seconds, fault))

    def lasts(self, kind: str, process: str = "") -> Fault | None:
        """Return the fault of a kind that happens to a process now, if any."""
        if not self._lasting:
            return None
        now = self._now()
        self._lasting = [each for each in self._lasting if each[0] > now]
        for _, fault in self._lasting:
            if fault.kind == kind and (
                fault.worker < 0 or not process or process.startswith(f"w{fault.worker}#")
            ):
                return fault
        return None

    def happens(self, kind: str, process: str = "") -> bool:
        """Draw whether a fault of a kind happens to a message."""
        fault = self.lasts(kind, process)
        return fault is not None and self._draw.random() < fault.share

    # -- the network ---------------------------------------------------------------------------------------------

    def away(self, process: str = "") -> bool:
        return self.lasts("away", process) is not None

    def latency(self, process: str, request: str) -> float:
        if self.happens("slow", process):
            return self._draw.uniform(*_SLOW_SECONDS)
        return self._draw.uniform(0.0002, 0.02)

    def loses_request(self, process: str, request: str) -> bool:
        return self.happens("lost requests", process)

    def loses_reply(self, process: str, request: str) -> bool:
        return self.happens("lost replies", process)

    def hangs(self) -> bool:
        return self._draw.random() < _HANGS

    # -- the broker ----------------------------------------------------------------------------------------------

    @property
    def marker_seconds(self) -> float:  # type: ignore[override]
        return (
            self._draw.uniform(0.2, 2.0) if self.lasts("slow markers") else self._draw.uniform(0.0005, 0.02)
        )

    def most_batches(self) -> int:
        return 1 if self.lasts("small fetches") else self._draw.choice((2, 5, 50))

    def hides(self, topic: str) -> bool:
        if self.lasts("no metadata") is not None:
            return True
        return topic.endswith("-changelog") and self.lasts("old metadata") is not None

    def fails_to_write(self) -> bool:
        return self.happens("failing writes")

    def refuses(self) -> bool:
        return self.happens("refused")


class MongoWeather(MongoTrouble):
    """What MongoDB and its network do.

    Args:
        draw: Draws what happens to each call.
        weather: Knows which faults last.
    """

    def __init__(self, draw: random.Random, weather: Weather) -> None:
        super().__init__(draw)
        self._weather = weather

    def away(self) -> bool:
        return self._weather.lasts("mongo away") is not None

    def latency(self) -> float:
        if self._weather.happens("mongo stuck"):
            return self._draw.uniform(*_STUCK_SECONDS)
        slow = self._weather.lasts("mongo slow") is not None
        return self._draw.uniform(*_SLOW_SECONDS) if slow else super().latency()

    def loses_reply(self) -> bool:
        return self._weather.happens("mongo lost replies")
