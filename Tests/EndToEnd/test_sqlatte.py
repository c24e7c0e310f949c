"""SQLatte's dialect by a WebSocket client that others wrote, with the messages of SQLatte's own document."""

import json
import re
import subprocess
import sys
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cluster import ROOT, Cluster, eventually
from javascript import FIXTURES
from tokens import guarding, token

LIMIT = 30
DOCUMENT = (FIXTURES / "sqlatte-websocket.md").read_text()

# What the document shows as JSON and is none: its rows are dots.
NOT_JSON = ['"columns": [...],', '[[1, 100], [2, 200], ...]']


def examples():
    """Every example that is a message, by its type, in the order of the document."""
    blocks = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    bad = [each for each in blocks if any(words in each for words in NOT_JSON)]
    assert len(bad) == len(NOT_JSON)
    return [json.loads(each) for each in blocks if each not in bad]


def shown(kind):
    return next(each for each in examples() if each["type"] == kind)


def javascript_messages():
    """The messages that the document's JavaScript sends, but for the batch of a variable."""
    found = []
    for text in re.findall(r"JSON\.stringify\((\{.*?\})\)\);", DOCUMENT, re.DOTALL):
        text = re.sub(r"([{,]\s*)(\w+):", r'\1"\2":', text).replace("'", '"')
        if ": messages\n" in text:
            text = text.replace(": messages\n", ": []\n")
        found.append(json.loads(text))
    assert [each["type"] for each in found] == ["auth", "query", "subscribe", "batch"]
    return found


class Client:
    """One connection; every message is sent as it is, and what comes is JSON in the document's envelope."""

    def __init__(self, node, query=""):
        self._stack = ExitStack()
        self.socket = self._stack.enter_context(connect(f"{node.url}/ws{query}", open_timeout=LIMIT, max_size=None))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def send(self, message):
        self.socket.send(message if isinstance(message, str) else json.dumps(message))

    def take(self):
        said = json.loads(self.socket.recv(LIMIT))
        assert isinstance(said["type"], str) and isinstance(said["data"], dict)
        return said

    def until(self, *kinds):
        """What comes up to the first of these types."""
        heard = [self.take()]
        while heard[-1]["type"] not in kinds:
            heard.append(self.take())
        return heard

    def ask(self, message, *kinds):
        self.send(message)
        return self.until(*kinds) if kinds else self.take()

    def close_code(self):
        with pytest.raises(ConnectionClosed):
            while True:
                self.socket.recv(LIMIT)
        return self.socket.close_code


def query(sql, **more):
    return {"type": "query", "data": {"sql": sql, **more}}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A node that wants tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    flags = guarding(folder, 'roles:\n  orders: {read: ["orders"], write: ["orders"]}\n')
    with Cluster(1, *flags, token=token("root", roles=["admin"])) as cluster:
        for topic in ("orders", "salaries"):
            assert cluster[0].call("POST", "/api/v1/topics", {"topicName": topic})[0] == 201
        yield cluster[0]


def publish(node, topic, *messages, **more):
    for message in messages:
        path = f"/api/v1/topics/{topic.replace('/', '%2F')}/messages"
        assert node.call("POST", path, {"message": message, **more})[0] == 201


def test_queries_come_as_the_document_shows_them(three):
    assert three[0].call("POST", "/api/v1/topics", {"topicName": "orders"})[0] == 201
    publish(three[0], "orders", {"id": 1, "amount": 100}, {"id": 2, "amount": 200}, ack="replicated")
    three.await_equal_vectors()
    result = shown("query_result")["data"]
    with Client(three[1]) as client:
        heard = client.ask(query(result["sql"]), "query_result", "error")
        assert [heard[0]["type"], heard[-2]["type"]] == ["query_start", "query_progress"]
        assert heard[0].keys() == shown("query_start").keys() and heard[0]["data"].keys() == shown("query_start")["data"].keys()
        assert heard[-2]["data"].keys() == shown("query_progress")["data"].keys() and heard[-2]["data"]["progress"] == 100
        got = heard[-1]["data"]
        assert got.keys() == result.keys() | {"query_id"}
        assert (got["columns"], got["rows"], got["total_rows"]) == (result["columns"], result["rows"], result["total_rows"])
        assert {each["data"]["query_id"] for each in heard} == {"q_1"}
        # A question that is SQL, and a parameter.
        said = client.ask({"type": "query", "data": {"question": "SELECT sum(amount) AS total FROM orders WHERE id > ?", "params": [1]}}, "query_result", "error")
        assert said[-1]["data"]["rows"] == [[200]] and said[-1]["data"]["query_id"] == "q_2"


def test_more_than_a_thousand_rows_come_in_chunks(node):
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    with Client(node) as client:
        heard = client.ask(query(rows.format(1_000)), "query_result", "error")
        assert [row[0] for row in heard[-1]["data"]["rows"]] == list(range(1, 1_001))
        heard = client.ask(query(rows.format(5_000)), "result_complete", "error")
        chunks = [each["data"] for each in heard if each["type"] == "result_chunk"]
        assert [len(each["rows"]) for each in chunks] == [1_000] * 5
        assert [each["chunk"] for each in chunks] == [1, 2, 3, 4, 5]
        assert [row[0] for each in chunks for row in each["rows"]] == list(range(1, 5_001))
        complete = shown("result_complete")["data"]
        got = heard[-1]["data"]
        assert complete.keys() <= got.keys()
        assert (got["total_rows"], got["total_chunks"]) == (complete["total_rows"], complete["total_chunks"])


def test_every_message_that_the_document_sends_is_answered_in_its_shape(node):
    error = shown("error")
    sent = [each for each in examples() if each["type"] == "query"] + javascript_messages()
    assert len(sent) == 6
    with Client(node) as client:
        for message in sent:
            said = client.ask(message)
            if message["type"] == "query":
                assert said.keys() == shown("query_start").keys() and said["type"] == "query_start"
                # The questions are in words, and nobody translates them here.
                said = client.take()
                assert said["type"] == "error" and "translator" in said["data"]["error"]
            if message["type"] == "subscribe":
                assert said == {"type": "subscribed", "data": message["data"]}
            if said["type"] == "error":
                assert said.keys() == error.keys() and error["data"].keys() <= said["data"].keys()


def test_questions_in_words_are_answered_while_a_translator_is_attached(fresh_three):
    """Every message of the document that asks, with the example of a translator at another node."""
    three = fresh_three
    for name, message in [("orders", {"id": 1, "amount": 100}), ("customers", {"id": 7, "name": "Ann", "revenue": 3})]:
        assert three[0].call("POST", "/api/v1/topics", {"topicName": name})[0] == 201
        publish(three[0], name, message, ack="replicated")
    three.await_equal_vectors()
    asked = [each for each in examples() + javascript_messages() if each["type"] == "query"]
    assert len(asked) == 3
    with Client(three[1]) as client:
        said = client.ask(asked[0], "error")[-1]["data"]
        assert said["code"] == "NOT_SUPPORTED" and "translator" in said["error"]
        program = subprocess.Popen(
            [sys.executable, str(ROOT / "Cluster/translator/translator"), three[2].url],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            assert program.stdout.readline().startswith("answering")
            results = [client.ask(each, "query_result", "error")[-1] for each in asked]
            for each in results:
                assert each["type"] == "query_result" and shown("query_result")["data"].keys() <= each["data"].keys(), each
            assert results[0]["data"]["sql"] == 'SELECT * FROM "orders"' and results[0]["data"]["rows"] == [[1, 100]]
            assert results[1]["data"]["rows"] == [[1, 100]]
            assert results[2]["data"]["rows"] == [[7, "Ann", 3]]
            said = client.ask({"type": "query", "data": {"question": "Why?"}}, "error")[-1]["data"]
            assert said["code"] == "QUERY_ERROR" and "does not understand" in said["error"]
        finally:
            program.kill()
            program.wait()
        gone = eventually("it is noticed that it went", lambda: code_of(client, asked[0]) == "NOT_SUPPORTED")
        assert gone


def code_of(client, message):
    return client.ask(message, "query_result", "error")[-1]["data"].get("code")


def test_the_error_of_the_document(node):
    with Client(node) as client:
        heard = client.ask(query("SELECT * FROM nowhere"), "error")
        assert heard[-1]["data"]["message"] == shown("error")["data"]["message"]
        assert heard[-1]["data"]["code"] == "TABLE_NOT_FOUND" and "nowhere" in heard[-1]["data"]["error"]
        assert client.ask({"type": "dance"})["data"]["code"] == "INVALID_MESSAGE"


def test_a_session_id_is_a_token_in_auth_or_with_the_first_query(guarded):
    publish(guarded, "orders", {"id": 7})
    (auth,) = (each for each in javascript_messages() if each["type"] == "auth")
    with Client(guarded) as client:
        assert client.ask(query("SELECT id FROM orders"), "error")[-1]["data"]["code"] == "AUTH_REQUIRED"
        said = client.ask(auth)
        assert said["type"] == "error" and said["data"]["code"] == "AUTH_FAILED"
        assert client.close_code() == 1008
    good = token("ann", roles=["orders"])
    with Client(guarded) as client:
        said = client.ask({**auth, "data": {"session_id": good}})
        assert said["type"] == "auth_success" and said["data"]["user"] == "ann"
        assert client.ask(query("SELECT id FROM orders"), "query_result", "error")[-1]["data"]["rows"] == [[7]]
        # What may not be read is not there.
        assert client.ask(query("SELECT * FROM salaries"), "error")[-1]["data"]["code"] == "TABLE_NOT_FOUND"
    with Client(guarded) as client:
        heard = client.ask(query("SELECT id FROM orders", session_id=good), "query_result", "error")
        assert [heard[0]["type"], heard[-1]["type"]] == ["query_start", "query_result"]


def test_a_batch_is_answered_message_by_message(node):
    with Client(node) as client:
        texts = [json.dumps({"type": "ping"}), {"type": "ping"}, "nonsense", query("SELECT 1")]
        heard = client.ask({"type": "batch", "data": {"messages": texts}}, "query_result")
        assert sorted(each["type"] for each in heard) == ["error", "pong", "pong", "query_progress", "query_result", "query_start"]


def test_event_types_are_followed_across_topics_and_queries_of_the_own_connection(three, topic):
    for name in (topic, f"{topic}/b"):
        assert three[0].call("POST", "/api/v1/topics", {"topicName": name})[0] == 201
    three.await_equal_vectors()
    with Client(three[1]) as client, Client(three[1]) as other:
        wanted = {"events": ["query_completed", "sale"]}
        assert client.ask({"type": "subscribe", "data": wanted}) == {"type": "subscribed", "data": wanted}
        publish(three[2], topic, {"n": 0})
        publish(three[2], topic, {"n": 1}, event="sale")
        publish(three[2], f"{topic}/b", {"n": 2}, event="sale")
        heard = [client.take() for _ in range(2)]
        assert sorted((each["type"], each["data"]["n"], each["topic"]) for each in heard) == [
            ("sale", 1, topic), ("sale", 2, f"{topic}/b"),
        ]  # fmt: skip
        other.ask(query("SELECT 1"), "query_result")
        heard = client.ask(query("SELECT 1 AS one"), "query_completed")
        assert [each["type"] for each in heard] == ["query_start", "query_progress", "query_result", "query_completed"]
        done = heard[-1]["data"]
        assert done.keys() == {"query_id", "success", "total_rows", "execution_time_ms"}
        assert (done["query_id"], done["success"], done["total_rows"]) == ("q_1", True, 1)
        more = client.ask({"type": "subscribe", "data": {"events": ["refund"]}})
        assert more["data"]["events"] == ["query_completed", "sale", "refund"]
        assert client.ask({"type": "unsubscribe", "data": {"events": ["sale"]}})["type"] == "unsubscribed"
        publish(three[2], topic, {"n": 3}, event="sale")
        publish(three[2], topic, {"n": 4}, event="refund")
        assert client.take()["data"] == {"n": 4}


def test_a_long_query_tells_how_far_it_is_and_stops_when_its_client_goes(node, topic):
    assert node.call("POST", "/api/v1/topics", {"topicName": topic})[0] == 201
    publish(node, topic, *({"n": number} for number in range(60)))
    # A join of 60 × 60 × 60 × 60 rows, of which nothing is told but the count.
    sql = f'SELECT count(*) FROM "{topic}" a, "{topic}" b, "{topic}" c, "{topic}" d'
    with Client(node) as client:
        client.send(query(sql))
        assert client.take()["type"] == "query_start"
        said = client.take()
        assert said["type"] == "query_progress" and 0 <= said["data"]["progress"] < 100
        assert node.metric("roost_queries") == 1
    eventually("no query runs any more", lambda: node.metric("roost_queries") == 0)
