"""Times of events on the command line."""

import click

from streams.errors import InputError
from streams.payloads.event_times import read_event_time


class EventTime(click.ParamType):
    """ISO 8601 (UTC where it names no zone), or seconds since the Unix epoch."""

    name = "event time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since the Unix epoch."""
        try:
            return read_event_time(str(value), dates=True)
        except InputError as error:
            self.fail(error.detail, param, ctx)
