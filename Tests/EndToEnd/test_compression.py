"""Messages compressed as RFC 7692 has it: with a client library's own inflater, and with what no library would send."""

import base64
import json
import os
import random
import socket
import struct
import zlib
from contextlib import closing

import pytest

from live import LIMIT

MEBIBYTE = 1 << 20
WORDS = ["meet", "noon", "été", "漢字", '"quoted"', "deploy", "failed", "again", "thanks", "{}", "\\", "0123456789"]


def words(rng, size):
    """About so many bytes as people and programs write them."""
    text = ""
    while len(text.encode()) < size:
        text += rng.choice(WORDS) + " "
    return text


def raw(node, extensions):
    """A socket behind its handshake, and the line with what the node agreed to."""
    host, port = node.front.split(":")
    wire = socket.create_connection((host, int(port)), LIMIT)
    key = base64.b64encode(os.urandom(16)).decode()
    wire.sendall(
        f"GET /live HTTP/1.1\r\nHost: {node.front}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Extensions: {extensions}\r\n\r\n".encode()
    )
    stream = wire.makefile("rb")
    lines = []
    while not lines or lines[-1]:
        lines.append(stream.readline().strip().decode())
    agreed = [line.split(": ", 1)[1] for line in lines if line.startswith("Sec-WebSocket-Extensions")]
    return wire, stream, lines[0].split()[1], agreed


def frame(first, content):
    """A client's frame under a mask of zero."""
    if len(content) < 126:
        length = bytes([0x80 | len(content)])
    elif len(content) < 1 << 16:
        length = b"\xfe" + struct.pack(">H", len(content))
    else:
        length = b"\xff" + struct.pack(">Q", len(content))
    return bytes([first]) + length + bytes(4) + content


def read_frame(stream):
    """The first byte and the content of the node's next frame."""
    first, length = stream.read(2)
    if length == 126:
        (length,) = struct.unpack(">H", stream.read(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", stream.read(8))
    return first, stream.read(length)


def close_code(stream):
    while True:
        first, content = read_frame(stream)
        if first & 0x0F == 8:
            return struct.unpack(">H", content[:2])[0]


def deflated(pieces):
    packer = zlib.compressobj(9, wbits=-15)
    return b"".join(map(packer.compress, pieces)) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]


class Memory:
    """The most memory that a process takes while the block runs, beyond what it had before, in bytes."""

    def __init__(self, node):
        self.folder = f"/proc/{node.process.pid}"

    def _peak(self):
        with open(f"{self.folder}/status") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

    def __enter__(self):
        with open(f"{self.folder}/clear_refs", "w") as peak:
            peak.write("5")  # begins the peak again at what is resident now
        self.before = self._peak()
        return self

    def __exit__(self, *_):
        self.growth = self._peak() - self.before


def test_hundreds_of_messages_of_all_sizes_arrive_as_they_were_sent_compressed_or_not(node, attach, topic):
    rng = random.Random(7)
    compressing, plain = attach(node), attach(node, compression=None)
    assert compressing.socket.protocol.extensions and not plain.socket.protocol.extensions
    compressing.create(topic)
    readers = [compressing, plain]
    for reader in readers:
        reader.subscribe(topic)
    sent = []
    for number in range(400):
        size = rng.choice([10, 100, 255, 256, 300, 1_000, 2_000, 20_000, 200_000 if number % 20 == 0 else 500])
        text = words(rng, size) if number % 5 else rng.randbytes(size // 2).hex()
        sent.append({"number": number, "text": text})
        readers[number % 2].publish(topic, sent[-1])
    for reader in readers:
        assert [reader.event()["data"] for _ in sent] == sent
    # What is asked for comes compressed too, and is the same.
    for reader in readers:
        assert [each["data"] for each in reader.ask("history", topicName=topic, limit=100)["messages"]] == sent[-100:]


def test_a_message_is_compressed_once_for_a_hundred_receivers(node, attach, topic):
    publisher = attach(node)
    publisher.create(topic)
    readers = [attach(node) for _ in range(100)]
    for reader in readers:
        reader.subscribe(topic)
    names = ("messages_compressed", "compression_bytes_before", "compression_bytes_after")
    before = [node.metric(f"roost_{name}_total") for name in names]
    sent = [words(random.Random(number), 2_000) for number in range(20)]
    for text in sent:
        publisher.publish(topic, text)
    for reader in readers:
        assert [reader.event()["data"] for _ in sent] == sent
    after = [node.metric(f"roost_{name}_total") for name in names]
    messages, size, smaller = (now - was for now, was in zip(after, before, strict=True))
    assert messages == len(sent), "once each, whatever the number of receivers"
    assert size > 20 * 2_000
    assert smaller < size / 2


def test_a_short_message_is_sent_as_it_is(node, attach, topic):
    client = attach(node)
    client.create(topic)
    client.subscribe(topic)
    before = node.metric("roost_messages_compressed_total")
    client.publish(topic, "x")
    assert client.event()["data"] == "x"
    assert node.metric("roost_messages_compressed_total") == before


@pytest.mark.parametrize(
    ("offer", "status", "agreed"),
    [
        # What Chromium sends, and what a client that wants the smallest window does.
        ("permessage-deflate; client_max_window_bits", "101", ""),
        ("permessage-deflate; server_max_window_bits=8", "101", "; server_max_window_bits=8"),
        ("permessage-deflate; what_is_this", "101", None),
        ("permessage-deflate; =", "400", None),
    ],
)
def test_an_offer_is_answered(node, offer, status, agreed):
    wire, _, answered, extensions = raw(node, offer)
    with closing(wire):
        assert answered == status
        taken = f"permessage-deflate; server_no_context_takeover; client_no_context_takeover{agreed}"
        assert extensions == ([] if agreed is None else [taken])


def test_a_client_with_a_tiny_window_can_follow(node, attach, topic):
    publisher = attach(node)
    publisher.create(topic)
    wire, stream, _, _ = raw(node, "permessage-deflate; server_max_window_bits=9")
    with closing(wire):
        text = words(random.Random(1), 50_000)
        request = {"id": 1, "method": "subscribe", "attributes": {"topicName": topic}}
        wire.sendall(frame(0xC1, deflated([json.dumps(request).encode()])))
        contents = []
        while not any(b'"response"' in each for each in contents):
            contents.append(read_frame(stream)[1])
        publisher.publish(topic, text)
        first, content = read_frame(stream)
        assert first == 0xC1 and len(content) < 45_000
        event = zlib.decompressobj(wbits=-9).decompress(content + b"\x00\x00\xff\xff")
        assert json.loads(event)["data"] == text


@pytest.fixture(scope="module")
def bomb():
    """512 MiB of zeros, compressed to half a MiB."""
    compressor = zlib.compressobj(wbits=-15)
    # After a full flush the same comes to the same bytes.
    part = compressor.compress(bytes(MEBIBYTE)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return (part * 512).removesuffix(b"\x00\x00\xff\xff")


def test_a_bomb_of_512_mib_closes_with_1009_and_costs_next_to_nothing(node, attach, bomb):
    bystander = attach(node)
    before = node.metric("roost_inflate_refusals_total")
    shapes = [
        frame(0xC1, bomb),
        frame(0x41, bomb[:1_000]) + frame(0x89, b"") + frame(0x80, bomb[1_000:]),
        b"".join([frame(0x42, bomb[:1]), *(frame(0x00, bomb[at : at + 50]) for at in range(1, len(bomb), 50))]),
    ]
    with Memory(node) as memory:
        for shape in shapes:
            wire, stream, _, _ = raw(node, "permessage-deflate")
            with closing(wire):
                try:
                    wire.sendall(shape)
                except OSError:
                    pass  # The node has closed before it had everything.
                assert close_code(stream) == 1009
        bystander.ask("list-topic")
    assert memory.growth <= 8 * MEBIBYTE, f"{memory.growth} bytes"
    assert node.metric("roost_inflate_refusals_total") == before + len(shapes)


def test_a_read_full_of_small_frames_that_inflate_to_large_messages_costs_next_to_nothing(node, attach):
    attach(node).ask("list-topic")
    large = frame(0xC1, deflated([bytes(MEBIBYTE - 1)]))
    wire, stream, _, _ = raw(node, "permessage-deflate")
    with closing(wire), Memory(node) as memory:
        wire.sendall(large * 512 + frame(0x88, struct.pack(">H", 1000)))
        # Each is refused as what it is: no JSON.
        assert close_code(stream) == 1000
    assert memory.growth <= 8 * MEBIBYTE, f"{memory.growth} bytes"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("noise", bytes(range(255, 200, -1))),
        ("cut short", deflated([b'{"method":"ping"}'])[:-4]),
        ("a reference to the message before", bytes([0xF2, 0x00, 0x11, 0x00, 0x00])),
        ("text that is not UTF-8", deflated([b'"\xff"'])),
    ],
)
def test_a_damaged_message_closes_with_1007(node, name, content):
    wire, stream, _, _ = raw(node, "permessage-deflate")
    with closing(wire):
        wire.sendall(frame(0xC1, deflated([b'{"method":"ping"}'])) + frame(0xC1, content))
        assert close_code(stream) == 1007, name


def test_a_compressed_frame_that_was_not_agreed_to_closes_with_1002(node):
    wire, stream, _, agreed = raw(node, "x-other")
    with closing(wire):
        assert agreed == []
        wire.sendall(frame(0xC1, deflated([b'{"method":"ping"}'])))
        assert close_code(stream) == 1002
