"""One process in which a decoder is tried: ``python -m bridges.plugins.trial``, started by `proving`.

It reads a `Job` from its standard input and writes a line when the decoder is imported, and then one of JSON for each
payload, in the order of the job: whoever started it sees at which the decoder does not return, or ends the process.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec

from bridges.plugins.loading import resolve
from streams.errors import InputError, Reason, shown
from streams.payloads.formats.own import extent_of

# A length field that is believed can ask for any memory: more than this must fail here, not stop the machine.
_MOST_MEMORY_BYTES = 2 * 2**30
_LONGEST_DETAIL = 2000
_LONGEST_FAULT = 300


class Job(msgspec.Struct):
    """What is tried.

    Args:
        target: ``module:name`` of the decoder.
        folder: A folder whose modules can be imported, too.
        payloads: What it is tried on.
    """

    target: str
    folder: str
    payloads: list[bytes]


class Attempt(msgspec.Struct):
    """What became of one payload.

    Args:
        digest: Of the documents, or of reason and detail.
        outcome: ``read``, or the reason why it is refused; empty if there is a fault.
        values, characters: How much was made of it.
        seconds: Processor time.
        fault: What the decoder did that it must not do.
        kind: The kind of that.
    """

    digest: str = ""
    outcome: str = ""
    values: int = 0
    characters: int = 0
    seconds: float = 0.0
    fault: str = ""
    kind: str = ""


def attempt(decoder: Callable[[bytes], Any], payload: bytes) -> Attempt:
    """Decode one payload, and look at what comes of it."""
    began = time.thread_time()
    try:
        documents = decoder(payload)
    except InputError as error:
        return _refusal(error, time.thread_time() - began)
    except BaseException as error:
        where = _where(error)
        fault = f"{type(error).__name__}: {error}"[:_LONGEST_FAULT]
        return Attempt(kind="undocumented error", fault=f"{fault}{where}")
    seconds = time.thread_time() - began
    try:
        extent = extent_of(documents)
    except InputError as error:
        return Attempt(kind="not plain", fault=error.detail, seconds=seconds)
    return Attempt(_digest(repr(documents)), "read", extent.values, extent.characters, seconds)


def _refusal(error: InputError, seconds: float) -> Attempt:
    reason: object = error.reason
    if not isinstance(reason, Reason):
        return Attempt(kind="undocumented error", fault=f"InputError with the reason {shown(reason)}")
    if len(error.detail) > _LONGEST_DETAIL:
        long = (
            f"InputError with a detail of {len(error.detail):,} characters: show the beginning of what came"
        )
        return Attempt(kind="undocumented error", fault=long, seconds=seconds)
    return Attempt(_digest(f"{reason.value}\0{error.detail}"), reason.value, seconds=seconds)


def _where(error: BaseException) -> str:
    """Say where an error was raised; nothing if it was in here."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""  # noqa: PTH119


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()


def try_payloads() -> None:
    """Try the decoder of the job that stands on the standard input."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    # What the decoder prints must not stand among the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.path.insert(0, job.folder)
    decoder = resolve(job.target)
    if not callable(decoder):
        raise TypeError(f"must be a function of bytes, got {type(decoder).__name__}")
    _bound_memory()
    answers.write(b"{}\n")
    for payload in job.payloads:
        answers.write(msgspec.json.encode(attempt(decoder, payload)) + b"\n")


def _bound_memory() -> None:
    try:
        import resource
    except ImportError:  # not on this system
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = _MOST_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(_MOST_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))


if __name__ == "__main__":
    try_payloads()
