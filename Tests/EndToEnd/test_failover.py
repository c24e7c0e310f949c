"""Load, crashes and resumes: every message once, in its publisher's order, whatever node is killed."""

import random
import threading
import time

import pytest

from cluster import eventually
from live import LIMIT, Gone, Live, Refused
from test_cluster import subscribe_when_known

WHOLE_LIMIT = 180


class Publisher(threading.Thread):
    """Publishes numbers in order; when its node goes it moves to another, and sends again what was not acknowledged."""

    def __init__(self, name, nodes, topic, count, ack="stored"):
        super().__init__(daemon=True)
        self.label, self.nodes, self.topic, self.count, self.ack = name, list(nodes), topic, count, ack
        self.acked = []
        self.trouble = None

    def run(self):
        try:
            number, turn, client = 0, 0, None
            deadline = time.monotonic() + WHOLE_LIMIT
            while number < self.count:
                assert time.monotonic() < deadline, f"{self.label} came to {number} of {self.count}"
                try:
                    client = client or Live(self.nodes[turn % len(self.nodes)], compression=None)
                    message = {"by": self.label, "n": number}
                    client.publish(self.topic, message, ack=self.ack, messageId=f"{self.label}-{number}")
                except Refused as refusal:
                    assert refusal.code == "NOT_REPLICATED", refusal  # its outcome is unknown: the same id again
                    continue
                except (Gone, OSError, TimeoutError, AssertionError):
                    client, turn = None, turn + 1
                    time.sleep(0.05)
                    continue
                self.acked.append((self.label, number))
                number += 1
            client.close()
        except BaseException as error:  # told by `finish`
            self.trouble = error

    def finish(self):
        self.join(WHOLE_LIMIT)
        assert not self.is_alive(), f"{self.label} still publishes"
        if self.trouble:
            raise self.trouble


class Subscriber(threading.Thread):
    """Follows a topic; when its node goes it resumes from its cursor on another."""

    def __init__(self, nodes, topic, expected):
        super().__init__(daemon=True)
        self.nodes, self.topic, self.expected = list(nodes), topic, expected
        self.seen = []
        self._ids = set()
        self.moves = 0
        self.subscribed = threading.Event()
        self.trouble = None

    def run(self):
        try:
            cursor, turn, client = "beginning", 0, None
            deadline = time.monotonic() + WHOLE_LIMIT
            while len(set(self.seen)) < self.expected:
                assert time.monotonic() < deadline, f"{len(self.seen)} of {self.expected} arrived"
                try:
                    if client is None:
                        client = Live(self.nodes[turn % len(self.nodes)], compression=None)
                        subscribe_when_known(client, self.topic, since=cursor)
                        if cursor != "beginning":  # what the new node does not know yet was seen all the same
                            client.cursor[self.topic] = {**cursor, **client.cursor[self.topic]}
                        self.subscribed.set()
                    event = client.event(within=WHOLE_LIMIT)
                    cursor = dict(client.cursor[self.topic])
                    repeated = event.get("messageId") in self._ids  # first given by a node that died with it
                    if repeated and self.moves:
                        continue
                    self._ids.add(event.get("messageId", object()))
                    self.seen.append((event["data"]["by"], event["data"]["n"]))
                except (Gone, OSError, TimeoutError):
                    client, turn = None, turn + 1
                    self.moves += 1
                    time.sleep(0.05)
            client.close()
        except BaseException as error:
            self.trouble = error
            self.subscribed.set()

    def finish(self):
        self.join(WHOLE_LIMIT)
        if self.trouble:
            raise self.trouble
        assert not self.is_alive(), f"{len(self.seen)} of {self.expected} arrived"


def rotated(nodes, by):
    nodes = list(nodes)
    return nodes[by % len(nodes):] + nodes[: by % len(nodes)]


def test_ten_thousand_messages_reach_six_subscribers_once_and_in_order(three, attach, topic):
    attach(three[0]).create(topic)
    subscribers = [Subscriber(rotated(three, i), topic, 10_000) for i in range(6)]
    for subscriber in subscribers:
        subscriber.start()
    for subscriber in subscribers:
        assert subscriber.subscribed.wait(LIMIT)
    publishers = [attach(three[i % 3]) for i in range(4)]

    def publish(number, client):
        for n in range(2_500):  # without waiting for answers: the order is the connection's
            attributes = {"topicName": topic, "message": {"by": number, "n": n}}
            client.send({"method": "publish", "attributes": attributes})
        client.ask("list-topic", within=WHOLE_LIMIT)

    writers = [threading.Thread(target=publish, args=pair, daemon=True) for pair in enumerate(publishers)]
    for writer in writers:
        writer.start()
    for each in writers:
        each.join(WHOLE_LIMIT)
    for subscriber in subscribers:
        subscriber.finish()
        assert len(subscriber.seen) == 10_000 and len(set(subscriber.seen)) == 10_000
        for number in range(4):
            assert [n for by, n in subscriber.seen if by == number] == list(range(2_500))


def test_a_killed_node_loses_nobody_a_message(fresh_three, attach, topic):
    cluster = fresh_three
    count = 400
    with_client = attach(cluster[0])
    with_client.create(topic)
    with_client.publish(topic, {"by": "first", "n": 0}, ack="replicated")
    publishers = [Publisher(f"p{i}", rotated(cluster, i), topic, count, ack="replicated") for i in range(3)]
    subscribers = [Subscriber(rotated(cluster, i), topic, 3 * count + 1) for i in range(6)]
    for each in (*subscribers, *publishers):
        each.start()
    eventually("there is load", lambda: all(len(each.acked) >= count // 4 for each in publishers))
    victim = random.choice(cluster.nodes)
    print(f"killed {victim.name}")
    victim.kill()
    eventually("the rest goes on", lambda: all(len(each.acked) >= count // 2 for each in publishers), WHOLE_LIMIT)
    victim.start()
    for each in publishers:
        each.finish()
    wanted = {("first", 0)} | {pair for each in publishers for pair in each.acked}
    assert len(wanted) == 3 * count + 1
    for subscriber in subscribers:
        subscriber.finish()
        assert len(subscriber.seen) == len(set(subscriber.seen)), "something came twice"
        assert set(subscriber.seen) == wanted
    assert sum(subscriber.moves for subscriber in subscribers) >= 2, "nobody was attached to the killed node"
    cluster.await_members(3)
    cluster.await_equal_vectors()
    for node in cluster:
        client = attach(node)
        stored = client.history(topic)
        assert {(each["data"]["by"], each["data"]["n"]) for each in stored} == wanted
        assert len(stored) == len(wanted)


def test_what_a_killed_node_had_stored_is_everywhere_after_its_return(fresh_three, attach, topic):
    cluster = fresh_three
    victim = cluster[1]
    client = attach(victim)
    client.create(topic)
    acked, unsure = [], []
    stop = threading.Event()

    def publish():
        number = 0
        while not stop.is_set():
            try:
                client.publish(topic, number, ack="stored")
            except (Gone, Refused):
                unsure.append(number)
                return
            acked.append(number)
            number += 1

    writer = threading.Thread(target=publish, daemon=True)
    writer.start()
    eventually("some are stored", lambda: len(acked) >= 200)
    victim.kill()
    stop.set()
    writer.join(LIMIT)
    assert not writer.is_alive()
    cluster.await_members(2)
    victim.start()
    cluster.await_members(3)
    cluster.await_equal_vectors()
    for node in cluster:
        stored = attach(node).history(topic)
        numbers = [each["data"] for each in stored]
        assert set(acked) <= set(numbers), f"{node.name} misses {sorted(set(acked) - set(numbers))[:10]}"
        assert set(numbers) <= set(acked) | set(unsure) and numbers == sorted(set(numbers))


def test_replicated_is_refused_when_no_majority_is_left(fresh_three, attach, topic):
    cluster = fresh_three
    client = attach(cluster[0])
    client.create(topic)
    client.publish(topic, "before", ack="replicated")
    cluster[1].kill()
    cluster[2].kill()
    with pytest.raises(Refused, match="NOT_REPLICATED"):
        client.publish(topic, "alone", ack="replicated", within=120)
    assert client.publish(topic, "stored alone", ack="stored")["ack"] == "stored"


def test_a_clean_stop_sends_its_clients_elsewhere(fresh_three, attach, topic):
    cluster = fresh_three
    client = attach(cluster[0])
    client.create(topic)
    client.publish(topic, "x", ack="replicated")
    assert cluster[0].stop() == 0
    assert client.expect_close() == 1012
    other = attach(cluster[1])
    other.subscribe(topic, since="beginning")
    assert other.event()["data"] == "x"
