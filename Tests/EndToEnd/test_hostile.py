"""Attacks on a real node. During each of them old clients go on exchanging messages, and get every one, in order."""

import itertools
import json
import random
import re
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from cluster import Cluster, eventually
from crowd import (
    Crowd, close_code, closed, parsed, raise_own_limit, raw, refused, reset, response, upgrade,
)  # fmt: skip
from live import LIMIT, Live, live
from wire import masked

_topics = (f"bystanders/{number}" for number in itertools.count(1))
MEBIBYTE = 1 << 20


def memory(node):
    """The node's resident bytes."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1_024


class Bystanders:
    """An old publisher and an old subscriber, who exchange messages for as long as the block runs.

    At its end every message must have come, in order, and the node must live and have grown by less than `growth`."""

    def __init__(self, node, growth=64 * MEBIBYTE):
        self.node, self.growth, self.topic = node, growth, next(_topics)

    def __enter__(self):
        self.subscriber, self.publisher = Live(self.node), Live(self.node)
        self.publisher.create(self.topic)
        self.subscriber.subscribe(self.topic)
        self.count, self.failure, self.over = 0, None, threading.Event()
        self.thread = threading.Thread(target=self._publish, daemon=True)
        self.exchange(1)
        self.before = memory(self.node)
        self.thread.start()
        return self

    def exchange(self, count):
        for _ in range(count):
            self.count += 1
            self.publisher.publish(self.topic, self.count)

    def _publish(self):
        try:
            while not self.over.wait(0.01):
                self.exchange(1)
        except BaseException as error:  # noqa: BLE001 (told in the test's own thread)
            self.failure = error

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join(LIMIT * 2)
        try:
            if kind is None:
                assert self.failure is None, f"the publisher: {self.failure}"
                self.exchange(3)
                came = [event["data"] for event in self.subscriber.take(self.count)]
                assert came == list(range(1, self.count + 1))
                assert self.node.process.poll() is None, self.node.tail()
                grown = memory(self.node) - self.before
                assert grown < self.growth, f"the node grew by {grown / MEBIBYTE:.0f} MiB"
        finally:
            self.subscriber.close()
            self.publisher.close()


@pytest.fixture(scope="module", autouse=True)
def files():
    raise_own_limit()


def test_a_hundred_thousand_malformed_frames(node):
    """Those that break the protocol end their connection with its code; those that are no requests are answered."""
    chance = random.Random(1)
    breaking = [
        (lambda: b"\x81\x02{}", 1002),  # no mask
        (lambda: masked(chance.choice([0x83, 0x8B, 0x8F]), b"x"), 1002),  # reserved opcodes
        (lambda: masked(chance.choice([0x91, 0xA1, 0xF1]), b"x"), 1002),  # reserved bits
        (lambda: masked(0x80, chance.randbytes(9)), 1002),  # a continuation of nothing
        (lambda: masked(0x09, b""), 1002),  # a fragmented ping
        (lambda: b"\x89\xfe\x00\x7e" + bytes(130), 1002),  # a long ping
        (lambda: b"\x81\xfe\x00\x05" + bytes(9), 1002),  # a length that is longer than it need be
        (lambda: masked(0x01, b"a") + masked(0x81, b"b"), 1002),  # a message within a message
        (lambda: masked(0x88, b"\x03"), 1002),  # half a close code
        (lambda: masked(0x88, b"\x03\xed"), 1002),  # a close code that may not be sent
        (lambda: masked(0x81, b"\xc3\x28"), 1007),
        (lambda: masked(0x82, chance.randbytes(20)), 1003),
        (lambda: b"\x81\xff" + (2 << 20).to_bytes(8) + bytes(4), 1009),
    ]
    harmless = ["", "nonsense", "{", "[]", "7", '{"method":7}', '{"attributes":{}}', "[" * 99, '{"method":"no"}']
    codes, answers = Counter(), Counter()

    def breaks(make, expected):
        def talk():
            came = yield upgrade(node)
            data = came
            while b"session" not in data:
                data += yield
            # What follows a broken frame is passed over.
            data = (yield make() + b"".join(breaking[5][0]() for _ in range(10)))
            while b"\x88" not in data and came:
                came = yield
                data += came
            start = data.index(b"\x88")
            codes[int.from_bytes(data[start + 2 : start + 4]) == expected] += 1

        return talk()

    def babbles(count):
        def talk():
            came = yield upgrade(node)
            burst = b"".join(masked(0x81, harmless[each % len(harmless)].encode()) for each in range(100))
            for _ in range(count // 100):
                missing, came = 100, (yield burst)
                while missing:
                    assert came, "the connection ended"
                    missing -= came.count(b'"ok":false')
                    answers.update({True: came.count(b'"ok":false')})
                    came = (yield) if missing else b""

        return talk()

    before = closed(node, "violation") + closed(node, "message_too_large")
    with Bystanders(node):
        with Crowd(node) as crowd:
            for number in range(1_300):
                crowd.add(breaks(*breaking[number % len(breaking)]))
            for _ in range(40):
                crowd.add(babbles(2_200))
            crowd.run()
    assert codes == {True: 1_300}, codes
    assert answers[True] >= 87_000
    assert closed(node, "violation") + closed(node, "message_too_large") - before == 1_300
    assert closed(node, "message_too_large") >= 100


def test_a_ping_flood_is_answered_to_those_who_read(node):
    count, size = 20_000, 8

    def floods():
        def talk():
            came = yield upgrade(node)
            while b"session" not in came:
                came += yield
            pongs = 0
            came = yield masked(0x89, b"12345678") * count
            while True:
                pongs += len(came)
                if pongs >= count * (size + 2):
                    break
                assert came, "the connection ended"
                came = yield
            assert pongs == count * (size + 2)

        return talk()

    with Bystanders(node), Crowd(node) as crowd:
        for _ in range(10):
            crowd.add(floods())
        crowd.run()


def test_a_ping_flood_by_clients_who_never_read_costs_next_to_nothing(node):
    """Their pongs fill the socket, then a little of the node's memory, and then they are not read any more."""
    burst = masked(0x89, b"") * 2_000
    with Bystanders(node, growth=32 * MEBIBYTE):
        # Of each client, how much of the burst it has still to send.
        stuck = {raw(node)[0]: burst for _ in range(50)}
        sent, idle = 0, 0
        for wire in stuck:
            wire.setblocking(False)
        # Until no socket has taken anything for a while: the node has stopped reading all of them.
        while idle < 20:
            idle += 1
            for wire, rest in stuck.items():
                try:
                    taken = wire.send(rest)
                except BlockingIOError:
                    continue
                sent, idle = sent + taken, 0
                stuck[wire] = rest[taken:] or burst
            if idle:
                time.sleep(0.05)
        assert sent > 50 * 100_000
        assert node.metric("roost_connections") == 52, "they are not read, and that is all"
        for wire in stuck:
            reset(wire)


def test_a_fragment_flood_is_one_message_at_last_and_costs_no_memory(node, attach, topic):
    client = attach(node)
    client.create(topic)
    client.subscribe(topic)
    with Bystanders(node, growth=32 * MEBIBYTE):
        wire, stream = raw(node)
        text = json.dumps({"id": 1, "method": "publish", "attributes": {"topicName": topic, "message": "whole"}})
        wire.sendall(masked(0x01, text[:10].encode()))
        for _ in range(50):
            wire.sendall(masked(0x00, b"") * 4_000)
        wire.sendall(masked(0x80, text[10:].encode()))
        assert client.event()["data"] == "whole"
        reset(wire)
        # And messages that never end, each with a fragment of a byte at a time, up to the largest message.
        endless, _ = raw(node)
        endless.sendall(masked(0x01, b"["))
        for _ in range(50):
            endless.sendall(masked(0x00, b"[") * 4_000)
        client.ask("list-topic")
        reset(endless)


def test_a_message_of_fragments_is_limited_as_a_whole(node):
    with Bystanders(node):
        wire, stream = raw(node)
        wire.sendall(masked(0x01, b"["))
        piece = masked(0x00, b"[" * 60_000)
        for _ in range(18):
            wire.sendall(piece)
        assert close_code(stream) == 1009
        reset(wire)


def test_a_thousand_slow_lorises_are_closed_in_time_and_keep_nobody_out():
    with Cluster(1, "--limits-head-seconds", "2") as cluster, Bystanders(cluster[0]):
        node = cluster[0]
        ends = Counter()

        def loris():
            def talk():
                # A byte of the head whenever something may be sent, a few dozen at the most.
                came = yield b"GET /live HTTP/1.1\r\nHost: x\r\nX-Slow: "
                assert came == b"", came
                ends["closed"] += 1

            return talk()

        with Crowd(node) as crowd:
            for _ in range(1_000):
                crowd.add(loris())
            drips = threading.Event()

            def drip():
                while not drips.wait(0.05):
                    for wire, *_ in list(crowd.wires.values()):
                        try:
                            wire.send(b"x")
                        except OSError:
                            pass

            dripping = threading.Thread(target=drip, daemon=True)
            dripping.start()
            newcomer = Live(node)
            newcomer.ask("list-topic")
            newcomer.close()
            crowd.run()
            drips.set()
            dripping.join(LIMIT)
        assert ends["closed"] == 1_000
        assert closed(node, "silent") == 1_000


def test_bad_upgrades_get_the_status_that_names_what_is_wrong(node):
    key = "Sec-WebSocket-Key"
    bad = [
        (upgrade(node, "/live", "Sec-WebSocket-Version: 12"), 426, "handshake"),
        (upgrade(node, leave_out=[key]), 400, "handshake"),
        (upgrade(node, "/live", f"{key}: short"), 400, "handshake"),
        (upgrade(node, "/live", "Connection: close"), 400, "handshake"),
        (upgrade(node, leave_out=["Host"]), 400, "handshake"),
        (upgrade(node).replace(b"GET", b"POST", 1), 405, "handshake"),
        (upgrade(node, "/live", "Content-Length: 5") + b"hello", 400, "handshake"),
        (upgrade(node, "/live?token=nonsense"), 401, "authentication"),
        (upgrade(node, "/live", "Authorization: Bearer a.b.c"), 401, "authentication"),
        (upgrade(node, "/live", "Authorization: Basic eDp5"), 401, "authentication"),
        (upgrade(node, "/live", "Origin: https://evil.example"), 403, "origin"),
        (upgrade(node, "/live", "Origin: https://evil.example", "Cookie: token=x"), 403, "origin"),
        (upgrade(node, "/live", "Origin: null"), 403, "origin"),
        (upgrade(node, "/live", *(f"X-{number}: 1" for number in range(200))), 431, None),
        (upgrade(node, "/live", "X-Long: " + "x" * 20_000), 431, None),
        (b"GET /live HTTP/1.1\r\nX-Long: " + b"x" * 20_000, 431, None),
    ]
    before = {reason: refused(node, reason) for _, _, reason in bad if reason}
    heads = node.metric("roost_heads_refused_total")
    with Bystanders(node):
        for _ in range(20):
            for request, expected, _ in bad:
                status, fields, _ = response(node, request)
                assert status == expected, (request[:200], status)
                assert fields["connection"].startswith("close")
    for reason, count in before.items():
        assert refused(node, reason) - count == 20 * sum(each[2] == reason for each in bad), reason
    assert node.metric("roost_heads_refused_total") - heads == 60


def test_a_storm_of_ten_thousand_connections_is_spread_over_time_and_all_attach():
    flags = ["--limits-upgrades-per-second", "2000", "--limits-upgrade-burst", "1000"]
    with Cluster(1, *flags) as cluster:
        node = cluster[0]
        delays, attached = [], Counter()

        def attaches(again):
            def talk():
                came = data = yield upgrade(node)
                while b"\r\n\r\n" not in data or (b" 101 " in data and b"session" not in data):
                    came = yield
                    assert came, data
                    data += came
                status, fields, body = parsed(data)
                if status == 101:
                    attached["yes"] += 1
                    return
                assert status == 503 and b"CONNECTION_LIMIT" in body, data
                delays.append(int(fields["retry-after"]))
                again.append(delays[-1])
                return "close"

            return talk()

        with Bystanders(node, growth=400 * MEBIBYTE) as bystanders:
            before = memory(node)
            waiting = [0] * 10_000
            with Crowd(node) as crowd:
                start = time.monotonic()
                waiting = [start] * 10_000
                while waiting:
                    now = time.monotonic()
                    due = [each for each in waiting if each <= now]
                    again = []
                    waiting = [each for each in waiting if each > now]
                    for _ in due:
                        crowd.add(attaches(again))
                    crowd.run()
                    waiting += [time.monotonic() + each for each in again]
                    if not due:
                        time.sleep(0.02)
                assert attached["yes"] == 10_000
                assert node.metric("roost_connections") == 10_002
                assert refused(node, "rate") == len(delays) > 5_000
                assert min(delays) >= 1 and len(set(delays)) >= 3, Counter(delays)
                each = (memory(node) - before) / 10_000
                assert each < 24_576, f"{each:.0f} bytes for each connection"
                bystanders.exchange(10)
            eventually("the node has let go of them", lambda: node.metric("roost_connections") == 2)


def test_a_flood_of_subscriptions_is_limited_for_each_connection(node):
    with Bystanders(node), live(node) as client:
        before = node.metric("roost_subscriptions_refused_total")
        for part in range(100):
            filters = [f"flood/{part}/{number}/#" for number in range(100)]
            client.ask_for(100, "subscribe", topicName=filters)
        assert node.metric("roost_subscriptions") >= 10_000
        for _ in range(3):
            frame = client._answers_to(1, "subscribe", LIMIT, {"topicName": "one/too/many/#"})[0]
            assert frame["ok"] is False and frame["code"] == "CONNECTION_LIMIT", frame
        assert node.metric("roost_subscriptions_refused_total") - before == 3


def test_a_thousand_clients_who_subscribe_and_vanish_leave_nothing_behind(node):
    topic = "vanishing/old"
    with live(node) as client:
        client.create(topic)
        for number in range(300):
            client.publish(topic, "x" * 1_000)
    subscribe = {"method": "subscribe", "attributes": {"topicName": [topic, "vanishing/#", "#"], "since": "beginning"}}
    unsubscribe = {"method": "unsubscribe", "attributes": {"topicName": [topic, "#"]}}
    talks = [json.dumps(each).encode() for each in (subscribe, unsubscribe)]

    def vanishes(number):
        def talk():
            came = yield upgrade(node)
            while b"session" not in came:
                came = yield
            messages = masked(0x81, talks[0]) + (masked(0x81, talks[1]) if number % 2 else b"")
            # A third vanishes before it hears anything, another after the first bytes, and one in mid-frame.
            if number % 3 == 0:
                yield messages
            elif number % 3 == 1:
                yield messages + b"\x81\xfe\x10"
            else:
                yield messages
                yield

        return talk()

    before = node.metric("roost_subscriptions")
    with Bystanders(node):
        for _ in range(4):
            with Crowd(node) as crowd:
                for number in range(250):
                    crowd.add(vanishes(number))
                crowd.run()
        eventually("nothing is left of them", lambda: node.metric("roost_subscriptions") == before + 1)
        eventually("they are gone", lambda: node.metric("roost_connections") == 2)
