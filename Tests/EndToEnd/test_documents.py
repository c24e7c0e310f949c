"""Every JSON example in the documents of the five APIs: none is left out that a client could send or be sent.

What a client sends is sent as it stands there: by this module for Daptin and for Lenses' figures, by test_rustydb,
test_graphql, test_newloom and test_sqlatte for theirs, and by the program of Lenses' document itself in test_sql.
"""

import json
import re

import pytest
from websockets.sync.client import connect

from javascript import FIXTURES
from live import LIMIT
from test_sqlatte import NOT_JSON

# Blocks that are called JSON and are none, or are a description of JSON, each by words that only it has.
EXCLUDED = {
    "daptin-websocket-api.md": ['"attributes": {...}\n  }'],
    "rustydb-websocket-integration.md": ["query|subscribe|unsubscribe|ping|auth", "data|error|pong|auth_success|auth_error"],
    "newloom-websocket-api.rst": [],
    "lenses-websocket-spec.md": [
        '"sql": String', "<Enumeration>", '"data": String\n', "Map[UUID, String]", "Array[String]", "Optional[Long]",
    ],
    "sqlatte-websocket.md": NOT_JSON,
}  # fmt: skip


def blocks(name):
    """The blocks of a document that say that they are JSON."""
    text = (FIXTURES / name).read_text()
    if name.endswith(".rst"):
        found = re.findall(r"\.\. code-block:: json\n\n((?:    .*\n|\n)+)", text)
    else:
        found = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert found
    return found


@pytest.mark.parametrize("name", EXCLUDED)
def test_every_block_is_json_or_named_as_none(name):
    unexplained = []
    named = {words: 0 for words in EXCLUDED[name]}
    for block in blocks(name):
        reasons = [words for words in named if words in block]
        for words in reasons:
            named[words] += 1
        if not reasons:
            try:
                json.loads(block)
            except json.JSONDecodeError:
                unexplained.append(block)
    assert unexplained == []
    assert all(count >= 1 for count in named.values()), named


def test_every_message_of_daptins_document_is_sent_as_it_stands(node, attach):
    methods = (FIXTURES / "daptin-websocket-api.md").read_text().split("## Methods")[1].split("## System Topics")[0]
    sent = re.findall(r"ws\.send\(JSON\.stringify\((\{.*?\})\)\)", methods, re.DOTALL)
    assert len(sent) == 6
    writer = attach(node)
    for name in ("user_account", "document", "order", "chat-room-1"):
        writer.create(name)
    witness = attach(node)
    witness.subscribe("chat-room-1")
    client = attach(node)
    said = []
    for text in sent:
        client.send(text)
        # One answer for each topic; a publish without an id has none.
        method, attributes = json.loads(text)["method"], json.loads(text)["attributes"]
        if method != "new-message":
            said += [client.other() for _ in str(attributes.get("topicName", "")).split(",")]
    assert all(each["type"] == "response" and each["ok"] for each in said), said
    answered = [(each["method"], each["data"].get("topic") or each["data"].get("topicName")) for each in said]
    assert answered[:4] == [("subscribe", name) for name in ("user_account", "user_account", "document", "order")]
    assert answered[4] == ("create-topic", "custom-notifications")
    assert [method for method, _ in answered[5:]] == ["list-topic", "get-topic"]
    shown = {"type", "topic", "event", "data"}
    event = witness.event()
    assert shown <= event.keys() and (event["type"], event["topic"]) == ("event", "chat-room-1")
    assert event["data"] == "Hello everyone!"


def test_the_figures_of_lenses_document_have_its_shape(node):
    (shown,) = (json.loads(each) for each in blocks("lenses-websocket-spec.md") if '"type": "STATS"' in each and "cc_payments" in each)
    assert node.call("POST", "/api/v1/topics", {"name": "cc_payments"})[0] == 201
    assert node.call("POST", "/api/v1/topics/cc_payments/messages", {"message": {"amount": 1}})[0] == 201
    with connect(f"{node.url}/api/v1/environments/demo/proxy/api/ws/v2/sql/execute", open_timeout=LIMIT) as socket:
        socket.send(json.dumps({"sql": "SET max.idle.time = 20000; SELECT * FROM cc_payments", "live": False, "stats": 100}))
        heard = [json.loads(text) for text in socket]
    said = [each for each in heard if each["type"] == "STATS"][-1]
    assert said.keys() == shown.keys() and said["data"].keys() == shown["data"].keys()
    for member in ("sources", "sourceConfigs", "sourcesStats"):
        assert len(said["data"][member]) == 1, member
    (one,), (other,) = (each["data"]["sourcesStats"].values() for each in (said, shown))
    assert {key for each in one.values() for key in each} == {key for each in other.values() for key in each}
    assert list(said["data"]["sources"].values()) == ["cc_payments"]
