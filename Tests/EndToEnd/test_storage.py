"""What a node keeps: nothing that it acknowledged as stored is lost, and nobody else uses its folder."""

import pytest

from cluster import STOP_LIMIT, Cluster, Node
from live import live


@pytest.fixture
def alone():
    """One node for one test."""
    with Cluster(1) as cluster:
        yield cluster[0]


def write(node, topic, messages, **attributes):
    with live(node) as client:
        client.create(topic)
        for message in messages:
            client.publish(topic, message, **attributes)


def test_what_was_stored_survives_a_kill(alone, topic):
    write(alone, topic, range(200), ack="stored")
    alone.kill()
    alone.start()
    with live(alone) as client:
        assert [each["data"] for each in client.history(topic)] == list(range(200))
        client.subscribe(topic, since="beginning")
        assert [event["data"] for event in client.take(200)] == list(range(200))
        client.publish(topic, "on", ack="stored")
        assert client.event()["data"] == "on"


def test_a_cursor_is_good_after_a_restart(alone, topic):
    write(alone, topic, range(10), ack="stored")
    with live(alone) as client:
        client.subscribe(topic, since="beginning")
        client.take(6)
        cursor = client.cursor[topic]
    alone.kill()
    alone.start()
    with live(alone) as client:
        client.subscribe(topic, since=cursor)
        assert [event["data"] for event in client.take(4)] == [6, 7, 8, 9]


def test_a_message_id_is_still_known_after_a_restart(alone, topic):
    with live(alone) as client:
        client.create(topic)
        before = client.publish(topic, "once", messageId="m", ack="stored")
    alone.kill()
    alone.start()
    with live(alone) as client:
        assert client.publish(topic, "once", messageId="m", ack="stored")["id"] == before["id"]
        assert len(client.history(topic)) == 1


def test_a_destroyed_topic_stays_destroyed(alone, topic):
    write(alone, topic, ["x"], ack="stored")
    with live(alone) as client:
        client.ask("destroy-topic", topicName=topic)
    alone.kill()
    alone.start()
    with live(alone) as client:
        assert topic not in [each["name"] for each in client.ask("list-topic")["topics"]]


def test_a_clean_stop_tells_its_clients_and_exits_with_0(alone, attach, topic):
    client = attach(alone)
    client.create(topic)
    client.publish(topic, "kept", ack="accepted")
    assert alone.stop() == 0
    assert client.expect_close() == 1012
    alone.start()
    again = attach(alone)
    assert [each["data"] for each in again.history(topic)] == ["kept"]


def test_a_folder_in_use_is_refused(alone):
    second = Node("second", alone.data.parent)
    second.data = alone.data
    second.launch()
    assert second.process.wait(STOP_LIMIT) != 0
    assert "in use" in second.tail()
    with live(alone) as client:
        client.ask("list-topic")
