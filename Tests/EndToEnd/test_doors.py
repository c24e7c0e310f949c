"""One topic through every door: whoever publishes, everybody hears, and the same is allowed whatever the door."""

import collections
import json
from contextlib import ExitStack, closing

import pytest
from websockets.sync.client import connect

from cluster import Cluster
from events import Events
from javascript import FIXTURES, needs_chromium
from live import LIMIT, Live, Refused
from tokens import guarding, token


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


class SocketDoor:
    """A WebSocket of JSON messages. A dialect's `take` takes the next one, and keeps what was said on the topic."""

    def __init__(self, node, path, secret, **options):
        self._stack = ExitStack()
        query = f"?token={secret}" if secret else ""
        self.socket = self._stack.enter_context(connect(f"{node.url}{path}{query}", open_timeout=LIMIT, **options))
        self.heard = collections.deque()

    def send(self, message):
        self.socket.send(json.dumps(message))

    def next(self):
        return json.loads(self.socket.recv(LIMIT))

    def until(self, is_wanted):
        while not is_wanted(said := self.take()):
            pass
        return said

    def hears(self):
        while not self.heard:
            self.take()
        return self.heard.popleft()

    def close(self):
        self._stack.close()


class NewLoomDoor(SocketDoor):
    def __init__(self, node, secret=None):
        super().__init__(node, "/ws/chat/", secret)
        # What follows the subscription is answered after it; a refusal of it is said first.
        self.send({"type": "typing", "chat_id": "nobody-made-this", "is_typing": False})
        self.is_refused()
        self.can_follow = True

    def take(self):
        said = self.next()
        if said.get("type") == "message":
            self.heard.append(said["message"]["content"])
        return said

    def is_refused(self):
        """Whether something was refused before what is refused in any case."""
        self.send({"type": "status", "chat_id": "nobody-made-this", "message_id": "m", "status": "read"})
        said = self.until(lambda said: said.get("type") != "message")
        if "nobody-made-this" in said["message"]:
            return False
        assert said["code"] == "permission_denied", said
        self.until(lambda said: "nobody-made-this" in said["message"])
        return True

    def publish(self, text):
        self.send({"type": "message", "content": text, "chat_id": 1})
        return not self.is_refused()


class SQLatteDoor(SocketDoor):
    """Events to read, and nothing to publish with: its document has no word for that."""

    def __init__(self, node, secret=None):
        super().__init__(node, "/ws", secret)
        self.send({"type": "subscribe", "data": {"events": ["new-message"]}})
        said = self.next()
        self.can_follow = said["type"] == "subscribed"
        assert self.can_follow or said["data"]["code"] == "PERMISSION_DENIED", said

    def take(self):
        said = self.next()
        if said["type"] == "new-message":
            assert said["topic"] == "chat/1", said
            self.heard.append(said["data"]["content"])
        return said

    def may_query(self):
        self.send({"type": "query", "data": {"sql": 'SELECT count(*) FROM "chat/1"'}})
        said = self.until(lambda said: said["type"] in ("query_result", "error"))
        assert said["type"] == "query_result" or said["data"]["code"] in ("PERMISSION_DENIED", "TABLE_NOT_FOUND"), said
        return said["type"] == "query_result"


class RustyDBDoor(SocketDoor):
    def __init__(self, node, secret=None):
        super().__init__(node, "/api/v1/stream", secret)
        self.can_follow = self.ask({"type": "subscribe", "id": "s", "payload": {"topic": "chat/1"}})

    def take(self):
        said = self.next()
        if said["payload"]["status"] == "event":
            assert said["id"] == "s" and said["payload"]["topic"] == "chat/1", said
            self.heard.append(said["payload"]["data"]["content"])
        return said

    def ask(self, message):
        """Whether it is allowed."""
        self.send(message)
        said = self.until(
            lambda said: said.get("id") == message["id"] and said["payload"]["status"] not in ("event", "cursor")
        )
        assert said["type"] == "data" or said["payload"]["code"] == "PERMISSION_DENIED", said
        return said["type"] == "data"

    def publish(self, text):
        message = {"content": text, "chat_id": 1}
        return self.ask({"type": "publish", "id": "p", "payload": {"topic": "chat/1", "message": message}})


class GraphQLDoor(SocketDoor):
    def __init__(self, node, secret=None):
        super().__init__(node, "/graphql/ws", None, subprotocols=["graphql-transport-ws"])
        init = {"authorization": f"Bearer {secret}"} if secret else {}
        self.send({"type": "connection_init", "payload": init})
        assert self.next() == {"type": "connection_ack"}
        follow = 'subscription { messages(topic: "chat/1", notices: true) { topic data } }'
        self.send({"id": "s", "type": "subscribe", "payload": {"query": follow}})
        said = self.next()
        self.can_follow = said["type"] == "next"
        assert self.can_follow or said["payload"][0]["extensions"]["code"] == "PERMISSION_DENIED", said

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
        said = self.until(lambda said: said["id"] == "m")
        self.until(lambda said: said["type"] == "complete")
        errors = said["payload"].get("errors", [])
        assert all(each["extensions"]["code"] == "PERMISSION_DENIED" for each in errors), errors
        return not errors

    def publish(self, text):
        publish = 'mutation ($message: JSON!) { publish(topic: "chat/1", message: $message) { id } }'
        return self.mutate(publish, message={"content": text, "chat_id": 1})

    def create(self, name):
        return self.mutate("mutation ($name: String!) { createTopic(name: $name) { name } }", name=name)


class LensesDoor(SocketDoor):
    """A live query to read, and nothing to publish with."""

    def __init__(self, node, secret=None):
        super().__init__(node, "/api/v1/environments/demo/proxy/api/ws/v2/sql/execute", secret)
        self.send({"sql": 'SELECT content, chat_id FROM "chat/1"', "live": True, "stats": 100})
        said = self.next()
        self.can_follow = said["type"] == "METADATA"
        assert self.can_follow or said["type"] == "ERROR" and said["data"].startswith("TABLE_NOT_FOUND"), said

    def take(self):
        said = self.next()
        assert said["type"] in ("RECORD", "STATS", "HEARTBEAT"), said
        if said["type"] == "RECORD":
            assert said["data"]["value"]["chat_id"] == 1
            self.heard.append(said["data"]["value"]["content"])
        return said

    def may_query(self):
        return self.can_follow


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
        with ExitStack() as open_ones:
            doors = [open_ones.enter_context(closing(door(six[number % 6]))) for number, door in enumerate(order)]
            publishers = [door for door in doors if type(door) in DOORS]
            assert len(publishers) == 5
            for number, publisher in enumerate(publishers):
                assert publisher.publish(f"message {number}")
                for door in doors:
                    assert door.hears() == f"message {number}", f"{type(door).__name__} by {type(publisher).__name__}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A node with roles that may do one thing each."""
    folder = tmp_path_factory.mktemp("guarded")
    flags = guarding(
        folder,
        'roles:\n  reader: {read: ["#"]}\n  writer: {write: ["#"]}\n  both: {read: ["#"], write: ["#"]}\n  maker: {create: ["made/#"]}\n',
    )
    root = token("root", roles=["admin"])
    with Cluster(1, *flags, token=root) as cluster:
        client = Live(cluster[0], root)
        client.create("chat/1")
        client.close()
        yield cluster[0]


@pytest.mark.parametrize("door", DOORS + READING_DOORS)
@pytest.mark.parametrize(
    ("role", "may_read", "may_write"),
    [("reader", True, False), ("writer", False, True), ("both", True, True), ("nothing", False, False)],
)
def test_the_same_is_allowed_through_every_door(guarded, door, role, may_read, may_write):
    root = token("root", roles=["admin"])
    with closing(door(guarded, token("someone", roles=[role]))) as client, closing(LiveDoor(guarded, root)) as witness:
        if door is not NewLoomDoor:  # which follows whatever it may, and is refused nothing
            assert client.can_follow == may_read
        if door in READING_DOORS:
            assert client.may_query() == may_read
        else:
            assert client.publish(f"by {role}") == may_write
            if may_write:
                assert witness.hears() == f"by {role}"
        word = f"a word for {door.__name__} and {role}"
        assert witness.publish(word)
        if may_read:
            while (heard := client.hears()) != word:  # a query begins with what there was before
                assert heard == f"by {role}" or door is LensesDoor
        elif door is NewLoomDoor:
            client.publish("one more")
            assert not client.heard, "it hears what it may not read"


@pytest.mark.parametrize("door", [LiveDoor, StreamDoor, GraphQLDoor])
@pytest.mark.parametrize(("role", "name", "may"), [("maker", "made/it", True), ("maker", "it", False), ("both", "made/it", False)])
def test_the_same_may_be_created_through_every_door(guarded, door, role, name, may):
    with closing(door(guarded, token("someone", roles=[role]))) as client:
        assert client.create(f"{name}/{door.__name__}") == may


@needs_chromium
def test_the_event_source_of_sqlattes_document_works_as_it_stands(node, attach, browser, tmp_path):
    script = (FIXTURES / "sqlatte-events.js").read_text().replace("localhost:8000", node.front)
    (tmp_path / "index.html").write_text(
        "<!doctype html><script>window.got = []; console.log = (...said) => window.got.push(said);</script>"
        f"<script>{script}</script>"
    )
    writer = attach(node)
    writer.create("dashboard")
    browser.open_folder(tmp_path)
    browser.until("eventSource.readyState === 1")
    writer.publish("dashboard", {"rows": 3})
    browser.until("window.got.length === 1")
    words, data = browser.run("window.got[0]")
    assert (words, data["topic"], data["data"]) == ("Update:", "dashboard", {"rows": 3})
