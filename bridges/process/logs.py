"""Logs: one structured line per batch or state change, none per reading.

Our own events (`noun.past_verb` with fields) and those of the libraries (Faust, aiokafka, paho: standard
logging) leave through one formatter: JSON lines, or a coloured console on a terminal. Lines go to standard
error, so that standard output stays a command's own.
"""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from bridges.process.settings import Settings

# Chatty at INFO about what is normal: one line per rebalance step, per fetch, per request.
_QUIETER = {
    "aiokafka": logging.WARNING,
    "kafka": logging.WARNING,
    "paho": logging.WARNING,
    "pymongo": logging.WARNING,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiohttp.access": logging.WARNING,
}


# A broker that is away makes clients say the same several times a second, for as long as it is.
REPEATED_LINES = 5
REPEATED_SECONDS = 60.0


class Repetitions(logging.Filter):
    """Lets through so many lines of one place in a library each minute, and tells how many it held back.

    Our own lines pass: each is one state change.

    Args:
        clock: Seconds, never backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line goes out."""
        if record.name.startswith(("bridges.", "agents.", "streams.")):
            return True
        now, place = self._clock(), (record.name, record.pathname, record.lineno)
        since, count = self._seen.get(place, (now, 0))
        if now - since < REPEATED_SECONDS:
            self._seen[place] = since, count + 1
            return count < REPEATED_LINES
        self._seen[place] = now, 1
        if (held := count - REPEATED_LINES) > 0:
            record.msg = f"{record.msg} ({held} more of these in {now - since:.0f} s)"
        return True


def configure(settings: Settings, service: str, stream: TextIO | None = None) -> None:
    """Send all log lines of this process through one formatter.

    Args:
        settings: ``log_format`` and ``log_level`` decide the form and the least severe level.
        service: Name of the process (``bridge``, ``worker``): a field of every line.
        stream: Where lines go; standard error when not given.
    """
    target = sys.stderr if stream is None else stream
    as_console = settings.log_format == "console" or (settings.log_format == "auto" and target.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_service(service),
    ]
    renderer: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=target.isatty())]
        if as_console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    line = logging.StreamHandler(target)
    line.addFilter(Repetitions())
    line.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [line]
    root.setLevel(settings.log_level)
    for name, level in _QUIETER.items():
        # At DEBUG an operator wants to see the libraries too.
        logging.getLogger(name).setLevel(logging.NOTSET if settings.log_level == "DEBUG" else level)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module; call it with an event name and fields.

    ``log = get_logger(__name__)``, then ``log.info("session.resumed", client_id=client_id)``.
    """
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def _add_service(service: str) -> Processor:
    def add(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    return add
