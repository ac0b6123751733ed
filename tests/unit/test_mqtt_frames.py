"""Frames: what comes off the socket is cut right, however the network slices it."""

import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.mqtt.frames import FrameReader, FrameSocket, Publish
from streams.errors import TransientError

PINGRESP = b"\xd0\x00"
LIMIT = 1000


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


def frame(topic: bytes, payload: bytes, *, mid: int, flags: int, properties: bytes | None) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic
    if flags & 6:
        body += mid.to_bytes(2, "big")
    if properties is not None:
        body += varint(len(properties)) + properties
    body += payload
    return bytes([0x30 | flags]) + varint(len(body)) + body


messages = st.builds(
    lambda topic, payload, mid, flags: Publish(
        topic, payload[:LIMIT], mid if flags & 2 else 0, flags, len(payload)
    ),
    topic=st.binary(max_size=200),
    payload=st.binary(max_size=300) | st.integers(0, 140_000).map(lambda size: b"x" * size),
    mid=st.integers(1, 65_535),
    flags=st.sampled_from([0, 1, 2, 3, 8 | 2, 8 | 3]),
)


def as_frame(message: Publish, properties: bytes | None) -> bytes:
    payload = message.payload + b"x" * (message.size - len(message.payload))
    return frame(message.topic, payload, mid=message.mid, flags=message.flags, properties=properties)


@given(
    found=st.lists(messages | st.just(PINGRESP), max_size=6),
    properties=st.none() | st.just(b"") | st.just(b"\x26" * 200),
    cuts=st.lists(st.integers(0, 400_000), max_size=8),
)
def test_a_stream_split_anywhere_gives_the_same_messages(
    found: list[Publish | bytes], properties: bytes | None, cuts: list[int]
) -> None:
    stream = b"".join(one if isinstance(one, bytes) else as_frame(one, properties) for one in found)
    reader = FrameReader(properties=properties is not None, max_payload_bytes=LIMIT)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    got = [m for a, b in pairwise(edges) for m in reader.feed(stream[a:b])]
    assert got == [one for one in found if isinstance(one, Publish)]
    assert bytes(reader.others) == b"".join(one for one in found if isinstance(one, bytes))


@given(data=st.lists(st.binary(max_size=50), max_size=5), properties=st.booleans())
def test_arbitrary_bytes_raise_nothing_but_a_transient_error(data: list[bytes], properties: bool) -> None:
    reader = FrameReader(properties=properties, max_payload_bytes=LIMIT)
    try:
        for part in data:
            reader.feed(part)
    except TransientError as error:
        assert str(error).startswith("MQTT broker sent")


def test_a_payload_far_above_the_limit_is_never_held_whole() -> None:
    reader = FrameReader(properties=False, max_payload_bytes=LIMIT)
    stream = frame(b"t", b"x" * 20_000_000, mid=7, flags=2, properties=None)
    held = 0
    for at in range(0, len(stream) - 65_536, 65_536):
        assert reader.feed(stream[at : at + 65_536]) == []
        held = max(held, len(reader._rest))
    assert held < 150_000
    rest = len(stream) - (len(stream) // 65_536) * 65_536
    [message] = reader.feed(stream[-rest:] + PINGRESP)
    assert (message.mid, message.size, message.payload) == (7, 20_000_000, b"x" * LIMIT)
    assert bytes(reader.others) == PINGRESP


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        (frame(b"t", b"x", mid=1, flags=4, properties=None), "QoS 2"),
        (b"\x30\x01\x00", "ends too early"),
        (b"\x32\x04\x00\x05ab", "ends too early"),
        (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (b"\x20" + varint(10_000_000) + b"x" * 200_000, "control frame of 10000000 bytes"),
    ],
)
def test_what_is_not_mqtt_ends_the_connection(stream: bytes, complaint: str) -> None:
    with pytest.raises(TransientError, match=complaint):
        FrameReader(properties=False, max_payload_bytes=LIMIT).feed(stream)


def test_the_flags_say_what_the_broker_knows() -> None:
    assert Publish(b"t", b"", 1, 0b1011, 0).redelivered
    assert Publish(b"t", b"", 1, 0b1011, 0).retained
    assert not Publish(b"t", b"", 1, 0b0010, 0).redelivered


@pytest.fixture
def pair() -> Iterator[tuple[FrameSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    frames = FrameSocket(ours, FrameReader(properties=False, max_payload_bytes=LIMIT))
    yield frames, theirs
    frames.close()
    theirs.close()


def test_paho_sees_only_the_other_frames(pair: tuple[FrameSocket, socket.socket]) -> None:
    frames, broker = pair
    with pytest.raises(BlockingIOError):
        frames.recv(1)
    broker.sendall(PINGRESP + frame(b"t", b"x", mid=1, flags=2, properties=None) + b"\x20\x02\x00\x00")
    [message] = frames.receive()
    assert message == Publish(b"t", b"x", 1, 2, 1)
    assert frames.has_others
    assert [frames.recv(1), frames.recv(10)] == [b"\xd0", b"\x00\x20\x02\x00\x00"]
    assert not frames.has_others
    assert frames.receive() == []


def test_the_end_of_the_connection_reaches_paho(pair: tuple[FrameSocket, socket.socket]) -> None:
    frames, broker = pair
    broker.close()
    assert frames.receive() == []
    assert frames.has_others
    assert frames.recv(1) == b""


def test_what_the_socket_does_not_take_waits(pair: tuple[FrameSocket, socket.socket]) -> None:
    frames, broker = pair
    data = bytes(range(256)) * 20_000
    assert frames.send(data) == len(data)
    assert frames.wants_write
    got = bytearray()
    while len(got) < len(data):
        got += broker.recv(1_000_000)
        frames.flush()
    assert bytes(got) == data
    assert not frames.wants_write


def test_closing_sends_what_waits(pair: tuple[FrameSocket, socket.socket]) -> None:
    frames, broker = pair
    frames.write_later(b"\x40\x02\x00\x01")
    frames.close()
    assert broker.recv(10) == b"\x40\x02\x00\x01"
