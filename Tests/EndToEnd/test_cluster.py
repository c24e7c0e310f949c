"""Three nodes that are one broker: any client may do anything at any of them."""

import json
import signal
import socket

import pytest

from cluster import Node, alive, eventually
from live import Refused, live


def subscribe_when_known(client, topic, **attributes):
    """Subscribes at a node that may hear of the topic only in a moment."""

    def tried():
        try:
            return client.subscribe(topic, **attributes)
        except Refused as refusal:
            assert refusal.code == "TOPIC_NOT_FOUND", refusal
            return None

    return eventually(f"{topic} is known everywhere", tried)


def test_a_topic_made_on_one_node_is_usable_on_the_others(three, attach, topic):
    a, b, c = (attach(node) for node in three)
    a.create(topic)
    readers = [a, b, c]
    for reader in readers:
        subscribe_when_known(reader, topic)
    for number, writer in enumerate(readers):
        writer.publish(topic, number, ack="stored")
    for reader in readers:
        assert sorted(event["data"] for event in reader.take(3)) == [0, 1, 2]


def test_history_is_the_same_on_every_node(three, attach, topic):
    clients = [attach(node) for node in three]
    clients[0].create(topic)
    for client in clients:
        subscribe_when_known(client, topic)
    for number in range(30):
        clients[number % 3].publish(topic, number, ack="stored")
    three.await_equal_vectors()
    histories = [client.history(topic) for client in clients]
    assert len(histories[0]) == 30
    assert histories[1] == histories[0] and histories[2] == histories[0]


def test_replicated_is_acknowledged_by_a_majority(three, attach, topic):
    client = attach(three[0])
    client.create(topic)
    assert client.publish(topic, "x", ack="replicated")["ack"] == "replicated"


def test_a_message_id_used_on_two_nodes_is_one_message(three, attach, topic):
    a, b = attach(three[0]), attach(three[1])
    a.create(topic)
    a.publish(topic, "once", messageId="m", ack="replicated")
    three.await_equal_vectors()
    b.publish(topic, "once", messageId="m", ack="stored")
    for client in (a, b):
        assert len(client.history(topic)) == 1


def test_a_topic_destroyed_on_one_node_goes_everywhere(three, attach, topic):
    a, b = attach(three[0]), attach(three[1])
    a.create(topic)
    subscribe_when_known(b, topic)
    a.ask("destroy-topic", topicName=topic)

    def gone():
        return topic not in [each["name"] for each in b.ask("list-topic", limit=1000)["topics"]]

    eventually("the other node knows that the topic is gone", gone)


def test_a_wildcard_on_one_node_follows_topics_made_on_another(three, attach, topic):
    a, b = attach(three[0]), attach(three[1])
    b.subscribe(f"{topic}/#")
    a.create(f"{topic}/later")
    a.publish(f"{topic}/later", "seen", ack="stored")
    assert b.event()["data"] == "seen"


def test_a_topic_in_memory_reaches_the_other_nodes_and_refuses_to_store(three, attach, topic):
    a, b = attach(three[0]), attach(three[1])
    a.create(topic, durability="memory")
    subscribe_when_known(b, topic)
    for number in range(100):
        a.publish(topic, number, ack="accepted")
    assert [event["data"] for event in b.take(100)] == list(range(100))
    for level in ("stored", "replicated"):
        with pytest.raises(Refused, match="NOT_SUPPORTED"):
            a.publish(topic, "x", ack=level)


def test_a_topic_in_memory_brings_what_was_published_while_a_node_was_taken_for_dead(fresh_three, attach, topic):
    a, b = attach(fresh_three[0]), attach(fresh_three[1])
    a.create(topic, durability="memory")
    subscribe_when_known(b, topic)
    a.publish(topic, "before", ack="accepted")
    assert b.event()["data"] == "before"
    silent = fresh_three[1].process
    silent.send_signal(signal.SIGSTOP)
    try:
        eventually("the silent node is taken for dead", lambda: "node-2" not in alive(fresh_three[0]))
        for number in range(50):
            a.publish(topic, number, ack="accepted")
    finally:
        silent.send_signal(signal.SIGCONT)
    # Nothing more is published: what the ring of the first node holds comes by itself.
    assert [event["data"] for event in b.take(50)] == list(range(50))


def test_every_node_names_the_others(three):
    for node in three:
        told = node.get("/api/v1/cluster")
        assert any(told["node"] == {"id": member["id"], "name": member["name"]} for member in told["members"])
        assert sorted(alive(node)) == ["node-1", "node-2", "node-3"]
        assert {member["listen"] for member in told["members"]} == {each.front for each in three}


def test_a_node_with_another_key_does_not_join(three, tmp_path):
    key = tmp_path / "other.key"
    key.write_text("0123456789abcdef" * 4)
    key.chmod(0o600)
    stranger = Node("stranger", tmp_path, "--cluster-key-file", str(key), "--join", three[0].gossip)
    before = three[0].metric("roost_gossip_packets_refused_total")
    stranger.start()
    try:
        eventually(
            "the stranger's packets are counted",
            lambda: three[0].metric("roost_gossip_packets_refused_total") > before,
        )
        assert alive(stranger) == ["stranger"]
        for node in three:
            assert "stranger" not in json.dumps(node.get("/api/v1/cluster"))
    finally:
        stranger.end()


def test_forged_packets_are_counted_and_change_nothing(three):
    target = three[0]
    host, port = target.gossip.split(":")
    before = target.metric("roost_gossip_packets_refused_total")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        for size in (0, 1, 16, 100, 1_400, 9_000):
            wire.sendto(b"\x01" * size, (host, int(port)))
    eventually(
        "forged gossip is counted", lambda: target.metric("roost_gossip_packets_refused_total") >= before + 5
    )
    target_before = target.metric("roost_bus_frames_refused_total")
    bus_host, bus_port = target.bus.split(":")
    with socket.create_connection((bus_host, int(bus_port)), 10) as wire:
        wire.sendall(b"\x00SP\x00\x00\x50\x00\x00")  # nanomsg's TCP greeting of a PUSH socket
        wire.recv(8)
        wire.sendall((64).to_bytes(8, "big") + b"\x5a" * 64)
        eventually(
            "a forged frame is counted", lambda: target.metric("roost_bus_frames_refused_total") > target_before
        )
    with socket.create_connection((bus_host, int(bus_port)), 10) as wire:
        wire.sendall(b"\x00SP\x00\x00\x50\x00\x00" + b"\xff" * 16)  # a length that nobody has
    three.await_members(3)
    with live(target) as client:
        client.ask("list-topic")


def test_ten_thousand_wildcards_of_a_client_harm_nobody(fresh_three, attach):
    one, other = fresh_three[0], fresh_three[1]
    flooder = attach(one)
    filters = [f"flood/{number}/+/#" for number in range(10_000)]
    flooder.send({"id": "all", "method": "subscribe", "attributes": {"topicName": filters}})
    bystander = attach(one)
    bystander.create("quiet")
    assert bystander.publish("quiet", 1, ack="replicated")["offset"] == 1
    assert all(flooder.other()["ok"] for _ in filters)
    assert one.name in alive(other)
    flooder.close()
    assert bystander.publish("quiet", 2, ack="replicated")["offset"] == 2
    assert one.name in alive(other)
