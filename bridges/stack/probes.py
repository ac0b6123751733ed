"""Ask a process of Weir over HTTP whether it is ready and how much it has done so far."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

TIMEOUT_SECONDS = 2.0
DOES_NOT_ANSWER = "does not answer"
# The addresses asked are on this machine: no proxy of the environment may come between.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def why_process_not_ready(address: str) -> str:
    """Return why the process at ``host:port`` is not ready; an empty text when it is.

    Args:
        address: ``host:port`` of a process that serves ``/health/ready``.
    """
    try:
        with _OPENER.open(f"http://{address}/health/ready", timeout=TIMEOUT_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return _reason(_body(error))
    except (OSError, HTTPException):
        return DOES_NOT_ANSWER


def _body(error: urllib.error.HTTPError) -> bytes:
    with error:
        try:
            return error.read()
        except (OSError, HTTPException):
            return b""


def _reason(body: bytes, otherwise: str = "not ready") -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return otherwise
    said = (answer.get("reason") or answer.get("error")) if isinstance(answer, dict) else ""
    return str(said or otherwise)


def asked_at(host: str, port: int) -> str:
    """Return where a process that listens there is asked: one that listens everywhere, on this machine's own.

    >>> asked_at("0.0.0.0", 3000), asked_at("::1", 3000), asked_at("worker-1", 3000)
    ('127.0.0.1:3000', '[::1]:3000', 'worker-1:3000')
    """
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def page_of(address: str, path: str) -> dict[str, Any] | None:
    """Return what a page of a process answers; ``None`` when there is no such answer.

    Args:
        address: ``host:port``.
        path: The page.
    """
    return page_or_reason(address, path)[0]


def page_or_reason(address: str, path: str) -> tuple[dict[str, Any] | None, str]:
    """Return what a page of a process answers; else nothing, and why.

    Args:
        address: ``host:port``.
        path: The page.
    """
    try:
        with _OPENER.open(f"http://{address}{path}", timeout=2 * TIMEOUT_SECONDS) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        return None, f"{error.code}: {_reason(_body(error), error.reason)}"
    except urllib.error.URLError as error:
        return None, str(getattr(error.reason, "strerror", None) or error.reason).lower()
    except TimeoutError:
        return None, f"no answer within {2 * TIMEOUT_SECONDS:g} s"
    except HTTPException as error:  # another program listens there
        return None, f"its answer is not whole, or no HTTP ({type(error).__name__})"
    except (OSError, ValueError) as error:
        return None, str(error)
    return (found, "") if isinstance(found, dict) else (None, "its answer is no JSON object")


def count(address: str, *metrics: str) -> float | None:
    """Return the sum of all series of some counters; ``None`` when they cannot be read or are not there yet.

    Args:
        address: ``host:port`` of a process that serves ``/metrics``.
        metrics: Names of counters.
    """
    try:
        with _OPENER.open(f"http://{address}/metrics", timeout=TIMEOUT_SECONDS) as answer:
            return total(answer.read().decode(), *metrics)
    except (OSError, ValueError, HTTPException):
        return None


def total(text: str, *metrics: str) -> float | None:
    """Return the sum of all series of some metrics in Prometheus' text format; ``None`` if there is none.

    >>> total('# TYPE read_total counter\\nread_total{kind="a"} 2.0\\nread_total{kind="b"} 3.0\\n', "read_total")
    5.0
    """
    found = [
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.split("{", 1)[0].split(" ", 1)[0] in metrics and not line.startswith("#")
    ]
    return sum(found) if found else None


class Rate:
    """How fast a counter grows, from two looks at it.

    Args:
        read: Returns the counter; ``None`` when it cannot be read.
    """

    def __init__(self, read: Callable[[], float | None]) -> None:
        self._read = read
        self._before: tuple[float, float] | None = None

    def look(self, now: float) -> float | None:
        """Return the growth per second since the last look; ``None`` when it is not known.

        A counter that fell belongs to a process that was restarted, and begins anew.

        >>> readings = iter([10.0, 30.0, 5.0])
        >>> rate = Rate(lambda: next(readings))
        >>> rate.look(0), rate.look(2), rate.look(4)
        (None, 10.0, None)
        """
        value = self._read()
        before, self._before = self._before, None if value is None else (now, value)
        if value is None or before is None or value < before[1] or now <= before[0]:
            return None
        return (value - before[1]) / (now - before[0])
