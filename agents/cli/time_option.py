"""Times of events on the command line."""

import time

import click

from streams.errors import InputError
from streams.payloads.event_times import UNIT_SECONDS, read_when

_LONGEST_SECONDS = 10 * 365 * 86_400


class EventTime(click.ParamType):
    """ISO 8601 (UTC where it names no zone), seconds since the Unix epoch, or so long ago: ``-30d``, ``-6h``."""

    name = "event time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since the Unix epoch."""
        try:
            return read_when(str(value), time.time())
        except InputError as error:
            self.fail(error.detail, param, ctx)


class Duration(click.ParamType):
    """A length of time: ``30m``, ``2h``, ``1d``, ``1w``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        text = str(value)
        try:
            seconds = float(text[:-1]) * UNIT_SECONDS[text[-1:]]
        except (ValueError, KeyError):
            seconds = -1.0
        if not 0 < seconds < _LONGEST_SECONDS:
            self.fail(f"expected a time such as 30m, 2h, 1d or 1w, got {text!r}", param, ctx)
        return seconds
