"""The HTTP side of one node: topics, messages, login, figures, and a description of itself that tools accept."""

import json
import urllib.error
import urllib.request
from urllib.parse import quote

from openapi_spec_validator import validate


def path_of(topic):
    return f"/api/v1/topics/{quote(topic, safe='')}"


def test_topics_are_made_read_listed_and_destroyed(node, topic):
    status, made = node.call("POST", "/api/v1/topics", {"name": topic})
    assert status == 201, made
    assert node.call("POST", "/api/v1/topics", {"name": topic})[0] == 409
    assert node.get(path_of(topic))["data"]["name"] == topic
    assert topic in [each["name"] for each in node.get("/api/v1/topics?limit=1000")["data"]["topics"]]
    assert node.call("DELETE", path_of(topic))[0] in (200, 204)
    status, refusal = node.call("GET", path_of(topic))
    assert (status, refusal["error"]["code"]) == (404, "TOPIC_NOT_FOUND")
    assert node.call("DELETE", path_of(topic))[0] == 404


def test_messages_are_published_and_read(node, attach, topic):
    node.call("POST", "/api/v1/topics", {"name": topic})
    reader = attach(node)
    reader.subscribe(topic)
    for number in range(3):
        status, answer = node.call("POST", f"{path_of(topic)}/messages", {"message": {"n": number}, "ack": "stored"})
        assert status in (200, 201), answer
        answer = answer["data"]
        assert answer["offset"] == number + 1 and answer["id"] and answer["ack"] == "stored"
    assert [event["data"]["n"] for event in reader.take(3)] == [0, 1, 2]
    page = node.get(f"{path_of(topic)}/messages?since=beginning&limit=2")["data"]
    assert [each["data"]["n"] for each in page["messages"]] == [0, 1] and page["more"] is True
    cursor = quote(json.dumps(page["cursor"]))
    rest = node.get(f"{path_of(topic)}/messages?since={cursor}")["data"]
    assert [each["data"]["n"] for each in rest["messages"]] == [2] and rest["more"] is False


def test_a_repeated_message_id_is_one_message(node, topic):
    node.call("POST", "/api/v1/topics", {"name": topic})
    answers = [
        node.call("POST", f"{path_of(topic)}/messages", {"message": 1, "messageId": "m"})[1]["data"]["id"] for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(node.get(f"{path_of(topic)}/messages?since=beginning")["data"]["messages"]) == 1


def test_what_is_wrong_is_said_with_a_status_and_a_code(node, topic):
    for method, path, body, expected in [
        ("POST", "/api/v1/topics", {"name": "a/#"}, (400, "INVALID_MESSAGE")),
        ("POST", "/api/v1/topics", {}, (400, "INVALID_MESSAGE")),
        ("POST", "/api/v1/topics", [1], (400, "INVALID_MESSAGE")),
        ("POST", f"{path_of(topic)}/messages", {"message": 1}, (404, "TOPIC_NOT_FOUND")),
        ("GET", f"{path_of(topic)}/messages", None, (404, "TOPIC_NOT_FOUND")),
    ]:
        status, answer = node.call(method, path, body)
        assert (status, answer["error"]["code"]) == expected, f"{method} {path} {body}: {status} {answer}"
    assert node.call("GET", "/api/v1/nowhere")[0] == 404
    assert node.call("POST", "/api/v1/topics", {"name": "x" * (2 << 20)})[0] == 413


def test_a_method_that_a_path_does_not_have_is_answered_with_those_it_has(node, topic):
    node.call("POST", "/api/v1/topics", {"name": topic})
    for method, path, allowed in [
        ("DELETE", "/api/v1/topics", "GET, POST"), ("GET", "/api/v1/auth/login", "POST"),
        ("POST", "/api/v1/cluster", "GET"), ("PUT", "/metrics", "GET"), ("POST", "/", "GET"),
        ("PATCH", path_of(topic), "GET, PUT, DELETE"), ("PATCH", f"{path_of(topic)}/messages", "GET, POST"),
        ("PUT", "/api/v1/schedules", "GET, POST"), ("PUT", "/api/v1/schedules/mine", "GET, DELETE"),
    ]:  # fmt: skip
        request = urllib.request.Request(f"http://{node.front}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                raise AssertionError(f"{method} {path}: {answer.status}")
        except urllib.error.HTTPError as answer:
            assert (answer.code, answer.headers["Allow"]) == (405, allowed), f"{method} {path}"
            assert json.load(answer)["error"]["code"] == "NOT_SUPPORTED"


def test_a_wrong_login_is_refused(node):
    status, answer = node.call("POST", "/api/v1/auth/login", {"username": "nobody", "password": "wrong"})
    assert status == 401 and answer["success"] is False


def test_the_cluster_is_described(node):
    told = node.get("/api/v1/cluster")
    assert {"cluster", "node", "members", "vector"} <= told.keys()
    (member,) = told["members"]
    assert member["name"] == node.name and member["state"] == "alive" and member["listen"] == node.front
    assert member["id"] and "incarnation" in member


def test_probes_answer(node):
    assert node.call("GET", "/healthz")[0] == 200
    assert node.call("GET", "/readyz")[0] == 200


def test_figures_are_in_the_exposition_format(node, attach):
    attach(node)
    lines = node.get("/metrics").splitlines()
    named = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    assert named
    for line in lines:
        if line and not line.startswith("#"):
            name = line.split("{")[0].split(" ")[0]
            assert name.startswith("roost_") and float(line.rsplit(" ", 1)[1]) is not None
            known = any(name in (each, f"{each}_bucket", f"{each}_sum", f"{each}_count") for each in named)
            assert known, f"{name} has no TYPE"


def test_its_description_is_valid_openapi(node):
    description = node.get("/openapi.json")
    validate(description)
    for path in ("/api/v1/topics", "/api/v1/cluster", "/api/v1/auth/login"):
        assert path in description["paths"]


def test_its_pages_are_served_safely(node):
    for path, kind in [("/", "text/html"), ("/chat", "text/html"), ("/chat.css", "text/css"),
                       ("/chat.js", "text/javascript"), ("/roost.js", "text/javascript")]:  # fmt: skip
        with urllib.request.urlopen(f"http://{node.front}{path}", timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith(kind), path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert answer.read()
