"""Each reason for which a message is refused, in plain words, and what to do about it; payloads.md has more."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from streams.errors import Reason


class RefusalWords(NamedTuple):
    """A reason in words.

    Args:
        what: What is wrong with the message.
        remedy: Who can do what.
    """

    what: str
    remedy: str


REFUSAL_WORDS: Final[Mapping[Reason, RefusalWords]] = {
    Reason.NOT_UTF8: RefusalWords(
        "the bytes are not text in UTF-8",
        "let the device send UTF-8, or write a map with the format that these bytes have",
    ),
    Reason.NOT_JSON: RefusalWords(
        "the text is not JSON", "let the device send JSON, or write a map that reads what it sends"
    ),
    Reason.BAD_FORMAT: RefusalWords(
        "the bytes are not of the format that the map names, or nobody has decoded them",
        "correct the map's format, let the device send that format, or choose a decoder in its LoRaWAN network server",
    ),
    Reason.TOO_LARGE: RefusalWords(
        "the payload or the topic is too large; only the beginning is kept",
        "let the device split it, or raise WEIR_BRIDGE__MAX_PAYLOAD_BYTES or WEIR_BRIDGE__MAX_TOPIC_BYTES",
    ),
    Reason.TOO_DEEP: RefusalWords("the JSON is nested too deep", "let the device send flat JSON"),
    Reason.TOO_MANY_ELEMENTS: RefusalWords(
        "there are too many readings in one message",
        "let the device split it, or raise WEIR_BRIDGE__MAX_ELEMENTS",
    ),
    Reason.TOO_MANY_SENSORS: RefusalWords(
        "it is from a new sensor for which there is no room: its readings are stored, without windows and models",
        "find out who invents sensors, or raise WEIR_WINDOWS__MAX_SENSORS",
    ),
    Reason.TOO_MANY_QUANTITIES: RefusalWords(
        "the sensor has too many quantities: the new ones are stored, without windows and models",
        "keep the names of fields few, or raise WEIR_WINDOWS__MAX_QUANTITIES",
    ),
    Reason.WRONG_SHAPE: RefusalWords(
        "the JSON is neither an object nor an array of objects", "let the device send that, or write a map"
    ),
    Reason.UNKNOWN_TOPIC: RefusalWords(
        "nothing reads this topic",
        "take the map that is proposed for it, if there is one, or see WEIR_MQTT__PREFIX and WEIR_MQTT__MAPS",
    ),
    Reason.BAD_SENSOR_ID: RefusalWords(
        "the sensor has no id, or one with characters that ids cannot have",
        "rename the sensor, or name it by a map",
    ),
    Reason.SENSOR_MISMATCH: RefusalWords(
        "topic and payload name different sensors", "let the device name its sensor once"
    ),
    Reason.BAD_QUANTITY: RefusalWords("a field has a name that no quantity can have", "rename the field"),
    Reason.MISSING_VALUE: RefusalWords(
        "nothing is measured in it: no quantity, or an empty payload",
        "let the device send a value, or let a map pass such messages over",
    ),
    Reason.BAD_VALUE: RefusalWords(
        "something else stands where a number belongs",
        "let the device send a number, or list the field as ignored",
    ),
    Reason.NOT_FINITE: RefusalWords(
        "a value is not a number, or infinite", "let the device leave the field out, or send null"
    ),
    Reason.MISSING_TIME: RefusalWords(
        "the event time is missing, and when it came would not tell it", "let the device add collected_at"
    ),
    Reason.BAD_TIME: RefusalWords(
        "the event time is none, or before the year 2000", "set the clock of the device"
    ),
    Reason.FUTURE_TIME: RefusalWords(
        "the event time is too far ahead of its arrival",
        "set the clock of the device: it is ahead, or in another time zone",
    ),
    Reason.BAD_LABEL: RefusalWords(
        "a label with a field that is missing, wrong or unknown", "correct the label and publish it again"
    ),
    Reason.UNREADABLE_RECORD: RefusalWords(
        "a record on Kafka is not what its topic holds", "find out what else writes to this topic"
    ),
    Reason.UNPROCESSABLE: RefusalWords(
        "a part of Weir, or a decoder of an installed package, has failed in it",
        "report it with the detail: it is a fault of the code; of a decoder tell its author",
    ),
    Reason.REFUSED_BY_KAFKA: RefusalWords(
        "Kafka will never take the record: it is too large for the topic",
        "let the device split it, or raise max.message.bytes of the topic",
    ),
    Reason.REFUSED_BY_MONGO: RefusalWords(
        "MongoDB will never take the document", "report it with the detail: the reading itself is on Kafka"
    ),
}
"""Of every reason."""
