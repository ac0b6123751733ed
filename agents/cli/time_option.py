"""Times of events on the command line."""

import re
import time

import click

from streams.errors import InputError
from streams.payloads.event_times import read_event_time

_AGO = re.compile(r"-(\d{1,6})([mhdw])", re.ASCII)
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


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
