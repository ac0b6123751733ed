"""What reading a message of ten values costs in each form: Weir's own, a mapped JSON object, Sparkplug B.

    make bench ARGS="-k bench_maps"

All forms are read in turns in one process, and the best of the rounds counts: processor time per message, up to the
records that go into Kafka, and its ratio to what the form is measured against.
"""

import json
import time
from collections.abc import Callable

from bridges.maps.map_files import built_in
from streams.payloads.formats.sparkplug import payload_class
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import Map, Rule

VALUES = 10
MESSAGES = 2_000
ROUNDS = 25
START = 1_795_149_960.0
MOST_OF_MAPPED = 2.5
NAMES = [f"quantity_{number}" for number in range(VALUES)]

Message = tuple[bytes, bytes, float]


def values_at(number: int) -> dict[str, float]:
    """Return the values of one message; they change as a sensor's do."""
    return {name: 20.0 + place + number % 97 / 8 for place, name in enumerate(NAMES)}


def own(number: int) -> Message:
    """Make a message of Weir's own form."""
    at = START + number
    return b"sensors/s1/reading", json.dumps({"collected_at": at, **values_at(number)}).encode(), at


def mapped(number: int) -> Message:
    """Make an object that a map of one rule reads."""
    at = START + number
    return b"plant/press/state", json.dumps({"ts": at, **values_at(number)}).encode(), at


def tasmota(number: int) -> Message:
    """Make the telemetry of a Tasmota device: objects in an object, a local time."""
    at = START + number
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    payload = {"Time": text, "SI7021": values_at(number), "TempUnit": "C"}
    return b"tele/plug/SENSOR", json.dumps(payload).encode(), at


def sparkplug(number: int, *, birth: bool = False) -> Message:
    """Make data of a Sparkplug device, its metrics by alias; or the birth that names them."""
    at = START + number
    payload = payload_class()(timestamp=int(at * 1000), seq=number % 256)
    for alias, (name, value) in enumerate(values_at(number).items()):
        metric = payload.metrics.add(alias=alias, timestamp=int(at * 1000), double_value=value)
        if birth:
            metric.name, metric.datatype = name, 10
    kind = b"DBIRTH" if birth else b"DDATA"
    return b"spBv1.0/plant/" + kind + b"/edge/press", payload.SerializeToString(), at


def test_what_a_message_of_ten_values_costs_in_each_form() -> None:
    rule = Rule(topic="plant/{sensor}/state", sensor="{sensor}", time="ts")
    maps = MapsInForce([Map("bench", rule=[rule])], built_in())
    topic, payload, at = sparkplug(0, birth=True)
    maps.decode(topic, payload, at)
    forms: dict[str, Callable[[int], Message]] = {
        "Weir's own": own, "mapped JSON": mapped, "Tasmota": tasmota, "Sparkplug B": sparkplug
    }  # fmt: skip
    messages = {name: [make(number) for number in range(1, MESSAGES + 1)] for name, make in forms.items()}
    for name, [first, *_] in messages.items():
        [item] = maps.decode(*first)
        assert len(item.values) == VALUES, name
    rounds = [{name: _seconds(maps, messages[name]) for name in forms} for _ in range(ROUNDS)]
    costs = {name: min(each[name] for each in rounds) for name in forms}
    print(f"\n{VALUES} values a message, best of {ROUNDS} rounds of {MESSAGES:,} messages")
    base = costs["Weir's own"]
    for name, cost in costs.items():
        print(f"{name:<12}{cost / MESSAGES * 1e6:>8.2f} µs of CPU a message{cost / base:>8.2f} of Weir's own")
    print(f"Sparkplug B costs {costs['Sparkplug B'] / costs['mapped JSON']:.2f} of mapped JSON")
    assert costs["mapped JSON"] / base <= MOST_OF_MAPPED


def _seconds(maps: MapsInForce, messages: list[Message]) -> float:
    started = time.process_time()
    for topic, payload, at in messages:
        maps.decode(topic, payload, at)
    return time.process_time() - started
