"""The same reading on two topics: heard by two gateways, or published twice. It counts once."""

from collections import OrderedDict

import msgspec

from streams.payloads.maps.decoded import Decoded, Found, Passed

_REMEMBERED = 16_384


class Heard:
    """Remember what each sensor said last, and on which topic.

    Only what has no time of its own needs it: with one, two copies have the same id.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[bytes, float, dict[str, float]]] = OrderedDict()

    def once(self, outcome: Decoded, topic: bytes, ingest_time: float, within: float) -> Decoded:
        """Return the outcome without readings that came on another topic at most ``within`` seconds before.

        Args:
            outcome: What became of a message.
            topic: Its topic.
            ingest_time: When it came (seconds since the Unix epoch).
            within: A rule's ``once_within``.
        """
        kept = [found for found in outcome.readings if not self._is_known(found, topic, ingest_time, within)]
        if len(kept) == len(outcome.readings):
            return outcome
        passed = [*outcome.ignored, Passed("", "the same values came on another topic just before")]
        return msgspec.structs.replace(outcome, readings=kept, ignored=passed)

    def _is_known(self, found: Found, topic: bytes, ingest_time: float, within: float) -> bool:
        sensor, values = found.reading.sensor_id, found.reading.values
        last = self._last.get(sensor)
        if last is not None and last[0] != topic and ingest_time - last[1] <= within and last[2] == values:
            return True
        self._last[sensor] = (topic, ingest_time, values)
        self._last.move_to_end(sensor)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return False
