"""What a client should not send: it gets an answer or a close code, and nobody else notices."""

import os
import socket

import pytest

from crowd import close_code, raw
from live import LIMIT, Refused
from wire import masked


@pytest.fixture
def bystander(node, attach, topic):
    """Another client, which has to be served as before after each test."""
    client = attach(node)
    client.create(topic)
    client.subscribe(topic)
    yield client
    client.publish(topic, "still here", ack="stored")
    assert client.event()["data"] == "still here"


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "{", "[]", "7", "null", '{"method":7}', '{"attributes":{}}',
     '{"method":"subscribe","attributes":[]}', '{"method":"subscribe","attributes":{"topicName":7}}', "[" * 100_000,
     '{"method":"subscribe"}'],
    ids=lambda text: text[:20] or "empty",
)  # fmt: skip
def test_what_is_no_request_is_refused_and_the_connection_stays(node, attach, bystander, text):
    client = attach(node)
    client.send(text)
    answer = client.other()
    assert answer["type"] == "response" and answer["ok"] is False
    assert answer["code"] == "INVALID_MESSAGE" and answer["error"]
    client.ask("list-topic")


def test_an_unknown_method_is_named_in_its_refusal(node, attach, bystander):
    client = attach(node)
    with pytest.raises(Refused, match="INVALID_MESSAGE.*jump-topic"):
        client.ask("jump-topic")


def test_what_is_not_built_yet_says_so(node, attach, topic, bystander):
    client = attach(node)
    for method, attributes in [
        ("presence", {"topicName": topic}),
        ("create-topic", {"topicName": f"{topic}/table", "kind": "table"}),
    ]:
        try:
            client.ask(method, **attributes)
        except Refused as refusal:
            assert refusal.code in ("NOT_SUPPORTED", "QUERY_ERROR"), f"{method}: {refusal}"


def test_a_message_over_the_limit_closes_with_1009(node, attach, bystander, topic):
    client = attach(node)
    client.send({"method": "publish", "attributes": {"topicName": topic, "message": "x" * (2 << 20)}})
    assert client.expect_close() == 1009


def test_a_message_just_within_the_limit_is_taken(node, attach, bystander, topic):
    client = attach(node)
    client.publish(topic, "x" * ((1 << 20) - 4_000))
    assert len(bystander.event()["data"]) == (1 << 20) - 4_000


def test_text_that_is_no_utf_8_closes_with_1007(node, bystander):
    wire, stream = raw(node)
    with wire:
        wire.sendall(masked(0x81, b'{"method":"\xff\xfe"}'))
        assert close_code(stream) == 1007


def test_a_frame_without_a_mask_closes_with_1002(node, bystander):
    wire, stream = raw(node)
    with wire:
        wire.sendall(b"\x81\x02{}")
        assert close_code(stream) == 1002


@pytest.mark.parametrize(
    "frame",
    [masked(0x83, b"x"), masked(0xF1, b"x"), masked(0x80, b"x"), masked(0x09, b"x"), b"\x89\xfe\x00\x7e" + bytes(130)],
    ids=["reserved opcode", "reserved bits", "continuation of nothing", "fragmented ping", "long ping"],
)
def test_a_frame_against_the_protocol_closes_with_1002(node, bystander, frame):
    wire, stream = raw(node)
    with wire:
        wire.sendall(frame)
        assert close_code(stream) == 1002


def test_bytes_that_are_no_http_are_dropped(node, bystander):
    host, port = node.front.split(":")
    with socket.create_connection((host, int(port)), LIMIT) as wire:
        wire.sendall(os.urandom(512).replace(b"\n", b" ") + b"\r\n\r\n")
        try:
            while wire.recv(4096):
                pass
        except ConnectionResetError:
            pass  # as good an end as any


def test_an_upgrade_at_an_unknown_door_is_not_found(node, bystander):
    host, port = node.front.split(":")
    with socket.create_connection((host, int(port)), LIMIT) as wire:
        wire.sendall(
            f"GET /nowhere HTTP/1.1\r\nHost: {node.front}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b" 404 " in wire.makefile("rb").readline()


def test_a_client_that_vanishes_mid_frame_harms_nobody(node, bystander):
    for _ in range(20):
        wire, _ = raw(node)
        wire.sendall(b"\x81\xfe\x10\x00\x00\x00\x00\x00{")
        wire.close()
