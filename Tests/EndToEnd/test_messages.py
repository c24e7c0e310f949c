"""One node: topics, publishing, subscribing, history."""

import pytest

from live import Refused


def test_the_first_frame_is_the_session(node, attach):
    session = attach(node).session
    assert session["status"] == "open"
    assert session["data"]["sessionId"]
    assert session["data"]["node"] == node.name
    assert {"user", "groups", "cluster"} <= session["data"].keys()


def test_a_ping_is_answered_with_a_pong(node, attach):
    client = attach(node)
    client.send({"method": "ping", "attributes": {}})
    assert client.other()["type"] == "pong"


def test_a_message_reaches_its_subscribers_as_it_was_sent(node, attach, topic):
    publisher, reader = attach(node), attach(node)
    assert publisher.create(topic) == {"topicName": topic, "created": True}
    reader.subscribe(topic)
    message = {"text": "Grüße ✓", "deep": [1, 2.50, None, {"a": True}], "long": "x" * 5_000}
    answer = publisher.publish(topic, message)
    event = reader.event()
    assert event["data"] == message
    assert event["event"] == "new-message"
    assert event["source"] == publisher.session["data"]["sessionId"]
    assert {key: event[key] for key in ("id", "partition", "offset", "timestamp")} == {
        key: answer[key] for key in ("id", "partition", "offset", "timestamp")
    }
    assert event["timestamp"].endswith("Z") and "." in event["timestamp"]


@pytest.mark.parametrize("message", ["text", 7, -0.5, True, None, [], {}, {"a": {"b": []}}])
def test_any_json_value_is_a_message(node, attach, topic, message):
    client = attach(node)
    client.create(topic)
    client.subscribe(topic)
    client.publish(topic, message)
    assert client.event()["data"] == message


@pytest.mark.parametrize("level", ["accepted", "stored"])
def test_an_answer_names_the_ack_that_was_asked_for(node, attach, topic, level):
    client = attach(node)
    client.create(topic)
    assert client.publish(topic, "x", ack=level)["ack"] == level


def test_a_publish_without_an_id_is_not_answered(node, attach, topic):
    client = attach(node)
    client.create(topic)
    client.subscribe(topic)
    client.send({"method": "new-message", "attributes": {"topicName": topic, "message": "quiet"}})
    client.send({"method": "ping", "attributes": {}})
    assert client.event()["data"] == "quiet"
    assert client.other()["type"] == "pong"


def test_a_message_id_used_again_is_the_same_message(node, attach, topic):
    first, second = attach(node), attach(node)
    first.create(topic)
    first.subscribe(topic)
    one = first.publish(topic, "once", messageId="m-1", ack="stored")
    two = second.publish(topic, "once", messageId="m-1", ack="stored")
    assert (one["id"], one["partition"], one["offset"]) == (two["id"], two["partition"], two["offset"])
    second.publish(topic, "after", messageId="m-2")
    assert [event["data"] for event in first.take(2)] == ["once", "after"]
    assert [each["data"] for each in first.history(topic)] == ["once", "after"]


@pytest.mark.parametrize("level", ["stored", "replicated"])
def test_a_repeat_is_answered_when_the_message_has_the_level_that_only_the_repeat_asks_for(node, attach, topic, level):
    client = attach(node)
    client.create(topic)
    for number in range(20):
        once = client.publish(topic, number, messageId=f"m-{number}", ack="accepted")
        again = client.publish(topic, number, messageId=f"m-{number}", ack=level)
        assert (again["id"], again["ack"]) == (once["id"], level)


def test_topics_are_created_listed_described_and_destroyed(node, attach, topic):
    client = attach(node)
    client.create(topic)
    with pytest.raises(Refused, match="TOPIC_EXISTS"):
        client.create(topic)
    assert topic in [each["name"] for each in client.ask("list-topic", filter="test/+", limit=1000)["topics"]]
    client.publish(topic, "x", ack="stored")
    described = client.ask("get-topic", topicName=topic)
    assert described["name"] == topic and described["kind"] == "stream" and described["messages"] == 1
    client.ask("destroy-topic", topicName=topic)
    assert topic not in [each["name"] for each in client.ask("list-topic", filter="test/+", limit=1000)["topics"]]
    for method in ("get-topic", "destroy-topic", "subscribe", "publish", "history"):
        with pytest.raises(Refused, match="TOPIC_NOT_FOUND"):
            client.ask(method, topicName=topic, message="x")


def test_a_topic_made_again_begins_empty(node, attach, topic):
    client = attach(node)
    client.create(topic)
    client.publish(topic, "old", ack="stored")
    client.ask("destroy-topic", topicName=topic)
    client.create(topic)
    client.subscribe(topic, since="beginning")
    client.publish(topic, "new")
    assert client.event()["data"] == "new"


@pytest.mark.parametrize("name", ["", "a,b", "a/+/b", "a/#", "x" * 256, "a\u0000b"])
def test_a_name_that_is_none_cannot_be_a_topic(node, attach, name):
    with pytest.raises(Refused, match="INVALID_MESSAGE"):
        attach(node).ask("create-topic", topicName=name)


def test_every_spelling_in_circulation_is_understood(node, attach, topic):
    client = attach(node)
    client.ask("create-topicName", name=topic)
    client.subscribe(topic)
    client.ask("new-message", topic=topic, message=1)
    client.ask("publish", topicName=topic, message=2)
    assert [event["data"] for event in client.take(2)] == [1, 2]
    client.ask("list-topicName")
    client.ask("destroy-topicName", name=topic)


@pytest.mark.parametrize("shape", [",".join, list])
def test_several_topics_are_answered_one_by_one(node, attach, topic, shape):
    client = attach(node)
    names = [f"{topic}/{shape.__name__}/{letter}" for letter in "abc"]
    for name in names:
        client.create(name)
    answers = client.ask_for(3, "subscribe", topicName=shape(names))
    assert [answer["topic"] for answer in answers] == names
    for name in names:
        client.publish(name, name)
    assert [event["topic"] for event in client.take(3)] == names


def test_a_subscription_begins_where_it_is_told(node, attach, topic):
    writer = attach(node)
    writer.create(topic)
    answers = [writer.publish(topic, number, ack="stored") for number in range(1, 11)]

    def read(since, count):
        reader = attach(node)
        reader.subscribe(topic, since=since)
        return [event["data"] for event in reader.take(count)]

    partition = answers[0]["partition"]
    assert read("beginning", 10) == list(range(1, 11))
    assert read({"last": 3}, 3) == [8, 9, 10]
    assert read({partition: 7}, 3) == [8, 9, 10]
    assert read({}, 10) == list(range(1, 11))
    assert read({"time": answers[4]["timestamp"]}, 1)[0] <= 5


def test_without_since_a_subscription_begins_now(node, attach, topic):
    client = attach(node)
    client.create(topic)
    client.publish(topic, "before", ack="stored")
    client.subscribe(topic)
    client.publish(topic, "after")
    assert client.event()["data"] == "after"


def test_history_comes_in_pages_and_its_cursor_goes_on(node, attach, topic):
    client = attach(node)
    client.create(topic)
    for number in range(25):
        client.publish(topic, number, ack="stored")
    seen, since, more = [], "beginning", True
    while more:
        page = client.ask("history", topicName=topic, since=since, limit=10)
        seen += [message["data"] for message in page["messages"]]
        since, more = page["cursor"], page["more"]
    assert seen == list(range(25))
    client.subscribe(topic, since=since)
    client.publish(topic, "next")
    assert client.event()["data"] == "next"


def test_nothing_comes_after_unsubscribing(node, attach, topic):
    client, other = attach(node), attach(node)
    client.create(topic)
    client.subscribe(topic)
    assert client.ask("unsubscribe", topicName=topic) == {"topic": topic}
    other.publish(topic, "unseen", ack="stored")
    client.expect_nothing_more()


def test_a_wildcard_follows_topics_made_later(node, attach, topic):
    client = attach(node)
    client.create(f"{topic}/a/x")
    client.subscribe(f"{topic}/+/x")
    client.create(f"{topic}/b/x")
    client.create(f"{topic}/b/y")
    for name in ("a/x", "b/y", "b/x"):
        client.publish(f"{topic}/{name}", name)
    assert [event["topic"] for event in client.take(2)] == [f"{topic}/a/x", f"{topic}/b/x"]


def test_the_rest_of_a_tree_is_followed_with_a_hash(node, attach, topic):
    client = attach(node)
    client.create(f"{topic}/deep/er")
    client.subscribe(f"{topic}/#")
    client.publish(f"{topic}/deep/er", 1)
    assert client.event()["topic"] == f"{topic}/deep/er"


def test_filters_choose_by_event_and_by_field_and_the_cursor_moves_on(node, attach, topic):
    client, reader = attach(node), attach(node)
    client.create(topic)
    reader.subscribe(topic, filters={"EventType": "update", "colour": "red"})
    for event, colour in [("create", "red"), ("update", "blue"), ("update", "red"), ("update", "green")]:
        client.publish(topic, {"colour": colour}, event=event, ack="stored")
    seen = reader.event()  # `event` checks that the two before it were announced by a cursor
    assert (seen["event"], seen["data"]["colour"], seen["offset"]) == ("update", "red", 3)
    # What is not shown after it is announced within 10 s.
    frame = reader._take(reader.events, 30, "a cursor")
    assert frame["type"] == "cursor" and list(frame["cursor"].values()) == [4]


def test_a_batch_is_answered_in_order(node, attach, topic):
    client = attach(node)
    messages = [
        {"id": "b1", "method": "create-topic", "attributes": {"topicName": topic}},
        {"id": "b2", "method": "publish", "attributes": {"topicName": topic, "message": 1}},
        {"id": "b3", "method": "publish", "attributes": {"topicName": f"{topic}/none", "message": 1}},
    ]
    client.send({"id": "b0", "method": "batch", "attributes": {"messages": messages}})
    answers = client.other()["data"]
    assert [(answer["id"], answer["ok"]) for answer in answers] == [("b1", True), ("b2", True), ("b3", False)]
    assert answers[2]["code"] == "TOPIC_NOT_FOUND"


def test_an_id_may_be_a_number_and_comes_back_as_one(node, attach):
    client = attach(node)
    client.send({"id": 42, "method": "list-topic", "attributes": {}})
    answer = client.other()
    assert answer["id"] == 42 and answer["ok"] is True
