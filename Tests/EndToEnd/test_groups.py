"""Queue groups: each message to one member, on whichever node; what is not acknowledged goes to another, or to the dead
letters; and what a node had to give out when it died is given out by another."""

import subprocess
import threading
from collections import Counter

import pytest

from cluster import BINARY, Cluster, alive, eventually
from live import LIMIT, Gone, Refused
from relay import Relay
from test_cluster import subscribe_when_known
from tokens import guarding, token

JOBS = "jobs"


class Worker:
    """A member of a group: takes what it is given, and acknowledges it while it is told to."""

    def __init__(self, client, topic, group="g", acknowledging=True, **attributes):
        self.client, self.got, self.acknowledging = client, [], acknowledging
        self._held = []
        client.ask("subscribe", topicName=topic, group=group, **attributes)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            while True:
                frame = self.client.events.get()
                if isinstance(frame, Gone):
                    return
                if frame["type"] != "event":
                    continue
                self.got.append(frame)
                if "ackId" not in frame:
                    continue
                if self.acknowledging:
                    self.acknowledge(frame)
                else:
                    self._held.append(frame)
        except Gone:
            pass

    def acknowledge(self, frame):
        # Without an id: a late one is refused, which is told as an error frame and harms nobody.
        self.client.send({"method": "ack", "attributes": {"ackId": frame["ackId"]}})

    def go_on(self):
        self.acknowledging = True
        for frame in self._held:
            self.acknowledge(frame)

    @property
    def data(self):
        return [frame["data"] for frame in list(self.got)]


def given(workers):
    return Counter(data for worker in workers for data in worker.data)


def test_each_message_goes_to_one_member_of_each_group_wherever_they_are(three, attach, topic):
    publishers = [attach(node) for node in three.nodes]
    publishers[0].create(topic)
    three.await_equal_vectors()
    first = [Worker(attach(node), topic, "first") for node in three.nodes for _ in range(2)]
    second = [Worker(attach(three[1]), topic, "second")]
    everything = attach(three[2])
    everything.subscribe(topic)
    expected = Counter()
    for number in range(50):
        for node, publisher in enumerate(publishers):
            publisher.publish(topic, [node, number])
            expected[str([node, number])] += 1
    assert Counter(str(event["data"]) for event in everything.take(150)) == expected
    for group in (first, second):
        eventually("all were given", lambda: sum(len(worker.got) for worker in group) >= 150)
        assert Counter(str(data) for worker in group for data in worker.data) == expected
    # Each node's own members were near enough for what was published there.
    for node in range(3):
        near = [data for worker in first[2 * node : 2 * node + 2] for data in worker.data]
        assert {data[0] for data in near} == {node} and len(near) == 50
    assert {frame["group"] for frame in second[0].got} == {"second"} and "ackId" not in second[0].got[0]


def test_what_a_member_had_and_did_not_acknowledge_goes_to_another(three, attach, topic):
    publisher = attach(three[0])
    publisher.create(topic)
    three.await_equal_vectors()
    lazy = Worker(attach(three[0]), topic, acknowledging=False, ack=True)
    for number in range(10):
        publisher.publish(topic, number)
    eventually("it has them", lambda: len(lazy.got) == 10)
    assert {frame["attempt"] for frame in lazy.got} == {1}
    heir = Worker(attach(three[1]), topic, ack=True)
    lazy.client.close()
    eventually("the other has them", lambda: sorted(heir.data) == list(range(10)))
    assert {frame["attempt"] for frame in heir.got} == {2}
    publisher.publish(topic, "next")
    eventually("only what is new comes", lambda: heir.data[-1] == "next")
    assert len(heir.got) == 11


def test_after_five_attempts_a_message_is_a_dead_letter_with_the_reason(three, attach, topic):
    publisher = attach(three[0])
    publisher.create(topic)
    three.await_equal_vectors()
    workers = [Worker(attach(node), topic, acknowledging=False, ack=True, ackTimeout=300) for node in three.nodes[:2]]
    publisher.publish(topic, {"poison": True}, key="k")

    def letters():
        try:
            return attach(three[2]).history(f"$dead/{topic}")
        except Refused as refused:
            assert refused.code == "TOPIC_NOT_FOUND"

    letter = eventually("it is given up", letters)[0]
    attempts = sorted(frame["attempt"] for worker in workers for frame in worker.got)
    assert attempts == [1, 2, 3, 4, 5]
    assert letter["event"] == "dead-letter" and letter["key"] == "k"
    assert "not acknowledged in time" in letter["data"].pop("reason")
    assert letter["data"].pop("partition") == workers[0].got[0]["partition"]
    assert letter["data"] == {
        "attempts": 5, "group": "g", "topic": topic, "offset": 1, "event": "new-message", "data": {"poison": True},
    }  # fmt: skip


def test_dead_letters_follow_the_permission_that_their_topic_has_now(tmp_path, attach, topic):
    """They were written while everybody might read the topic; who may read them is what the topic says when they ask."""
    ann, bob = (token(name, roles=["user"]) for name in ("ann", "bob"))
    letters = f"$dead/{topic}"
    path = f"/api/v1/topics/{topic.replace('/', '%2F')}"

    def numbers(client):
        try:
            return [letter["data"]["data"] for letter in client.history(letters)]
        except Refused as refused:
            return refused.code

    with Cluster(3, *guarding(tmp_path), token=ann) as cluster:
        owner, reader, near = attach(cluster[0], ann), attach(cluster[2], bob), attach(cluster[2], ann)
        owner.create(topic)
        permission = owner.ask("get-topic-permission", topicName=topic)["permission"]
        cluster.await_equal_vectors()
        Worker(attach(cluster[1], ann), topic, acknowledging=False, ack=True, ackTimeout=100)
        owner.publish(topic, 1)
        eventually("the first is given up", lambda: numbers(reader) == [1])
        subscribe_when_known(reader, letters, since="beginning")
        assert reader.event()["data"]["data"] == 1
        # From now on the owner alone may read, and the letters' own settings are as they were.
        assert cluster[1].call("PUT", path, {"permission": 127 << 7})[0] == 200
        ended = reader.other()
        assert (ended["type"], ended["topic"], ended["code"]) == ("unsubscribed", letters, "PERMISSION_DENIED")
        assert owner.ask("get-topic-permission", topicName=letters)["permission"] == permission
        owner.publish(topic, 2)
        eventually("the second is given up", lambda: numbers(near) == [1, 2])
        assert numbers(reader) == "PERMISSION_DENIED"
        with pytest.raises(Refused, match="PERMISSION_DENIED"):
            reader.subscribe(letters)
        code, answer = cluster[2].call("POST", "/api/v1/query", {"sql": f'SELECT * FROM "{letters}"'}, token=bob)
        assert (code, answer["error"]["code"]) == (404, "TABLE_NOT_FOUND")
        reader.expect_nothing_more()
        assert cluster[1].call("PUT", path, {"permission": permission})[0] == 200
        eventually("everybody may read again", lambda: numbers(reader) == [1, 2])


def test_what_a_dead_node_had_to_give_out_is_given_out_by_another(fresh_three, attach):
    cluster = fresh_three
    publisher = attach(cluster[2])
    publisher.create(JOBS)
    cluster.await_equal_vectors()
    workers = [Worker(attach(node), JOBS, acknowledging=False, ack=True) for node in cluster.nodes[:2]]
    # More than the members may have at once, so that some were never given to anybody.
    expected = set(range(200))
    for number in sorted(expected):
        publisher.publish(JOBS, number, ack="replicated")
    eventually("some are held", lambda: sum(len(worker.got) for worker in workers) >= 100)
    assert set(given(workers)) < expected
    cluster[2].kill()
    for worker in workers:
        worker.go_on()
    eventually("all were given", lambda: set(given(workers)) == expected, limit=60)
    # The group goes on, on the nodes that are left.
    heir = attach(cluster[0])
    heir.publish(JOBS, "after", ack="replicated")
    eventually("the group goes on", lambda: given(workers)["after"] == 1)
    # The dead node comes back, and nothing that was acknowledged comes with it.
    cluster[2].start()
    cluster.await_equal_vectors()
    late = Worker(attach(cluster[2]), JOBS, ack=True)
    again = attach(cluster[2])
    again.publish(JOBS, "last", ack="replicated")
    eventually("the last is given", lambda: given([*workers, late])["last"] == 1)


def test_while_nodes_die_in_turn_every_replicated_message_is_given_at_least_once(fresh_three, attach):
    cluster = fresh_three
    attach(cluster[0]).create(JOBS)
    cluster.await_equal_vectors()
    workers = [Worker(attach(node), JOBS, ack=True, ackTimeout=2_000) for node in cluster.nodes]
    confirmed = set()
    for round_, victim in enumerate([2, 1]):
        publishers = [attach(node) for node in cluster.running()]
        for number in range(60):
            node = number % len(publishers)
            data = f"{round_}-{node}-{number}"
            publishers[node].publish(JOBS, data, ack="replicated")
            confirmed.add(data)
        cluster[victim].kill()
        eventually("nothing is lost", lambda: set(given(workers)) >= confirmed, limit=60)
        cluster[victim].start()
        cluster.await_equal_vectors()
        workers.append(Worker(attach(cluster[victim]), JOBS, ack=True, ackTimeout=2_000))
    # Most were given once: only what was under way at a kill may come again.
    assert sum(count - 1 for count in given(workers).values()) < 240


def test_a_group_goes_on_where_it_was_after_all_nodes_were_stopped(tmp_path, attach):
    with Cluster(1) as cluster:
        client = attach(cluster[0])
        client.create(JOBS)
        worker = Worker(attach(cluster[0]), JOBS, ack=True)
        for number in range(100):
            client.publish(JOBS, number, ack="stored")
        eventually("all were given", lambda: len(worker.got) == 100)
        eventually("that is written", lambda: len(client_records(cluster)) >= 2)
        # What was acknowledged within the last second may come again, and nothing else.
        worker.client.close()
        client.publish(JOBS, "while nobody was there", ack="stored")
        cluster[0].stop()
        cluster[0].start()
        heir = Worker(attach(cluster[0]), JOBS, ack=True)
        eventually("it was kept", lambda: "while nobody was there" in heir.data)


@pytest.fixture
def held_up():
    """Three nodes, of which the first is told nothing over the bus while the relay before it is held; it speaks itself, and
    gossip goes on, so that everybody holds everybody alive."""
    cluster = Cluster(3)
    host, port = cluster[0].bus.split(":")
    cluster[0].bus = f"127.0.0.2:{port}"
    cluster[0].flags += ["--advertise", host]
    with Relay((host, int(port)), ("127.0.0.2", int(port))) as relay, cluster:
        yield cluster, relay


def fill_lane(client, topic):
    """Asks a responder beyond the relay until not even the shortest request finds room on the way there."""
    for size in (900_000, 100_000, 10_000, 1_000, 1):
        # Together they have more bytes than what is left; what finds room stays unanswered.
        for number in range(30 if size == 900_000 else 12):
            attributes = {"topicName": topic, "message": "x" * size, "timeout": 300_000}
            client.send({"id": f"{size}/{number}", "method": "request", "attributes": attributes})
        while (answer := client.other())["id"].split("/")[0] != str(size):
            pass
        assert answer["code"] == "RATE_LIMIT_EXCEEDED" and "every responder" in answer["error"], answer


def test_acknowledgements_that_cannot_be_carried_to_the_giving_node_are_told_again(held_up, attach):
    cluster, relay = held_up
    publisher = attach(cluster[0])
    for name in (JOBS, "work"):
        publisher.create(name)
    cluster.await_equal_vectors()
    worker = Worker(attach(cluster[1]), JOBS, acknowledging=False, ack=True, ackTimeout=600_000)
    attach(cluster[0]).subscribe("work", respond=True)
    asker = attach(cluster[1], compression=None)
    for number in range(20):
        publisher.publish(JOBS, number)
    eventually("it has them", lambda: len(worker.got) == 20)
    relay.hold()
    fill_lane(asker, "work")
    worker.go_on()
    worker.client.ask("list-topic")  # the node has taken what came before
    asker.send({"id": "last", "method": "request", "attributes": {"topicName": "work", "message": 1, "timeout": 300_000}})
    while (answer := asker.other())["id"] != "last":
        pass
    assert answer["code"] == "RATE_LIMIT_EXCEEDED", "there was no room for the acknowledgements before it"
    assert sorted(alive(cluster[1])) == sorted(node.name for node in cluster.nodes)
    relay.go_on()

    def left():
        """What follows the place that the group has come to, as the giving node has written it."""
        records = [each["data"]["done"] for each in publisher.history("$groups") if each["data"]["done"]]
        return publisher.ask("history", topicName=JOBS, since=records[-1])["messages"] if records else [...]

    eventually("the giving node knows that all are acknowledged", lambda: left() == [])
    worker.client.close()
    heir = Worker(attach(cluster[0]), JOBS, ack=True)
    publisher.publish(JOBS, "next")
    eventually("the next is given", lambda: heir.data[-1:] == ["next"])
    assert heir.data == ["next"] and len(worker.got) == 20


def client_records(cluster):
    """The segments of the node's log that hold records of groups, each counted by how often it names one."""
    needle = b'"group":"g"'
    return [1 for path in cluster[0].data.rglob("*") if path.is_file() for _ in range(path.read_bytes().count(needle))]


def test_the_command_takes_part_in_a_group_and_acknowledges(node, attach, topic):
    client = attach(node)
    client.create(topic)
    command = subprocess.Popen(
        [str(BINARY), "sub", topic, "--group", "g", "--ack", "--count", "3", "--url", f"http://{node.front}"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        eventually("it is there", lambda: client.ask("get-topic", topicName=topic)["subscribers"] == 1)
        for number in range(3):
            client.publish(topic, number)
        assert command.communicate(timeout=LIMIT)[0].split() == ["0", "1", "2"]
        assert command.returncode == 0
    finally:
        command.kill()
    late = Worker(attach(node), topic, ack=True)
    client.publish(topic, "new")
    eventually("what it acknowledged does not come again", lambda: late.data[-1:] == ["new"])
    assert late.data == ["new"]


def test_groups_are_refused_where_they_cannot_be(node, attach, topic):
    client = attach(node)
    client.create(topic, durability="memory")
    with pytest.raises(Refused, match="NOT_SUPPORTED"):
        client.ask("subscribe", topicName=topic, group="g", ack=True)
    for attributes in ({"ack": True}, {"group": "g", "since": "beginning"}, {"group": "g", "ackTimeout": 1_000}):
        with pytest.raises(Refused, match="INVALID_MESSAGE"):
            client.ask("subscribe", topicName=topic, **attributes)
    Worker(client, topic)
    client.publish(topic, 1)
    with pytest.raises(Refused, match="INVALID_MESSAGE"):
        client.ask("ack", ackId="zz")
