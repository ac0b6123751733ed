"""What is wrong with a JSON payload, named: what was expected, and what came."""

from pydantic import ValidationError

from streams.errors import InputError, Reason, shown


def not_json(payload: bytes, message: str) -> InputError:
    """Say why a payload cannot be parsed.

    Args:
        payload: The bytes as they came.
        message: What the parser said.
    """
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        return InputError(Reason.NOT_UTF8, f"payload must be UTF-8, got {shown(payload)} ({error.reason})")
    if "recursion" in message:
        return InputError(Reason.TOO_DEEP, f"JSON is nested too deeply, got {shown(payload)}")
    return InputError(Reason.NOT_JSON, f"payload must be JSON, got {shown(payload)} ({message})")


_REASONS = {"sensor_id": Reason.BAD_SENSOR_ID, "collected_at": Reason.BAD_TIME}


def refused_field(error: ValidationError) -> InputError:
    """Name the first field that is wrong."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "finite_number":
        return InputError(
            Reason.NOT_FINITE, f"{shown(field)} must be a finite number, got {shown(first['input'])}"
        )
    expected = {
        "sensor_id": "a text",
        "collected_at": "a text or a number",
        "sequence": "a whole number >= 0",
    }
    return InputError(
        _REASONS.get(field, Reason.BAD_VALUE),
        f"{shown(field)} must be {expected.get(field, 'a number')}, got {shown(first['input'])}",
    )
