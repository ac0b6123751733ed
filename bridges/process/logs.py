"""Logs: one structured line per batch or state change, none per reading.

Our own events (`noun.past_verb` with fields) and those of the libraries (Faust, aiokafka, paho: standard
logging) leave through one formatter: JSON lines, or a coloured console on a terminal. Lines go to standard
error, so that standard output stays a command's own.
"""

import logging
import sys
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
