"""Tables over three nodes: rows written anywhere are the same everywhere, whoever was away meanwhile."""

import json
from urllib.parse import quote

import pytest

from cluster import eventually
from live import Refused, live
from tokens import token


def rows_of(node, table, token=None):
    """Every row as one node has it, page by page."""
    rows, since, more = {}, "beginning", True
    while more:
        path = f"/api/v1/tables/{quote(table, safe='')}?limit=2&since={quote(since, safe='')}"
        status, answer = node.call("GET", path, token=token)
        assert status == 200, answer
        page = answer["data"]
        for row in page["rows"]:
            rows[row["key"]] = row["data"]
        since, more = json.dumps(page["cursor"]), page["more"]
    return rows


def row(node, table, key, token=None):
    return node.call("GET", f"/api/v1/tables/{quote(table, safe='')}/{quote(key, safe='')}", token=token)


def changes(client, count):
    events = client.take(count)
    return [(event["event"], event["data"]["id"], event["data"]["attributes"]) for event in events]


def test_a_table_is_created_written_and_followed_on_any_node(three, attach, topic):
    writer, reader = attach(three[0]), attach(three[1])
    writer.create(topic, kind="table")
    eventually("the table is known", lambda: three[1].call("GET", f"/api/v1/tables/{quote(topic, safe='')}")[0] == 200)
    for key, value in [("a", {"n": 1}), ("b", {"n": 2}), ("a", {"n": 3}), ("c", {"n": 4})]:
        writer.publish(topic, value, key=key, ack="replicated")
    writer.publish(topic, None, key="c", ack="replicated")
    eventually("the rows are there", lambda: rows_of(three[1], topic) == {"b": {"n": 2}, "a": {"n": 3}})
    reader.subscribe(topic)
    first = reader.take(2)
    assert [(event["data"], event["snapshot"]) for event in first] == [
        ({"type": topic, "id": "b", "attributes": {"n": 2}}, True),
        ({"type": topic, "id": "a", "attributes": {"n": 3}}, True),
    ]
    assert [event["revision"] for event in first] == [1, 2]
    writer.publish(topic, {"type": topic, "id": "d", "attributes": {"n": 5}})
    writer.publish(topic, {"n": 6}, key="b")
    writer.publish(topic, None, key="a")
    events = reader.take(3)
    assert [(event["event"], event["key"], event["data"]["attributes"]) for event in events] == [
        ("create", "d", {"n": 5}), ("update", "b", {"n": 6}), ("delete", "a", None),
    ]  # fmt: skip
    assert all("snapshot" not in event for event in events)
    assert reader.ask("get-row", topicName=topic, key="d")["data"]["attributes"] == {"n": 5}
    with pytest.raises(Refused) as refused:
        reader.ask("get-row", topicName=topic, key="a")
    assert refused.value.code == "ROW_NOT_FOUND"


def test_who_resumes_by_cursor_gets_the_newest_of_what_changed(three, attach, topic):
    writer = attach(three[0])
    writer.create(topic, kind="table")
    for key in ("a", "b"):
        writer.publish(topic, 1, key=key, ack="replicated")
    reader = attach(three[0])
    reader.subscribe(topic)
    reader.take(2)
    reader.close()
    for number in range(2, 30):
        writer.publish(topic, number, key="b", ack="stored")
    writer.publish(topic, None, key="a", ack="replicated")
    resumed = attach(three[0])
    resumed.subscribe(topic, since=reader.cursor[topic])
    assert changes(resumed, 2) == [("update", "b", 29), ("delete", "a", None)]
    resumed.expect_nothing_more()


def test_what_is_wrong_is_said(node, attach, topic):
    client = attach(node)
    client.create(topic, kind="table")
    for attributes, code in [
        ({"message": {"n": 1}}, "INVALID_MESSAGE"), ({"message": 1, "key": ""}, "INVALID_MESSAGE"),
        ({"message": 1, "key": "a", "event": "update"}, "INVALID_MESSAGE"),
        ({"message": 1, "key": "a", "ttl": 5}, "INVALID_MESSAGE"),
        ({"message": 1, "key": "a", "readers": ["ann"]}, "INVALID_MESSAGE"),
        ({"message": None, "key": "a"}, "ROW_NOT_FOUND"),
    ]:  # fmt: skip
        with pytest.raises(Refused) as refused:
            client.ask("publish", topicName=topic, **attributes)
        assert refused.value.code == code, attributes
    for attributes in ({"retention": {"messages": 5}}, {"durability": "memory"}):
        with pytest.raises(Refused) as refused:
            client.create(topic + "/other", kind="table", **attributes)
        assert refused.value.code == "NOT_SUPPORTED"
    status, answer = row(node, topic, "none")
    assert (status, answer["error"]["code"]) == (404, "ROW_NOT_FOUND")
    client.create(topic + "/stream")
    status, answer = row(node, topic + "/stream", "a")
    assert (status, answer["error"]["code"]) == (501, "NOT_SUPPORTED")
    assert row(node, topic + "/nowhere", "a")[0] == 404


def test_rows_written_apart_come_to_the_same_and_a_later_write_beats_them(fresh_three, attach, topic):
    """A node that is killed and one that goes on write the same rows without knowing of each other."""
    with live(fresh_three[0]) as writer:
        writer.create(topic, kind="table")
        writer.publish(topic, "first", key="shared", ack="replicated")
        writer.publish(topic, "first", key="ended", ack="replicated")
    fresh_three.await_equal_vectors()
    for node in (fresh_three[1], fresh_three[2]):
        node.kill()
    with live(fresh_three[0]) as writer:
        for number in range(20):
            writer.publish(topic, number, key="shared", ack="stored")
        writer.publish(topic, None, key="ended", ack="stored")
        writer.publish(topic, "a", key="of-a", ack="stored")
    fresh_three[0].kill()
    for node in (fresh_three[1], fresh_three[2]):
        node.start()
    with live(fresh_three[1]) as writer:
        # One version less than the other side has written, so that this one loses though it is later.
        writer.publish(topic, "late", key="shared", ack="replicated")
        writer.publish(topic, "late", key="ended", ack="replicated")
        writer.publish(topic, "b", key="of-b", ack="replicated")
    reader = attach(fresh_three[1])
    reader.subscribe(topic)
    assert sorted(key for _, key, _ in changes(reader, 3)) == ["ended", "of-b", "shared"]
    fresh_three[0].start()
    fresh_three.await_members(3)
    fresh_three.await_equal_vectors()
    expected = {"shared": 19, "ended": "late", "of-a": "a", "of-b": "b"}
    for node in fresh_three:
        assert rows_of(node, topic) == expected
    # Of the other side's versions those that lose are passed over: the end of one row, and one of the other.
    came = changes(reader, 20)
    assert [value for _, key, value in came if key == "shared"] == list(range(1, 20))
    assert [change for change in came if change[1] != "shared"] == [("create", "of-a", "a")]
    reader.expect_nothing_more()
    with live(fresh_three[2]) as writer:
        writer.publish(topic, "last", key="shared", ack="replicated")
    assert changes(reader, 1) == [("update", "shared", "last")]
    for node in fresh_three.nodes:
        node.kill()
    for node in fresh_three.nodes:
        node.launch()
    for node in fresh_three.nodes:
        node.await_ready()
    for node in fresh_three.nodes:
        eventually("the rows are back", lambda node=node: rows_of(node, topic) == {**expected, "shared": "last"})


def test_rows_with_readers_are_for_them_and_admins_at_every_door(guarded, attach, topic):
    def who(name, *groups, roles=("user",)):
        return token(name, roles=roles, groups=list(groups))

    ann, bob, carl, root = who("ann"), who("bob"), who("carl", "staff"), who("root", roles=["admin"])
    writer = attach(guarded, ann)
    writer.create(topic, kind="table")
    writer.publish(topic, {"n": 1}, key="open")
    writer.publish(topic, {"n": 2}, key="bobs", readers={"users": ["ann", "bob"]})
    writer.publish(topic, {"n": 3}, key="staffs", readers={"groups": ["staff"], "users": ["ann"]})
    expected = {
        bob: {"open": {"n": 1}, "bobs": {"n": 2}}, carl: {"open": {"n": 1}, "staffs": {"n": 3}},
        root: {"open": {"n": 1}, "bobs": {"n": 2}, "staffs": {"n": 3}},
    }  # fmt: skip
    followers = {}
    for user, rows in expected.items():
        assert rows_of(guarded, topic, user) == rows
        for key in ("open", "bobs", "staffs"):
            assert row(guarded, topic, key, user)[0] == (200 if key in rows else 404)
        status, answer = guarded.call("POST", "/api/v1/query", {"sql": f'SELECT _key, n FROM "{topic}"'}, token=user)
        assert status == 200, answer
        assert dict(answer["data"]["rows"]) == {key: value["n"] for key, value in rows.items()}
        history = guarded.call("GET", f"/api/v1/topics/{quote(topic, safe='')}/messages?since=beginning", token=user)[1]
        assert [each["key"] for each in history["data"]["messages"]] == list(rows)
        followers[user] = attach(guarded, user)
        followers[user].subscribe(topic)
        assert {key: value for _, key, value in changes(followers[user], len(rows))} == rows
    # Bob may not write what he may not read, and nobody but the owner may end rows unless the mask says so.
    with live(guarded, bob) as client:
        for attributes in ({"key": "staffs", "message": 1}, {"key": "open", "message": None}):
            with pytest.raises(Refused) as refused:
                client.ask("publish", topicName=topic, **attributes)
            assert refused.value.code == "PERMISSION_DENIED"
    writer.publish(topic, {"n": 4}, key="bobs", readers={"users": ["ann"]})
    writer.publish(topic, {"n": 5}, key="open")
    assert changes(followers[bob], 2) == [("delete", "bobs", None), ("update", "open", {"n": 5})]
    assert changes(followers[carl], 1) == [("update", "open", {"n": 5})]
    assert changes(followers[root], 2) == [("update", "bobs", {"n": 4}), ("update", "open", {"n": 5})]


def test_sql_sees_the_rows_that_there_are(node, attach, topic):
    client = attach(node)
    client.create(topic, kind="table")
    for key, colour, price in [("a", "red", 1), ("b", "blue", 2), ("a", "red", 5), ("c", "red", 7), ("b", "blue", 3)]:
        client.publish(topic, {"colour": colour, "price": price}, key=key, ack="stored")
    client.publish(topic, None, key="c", ack="stored")
    status, answer = node.call(
        "POST", "/api/v1/query",
        {"sql": f'SELECT colour, count(*), sum(price), max(_event) FROM "{topic}" GROUP BY colour ORDER BY colour'},
    )  # fmt: skip
    assert status == 200, answer
    assert answer["data"]["rows"] == [["blue", 1, 3, "update"], ["red", 1, 5, "update"]]
