"""Nodes that are stopped and started one after another under load, also from one wire version to the next."""

import os
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from cluster import BINARY, Cluster, eventually
from live import LIMIT, Gone, Live, live
from test_failover import Publisher, Subscriber, rotated

OLD = {"ROOST_TEST_WIRE_VERSION": "2"}
#: The version in which two processes of this build speak.
NEWEST = 4


def await_caught_up(node):
    command = [str(BINARY), "cluster", "await", "--url", f"http://{node.front}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


class Load:
    """Publishers and subscribers over all nodes, and the check that nothing was lost, repeated or out of order."""

    def __init__(self, cluster, topic):
        self.cluster, self.topic, self.stop = cluster, topic, threading.Event()
        self.publishers = [Endless(f"p{i}", rotated(cluster, i), topic, self.stop) for i in range(3)]
        self.subscribers = [Subscriber(rotated(cluster, i), topic, 1 << 60) for i in range(3)]
        with live(cluster[0]) as client:
            client.create(topic)
        for each in self.subscribers:
            each.start()
            assert each.subscribed.wait(LIMIT)
        for each in self.publishers:
            each.start()

    def await_more(self, count=100):
        """Until every publisher had so many more of its messages acknowledged."""
        goals = [(each, len(each.acked) + count) for each in self.publishers]
        eventually("the load goes on", lambda: all(len(each.acked) >= goal for each, goal in goals), 120)

    def finish(self):
        self.stop.set()
        for each in self.publishers:
            each.finish()
        wanted = {pair for each in self.publishers for pair in each.acked}
        for subscriber in self.subscribers:
            eventually("every message arrives", lambda s=subscriber: s.trouble or set(s.seen) >= wanted, 120)
            assert not subscriber.trouble, subscriber.trouble
            seen = list(subscriber.seen)
            assert len(seen) == len(set(seen)), "something came twice"
            assert set(seen) == wanted, "something came that nobody published"
            for each in self.publishers:
                own = [n for by, n in seen if by == each.label]
                assert own == sorted(own), f"{each.label} is out of order"
        self.cluster.await_equal_vectors()
        for node in self.cluster:
            with live(node) as client:
                stored = [(each["data"]["by"], each["data"]["n"]) for each in client.history(self.topic)]
                assert len(stored) == len(wanted) and set(stored) == wanted, node.name
        return len(wanted)


class Endless(Publisher):
    """Publishes with acks `replicated` until it is told to stop, one message after the other."""

    def __init__(self, name, nodes, topic, stop):
        super().__init__(name, nodes, topic, count=1 << 60, ack="replicated")
        self.stopping = stop

    def run(self):
        try:
            number, turn, client = 0, 0, None
            while not self.stopping.is_set():
                try:
                    client = client or Live(self.nodes[turn % len(self.nodes)], compression=None)
                    message = {"by": self.label, "n": number}
                    client.publish(self.topic, message, ack=self.ack, messageId=f"{self.label}-{number}")
                except (Gone, OSError, TimeoutError, AssertionError):
                    client, turn = None, turn + 1
                    time.sleep(0.05)
                    continue
                self.acked.append((self.label, number))
                number += 1
        except BaseException as error:  # told by `finish`
            self.trouble = error


def test_a_rolling_restart_under_load_loses_and_repeats_nothing(fresh_three, topic):
    load = Load(fresh_three, topic)
    load.await_more()
    for node in fresh_three:
        await_caught_up(fresh_three[0])
        assert node.stop() == 0, node.tail()
        load.await_more()
        node.start()
        load.await_more()
    print(f"{load.finish()} messages, {sum(each.moves for each in load.subscribers)} moves of subscribers")


def test_nodes_of_two_wire_versions_work_together_while_a_cluster_is_upgraded(topic):
    cluster = Cluster(3)
    for node in cluster:
        node.environment = dict(OLD)
    with cluster:
        load = Load(cluster, topic)
        load.await_more()
        for index, node in enumerate(cluster):
            await_caught_up(cluster[0])
            assert node.stop() == 0, node.tail()
            node.environment = {}
            node.start()
            cluster.await_members(3)
            load.await_more()
            spoken = {each["name"]: each["wire"] for each in node.get("/api/v1/cluster")["members"]}
            del spoken[node.name]
            assert spoken == {
                each.name: NEWEST if number <= index else 2 for number, each in enumerate(cluster) if each is not node
            }
            if index == 0:  # while some cannot read a removal, none is made
                code, answer = node.call("DELETE", "/api/v1/cluster/members/node-9")
                assert code == 404
                code, answer = node.call("POST", "/api/v1/cluster/leave")
                assert code == 409 and "upgrade" in answer["error"]["message"]
        load.finish()
        cluster[2].kill()
        eventually(
            "node-3 is forgotten once all speak the version that has it",
            lambda: cluster[0].call("DELETE", "/api/v1/cluster/members/node-3")[0] == 200,
        )


@pytest.mark.skipif(not os.environ.get("PREVIOUS_BINARY"), reason="PREVIOUS_BINARY names no program of the version before")
def test_a_program_of_the_version_before_is_upgraded_under_load(topic, monkeypatch):
    monkeypatch.setattr("cluster.BINARY", os.environ["PREVIOUS_BINARY"])
    with Cluster(3) as cluster:
        load = Load(cluster, topic)
        load.await_more()
        for node in cluster:
            assert node.stop() == 0
            monkeypatch.setattr("cluster.BINARY", BINARY)
            node.start()
            cluster.await_members(3)
            load.await_more()
            monkeypatch.setattr("cluster.BINARY", os.environ["PREVIOUS_BINARY"])
        load.finish()


def test_waiting_acks_are_answered_before_a_stopping_node_closes(fresh_three, attach, topic):
    a, b, c = fresh_three
    client = attach(a)
    client.create(topic)
    client.publish(topic, "before", ack="replicated")
    b.kill()
    c.kill()
    # Nobody is there to replicate to: these wait for their whole time, and the stop begins meanwhile.
    answers = []

    def publish(number):
        try:
            answers.append(client.publish(topic, number, ack="replicated"))
        except Exception as error:
            answers.append(error)

    writers = [threading.Thread(target=publish, args=(n,), daemon=True) for n in range(3)]
    for writer in writers:
        writer.start()
    eventually("they are sequenced", lambda: len(client.history(topic)) == 4)
    a.process.terminate()
    for writer in writers:
        writer.join(LIMIT)
    assert [getattr(answer, "code", answer) for answer in answers] == ["NOT_REPLICATED"] * 3
    assert client.expect_close() == 1012
    assert a.process.wait(LIMIT) == 0


def test_a_stopping_node_sends_newcomers_away_and_says_that_it_stops(topic):
    cluster = Cluster(2)
    a = cluster[0]
    a.environment = {"ROOST_DRAIN_SECONDS": "4"}
    with cluster:
        clients = [Live(a) for _ in range(20)]
        a.process.terminate()
        eventually("it says that it stops", lambda: a.call("GET", "/readyz") == (503, "this node is stopping\n"))
        request = urllib.request.Request(f"http://{a.front}/api/v1/topics")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=LIMIT)
        assert refused.value.code == 503 and int(refused.value.headers["Retry-After"]) >= 1
        with pytest.raises(Exception, match="503"):
            Live(a)
        attached = sum(client._closed is None for client in clients)
        assert attached > 0, "clients are moved over the window, not all at once"
        hints = []
        for client in clients:
            while True:
                try:
                    frame = client.other()
                except Gone as gone:
                    assert gone.code == 1012
                    break
                if frame["type"] == "drain":
                    hints.append(frame["data"]["retryAfterMs"])
                    assert frame["data"]["nodes"] == [cluster[1].front]
        assert len(hints) == 20 and len(set(hints)) > 5, "each has a pause of its own"
        assert a.process.wait(LIMIT) == 0
        for client in clients:
            client.close()
