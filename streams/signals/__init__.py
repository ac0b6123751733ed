"""Synthetic sensors with ground truth, and recordings, as ordered MQTT messages.

Everything here is a pure function of a seed and an index: no state is carried from one reading to the next,
so a simulation can be resumed anywhere, and what it will send can be counted before it is sent.

    noise.py      numbers from a seed and an index
    thermometer.py  what a fault-free sensor measures
    faults.py     when which fault happens to a sensor
    messages.py   the messages on the wire, their total order, and their counts
    fleet.py      many synthetic sensors
    recording.py  a recorded series with known anomalies
"""

from streams.signals.dialects import DIALECTS, Dressed
from streams.signals.faults import DELIVERY_FAULTS, VALUE_FAULTS, FaultKind, FaultSpec, parse_faults
from streams.signals.fleet import Fleet
from streams.signals.messages import Key, Message, MessageKind, MessageSource, Totals, merged, totals
from streams.signals.recording import Recording, Stretch

__all__ = [
    "DELIVERY_FAULTS",
    "DIALECTS",
    "VALUE_FAULTS",
    "Dressed",
    "FaultKind",
    "FaultSpec",
    "Fleet",
    "Key",
    "Message",
    "MessageKind",
    "MessageSource",
    "Recording",
    "Stretch",
    "Totals",
    "merged",
    "parse_faults",
    "totals",
]
