"""Fill the registry with what devices announce: on an MQTT broker, and in births that stand in the log."""

import time
from collections.abc import Collection, Mapping

from bridges.kafka.known_births import births_on_kafka
from bridges.maps.listening import listen
from bridges.maps.map_files import maps_in_force
from bridges.process.settings import Settings
from streams.payloads.announced import FILTERS, Announced, filled_in
from streams.records.types import Device


def announced_devices(
    settings: Settings, sources: Collection[str], seconds: float, known: Mapping[str, Device]
) -> list[Device]:
    """Return what is announced of sensors, with what is known of them already; that stays as it is.

    Args:
        settings: Where MQTT and Kafka are, and which maps are in force.
        sources: ``mqtt``, ``births``.
        seconds: How long to listen to MQTT.
        known: The registry.

    Raises:
        TransientError: If a source cannot be reached.
    """
    announced = Announced(maps_in_force(settings))
    if "mqtt" in sources:
        for sample in listen(settings.mqtt, seconds, FILTERS).samples:
            announced.take(sample.topic, sample.payload)
    if "births" in sources:
        announced.take_births(births_on_kafka(settings))
    return [filled_in(known.get(each.sensor_id), each) for each in announced.devices(time.time())]
