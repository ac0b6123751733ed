"""``weir plugin check``: each promise that a decoder does not keep is found, with the payload that shows it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.plugins.payload_corpus import LONGEST, corpus
from bridges.plugins.proving import prove
from streams.errors import ConfigurationError

DECODERS = """
import os, time
from streams.errors import InputError, Reason

calls = 0

def good(payload):
    if payload[:1] != b"{":
        raise InputError(Reason.BAD_FORMAT, "payload must begin with {")
    return [{"length": len(payload)}]

def remembers(payload):
    global calls
    calls += 1
    return [{"calls": calls}]

def unordered(payload):
    return [{name: 1 for name in {"a", "b", "c", "d", "e"}}]

def clock(payload):
    return [{"at": time.time()}]

def zone(payload):
    return [{"hour": time.localtime(0).tm_hour}]

def index(payload):
    return [{"t": payload[3]}]

def hangs(payload):
    while len(payload) == 17:
        pass
    return [{"t": 1}]

def leaves(payload):
    if len(payload) == 17:
        os._exit(3)
    return [{"t": 1}]

def memory(payload):
    if payload[:1] != b"\\xff":
        return [1]
    return [bytes(2**35)]

def slow(payload):
    until = time.thread_time() + len(payload) * 30e-6
    while time.thread_time() < until:
        pass
    return [{"t": 1}]

def much(payload):
    return [[0] * 40_000] if len(payload) == 5 else [1]

def talks(payload):
    return [{"x" * 100_000: 1}] if len(payload) == 5 else [1]

def names(payload):
    return [{1: 2}]

def refuses(payload):
    raise InputError(Reason.BAD_FORMAT, "no")

def whole(payload):
    if payload[-1:] != b"}":
        raise InputError(Reason.BAD_FORMAT, "payload must end with }")
    return [{"length": len(payload)}]

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "decoders_on_trial.py").write_text(DECODERS)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("remembers", "not deterministic", "in another process"),
        ("unordered", "not deterministic", "in another process"),
        ("clock", "not deterministic", "in another process"),
        ("zone", "not deterministic", "in another process"),
        ("index", "undocumented error", "IndexError: index out of range (decoders_on_trial.py:27)"),
        ("hangs", "does not return", "within 1 s"),
        ("leaves", "ended its process", "it ended with 3"),
        ("memory", "undocumented error", "MemoryError"),
        ("slow", "too slow", "at most 10 ms and 10 µs a byte"),
        ("much", "too much", "at most 16 values a byte"),
        ("talks", "too much", "at most 256 characters a byte"),
        ("names", "not plain", "must name fields by texts, got 1"),
        ("refuses", "nothing was read", "--sample"),
    ],
)
def test_a_promise_that_is_not_kept_is_found(folder: str, name: str, kind: str, said: str) -> None:
    patience = 1.0 if name == "hangs" else 30.0
    proof = prove(f"decoders_on_trial:{name}", count=20, folder=folder, patience=patience)
    assert [fault.kind for fault in proof.faults] == [kind]
    assert said in proof.faults[0].text
    if name in ("hangs", "leaves"):
        assert len(proof.faults[0].payload) == 17


def test_a_good_decoder_is_proven_and_its_samples_are_read(folder: str) -> None:
    proof = prove("decoders_on_trial:good", [b"{sample"], count=200, folder=folder)
    assert proof.faults == []
    assert proof.outcomes["read"] > 100
    assert proof.outcomes.total() == proof.payloads
    assert set(proof.outcomes) == {"read", "bad_format"}


def test_a_sample_that_is_refused_is_a_fault(folder: str) -> None:
    [fault] = prove("decoders_on_trial:good", [b"sample"], count=0, folder=folder).faults
    assert (fault.kind, fault.payload) == ("a sample is refused", b"sample")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("decoders_on_trial:nothing", "has no attribute 'nothing'"),
        ("decoders_on_trial:number", "must be a function of bytes, got int"),
        ("no_such_module:decode", "No module named 'no_such_module'"),
    ],
)
def test_what_cannot_be_imported_is_said(folder: str, target: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        prove(target, count=0, folder=folder)


def test_the_exit_code_says_whether_it_is_proven(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for what, code, said in (
        ("decoders_on_trial:good", 0, "proven: the same of the same bytes"),
        ("decoders_on_trial:index", 1, "undocumented error: IndexError"),
        ("absent", 2, "no installed package brings a decoder or maps of the name 'absent'"),
    ):
        result = CliRunner().invoke(main, ["plugin", "check", what, "--count", "20"])
        assert (result.exit_code, said in result.output) == (code, True), result.output


def test_a_sample_is_tried_whole_however_large(folder: str) -> None:
    day = b"{" + b" " * 3 * LONGEST + b"}"
    assert not prove("decoders_on_trial:whole", [day], count=20, folder=folder).faults


def test_the_payloads_are_the_same_for_each_seed_and_hold_every_beginning_of_a_sample() -> None:
    sample = bytes(range(60, 90))
    found = corpus([sample], 300, 1)
    assert found == corpus([sample], 300, 1) != corpus([sample], 300, 2)
    assert {sample[:length] for length in range(31)} <= set(found)
    assert b"" in found and max(map(len, found)) == LONGEST
    assert len(set(found)) == len(found)
