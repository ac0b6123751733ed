"""Try messages on the maps in force: what would become of them. Nothing is published, nothing is written."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.errors import ConfigurationError, InputError
from streams.payloads.addresses import TopicKind, parse
from streams.payloads.flat import decode
from streams.payloads.in_force import MapsInForce
from streams.payloads.lenient import OWN_FORM, read_own
from streams.payloads.maps.decoded import Decoded, Found, Refused
from streams.records.types import Reading


@dataclass(frozen=True)
class Sample:
    """A message as it came, or as it would.

    Args:
        topic: MQTT topic.
        payload: Bytes.
        ingest_time: When (seconds since the Unix epoch).
        retained: Whether the broker had kept it.
    """

    topic: str
    payload: bytes
    ingest_time: float
    retained: bool = False


def try_message(maps: MapsInForce, message: Sample) -> Decoded:
    """Say what becomes of a message, with what is passed over."""
    topic = message.topic.encode()
    outcome = maps.read(topic, message.payload, message.ingest_time, retained=message.retained, explain=True)
    if outcome is not None:
        return outcome
    try:
        return _own_form(maps, message)
    except InputError as error:
        return Decoded(OWN_FORM, refused=[Refused("", error.reason, error.detail)])


def _own_form(maps: MapsInForce, message: Sample) -> Decoded:
    """Read Weir's own form: leniently for what is told, as the bridge does for what counts."""
    topic, limits = message.topic.encode(), maps.limits
    address = parse(topic, limits.prefix)
    if limits.strict or address.kind is TopicKind.LABEL:
        items = decode(topic, message.payload, message.ingest_time, limits, retained=message.retained)
        readings = [Found(item, "device") for item in items if isinstance(item, Reading)]
        return Decoded(OWN_FORM, readings)
    return read_own(
        address,
        message.payload,
        message.ingest_time,
        limits,
        retained=message.retained,
        arrivals=maps.arrivals,
        explain=True,
    )


def as_json(outcomes: Iterable[Decoded]) -> dict[str, Any]:
    """Return what became of messages as one object of plain values."""
    found: dict[str, Any] = {"map": None, "readings": [], "presence": [], "ignored": [], "refused": []}
    names: list[str] = []
    for outcome in outcomes:
        names += [outcome.map] if outcome.map and outcome.map not in names else []
        for each in outcome.readings:
            reading = each.reading
            found["readings"].append(
                {
                    "sensor_id": reading.sensor_id,
                    "collected_at": reading.collected_at,
                    "clock": each.clock,
                    "values": reading.values,
                }
            )
        found["presence"] += [
            {"sensor_id": p.sensor_id, "state": p.state, "at": p.at, "said": p.said} for p in outcome.presence
        ]
        found["ignored"] += [{"path": passed.path, "reason": passed.reason} for passed in outcome.ignored]
        found["refused"] += [
            {"path": refused.path, "reason": f"{refused.reason.value}: {refused.detail}"}
            for refused in outcome.refused
        ]
    found["map"] = ", ".join(names) or None
    return found


def messages_of(file: Path, now: float) -> list[Sample]:
    """Read messages from a file: JSON lines, or one JSON object with ``messages`` (and perhaps ``ingest``).

    Each has ``topic``, ``payload`` (text) or ``payload_hex``, and may have ``retained`` and ``ingest``.

    Raises:
        ConfigurationError: If it cannot be read so.
    """
    try:
        text = file.read_text(encoding="utf-8")
        entries, ingest = _entries(text, now)
        return [_message(entry, ingest) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file}: must hold messages as JSON lines, each with topic and payload or payload_hex ({error!r})"
        ) from None


def _entries(text: str, now: float) -> tuple[list[Any], float]:
    try:
        whole = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()], now
    if isinstance(whole, list):
        return whole, now
    return whole.get("messages", [whole]), float(whole.get("ingest", now))


def _message(entry: Any, ingest: float) -> Sample:
    payload = entry.get("payload_hex")
    if payload is not None:
        raw = bytes.fromhex(payload)
    else:
        given = entry["payload"]
        raw = (given if isinstance(given, str) else json.dumps(given)).encode(errors="surrogateescape")
    return Sample(
        str(entry["topic"]), raw, float(entry.get("ingest", ingest)), bool(entry.get("retained", False))
    )
