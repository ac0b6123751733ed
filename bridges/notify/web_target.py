"""Tell by HTTP POST: JSON in the target's format, signed, with a key by which a repeated message is known."""

import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from hashlib import sha256
from http.client import HTTPException
from typing import Any, Final

from bridges.notify.outlets import NotNowError, OutgoingMessage, RefusedError
from bridges.process.notify_settings import WebTarget
from streams.alarms.incidents import Incident
from streams.alarms.routing import message_id
from streams.alarms.templates import TEMPLATES, Labels, Told, no_labels
from streams.errors import TransientError
from streams.records.alarm_records import Alarm

REFUSED_FOR_GOOD: Final = frozenset({400, 405, 411, 413, 415, 422})
"""What no repetition changes: it is about this message. What is about us (401, 403, 404, a redirect) somebody can
mend, and nothing is lost until then."""
LONGEST_RETRY_AFTER_SECONDS: Final = 600.0
_ANSWER_BYTES: Final = 2000


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A target is a setting: where another host sends us is none."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class WebOutlet:
    """Tells one target by HTTP.

    Args:
        target: Its settings.
        listed: Alarms that a message for people lists.
        labels: What people call a sensor.
    """

    follows_all = False

    def __init__(self, target: WebTarget, listed: int, labels: Labels = no_labels) -> None:
        self._target = target
        self._listed = listed
        self._labels = labels
        self._opener = urllib.request.build_opener(_NoRedirects)

    def prepare(
        self, alarms: Sequence[Alarm], incidents: Mapping[str, Incident]
    ) -> Sequence[OutgoingMessage]:
        """Return what posts the messages of a group."""
        target = self._target
        url, key = target.url.get_secret_value(), target.token.get_secret_value()
        if target.format == "ntfy":
            url, _, key = url.rpartition("/")
        messages = TEMPLATES[target.format](Told(alarms, self._listed, key, self._labels, incidents))
        return [
            OutgoingMessage(about, partial(self._post, url, _encoded(body), message_id(about or alarms)))
            for about, body in messages
        ]

    def known(self, alarm: Alarm) -> None:
        """Nothing is kept."""

    def refresh(self) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Nothing is open."""

    def _post(self, url: str, body: bytes, key: str) -> None:
        request = urllib.request.Request(url, body, self._headers(body, key), method="POST")
        try:
            with self._opener.open(request, timeout=self._target.timeout_seconds) as answer:
                answer.read(_ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            raise _judged(error) from None
        except (OSError, HTTPException, ValueError) as error:
            # Never the URL: it is the secret of most webhooks.
            reason = getattr(error, "reason", error)
            raise TransientError(f"no answer: {type(error).__name__}: {reason}") from None

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "weir",
            "Idempotency-Key": key,
        }
        if secret := self._target.secret.get_secret_value():
            headers |= signature(secret, str(int(time.time())), body)
        if self._target.format != "pagerduty" and (token := self._target.token.get_secret_value()):
            headers["Authorization"] = f"Bearer {token}"
        return headers


def signature(secret: str, at: str, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver knows who made a message, and when.

    Args:
        secret: Known to both.
        at: Seconds since the Unix epoch, as text.
        body: As it is sent.

    >>> signature("s", "1725890469", b"{}")["X-Weir-Signature"][:23]
    'sha256=4ad09c45a228f232'
    """
    made = hmac.new(secret.encode(), at.encode() + b"." + body, sha256).hexdigest()
    return {"X-Weir-Timestamp": at, "X-Weir-Signature": f"sha256={made}"}


def _encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _judged(error: urllib.error.HTTPError) -> Exception:
    """Tell what an answer that is no success means."""
    said = f"{error.code} {error.reason}"
    try:
        said += f": {error.read(200).decode(errors='replace').strip()}".rstrip(": ")
    except (OSError, HTTPException):
        pass
    finally:
        error.close()
    if error.code in REFUSED_FOR_GOOD:
        return RefusedError(said)
    if (seconds := retry_after(error.headers)) is not None:
        return NotNowError(said, seconds)
    return TransientError(said)


def retry_after(headers: "Mapping[str, str] | Message[str, str]") -> float | None:
    """Return how long a target wants not to be asked, in seconds; ``None`` if it says nothing of it.

    >>> retry_after({"Retry-After": "7"}), retry_after({}), retry_after({"Retry-After": "soon"})
    (7.0, None, None)
    """
    text = headers.get("Retry-After", "")
    try:
        seconds = (
            float(text) if text.strip().isdecimal() else parsedate_to_datetime(text).timestamp() - time.time()
        )
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
