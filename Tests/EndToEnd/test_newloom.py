"""NewLoom's chats and streams: the document's own examples, sent as they stand there, and what a client may expect."""

import json
import re
import time
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cluster import Cluster
from javascript import FIXTURES, needs_chromium
from tokens import guarding, token

DOCUMENT = (FIXTURES / "newloom-websocket-api.rst").read_text()
LIMIT = 30


def examples(heading):
    """The JSON examples under a heading of the document, as text."""
    part = DOCUMENT.split(heading, 1)[1].split(".. code-block:: ")[1:]
    return [re.match(r"json\n\n((?:    .*\n|\n)+)", each).group(1) for each in part if each.startswith("json")]


def example(heading):
    return examples(heading)[0]


class NewLoom:
    """A client as the document has it: one socket, frames by their type."""

    def __init__(self, node, door="chat", query="", **options):
        self._stack = ExitStack()
        self.socket = self._stack.enter_context(
            connect(f"{node.url}/ws/{door}/{query}", open_timeout=LIMIT, max_size=None, **options)
        )

    def send(self, frame):
        self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    def next(self, within=LIMIT):
        return json.loads(self.socket.recv(within))

    def beat(self):
        """A heartbeat and its answer: all that was said before has been dealt with. Returns what came before it."""
        before = []
        self.send({"type": "heartbeat"})
        while (frame := self.next()) != {"type": "heartbeat"}:
            before.append(frame)
        return before

    def expect_close(self):
        with pytest.raises(ConnectionClosed):
            while True:
                self.socket.recv(LIMIT)
        return self.socket.close_code

    def close(self):
        self._stack.close()


@pytest.fixture
def loom():
    clients = []

    def loom(node, *arguments, **options):
        clients.append(NewLoom(node, *arguments, **options))
        return clients[-1]

    yield loom
    for client in clients:
        client.close()


def follow(client):
    """Until the client follows its chats: it has then its own message back."""
    client.send({"type": "message", "content": "begin", "chat_id": "begin"})
    while client.next().get("message", {}).get("content") != "begin":
        pass


def shape(value):
    """The keys of an object, all the way down."""
    return {key: shape(each) for key, each in value.items()} if isinstance(value, dict) else None


def test_every_example_of_the_document_works_as_it_stands(node, loom, attach):
    ann, bob = loom(node), loom(node)
    for client in (ann, bob):
        follow(client)
    bob.beat()
    ann.beat()
    ann.send(example("1. Send Message:"))
    expected = json.loads(example("2. Receive Message:"))
    for client in (ann, bob):
        while (got := client.next()).get("message", {}).get("content") == "begin":
            pass
        assert shape(got) == shape(expected)
        assert (got["message"]["content"], got["message"]["chat_id"]) == ("Your message here", 123)
    ann.send(example("3. Typing Indicator:"))
    typing = json.loads(example("3. Typing Indicator:"))
    assert bob.next() == {**typing, "user": ""}
    assert ann.beat() == [], "a typist is not told of itself"
    (said,) = re.findall(r"chatSocket\.send\(JSON\.stringify\((\{.*?\})\)\)", DOCUMENT, re.DOTALL)
    ann.send(said.replace("'", '"'))
    # In whichever order: who has said it types no longer.
    two = sorted((bob.next() for _ in range(2)), key=lambda frame: frame["type"])
    assert two[0]["message"]["content"] == "Hello, World!"
    assert two[1] == {**typing, "user": "", "is_typing": False}
    assert ann.next()["message"]["content"] == "Hello, World!"
    ann.send(example("1. Heartbeat"))
    assert ann.next() == json.loads(example("1. Heartbeat"))
    ann.send(example("2. Disconnection"))
    assert ann.expect_close() == 1000


def test_errors_have_the_documents_shape_and_begin_with_its_words(tmp_path, loom, attach):
    origin = "https://app.example"
    root = token("root", roles=["admin"])
    connection, format, permission = (json.loads(each) for each in examples("Error Handling\n")[:3])
    flags = guarding(tmp_path, f"origins: [{origin}]\n")

    def expect(error, frame):
        assert shape(frame) == shape(error) and frame["code"] == error["code"]
        assert frame["message"].startswith(error["message"]), frame

    with Cluster(1, *flags, token=root) as cluster:
        node = cluster[0]
        attach(node, root).create("chat/9", permission=0)
        for query in ("", "?token=nonsense", f"?token={token('eve', lifetime=-60)}"):
            stranger = loom(node, "chat", query)
            expect(connection, stranger.next())
            assert stranger.expect_close() == 1008
        alice = token("alice", roles=["user"])
        client = loom(node, "chat", f"?token={alice}")
        follow(client)
        client.send("{")
        expect(format, client.next())
        client.send({"type": "message", "content": "let me in", "chat_id": 9})
        expect(permission, client.next())
        by_cookie = loom(node, additional_headers={"Cookie": f"token={alice}"}, origin=origin)
        follow(by_cookie)
        by_cookie.send({"type": "message", "content": "by cookie", "chat_id": 1})
        assert by_cookie.next()["message"]["user"] == "alice"
        for headers in ({}, {"origin": "https://evil.example"}):
            with pytest.raises(Exception) as refused:
                # Without an origin a cookie does not count, and the client is told in words; with a foreign one by 403.
                lone = loom(node, additional_headers={"Cookie": f"token={alice}"}, **headers)
                expect(connection, lone.next())
                assert lone.expect_close() == 1008
                raise AssertionError("told")
            assert "told" in str(refused.value) if not headers else "403" in str(refused.value)


def test_a_chat_reaches_every_node_and_every_door_with_the_ids_own_type(three, loom, attach):
    clients = [loom(node) for node in three.nodes]
    for client in clients:
        follow(client)
    for index, chat in enumerate((7, "seven", "8")):
        clients[index].send({"type": "message", "content": f"to {chat}", "chat_id": chat})
        for client in clients:
            while (got := client.next()).get("message", {}).get("content") == "begin":
                pass
            assert (got["message"]["content"], got["message"]["chat_id"]) == (f"to {chat}", chat)
    other = attach(three[1])
    assert [each["data"] for each in other.history("chat/seven")] == [{"content": "to seven", "chat_id": "seven"}]
    other.publish("chat/seven", {"name": "Eve", "text": "from /live"})
    for client in clients:
        got = client.next()["message"]
        assert (got["content"], got["user"], got["chat_id"]) == ("from /live", "Eve", "seven")
    clients[2].send({"type": "status", "chat_id": "seven", "message_id": got["id"], "status": "read"})
    for client in clients:
        receipt = client.next()
        assert (receipt["type"], receipt["message_id"], receipt["status"]) == ("status", got["id"], "read")


def test_a_typist_is_untyped_on_silence_on_leaving_and_when_its_node_dies(fresh_three, loom, attach):
    cluster = fresh_three
    attach(cluster[0]).create("chat/5")
    cluster.await_equal_vectors()
    watcher = loom(cluster[1])
    follow(watcher)

    def typing(client):
        client.send({"type": "typing", "chat_id": "5", "is_typing": True})
        assert expect()["is_typing"] is True

    def expect(within=LIMIT):
        while (frame := watcher.next(within))["type"] != "typing":
            pass
        assert frame["chat_id"] == "5"
        return frame

    silent = loom(cluster[2])
    typing(silent)
    begun = time.monotonic()
    assert expect()["is_typing"] is False
    assert time.monotonic() - begun > 2, "it was not held to be typing at all"
    leaving = loom(cluster[2])
    typing(leaving)
    leaving.close()
    assert expect()["is_typing"] is False
    doomed = loom(cluster[0])
    typing(doomed)
    cluster[0].kill()
    assert expect()["is_typing"] is False
    assert [each["event"] for each in attach(cluster[1]).history("chat/5")] == [], "typing is never stored"


def test_streams_show_what_any_door_publishes(node, loom, attach):
    client = loom(node, "streams")
    writer = attach(node)
    writer.create("streams/123")
    client.beat()
    shapes = [json.loads(each) for each in examples("Stream Status WebSocket\n")[:3]]
    for event in shapes:
        writer.publish("streams/123", event)
        assert client.next() == event
        inner = {key: value for key, value in event.items() if key not in ("type", "stream_id")}
        payload = inner if event["type"] == "status_update" else inner.popitem()[1]
        status, _ = node.call(
            "POST", "/api/v1/topics/streams%2F123/messages", {"message": payload, "event": event["type"]}
        )
        assert status == 201 and client.next() == event
    client.send({"type": "message", "content": "a", "chat_id": 1})
    assert client.next()["code"] == "invalid_format"


@needs_chromium
def test_the_documents_javascript_works_in_a_browser(node, loom, browser):
    """The example as it stands but for the token, in a page whose host is the node."""
    (script,) = re.findall(r"\.\. code-block:: javascript\n\n((?:    .*\n|\n)+)", DOCUMENT)
    setup, message = script.split("    // Send a message")
    browser.open(f"http://{node.front}/roost.js")
    browser.run(
        "(() => { const yourAuthToken = ''; window.got = [];"
        "const handleNewMessage = (each) => window.got.push(each), handleTypingIndicator = () => {},"
        f"handleError = (each) => window.got.push(each);\n{setup}\nwindow.say = () => {{ // say\n{message} }}; window.socket ="
        " chatSocket; return true; })()".replace("'/ws/chat/?token='", "'/ws/chat/?x='")
    )
    browser.until("window.socket.readyState === 1")
    browser.run("window.say()")
    browser.until("window.got.length === 1")
    got = browser.run("window.got[0]")
    assert (got["content"], got["chat_id"]) == ("Hello, World!", 123)
