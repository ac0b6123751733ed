"""Prove that a decoder keeps the promises of a format, on thousands of payloads, before it is let into the bridge.

    corpus ──┬──▶ process 1, in order ────────────┐
             └──▶ process 2, backwards,           ├──▶ the same of each payload? plain? bounded? nothing undocumented?
                  another hash seed, another zone ┘

A decoder that depends on what it read before, on the order of a set, on the clock or on the place is seen by the two
not agreeing; one that does not return, or takes its process with it, by the payload at which the answers end.
"""

import os
import queue
import re
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from bridges.plugins.payload_corpus import corpus
from bridges.plugins.trial import Attempt, Job
from streams.errors import ConfigurationError

COUNT = 2000
PATIENCE_SECONDS = 10.0
_START_SECONDS = 60.0
# Ten microseconds a byte are what slow Python takes for a byte; a payload of 64 kB takes less than a second then.
_BASE_SECONDS, _SECONDS_PER_BYTE = 0.010, 10e-6
# Eight flags of a byte, with as many of anything else; names of fields are long where one byte is eight of them.
_BASE_VALUES, _VALUES_PER_BYTE = 1000, 16
_BASE_CHARACTERS, _CHARACTERS_PER_BYTE = 10_000, 256
_LARGE_BYTES = 1024
_MOST_FAULTS = 10
# So many that took too long are enough: the rest could take minutes.
_MOST_SLOW = 5
_NUMBER = re.compile(r"[\d.,]+")


@dataclass(frozen=True)
class Fault:
    """A promise that was not kept.

    Args:
        kind: Which.
        text: How.
        payload: By which payload.
    """

    kind: str
    text: str
    payload: bytes


@dataclass
class Proof:
    """What was found.

    Args:
        payloads: How many were tried.
        outcomes: How many were read, and refused by reason.
        faults: The promises that were not kept, one example of each; none: it is proven.
        values_per_byte, microseconds_per_byte: The most that payloads of 1 kB and more came to.
    """

    payloads: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    values_per_byte: float = 0.0
    microseconds_per_byte: float = 0.0

    def add(self, kind: str, text: str, payload: bytes) -> None:
        """Note a fault, if it is another than those that are noted; numbers make no other of it.

        Args:
            kind: Of fault.
            text: What went wrong.
            payload: With which.
        """
        alike = {(fault.kind, _NUMBER.sub("", fault.text)) for fault in self.faults}
        if len(self.faults) < _MOST_FAULTS and (kind, _NUMBER.sub("", text)) not in alike:
            self.faults.append(Fault(kind, text, payload))


def prove(
    target: str,
    samples: Sequence[bytes] = (),
    *,
    count: int = COUNT,
    seed: int = 1,
    folder: str = "",
    patience: float = PATIENCE_SECONDS,
) -> Proof:
    """Try a decoder.

    Args:
        target: ``module:name``.
        samples: What devices send; each must be read.
        count: How many changed payloads are tried beside the fixed ones.
        seed: Decides the changes.
        folder: A folder whose modules can be imported, too; empty: the current one.
        patience: Seconds after which a decoder that has not returned is taken not to return at all.

    Raises:
        ConfigurationError: If the decoder cannot be imported.
    """
    payloads = corpus(samples, count, seed)
    proof = Proof(len(payloads))
    here = Job(target, folder or str(Path.cwd()), payloads)
    there = Job(target, here.folder, payloads[::-1])
    first = _answers(here, proof, {"PYTHONHASHSEED": "1", "TZ": "UTC"}, patience)
    second: list[Attempt] = []
    if len(first) == len(payloads):  # otherwise it would end there again
        second = _answers(there, proof, {"PYTHONHASHSEED": "2", "TZ": "Pacific/Kiritimati"}, patience)
    again = dict(zip(there.payloads, second, strict=False))
    for payload, answer in zip(payloads, first, strict=False):
        _judge(proof, payload, answer, again.get(payload, answer))
    by_payload = dict(zip(payloads, first, strict=False))
    for sample in samples:
        if (found := by_payload.get(sample)) and found.outcome not in ("read", ""):
            proof.add("a sample is refused", f"what a device sends must be read: {found.outcome}", sample)
    if not proof.faults and not proof.outcomes["read"]:
        proof.add("nothing was read", "give a payload that a device sends: --sample FILE", b"")
    return proof


def _judge(proof: Proof, payload: bytes, answer: Attempt, again: Attempt) -> None:
    """Hold what became of a payload against the promises."""
    for each in (answer, again):
        if each.kind:
            proof.add(each.kind, each.fault, payload)
    if answer.kind or again.kind:
        return
    proof.outcomes[answer.outcome] += 1
    size = len(payload)
    if answer.digest != again.digest:
        others = "" if answer.outcome == again.outcome else f": {answer.outcome}, and then {again.outcome}"
        proof.add(
            "not deterministic", f"the same bytes became something else in another process{others}", payload
        )
    seconds = min(answer.seconds, again.seconds)
    if seconds > _seconds_for(payload):
        proof.add(
            "too slow", f"at most 10 ms and 10 µs a byte, took {seconds:.2f} s for {size:,} bytes", payload
        )
    if answer.values > _BASE_VALUES + _VALUES_PER_BYTE * size:
        proof.add("too much", f"at most 16 values a byte, made {answer.values:,} of {size:,} bytes", payload)
    if answer.characters > _BASE_CHARACTERS + _CHARACTERS_PER_BYTE * size:
        text = f"at most 256 characters a byte, made {answer.characters:,} of {size:,} bytes"
        proof.add("too much", text, payload)
    if size >= _LARGE_BYTES:
        proof.values_per_byte = max(proof.values_per_byte, answer.values / size)
        proof.microseconds_per_byte = max(proof.microseconds_per_byte, seconds / size * 1e6)


def _seconds_for(payload: bytes) -> float:
    return _BASE_SECONDS + _SECONDS_PER_BYTE * len(payload)


def _answers(job: Job, proof: Proof, environment: dict[str, str], patience: float) -> list[Attempt]:
    """Try the payloads in a process of their own; fewer answers than payloads if there is no use in going on.

    Args:
        job: What is tried.
        proof: Told of a payload at which the decoder does not return, or ends the process.
        environment: Variables of that process.
        patience: Seconds after which a decoder that has not returned is taken not to return at all.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "bridges.plugins.trial"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    said: deque[bytes] = deque(maxlen=1)
    readers = [
        threading.Thread(target=_hand_on, args=(child.stdout, lines), daemon=True),
        threading.Thread(target=said.extend, args=(child.stderr,), daemon=True),
    ]
    for reader in readers:
        reader.start()
    found: list[Attempt] = []
    imported = hung = False
    slow = 0
    try:
        with suppress(BrokenPipeError), child.stdin:
            child.stdin.write(msgspec.msgpack.encode(job))
        imported = bool(lines.get(timeout=_START_SECONDS))
        while imported and len(found) < len(job.payloads) and (line := lines.get(timeout=patience)):
            found.append(msgspec.json.decode(line, type=Attempt))
            if (
                slow := slow + (found[-1].seconds > _seconds_for(job.payloads[len(found) - 1]))
            ) == _MOST_SLOW:
                return found
    except queue.Empty:
        hung = True
    finally:
        child.kill()
        code = child.wait()
        readers[1].join()
    last = said[0].decode(errors="replace").strip() if said else f"it ended with {code}"
    if not imported:
        why = f"it was not imported within {_START_SECONDS:.0f} s" if hung else last
        raise ConfigurationError(f"{job.target} cannot be tried: {why}")
    if hung:
        text = f"it did not return within {patience:g} s"
        proof.add("does not return", text, job.payloads[len(found)])
    elif len(found) < len(job.payloads):
        proof.add("ended its process", last, job.payloads[len(found)])
    return found


def _hand_on(stream: IO[bytes], lines: "queue.SimpleQueue[bytes]") -> None:
    """Hand on the lines of a stream, and an empty one at its end."""
    for line in stream:
        lines.put(line)
    lines.put(b"")
