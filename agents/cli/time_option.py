"""Times of events on the command line."""

from datetime import UTC, datetime

import click


class EventTime(click.ParamType):
    """ISO 8601 (UTC where it names no zone), or seconds since the Unix epoch."""

    name = "event time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since the Unix epoch."""
        text = str(value)
        try:
            return float(text)
        except ValueError:
            pass
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"expected ISO 8601 or seconds since the epoch, got {text!r}", param, ctx)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
