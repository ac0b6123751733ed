"""Whatever is a well-formed record of its topic stops nobody who reads it: stages, sinks, those who tell of alarms.

Records are drawn from the types themselves: each field has any value of its kind that JSON can say, extremes and odd
names among them, and some sensors come again and again, so that states build up.
"""

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import time
from typing import Any

import msgspec
import pytest
from bson import encode as encode_bson
from msgspec import inspect

from agents.rebuilding import stages_of
from bridges.dead_letters.letters import Attempts, LetterCounts
from bridges.mongo.write_outcome import UNSENDABLE
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings
from streams.alarms.incident_telling import IncidentTelling
from streams.alarms.incidents import IncidentRules, Incidents
from streams.alarms.routing import AlarmRoute, change_id, message_id
from streams.alarms.templates import TEMPLATES, Told
from streams.device_states import told_of
from streams.errors import InputError
from streams.payloads.formats.sparkplug import payload_class
from streams.payloads.known_presence import KnownPresence
from streams.payloads.maps.births import Births
from streams.payloads.maps.decoded import PresenceWord
from streams.records.alarm_records import Alarm
from streams.records.catalogue import CATALOGUE
from streams.records.letter_parts import Redrive
from streams.records.record_type import RecordType
from streams.records.rule_records import RuleChange
from streams.records.types import Birth, DeadLetter, Presence, Reading, Tick
from tests.support.lane_world import AnyStage, Record, World
from tests.support.poisoned_logs import MOMENT

RECORDS = 150
SETTINGS = Settings(
    detection=DetectionSettings(
        peers="group", series={"*/t": {"follows": ["u"]}}, silent_after_seconds=60, silent_after_gaps=2
    )
)
NUMBERS = [
    0, 1, -1, 0.5, MOMENT, MOMENT + 3600, MOMENT * 1000, 1e13, -1e13, 1e17, 1e30, -1e30, 1e308, -1e308, 5e-324,
    -62_135_596_800, 253_402_300_799, 253_370_764_799.99, -62_104_060_800, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64,
]  # fmt: skip
TEXTS = [
    "", "group/node", "group/node/device/x",
    "a", "s1", "t", "x\0", "\0claim", "\0set-aside-0", "é" * 10, "\U0001f600", "a" * 512, "a" * 513, "q" * 257,
    "b" * 5000, "a/b", "a.b", "$a", "raised", "cleared", "above", "<script>", "0" * 24, "f" * 24, "normal", "shelved",
    "critical", "warning", "limit", "rate", "anomaly", "acknowledge", "planned_work", "boilers", "*", "[", "\\", "%s{}",
]  # fmt: skip
KINDS = [
    "acknowledge",
    "shelve",
    "unshelve",
    "comment",
    "fault",
    "planned_work",
    "withdraw",
    "out_of_service",
]
USUAL: dict[str, list[Any]] = {
    "sensor_id": ["s1", "s2", "boiler-1", ""],
    "quantity": ["t", "u"],
    "kind": [*KINDS, "silence"],
    "group": ["hall", "hall", "hall", ""],
    "source": [0, 1, 2, 3],
    "response": ["", "", "t"],
    "state": ["raised", "cleared"],
    **{
        name: [MOMENT + 600 * number for number in range(60)]
        for name in ("raised_at", "changed_at", "start", "end", "at", "until", "collected_at", "tick_at")
    },
}


def drawn(kind: Any, draw: random.Random, name: str = "") -> Any:
    """Draw a value of a type."""
    kind = kind if isinstance(kind, inspect.Type) else inspect.type_info(kind)
    match kind:
        case inspect.UnionType(types=types):
            return drawn(draw.choice(types), draw, name)
        case inspect.NoneType():
            return None
        case inspect.StructType(fields=fields):
            return {
                each.encode_name: drawn(each.type, draw, each.name)
                for each in fields
                if each.required or draw.random() < 0.5
            }
    if name in USUAL and draw.random() < 0.7:
        return draw.choice(USUAL[name])
    match kind:
        case inspect.FloatType():
            return draw.choice(NUMBERS)
        case inspect.IntType():
            return draw.choice([each for each in NUMBERS if isinstance(each, int)])
        case inspect.StrType():
            return draw.choice(TEXTS)
        case inspect.BoolType():
            return draw.random() < 0.5
        case inspect.BytesType():
            return draw.choice(["", "AAAA"])
        case inspect.LiteralType(values=values):
            return draw.choice(values)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return [drawn(item, draw) for _ in range(draw.choice([0, 1, 3]))]
        case inspect.DictType(key_type=key, value_type=value):
            return {str(drawn(key, draw)): drawn(value, draw) for _ in range(draw.choice([0, 1, 3]))}
        case inspect.AnyType():
            return draw.choice([None, 1, "x", {"a": {"b": [1]}}, 1e308, 2**63])
    raise TypeError(f"expected a type that records have, got {kind}")


def values_of(kind: RecordType[Any], seed: int, count: int = RECORDS) -> Iterator[bytes]:
    """Yield values that can be read as records of a type; of readings also ticks and changes of rules."""
    draw = random.Random(f"{kind.kind.__name__} {seed}")
    types = (Reading, Reading, Tick, RuleChange) if kind.kind is Reading else (kind.kind,)
    found = 0
    for _ in range(2000 * count):
        value = msgspec.json.encode(drawn(draw.choice(types), draw))
        try:
            kind.read(value)
        except InputError:
            continue
        yield value
        if (found := found + 1) == count:
            return
    raise AssertionError(f"only {found} of {count} can be read as {kind.kind.__name__}")


STAGES: dict[str, tuple[int, bool]] = {
    stage.name: (number, analysis)
    for analysis in (False, True)
    for number, stage in enumerate(stages_of(SETTINGS, analysis=analysis))
}


def stage_of(name: str) -> AnyStage:
    number, analysis = STAGES[name]
    return stages_of(SETTINGS, analysis=analysis)[number]


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_stage_fails_in_a_record_that_it_can_read_and_a_restart_reads_its_rows_back(
    name: str, seed: int
) -> None:
    stage = stage_of(name)
    log = [Record(number, value, MOMENT * 1000) for number, value in enumerate(values_of(stage.reads, seed))]
    world = await World(stage, log).play(20, 2)
    assert [letter.detail for letter in world.letters if letter.reason == "unprocessable"] == []
    assert world.recovered == world.rows
    assert world.rows or name == "compare_sensors"


async def test_a_reading_without_values_leaves_a_row_that_a_restart_can_read() -> None:
    log = [Record(0, b'{"sensor_id":"a","collected_at":%d,"values":{}}' % MOMENT, MOMENT * 1000)]
    world = await World(stage_of("detect_anomalies"), log).play()
    assert world.recovered.keys() == {"a"}


@pytest.mark.parametrize("kind", CATALOGUE.kept, ids=lambda kind: kind.kind.__name__)
def test_a_sink_makes_a_document_of_a_record_or_says_why_not(kind: RecordType[Any]) -> None:
    made = 0
    for value in values_of(kind, 4):
        try:
            document = kind.document(value, None)
        except InputError:
            continue
        if document is None:
            continue
        made += 1
        with suppress(*UNSENDABLE):  # halving finds it: a dead letter `refused_by_mongo`
            encode_bson(document)
    assert made


def test_whoever_tells_of_alarms_can_tell_each_that_can_be_read() -> None:
    alarms = [CATALOGUE.of(Alarm).read(value) for value in values_of(CATALOGUE.of(Alarm), 5)]
    route = AlarmRoute("info", ("*",), frozenset({"raised", "returned"}), (time(22), time(6)))
    for alarm in alarms:
        route.why_not(alarm, time(12, 0))
        assert change_id(alarm) and message_id([alarm])
    for template in TEMPLATES.values():
        for group in (*[[alarm] for alarm in alarms], alarms):
            for _, message in template(Told(group, listed=10)):
                msgspec.json.encode(message)


def test_any_alarm_is_in_an_incident_or_in_none_and_told_or_passed_over() -> None:
    alarms = [CATALOGUE.of(Alarm).read(value) for value in values_of(CATALOGUE.of(Alarm), 8)]
    telling = IncidentTelling(Incidents(IncidentRules(least=2)))
    for number, alarm in enumerate(alarms):
        if number < 50:
            telling.remember([(change_id(alarm), alarm.id if number % 2 else "")])
            telling.take_before(alarm)
        telling.take(alarm)
    sifted = telling.sift(alarms)
    assert len(sifted.told) + len(sifted.passed) == len(alarms)
    telling.done(sifted)
    for template in TEMPLATES.values():
        for _, message in template(Told(sifted.told, 10, incidents=sifted.incidents)):
            msgspec.json.encode(message)


@pytest.mark.parametrize(
    "fields",
    [
        {"severity": "none"},
        {"raised_at": 1e13},
        {"changed_at": -1e17},
        {"number": -1},
        {"sensor_id": "x" * 513},
    ],
)
def test_an_alarm_that_nobody_could_show_is_none(fields: dict[str, Any]) -> None:
    sound = {
        "id": "0" * 24, "number": 1, "sensor_id": "a", "quantity": "t", "kind": "limit", "severity": "info",
        "state": "unacknowledged", "event": "raised", "changed_at": MOMENT, "raised_at": MOMENT, "anomaly": "0" * 24,
        "last_raised_at": MOMENT, "value": 1, "expected": None, "lower": None, "upper": None, "direction": "above",
    }  # fmt: skip
    assert CATALOGUE.of(Alarm).read(msgspec.json.encode(sound)).severity == "info"
    with pytest.raises(InputError, match="expected Alarm as JSON"):
        CATALOGUE.of(Alarm).read(msgspec.json.encode({**sound, **fields}))


def test_a_bridge_begins_with_whatever_births_and_presence_stand_on_kafka() -> None:
    births, presence = Births(), KnownPresence()
    read = [CATALOGUE.of(Birth).read(value) for value in values_of(CATALOGUE.of(Birth), 6)]
    births.restore(read)
    for birth in read:
        group, node, *device = birth.source.split("/", 2)
        names = {"group": group, "node": node, **({"device": device[0]} if device else {})}
        metrics = [{"alias": alias, "long_value": 2**64 - 1} for alias in birth.aliases if 0 <= alias < 2**64]
        births.parts(names, payload_class()(metrics=[*metrics, {"name": "t", "long_value": 2**63}]).metrics)
    said = [CATALOGUE.of(Presence).read(value) for value in values_of(CATALOGUE.of(Presence), 7)]
    presence.restore(said)
    for each in said:
        presence.take([PresenceWord(each.sensor_id, "offline", MOMENT, "gone")], b"t", retained=False)
        told_of(each, MOMENT, 1e308, 1e17)


def test_a_birth_of_nobody_is_none() -> None:
    with pytest.raises(InputError, match="expected Birth as JSON"):
        CATALOGUE.of(Birth).read(b'{"source":"edge","at":1,"aliases":{}}')


def test_whoever_lists_dead_letters_can_take_each_letter_and_each_redrive_that_can_be_read() -> None:
    attempts, counts = Attempts(), LetterCounts()
    for value in values_of(CATALOGUE.of(Redrive), 8):
        attempts.take(CATALOGUE.of(Redrive).read(value))
    for value in values_of(CATALOGUE.of(DeadLetter), 9):
        letter = CATALOGUE.of(DeadLetter).read(value)
        counts.take(letter, attempts.settled(letter))
    assert attempts.unfinished is not None and list(counts)
