"""Say what would become of messages that were heard, and what maps the rest would need. Nothing is published."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridges.maps.trying import Sample, try_message
from streams.errors import ConfigurationError
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Decoded
from streams.payloads.maps.model import parse_map
from streams.payloads.maps.proposals import TopicGroup, Unread, propose
from streams.payloads.maps.template import covers


@dataclass
class Read:
    """What a map makes of messages.

    Args:
        messages: How many it reads.
        sensors: Of which sensors.
        example: A topic.
        unasked: How many of them are on topics that the bridge does not ask for by itself.
        unasked_example: One of these topics.
    """

    messages: int = 0
    sensors: set[str] = field(default_factory=set)
    example: str = ""
    unasked: int = 0
    unasked_example: str = ""


@dataclass
class Proposal:
    """A map for topics that nothing reads, and what it would make of them.

    Args:
        group: The topics, and the map.
        readable: How many of its messages would be readings.
        sensors: Of how many sensors.
        example: The topic of one that would.
    """

    group: TopicGroup
    readable: int = 0
    sensors: int = 0
    example: str = ""


@dataclass
class Suggestion:
    """What would become of messages.

    Args:
        messages: How many were looked at.
        by_map: What maps in force make of them.
        passed_over: Messages that are no readings (presence, settings), by map.
        refused: Messages that are refused, by reason, with an example.
        proposals: Maps for what nothing reads.
    """

    messages: int = 0
    by_map: dict[str, Read] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    proposals: list[Proposal] = field(default_factory=list)

    @property
    def readable(self) -> int:
        """Messages that would be readings now."""
        return sum(read.messages for read in self.by_map.values())

    @property
    def sensors(self) -> int:
        """Sensors of which they would be readings."""
        return len({sensor for read in self.by_map.values() for sensor in read.sensors})


def suggest(
    samples: Sequence[Sample], maps: MapsInForce, with_map: Callable[[str], MapsInForce]
) -> Suggestion:
    """Try messages on the maps in force, and propose maps for what nothing reads.

    Args:
        samples: What was heard.
        maps: The maps in force.
        with_map: Makes the maps in force with one more, of this text.
    """
    found, unread = Suggestion(len(samples)), []
    filters = maps.filters()
    for sample in samples:
        outcome = try_message(maps, sample)
        if outcome.readings:
            read = found.by_map.setdefault(outcome.map, Read())
            read.messages += 1
            read.sensors |= {each.reading.sensor_id for each in outcome.readings}
            read.example = read.example or sample.topic
            if not any(covers(filter_, sample.topic) for filter_ in filters):
                read.unasked += 1
                read.unasked_example = read.unasked_example or sample.topic
        elif outcome.refused:
            _refuse(found, sample, outcome)
            unread += [sample] if not outcome.map else []
        else:
            found.passed_over[outcome.map or "no map"] += 1
            unread += [sample] if not outcome.map and sample.payload else []
    by_topic = {(sample.topic, sample.payload): sample for sample in unread}
    for group in propose(Unread(sample.topic, sample.payload) for sample in unread):
        found.proposals.append(tried_proposal(group, by_topic, with_map))
    return found


def _refuse(found: Suggestion, sample: Sample, outcome: Decoded) -> None:
    first = outcome.refused[0]
    where = f" at {first.path}" if first.path else ""
    count, example = found.refused.get(first.reason.value, (0, f"{sample.topic}{where}: {first.detail}"))
    found.refused[first.reason.value] = (count + 1, example)


def tried_proposal(
    group: TopicGroup, samples: dict[tuple[str, bytes], Sample], with_map: Callable[[str], MapsInForce]
) -> Proposal:
    """Try a proposed map on the messages that it was made of.

    Args:
        group: The proposal.
        samples: The messages, by topic and payload.
        with_map: Makes maps in force with one of this text.
    """
    if not group.map_text:
        return Proposal(group)
    try:
        parse_map(group.map_text)
        maps = with_map(group.map_text)
    except ConfigurationError:
        return Proposal(group)
    readable, sensors = [], set()
    for message in group.messages:
        if found := try_message(maps, samples[message.topic, message.payload]).readings:
            readable.append(message.topic)
            sensors |= {each.reading.sensor_id for each in found}
    return Proposal(group, len(readable), len(sensors), readable[0] if readable else "")
