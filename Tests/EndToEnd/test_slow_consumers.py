"""Subscribers that read slowly, or nothing: fed from the log and rejoined, told of gaps, and nobody else's trouble."""

import json
import random
import resource
import threading
import time
from pathlib import Path

import pytest

from cluster import Cluster, eventually
from wire import Account, Wire, masked

# As little as the kernel gives; it doubles the figure.
SMALL = 4_096
WHOLE_LIMIT = 300


@pytest.fixture(scope="module")
def node():
    """A node of its own, whose figures are of this module alone; it and this process may have many descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(before[1], 8_192)), before[1]))
    with Cluster(1) as cluster:
        yield cluster[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def wire(node):
    """Makes connections that read nothing by themselves, and closes them after the test."""
    wires = []

    def wire(buffer=None):
        wires.append(Wire(node, buffer=buffer))
        return wires[-1]

    yield wire
    for each in wires:
        each.close()


# Text of which messages are cut; with escapes and characters of every width.
TEXT = "".join(random.Random(5).choices('ab c"\\\n\u00e9\u2713\U0001f426', k=20_000))


def mixed(number):
    """The message with a number, the same each time: JSON of some length with spaces and escapes of its own."""
    start, size = number * 7_919 % 16_000, (0, 10, 200, 3_000)[number * 31 % 4]
    value = {"n": number, "text": TEXT[start : start + size]}
    return json.dumps(value, ensure_ascii=number % 3 == 0, separators=(" ,", " : "))


def short(number):
    """A short message, so that a connection's queue holds as many of them as it can."""
    return str(number)


class Publisher:
    """Publishes the messages of a topic in order, numbered from 1, as fast as they are taken."""

    def __init__(self, wire, topic, payload=mixed):
        self._wire, self._topic, self._payload = wire, topic, payload
        self.count = 0

    def publish(self, messages):
        """So many more; returns true once the last of them has been taken."""
        for start in range(0, messages, 64):
            frames = b""
            for _ in range(min(64, messages - start)):
                self.count += 1
                message = self._payload(self.count)
                request = f'{{"method":"publish","attributes":{{"topicName":"{self._topic}","message":{message}}}}}'
                frames += masked(0x81, request.encode())
            self._wire.socket.sendall(frames)
        self._wire.say("get-topic-permission", id=f"p{self.count}", topicName=self._topic)
        return self._wire.answer(f"p{self.count}") is not None


def subscribe(wire, topic, payload=mixed):
    wire.say("subscribe", id="s", topicName=topic)
    return Account(wire.answer("s")["cursor"], payload)


def read_on(wire, account, last, draw=None):
    """Reads until the account has come to an offset; with `draw`, in pieces of any size and with pauses."""
    deadline = time.monotonic() + WHOLE_LIMIT
    while account.last < last:
        assert time.monotonic() < deadline, f"only {account.last} of {last} within {WHOLE_LIMIT} s"
        if draw and draw.random() < 0.05:
            time.sleep(draw.uniform(0, 0.05))  # this is how the client under test reads, nothing is waited for
        for text in wire.receive(draw.choice([1, 100, 3_000, 65_536]) if draw else 262_144):
            account.take(text)
    assert account.last == last


def together(*works):
    """Runs each in a thread of its own, and raises what one of them raised."""
    problems = []

    def run(work):
        try:
            work()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WHOLE_LIMIT)
        assert not thread.is_alive(), f"not at its end within {WHOLE_LIMIT} s"
    if problems:
        raise problems[0]


def expect_live(node, publisher, readers):
    """Whoever has caught up is served from the live stream again: no page of the log is read for what comes now."""

    def is_live():
        before = node.metric("roost_catch_up_pages_total")
        publisher.publish(3)
        for wire, account in readers:
            read_on(wire, account, publisher.count)
        return node.metric("roost_catch_up_pages_total") == before

    eventually("everybody is in the live stream again", is_live)


@pytest.mark.parametrize("seed", range(3))
def test_a_slow_subscriber_of_a_disk_topic_gets_everything_once_and_in_order(node, wire, attach, topic, seed):
    attach(node).create(topic)
    readers = []
    for index in range(4):
        slow = wire(buffer=SMALL << (index * 2))
        readers.append((slow, subscribe(slow, topic)))
    publisher = Publisher(wire(), topic)
    left = node.metric("roost_slow_consumers_total")
    # Nobody reads until all of them have left the live stream.
    eventually(
        "every slow subscriber has left the live stream",
        lambda: publisher.publish(1_000) and node.metric("roost_slow_consumers_total") >= left + len(readers),
    )
    # From here on everybody reads in pieces of any size, with pauses, while the publisher goes on.
    goal = publisher.count + 3_000
    together(
        lambda: publisher.publish(3_000),
        *[
            lambda wire=wire, account=account, draw=random.Random(f"{seed}/{index}"): read_on(wire, account, goal, draw)
            for index, (wire, account) in enumerate(readers)
        ],
    )
    assert publisher.count == goal
    for _, account in readers:
        assert (account.events, account.gaps) == (goal, 0)
    expect_live(node, publisher, readers)


@pytest.mark.parametrize("seed", range(3))
def test_a_slow_subscriber_of_a_memory_topic_is_told_exactly_what_it_has_lost(node, wire, attach, topic, seed):
    attach(node).create(topic, durability="memory")
    readers = []
    for index in range(4):
        slow = wire(buffer=SMALL << (index * 2))
        readers.append((slow, subscribe(slow, topic)))
    publisher = Publisher(wire(), topic)
    left = node.metric("roost_slow_consumers_total")
    eventually(
        "every slow subscriber has left the live stream",
        lambda: publisher.publish(1_000) and node.metric("roost_slow_consumers_total") >= left + len(readers),
    )
    # Far beyond what the topic's ring holds, so that something is lost to everybody.
    publisher.publish(3_000)
    goal = publisher.count + 3_000
    together(
        lambda: publisher.publish(3_000),
        *[
            lambda wire=wire, account=account, draw=random.Random(f"{seed}/{index}"): read_on(wire, account, goal, draw)
            for index, (wire, account) in enumerate(readers)
        ],
    )
    for _, account in readers:
        assert account.gaps >= 1 and account.missed > 0
        assert account.events + account.missed == goal
    expect_live(node, publisher, readers)


def memory(node):
    """The bytes that a node's process has resident."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) << 10


DEAD = 1_000


@pytest.mark.parametrize("durability", ["disk", "memory"])
def test_a_thousand_subscribers_that_read_nothing_cost_a_mebibyte_each_at_most(node, wire, attach, topic, durability):
    attach(node).create(topic, durability=durability)
    publisher = Publisher(wire(), topic, short)
    readers = [(each, subscribe(each, topic, short)) for each in (wire() for _ in range(4))]

    def flood():
        goal = publisher.count + 10_000
        together(
            lambda: publisher.publish(10_000),
            *[lambda wire=wire, account=account: read_on(wire, account, goal) for wire, account in readers],
        )
        return memory(node)

    # What the topic takes by itself, in memory and in caches, is not the dead ones' doing.
    before = max(flood() for _ in range(10))
    left = node.metric("roost_slow_consumers_total")
    for _ in range(DEAD):
        subscribe(wire(buffer=SMALL), topic)
    peak = []
    eventually(
        "everybody who reads nothing has left the live stream",
        lambda: peak.append(flood()) or node.metric("roost_slow_consumers_total") >= left + DEAD,
        limit=WHOLE_LIMIT,
    )
    peak += [flood() for _ in range(3)]
    cost = (max(peak) - before) / DEAD
    print(f"{cost / 1024:.0f} KiB for each of {DEAD} that read nothing")
    assert cost <= 1 << 20, f"{cost:.0f} bytes for each that reads nothing"
    for _, account in readers:
        assert account.last == publisher.count == account.events + account.missed
        assert account.gaps == 0 or durability == "memory"
