"""Weir's errors, sorted by who must act.

WeirError
├── InputError          the sender: the message is set aside as a dead letter
├── TransientError      nobody yet: the caller retries with back-off
└── ConfigurationError  the operator: the process stops at start
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a message became a dead letter: the whole list, so that it can be counted by reason."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    BAD_FORMAT = "bad_format"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY_ELEMENTS = "too_many_elements"
    TOO_MANY_SENSORS = "too_many_sensors"
    TOO_MANY_QUANTITIES = "too_many_quantities"
    WRONG_SHAPE = "wrong_shape"
    UNKNOWN_TOPIC = "unknown_topic"
    BAD_SENSOR_ID = "bad_sensor_id"
    SENSOR_MISMATCH = "sensor_mismatch"
    BAD_QUANTITY = "bad_quantity"
    MISSING_VALUE = "missing_value"
    BAD_VALUE = "bad_value"
    NOT_FINITE = "not_finite"
    MISSING_TIME = "missing_time"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"
    BAD_LABEL = "bad_label"
    UNREADABLE_RECORD = "unreadable_record"
    UNPROCESSABLE = "unprocessable"
    REFUSED_BY_KAFKA = "refused_by_kafka"
    REFUSED_BY_MONGO = "refused_by_mongo"


class WeirError(Exception):
    """Base of all errors that Weir raises on purpose."""


class InputError(WeirError):
    """A message cannot be read; its sender must change something.

    Args:
        reason: One of `Reason`; goes into the dead letter and the metrics.
        detail: What was expected, what came, and where.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class TransientError(WeirError):
    """Something outside is unavailable right now; trying again later can succeed."""


class ConfigurationError(WeirError):
    """A setting or the environment is wrong; an operator must change it before a start can succeed."""


class DamagedRowError(ConfigurationError):
    """A row of a changelog cannot be read back: the table must be rebuilt.

    Args:
        key: Of the record.
        error: What came of the attempt.
    """

    def __init__(self, key: bytes, error: BaseException) -> None:
        why = error if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"
        super().__init__(f"the row of {shown(key)} cannot be read back ({why})")
        self.key = key


def shown(value: object, limit: int = 80) -> str:
    """Show the beginning of what came, for an error's text: it may be 256 KiB long.

    >>> shown(b"x" * 100, limit=3)
    "b'xxx'…"
    """
    if isinstance(value, str | bytes):
        return repr(value[:limit]) + ("…" if len(value) > limit else "")
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
