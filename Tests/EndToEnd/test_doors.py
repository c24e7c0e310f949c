"""One topic through every door: whoever publishes, everybody hears, and the same is allowed whatever the door."""

import collections
import functools
import http.server
import json
import threading
from contextlib import ExitStack

import pytest
from websockets.sync.client import connect

from cluster import Cluster
from events import Events
from javascript import FIXTURES, needs_chromium
from live import LIMIT, Live, Refused
from tokens import SECRET, token


class LiveDoor:
    def __init__(self, node, secret=None):
        self.client = Live(node, secret)
        self.can_follow = True
        try:
            self.client.subscribe("chat/1")
        except Refused as refused:
            assert refused.code == "PERMISSION_DENIED"
            self.can_follow = False

    def publish(self, text):
        try:
            self.client.publish("chat/1", {"content": text, "chat_id": 1})
        except Refused as refused:
            assert refused.code == "PERMISSION_DENIED"
            return False
        return True

    def create(self, name):
        try:
            self.client.create(name)
        except Refused as refused:
            assert refused.code == "PERMISSION_DENIED"
            return False
        return True

    def hears(self):
        return self.client.event()["data"]["content"]

    def close(self):
        self.client.close()


class StreamDoor:
    """Server-Sent Events to read, and REST to publish."""

    def __init__(self, node, secret=None):
        self.node, self.secret = node, secret
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self.events = Events(node.front, "?topics=chat%2F1", headers)
        self.can_follow = self.events.status == 200
        if self.can_follow:
            self.events.begun()
        else:
            assert self.events.status == 403 and self.events.body["error"]["code"] == "PERMISSION_DENIED"

    def publish(self, text):
        message = {"message": {"content": text, "chat_id": 1}}
        status, answer = self.node.call("POST", "/api/v1/topics/chat%2F1/messages", message, self.secret)
        assert status in (201, 403), answer
        return status == 201

    def create(self, name):
        status, answer = self.node.call("POST", "/api/v1/topics", {"name": name}, self.secret)
        assert status == 201 or answer["error"]["code"] == "PERMISSION_DENIED", answer
        return status == 201

    def hears(self):
        return self.events.message()["content"]

    def close(self):
        self.events.close()


class NewLoomDoor:
    def __init__(self, node, secret=None):
        query = f"?token={secret}" if secret else ""
        self._stack = connect(f"{node.url}/ws/chat/{query}", open_timeout=LIMIT)
        self.socket = self._stack.__enter__()
        # What follows the subscription is answered after it; a refusal of it is said first.
        self.socket.send('{"type":"typing","chat_id":"nobody-made-this","is_typing":false}')
        self.socket.send('{"type":"status","chat_id":"nobody-made-this","message_id":"m","status":"read"}')
        frames = [self.next()]
        while "nobody-made-this" not in frames[-1].get("message", ""):
            frames.append(self.next())
        self.can_follow = True

    def next(self):
        return json.loads(self.socket.recv(LIMIT))

    def publish(self, text):
        self.socket.send(json.dumps({"type": "message", "content": text, "chat_id": 1}))
        self.socket.send('{"type":"status","chat_id":"nobody-made-this","message_id":"m","status":"read"}')
        allowed = True
        while True:
            frame = self.next()
            if frame.get("type") == "message":
                self.heard = frame["message"]["content"]
            elif "nobody-made-this" in frame["message"]:
                return allowed
            else:
                assert frame["code"] == "permission_denied", frame
                allowed = False

    def hears(self):
        if heard := self.__dict__.pop("heard", None):
            return heard
        frame = self.next()
        assert frame["type"] == "message", frame
        return frame["message"]["content"]

    def close(self):
        self._stack.__exit__(None, None, None)


class SQLatteDoor:
    """Events to read, and nothing to publish with: its document has no word for that."""

    def __init__(self, node, secret=None):
        query = f"?token={secret}" if secret else ""
        self._stack = connect(f"{node.url}/ws{query}", open_timeout=LIMIT)
        self.socket = self._stack.__enter__()
        self.socket.send('{"type":"subscribe","data":{"events":["new-message"]}}')
        said = json.loads(self.socket.recv(LIMIT))
        self.can_follow = said["type"] == "subscribed"
        assert self.can_follow or said["data"]["code"] == "PERMISSION_DENIED", said

    def hears(self):
        said = json.loads(self.socket.recv(LIMIT))
        assert (said["type"], said["topic"]) == ("new-message", "chat/1"), said
        return said["data"]["content"]

    def may_query(self):
        self.socket.send('{"type":"query","data":{"sql":"SELECT count(*) FROM \\"chat/1\\""}}')
        while (said := json.loads(self.socket.recv(LIMIT)))["type"] not in ("query_result", "error"):
            pass
        assert said["type"] == "query_result" or said["data"]["code"] in ("PERMISSION_DENIED", "TABLE_NOT_FOUND"), said
        return said["type"] == "query_result"

    def close(self):
        self._stack.__exit__(None, None, None)


class RustyDBDoor:
    def __init__(self, node, secret=None):
        self._stack = ExitStack()
        query = f"?token={secret}" if secret else ""
        self.socket = self._stack.enter_context(connect(f"{node.url}/api/v1/stream{query}", open_timeout=LIMIT))
        self.heard = collections.deque()
        self.can_follow = self.ask({"type": "subscribe", "id": "s", "payload": {"topic": "chat/1"}})

    def next(self):
        return json.loads(self.socket.recv(LIMIT))

    def take(self):
        said = self.next()
        if said["payload"]["status"] == "event":
            assert said["id"] == "s" and said["payload"]["topic"] == "chat/1", said
            self.heard.append(said["payload"]["data"]["content"])
        return said

    def ask(self, message):
        """Whether it is allowed."""
        self.socket.send(json.dumps(message))
        while (said := self.take()).get("id") != message["id"] or said["payload"]["status"] in ("event", "cursor"):
            pass
        assert said["type"] == "data" or said["payload"]["code"] == "PERMISSION_DENIED", said
        return said["type"] == "data"

    def publish(self, text):
        message = {"content": text, "chat_id": 1}
        return self.ask({"type": "publish", "id": "p", "payload": {"topic": "chat/1", "message": message}})

    def hears(self):
        while not self.heard:
            self.take()
        return self.heard.popleft()

    def close(self):
        self._stack.close()


class GraphQLDoor:
    def __init__(self, node, secret=None):
        self._stack = ExitStack()
        self.socket = self._stack.enter_context(
            connect(f"{node.url}/graphql/ws", subprotocols=["graphql-transport-ws"], open_timeout=LIMIT)
        )
        init = {"authorization": f"Bearer {secret}"} if secret else {}
        self.send({"type": "connection_init", "payload": init})
        assert self.next() == {"type": "connection_ack"}
        self.heard = collections.deque()
        follow = 'subscription { messages(topic: "chat/1", notices: true) { topic data } }'
        self.send({"id": "s", "type": "subscribe", "payload": {"query": follow}})
        said = self.next()
        self.can_follow = said["type"] == "next"
        assert self.can_follow or said["payload"][0]["extensions"]["code"] == "PERMISSION_DENIED", said

    def send(self, message):
        self.socket.send(json.dumps(message))

    def next(self):
        return json.loads(self.socket.recv(LIMIT))

    def take(self):
        said = self.next()
        if said["id"] == "s":
            message = said["payload"]["data"]["messages"]
            if message:
                assert message["topic"] == "chat/1"
                self.heard.append(message["data"]["content"])
        return said

    def mutate(self, text, **variables):
        """Whether it is allowed."""
        self.send({"id": "m", "type": "subscribe", "payload": {"query": text, "variables": variables}})
        while (said := self.take())["id"] != "m":
            pass
        while self.take()["type"] != "complete":
            pass
        errors = said["payload"].get("errors", [])
        assert all(each["extensions"]["code"] == "PERMISSION_DENIED" for each in errors), errors
        return not errors

    def publish(self, text):
        publish = 'mutation ($message: JSON!) { publish(topic: "chat/1", message: $message) { id } }'
        return self.mutate(publish, message={"content": text, "chat_id": 1})

    def create(self, name):
        return self.mutate("mutation ($name: String!) { createTopic(name: $name) { name } }", name=name)

    def hears(self):
        while not self.heard:
            self.take()
        return self.heard.popleft()

    def close(self):
        self._stack.close()


class LensesDoor:
    """A live query to read, and nothing to publish with."""

    def __init__(self, node, secret=None):
        self._stack = ExitStack()
        query = f"?token={secret}" if secret else ""
        path = "/api/v1/environments/demo/proxy/api/ws/v2/sql/execute"
        self.socket = self._stack.enter_context(connect(f"{node.url}{path}{query}", open_timeout=LIMIT))
        self.socket.send(json.dumps({"sql": 'SELECT content, chat_id FROM "chat/1"', "live": True, "stats": 100}))
        said = json.loads(self.socket.recv(LIMIT))
        self.can_follow = said["type"] == "METADATA"
        assert self.can_follow or said["type"] == "ERROR" and said["data"].startswith("TABLE_NOT_FOUND"), said

    def hears(self):
        while (said := json.loads(self.socket.recv(LIMIT)))["type"] != "RECORD":
            assert said["type"] in ("STATS", "HEARTBEAT"), said
        assert said["data"]["value"]["chat_id"] == 1
        return said["data"]["value"]["content"]

    def may_query(self):
        return self.can_follow

    def close(self):
        self._stack.close()


DOORS = [LiveDoor, StreamDoor, NewLoomDoor, RustyDBDoor, GraphQLDoor]
# Doors at which nothing can be published.
READING_DOORS = [SQLatteDoor, LensesDoor]


def test_clients_of_seven_dialects_on_six_nodes_hear_each_other(attach):
    """Each of the first six at a node of its own: whoever publishes, everybody hears, in their own shape."""
    with Cluster(6) as six:
        attach(six[0]).create("chat/1")
        six.await_equal_vectors()
        order = [LiveDoor, RustyDBDoor, GraphQLDoor, StreamDoor, NewLoomDoor, LensesDoor, SQLatteDoor]
        assert set(order) == set(DOORS + READING_DOORS)
        doors = []
        try:
            for number, door in enumerate(order):
                doors.append(door(six[number % 6]))
            publishers = [door for door in doors if type(door) in DOORS]
            assert len(publishers) == 5
            for number, publisher in enumerate(publishers):
                assert publisher.publish(f"message {number}")
                for door in doors:
                    assert door.hears() == f"message {number}", f"{type(door).__name__} by {type(publisher).__name__}"
        finally:
            for door in doors:
                door.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A node with roles that may do one thing each."""
    folder = tmp_path_factory.mktemp("guarded")
    secret = folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    (folder / "roost.yaml").write_text(
        'roles:\n  reader: {read: ["#"]}\n  writer: {write: ["#"]}\n  both: {read: ["#"], write: ["#"]}\n  maker: {create: ["made/#"]}\n'
    )
    root = token("root", roles=["admin"])
    flags = ["--config", str(folder / "roost.yaml"), "--auth-secret-file", str(secret)]
    with Cluster(1, *flags, token=root) as cluster:
        client = Live(cluster[0], root)
        client.create("chat/1")
        client.close()
        yield cluster[0]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("role", "may_read", "may_write"),
    [("reader", True, False), ("writer", False, True), ("both", True, True), ("nothing", False, False)],
)
def test_the_same_is_allowed_through_every_door(guarded, door, role, may_read, may_write):
    client = door(guarded, token("someone", roles=[role]))
    witness = LiveDoor(guarded, token("root", roles=["admin"]))
    try:
        if door is not NewLoomDoor:  # which follows whatever it may, and is refused nothing
            assert client.can_follow == may_read
        assert client.publish(f"by {role}") == may_write
        if may_write:
            assert witness.hears() == f"by {role}"
        assert witness.publish("a word")
        if may_read:
            while (heard := client.hears()) != "a word":
                assert heard == f"by {role}"
        elif door is NewLoomDoor:
            client.publish("one more")
            assert "heard" not in client.__dict__, "it hears what it may not read"
    finally:
        client.close()
        witness.close()


@pytest.mark.parametrize("door", READING_DOORS)
@pytest.mark.parametrize(("role", "may_read"), [("reader", True), ("writer", False), ("both", True), ("nothing", False)])
def test_the_same_may_be_read_through_doors_that_only_read(guarded, door, role, may_read):
    client = door(guarded, token("someone", roles=[role]))
    witness = LiveDoor(guarded, token("root", roles=["admin"]))
    try:
        # The dialect of events refuses nobody who may read something.
        assert client.can_follow == client.may_query() == may_read
        word = f"a word for {door.__name__} and {role}"
        assert witness.publish(word)
        if may_read:
            while client.hears() != word:
                pass
    finally:
        client.close()
        witness.close()


@pytest.mark.parametrize("door", [LiveDoor, StreamDoor, GraphQLDoor])
@pytest.mark.parametrize(("role", "name", "may"), [("maker", "made/it", True), ("maker", "it", False), ("both", "made/it", False)])
def test_the_same_may_be_created_through_every_door(guarded, door, role, name, may):
    client = door(guarded, token("someone", roles=[role]))
    try:
        assert client.create(f"{name}/{door.__name__}") == may
    finally:
        client.close()


@needs_chromium
def test_the_event_source_of_sqlattes_document_works_as_it_stands(node, attach, browser, tmp_path):
    script = (FIXTURES / "sqlatte-events.js").read_text().replace("localhost:8000", node.front)
    (tmp_path / "index.html").write_text(
        "<!doctype html><script>window.got = []; console.log = (...said) => window.got.push(said);</script>"
        f"<script>{script}</script>"
    )
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    serve.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        writer = attach(node)
        writer.create("dashboard")
        browser.open(f"http://127.0.0.1:{server.server_port}/")
        browser.until("eventSource.readyState === 1")
        writer.publish("dashboard", {"rows": 3})
        browser.until("window.got.length === 1")
        words, data = browser.run("window.got[0]")
        assert (words, data["topic"], data["data"]) == ("Update:", "dashboard", {"rows": 3})
    finally:
        server.shutdown()
