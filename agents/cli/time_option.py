"""Times of events on the command line."""

import re
import time

import click

from streams.errors import InputError
from streams.payloads.event_times import read_event_time

_AGO = re.compile(r"-(\d{1,6})([mhdw])", re.ASCII)
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_SECONDS = 10 * 365 * 86_400


class EventTime(click.ParamType):
    """ISO 8601 (UTC where it names no zone), seconds since the Unix epoch, or so long ago: ``-30d``, ``-6h``."""

    name = "event time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since the Unix epoch."""
        if ago := _AGO.fullmatch(str(value).strip()):
            return round(time.time() - int(ago[1]) * _SECONDS[ago[2]], 3)
        try:
            return read_event_time(str(value), dates=True)
        except InputError as error:
            self.fail(error.detail, param, ctx)


class Duration(click.ParamType):
    """A length of time: ``30m``, ``2h``, ``1d``, ``1w``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        text = str(value)
        try:
            seconds = float(text[:-1]) * _SECONDS[text[-1:]]
        except (ValueError, KeyError):
            seconds = -1.0
        if not 0 < seconds < _LONGEST_SECONDS:
            self.fail(f"expected a time such as 30m, 2h, 1d or 1w, got {text!r}", param, ctx)
        return seconds
