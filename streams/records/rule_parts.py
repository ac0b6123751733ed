"""What stands in the records of rules: limits, and of which series they are."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Severity = Literal["info", "warning", "critical"]
"""Of what a limit raises."""
LONGEST_PATTERN = 800
"""Characters: an id, a slash and the name of a quantity."""

_Limit = Annotated[float, Meta(ge=-1e300, le=1e300)]
_Span = Annotated[float, Meta(ge=0, le=1e12)]
_Rate = Annotated[float, Meta(gt=0, le=1e300)]


class AppliedRule(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The limits of the series that a pattern matches, whole: nothing of them comes from settings.

    Args:
        pattern: Of ``sensor id/quantity``, with ``*``, ``?`` and ``[...]`` as in file names.
        low, high, deadband, delay_seconds, rise_per_hour, fall_per_hour, rate_seconds, silent_after_seconds,
            silent_after_gaps, severity: As in section ``detection`` of the settings. Without any limit it has none.
    """

    pattern: Annotated[str, Meta(max_length=LONGEST_PATTERN)]
    low: _Limit | None = None
    high: _Limit | None = None
    deadband: _Span = 0.0
    delay_seconds: _Span = 0.0
    rise_per_hour: _Rate | None = None
    fall_per_hour: _Rate | None = None
    rate_seconds: _Span = 60.0
    severity: Severity = "warning"
    silent_after_seconds: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    silent_after_gaps: Annotated[float, Meta(gt=1, le=1e6)] | None = None
