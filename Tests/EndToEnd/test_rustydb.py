"""RustyDB's dialect by a WebSocket client that others wrote, with the messages of RustyDB's own document."""

import json
import time
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cluster import Cluster
from rustydb_document import examples, javascript_messages
from tokens import guarding, token

LIMIT = 30


class Client:
    """One connection; every message is sent as it is, and what comes is JSON in the document's envelope."""

    def __init__(self, node, path="/api/v1/stream", query=""):
        self.socket = connect(f"{node.url}{path}{query}", open_timeout=LIMIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, message):
        self.socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    def take(self):
        said = json.loads(self.socket.recv(LIMIT))
        assert set(said) <= {"type", "payload", "timestamp", "id"}, said
        time.strptime(said["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
        return said

    def ask(self, message):
        self.send(message)
        return self.take()

    def close_code(self):
        with pytest.raises(ConnectionClosed):
            while True:
                self.socket.recv(LIMIT)
        return self.socket.close_code


def shape(value):
    """The keys of a message and of its payload."""
    return set(value), set(value.get("payload", {}))


def test_the_ping_of_the_document(node):
    ping, pong = (each for each in examples() if each.get("type") in ("ping", "pong"))
    with Client(node) as client:
        assert shape(client.ask(ping)) == shape(pong)
        for sent in javascript_messages():
            if isinstance(sent, dict) and sent["type"] == "ping":
                assert client.ask(sent)["type"] == "pong"


def test_every_message_of_the_document_is_answered_in_the_shape_that_it_shows(node):
    error = next(each for each in examples() if each.get("id") == "correlation-id")
    sent = [each for each in examples() if each.get("type") in ("query", "ping")]
    sent += [each for each in javascript_messages() if isinstance(each, dict) and each["type"] != "auth"]
    assert len(sent) >= 5
    with Client(node) as client:
        for message in sent:
            said = client.ask(message)
            assert said.get("id") == message.get("id")
            if message.get("id") == "query-001":
                # The table of the example is not there: the answer is the one that the document shows for that.
                (shown,) = (each for each in examples() if each.get("type") == "error" and each["id"] == "query-001")
                assert said["type"] == "error" and said["payload"]["code"] == shown["payload"]["code"]
            if said["type"] == "error":
                assert shape(said)[1] == shape(error)[1] and said["payload"]["status"] == "error"


def test_the_authentication_of_the_document(guarded):
    """Both of its ways: the token in a message, with the document's own placeholder too, and in the address."""
    sample = next(each for each in javascript_messages() if isinstance(each, dict) and each["type"] == "auth")
    with Client(guarded) as client:
        refused = client.ask(sample)
        assert refused["type"] == "auth_error" and refused["payload"]["code"] == "AUTH_FAILED"
        assert client.close_code() == 1008
    good = {**sample, "payload": {"token": token("root", roles=["admin"])}}
    with Client(guarded) as client:
        assert client.ask({"type": "publish", "payload": {"topic": "x", "message": 1}})["payload"]["code"] == "AUTH_REQUIRED"
        said = client.ask(good)
        assert said["type"] == "auth_success" and said["payload"]["user"] == "root"
        # And again on the same connection.
        assert client.ask({**good, "id": 2})["id"] == 2
    with Client(guarded, query=f"?token={good['payload']['token']}") as client:
        assert client.ask({"type": "ping"})["type"] == "pong"


def test_the_login_of_the_document(tmp_path):
    import subprocess

    from cluster import BINARY

    users = tmp_path / "users.yaml"
    subprocess.run(
        [str(BINARY), "user", "add", "admin", "--users-file", str(users), "--role", "admin"],
        input="secret123\n", text=True, check=True, capture_output=True, timeout=LIMIT,
    )  # fmt: skip
    with Cluster(1, *guarding(tmp_path), "--users-file", str(users), token=token("root", roles=["admin"])) as cluster:
        status, said = cluster[0].call("POST", "/api/v1/auth/login", {"username": "admin", "password": "secret123"})
        (shown,) = (each for each in examples() if "success" in each)
        assert status == 200 and said.keys() == shown.keys() and said["data"].keys() == shown["data"].keys()
        with Client(cluster[0]) as client:
            granted = client.ask({"type": "auth", "payload": {"token": said["data"]["token"]}})
            assert granted["type"] == "auth_success" and granted["payload"]["user"] == "admin"
        assert cluster[0].call("POST", "/api/v1/auth/login", {"username": "admin", "password": "no"})[0] == 401


def test_several_subscriptions_of_one_connection_each_have_their_id_and_place(three, topic, attach):
    writer = attach(three[0])
    writer.create(topic)
    writer.publish(topic, {"n": 0}, ack="replicated")
    with Client(three[1]) as client:
        all_of_it = {"type": "subscribe", "id": "all", "payload": {"topic": topic, "since": "beginning"}}
        assert client.ask(all_of_it)["payload"]["status"] == "subscribed"
        first = client.take()
        assert (first["id"], first["payload"]["data"]) == ("all", {"n": 0})
        said = client.ask({"type": "subscribe", "id": 2, "payload": {"topics": ["test/+"], "filters": {"n": 2}}})
        assert said["payload"]["status"] == "subscribed" and said["id"] == 2
        with Client(three[2]) as other:
            for number in (1, 2):
                done = other.ask({"type": "publish", "payload": {"topic": topic, "message": {"n": number}}})
                assert done["payload"]["status"] == "success"
        got = [client.take() for _ in range(3)]
        events = [(each["id"], each["payload"]["data"]["n"]) for each in got if each["payload"]["status"] == "event"]
        while len(events) < 3:
            each = client.take()
            if each["payload"]["status"] == "event":
                events.append((each["id"], each["payload"]["data"]["n"]))
        assert sorted(events, key=str) == [("all", 1), ("all", 2), (2, 2)]
        assert client.ask({"type": "unsubscribe", "id": "all"})["payload"]["status"] == "unsubscribed"
        writer.publish(topic, {"n": 2})
        assert client.take()["id"] == 2
        again = client.ask({"type": "unsubscribe", "id": "all"})
        assert again["type"] == "error" and again["payload"]["code"] == "INVALID_MESSAGE"


def test_a_thousand_events_reach_every_subscription_in_order_while_a_client_reads_late(node, topic, attach):
    """More than waits for a connection: the branches leave the live stream and come back."""
    writer = attach(node)
    writer.create(topic)
    with Client(node) as client:
        for ident in ("a", "b"):
            client.send({"type": "subscribe", "id": ident, "payload": {"topic": topic}})
            assert client.take()["payload"]["status"] == "subscribed"
        for number in range(1_000):
            writer.send({"method": "publish", "attributes": {"topicName": topic, "message": {"n": number, "pad": "x" * 4_000}}})
        writer.ask("list-topic")
        got = {"a": [], "b": []}
        while min(map(len, got.values())) < 1_000:
            said = client.take()
            if said["payload"]["status"] == "event":
                got[said["id"]].append(said["payload"]["data"]["n"])
        assert got["a"] == got["b"] == list(range(1_000))


def test_close_codes(node):
    with Client(node) as client:
        client.send(b"\0\1")
        assert client.close_code() == 1003
    with Client(node) as client:
        client.send(json.dumps({"type": "ping", "payload": {"pad": "x" * (1 << 20)}}))
        assert client.close_code() == 1009
    with Client(node) as client:
        client.socket.close(1000)
        assert client.socket.close_code == 1000


def test_more_than_a_hundred_messages_a_second_are_held_back_and_told_so(node):
    """Throttled and told, and nothing is lost."""
    with Client(node) as client:
        for number in range(150):
            client.send({"type": "ping", "id": number})
        pongs, told = [], []
        while len(pongs) < 150:
            said = client.take()
            (told if said["type"] == "error" else pongs).append(said)
        assert [each["id"] for each in pongs] == list(range(150))
        assert [each["payload"]["code"] for each in told] == ["RATE_LIMIT_EXCEEDED"]


def test_figures_need_the_grant_to_monitor(guarded):
    with Client(guarded, "/api/v1/metrics/stream", f"?token={token('root', roles=['admin'])}") as client:
        for _ in range(2):
            said = client.take()
            assert said["type"] == "data" and said["payload"]["status"] == "metrics"
            assert said["payload"]["memory"] > 1_000_000 and said["payload"]["cluster"]["alive"] == 1
    with Client(guarded, "/api/v1/metrics/stream", f"?token={token('ann', roles=['user'])}") as client:
        said = client.take()
        assert said["type"] == "error" and said["payload"]["code"] == "PERMISSION_DENIED"


def test_queries_read_topics_in_parts_and_in_batches(node):
    assert node.call("POST", "/api/v1/topics", {"topicName": "rustydb/orders"})[0] == 201
    path = "/api/v1/topics/rustydb%2Forders/messages"
    for number in range(4):
        message = {"currency": ["EUR", "USD"][number % 2], "amount": number}
        assert node.call("POST", path, {"message": message})[0] == 201
    totals = 'SELECT currency, sum(amount) AS total FROM "rustydb/orders" WHERE amount >= ? GROUP BY currency'
    with Client(node) as client:
        said = client.ask({"type": "query", "id": "q1", "payload": {"sql": totals, "params": [1]}})
        assert said["id"] == "q1" and said["payload"]["status"] == "success"
        assert said["payload"]["columns"] == ["currency", "total"]
        assert said["payload"]["rows"] == [["EUR", 2], ["USD", 4]] and said["payload"]["has_more"] is False
        wrong = {"sql": "DELETE FROM \"rustydb/orders\""}
        said = client.ask({"type": "batch", "id": 2, "payload": {"queries": [{"sql": "SELECT 1 AS one"}, wrong]}})
        first, second = said["payload"]["results"]
        assert first["rows"] == [[1]] and second["code"] == "QUERY_ERROR"
        rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT i FROM n"
        client.send({"type": "query", "id": 3, "payload": {"sql": rows, "streaming": True}})
        parts = [client.take()["payload"] for _ in range(3)]
        assert [len(part["rows"]) for part in parts] == [1000, 1000, 500]
        assert [part["has_more"] for part in parts] == [True, True, False]


def test_what_is_not_built_says_so(node):
    with Client(node) as client:
        for message in ({"type": "subscribe", "payload": {"query": "SELECT 1"}},):
            said = client.ask(message)
            assert said["type"] == "error" and said["payload"]["code"] == "NOT_SUPPORTED"


def watch(node, collection, query=""):
    return Client(node, f"/api/v1/documents/collections/{quote(collection, safe='')}/watch", query)


def change(client):
    """The next change without what differs each time, and its token; places that were passed over are no changes."""
    while (payload := client.take()["payload"])["status"] == "cursor":
        assert payload["resumeToken"]
    assert payload.pop("status") == "change" and payload.pop("clusterTime")
    return payload.pop("resumeToken"), payload


def test_a_collection_is_watched_and_gone_on_with_at_another_node(three, attach, topic):
    def document(kind, key, **value):
        full = {"fullDocument": value} if value else {}
        return {"operationType": kind, "ns": {"coll": topic}, "documentKey": {"_id": key}, **full}

    writer = attach(three[0])
    writer.create(topic, kind="table")
    writer.publish(topic, {"n": 1}, key="a", ack="replicated")
    with watch(three[0], topic) as client:
        said = client.take()["payload"]
        assert (said["status"], said["collection"]) == ("subscribed", topic) and said["resumeToken"]
        assert client.ask({"type": "ping", "payload": {}, "timestamp": "2026-01-01T00:00:00Z"})["type"] == "pong"
        writer.publish(topic, {"n": 2}, key="b")
        token_of_b, said = change(client)
        assert said == document("insert", "b", n=2)
        writer.publish(topic, {"n": 3}, key="a")
        assert change(client)[1] == document("update", "a", n=3)
        writer.publish(topic, None, key="b")
        assert change(client)[1] == document("delete", "b")
        client.send({"type": "query", "payload": {"sql": "SELECT 1"}, "timestamp": "2026-01-01T00:00:00Z"})
        assert client.take()["payload"]["code"] == "INVALID_MESSAGE"
    attach(three[1]).publish(topic, {"n": 4}, key="c", ack="replicated")
    three.await_equal_vectors()
    with watch(three[2], topic, f"?resume_token={token_of_b}") as client:
        assert client.take()["payload"]["status"] == "subscribed"
        came = [change(client) for _ in range(3)]
        assert sorted((said for _, said in came), key=str) == sorted(
            [document("update", "a", n=3), document("delete", "b"), document("insert", "c", n=4)], key=str
        )
    with watch(three[1], topic, f"?resume_token={came[-1][0]}") as client:
        assert client.take()["payload"]["status"] == "subscribed"
        writer.publish(topic, {"n": 5}, key="d")
        assert change(client)[1] == document("insert", "d", n=5)


def test_what_cannot_be_watched_is_said_and_closed(node, topic):
    node.call("POST", "/api/v1/topics", {"name": topic})
    for collection, query, code in [
        (topic, "", "NOT_SUPPORTED"), (topic + "/nowhere", "", "TOPIC_NOT_FOUND"), ("a+b", "", "INVALID_MESSAGE"),
        (topic, "?resume_token=nonsense", "INVALID_MESSAGE"),
    ]:  # fmt: skip
        with watch(node, collection, query) as client:
            said = client.take()
            assert (said["type"], said["payload"]["code"]) == ("error", code)
            assert client.close_code() == 1008


def test_a_watch_shows_rows_to_their_readers_alone(guarded, attach, topic):
    writer = attach(guarded, token("root", roles=["admin"]))
    writer.create(topic, kind="table")
    with watch(guarded, topic, "?token=" + token("bob", roles=["user"])) as client:
        assert client.take()["payload"]["status"] == "subscribed"
        writer.publish(topic, {"n": 1}, key="secret", readers={"users": ["ann"]})
        writer.publish(topic, {"n": 2}, key="open")
        assert change(client)[1]["documentKey"] == {"_id": "open"}
