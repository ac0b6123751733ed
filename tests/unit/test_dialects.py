"""Sensors that speak as other systems do say, by the built-in maps, what they say in Weir's own form."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from bridges.maps.map_files import built_in
from bridges.simulator.scenario import Scenario
from streams.errors import ConfigurationError
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Found
from streams.records.identity import event_ms
from streams.records.types import Birth, Label, Presence, Reading
from streams.signals import DIALECTS, MessageKind

PLAN = Scenario(sensors=3, start=1_790_000_000.0, seconds=400.0, faults="spike:0.02,duplicate:0.1", seed=5)


def said(dialect: str) -> tuple[Counter[tuple[str, int, str, float]], set[tuple[str, str]]]:
    """Read a scenario as the bridge does: what was measured, each once, and which series labels are about."""
    maps = MapsInForce([], built_in())
    found: Counter[tuple[str, int, str, float]] = Counter()
    labelled: set[tuple[str, str]] = set()
    plan = replace(PLAN, dialect=dialect)
    for source in plan.sources():
        for message in source.messages():
            for item in maps.decode(message.topic.encode(), message.payload, message.key.at + 1):
                reading = item.reading if isinstance(item, Found) else item
                if isinstance(reading, Label):
                    labelled.add((reading.sensor_id, reading.quantity))
                    continue
                if isinstance(reading, Birth | Presence):
                    continue
                assert isinstance(reading, Reading), reading
                for name, value in reading.values.items():
                    found[reading.sensor_id, event_ms(reading.collected_at), name, value] = 1
    return found, labelled


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_says_what_the_own_form_says(name: str) -> None:
    dialect, (own, own_labels), (other, labels) = DIALECTS[name], said(""), said(name)
    renamed = Counter(
        (dialect.sensor(sensor), at, dialect.quantities.get(quantity, quantity), value)
        for sensor, at, quantity, value in own
    )
    # Link quality and degrees Fahrenheit say no more of the sensor.
    beside = {"linkquality", "temperature_0_tF"}
    assert Counter(each for each in other if each[2] not in beside) == renamed
    assert labels == {
        (dialect.sensor(sensor), dialect.quantities.get(name, name)) for sensor, name in own_labels
    }
    assert len(own) > 1200


def test_a_sparkplug_sensor_is_born_again_for_whoever_goes_on() -> None:
    [source] = replace(PLAN, dialect="sparkplug").sources()
    messages = [each for each in islice(source.messages(), 200) if each.kind is MessageKind.READING]
    later = list(islice(source.messages(messages[100].key), 12))
    assert sum("/NBIRTH/" in each.topic for each in later) == 3
    assert [each.key for each in later] == sorted(each.key for each in later)


def test_recorded_data_speak_no_dialect() -> None:
    with pytest.raises(ConfigurationError, match="only synthetic sensors"):
        Scenario(recorded=("waterflow",), dialect="tasmota")
    with pytest.raises(ConfigurationError, match="there are zigbee2mqtt"):
        Scenario(sensors=1, start=1.0, dialect="esperanto")
