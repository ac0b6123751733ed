"""Labels: what people or other programs know of a range of one series, as published on MQTT.

on labels/<id>/<quantity>     {"start": 1725890469, "end": 1725890529, "kind": "spike"}
"""

from typing import Annotated

import msgspec
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from streams.errors import InputError, Reason, shown
from streams.payloads.addresses import Address
from streams.payloads.event_times import Time, event_time
from streams.payloads.json_errors import not_json
from streams.records.types import Label


class _LabelFields(TypedDict):
    """What a label's JSON object holds."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]

    start: Time
    end: Time
    kind: Annotated[str, StringConstraints(min_length=1, max_length=64)]


_validate_label = TypeAdapter(_LabelFields).validator.validate_json


def read_label(payload: bytes, address: Address) -> Label:
    """Read the label of a range of one series.

    Args:
        payload: The bytes as they came.
        address: What the topic names.

    Raises:
        InputError: If it is none.
    """
    try:
        fields = _validate_label(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise not_json(payload, first["msg"]) from None
        raise InputError(
            Reason.BAD_LABEL, f"{_where(first['loc'])}: {first['msg']}, got {shown(payload)}"
        ) from None
    start, end = event_time(fields["start"]), event_time(fields["end"])
    if end < start:
        raise InputError(Reason.BAD_LABEL, f"end must not be before start, got {shown(payload)}")
    return Label(address.sensor_id, address.quantity, start, end, fields["kind"])


def encode_label(label: Label) -> bytes:
    """Write a label as it is published on its topic."""
    return msgspec.json.encode({"start": label.start, "end": label.end, "kind": label.kind})


def _where(location: tuple[int | str, ...]) -> str:
    return str(location[0])[:80] if location else "label"
