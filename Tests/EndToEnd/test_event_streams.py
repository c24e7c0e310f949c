"""Server-Sent Events from real nodes: resumed anywhere, told of gaps, fed from the log when slow, over TLS and proxies."""

import json
import shutil
import socket
import subprocess
import urllib.parse

import pytest

from certificates import Authority, needs_openssl
from cluster import ROOT, Cluster, eventually, free_port
from events import LIMIT, Events
from javascript import needs_chromium
from tokens import guarding, token

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="there is no HAProxy (Debian: haproxy)")


@pytest.fixture
def events():
    """Opens streams, and closes them after the test."""
    opened = []

    def events(node, query="", last_id=None, **options):
        headers = {"Last-Event-ID": last_id} if last_id else {}
        headers.update(options.pop("headers", {}))
        opened.append(Events(getattr(node, "front", node), query, headers, **options))
        return opened[-1]

    yield events
    for each in opened:
        each.close()


def test_a_stream_resumes_at_any_node_with_nothing_missing_and_nothing_twice(three, attach, events, topic):
    writers = [attach(node) for node in three.nodes]
    writers[0].create(topic)
    query = f"?topics={urllib.parse.quote(topic)}"
    eventually("every node knows the topic", lambda: all(topic in str(node.get("/api/v1/topics")) for node in three.nodes))
    first = events(three[0], query).begun()
    for number in range(9):
        writers[number % 3].publish(topic, number, ack="stored")
    seen = [first.message() for _ in range(4)]
    place = first.last_id
    first.close()
    for number in range(9, 12):
        writers[number % 3].publish(topic, number, ack="stored")
    three.await_equal_vectors()
    for stream in (events(three[1], query, place), events(three[2], f"{query}&since={place}")):
        rest = [stream.message() for _ in range(8)]
        assert sorted(seen + rest) == list(range(12))
        stream.close()


def test_without_topics_a_stream_has_all_that_the_user_may_read(node, attach, events, topic):
    writer = attach(node)
    writer.create(f"{topic}/old")
    stream = events(node).begun()
    writer.publish(f"{topic}/old", 1)
    assert stream.next()["topic"] == f"{topic}/old"
    writer.create(f"{topic}/new")
    writer.publish(f"{topic}/new", 2)
    event = stream.next()
    assert (event["topic"], event["data"]) == (f"{topic}/new", 2)
    place = stream.last_id
    stream.close()
    writer.create(f"{topic}/unseen")
    writer.publish(f"{topic}/unseen", 3)
    again = events(node, last_id=place)
    event = again.next()
    assert (event["topic"], event["data"]) == (f"{topic}/unseen", 3)


def test_what_is_lost_is_told_where_a_handler_sees_it(node, attach, events, topic):
    writer = attach(node)
    writer.create(topic, durability="memory")
    query = f"?topics={urllib.parse.quote(topic)}"
    stream = events(node, query).begun()
    writer.publish(topic, 0)
    assert stream.message() == 0
    stream.close()
    for number in range(1, 3_000):  # more than a ring holds
        writer.send({"method": "publish", "attributes": {"topicName": topic, "message": number}})
    writer.publish(topic, 3_000)
    again = events(node, query, stream.last_id)
    gap = again.next()
    assert (gap["type"], gap["topic"], gap["reason"], gap["from"]) == ("gap", topic, "overrun", 2), gap
    kept = [again.message() for _ in range(3_001 - gap["to"])]
    assert kept == list(range(gap["to"], 3_001))


def test_what_is_wrong_is_said_by_the_status(node, attach, events, topic):
    assert events(node, "?topics=nobody/made/this").body["error"]["code"] == "TOPIC_NOT_FOUND"
    assert events(node, "?topics=a,,b").status == 400
    refused = events(node, last_id="nonsense!")
    assert refused.status == 400 and "Last-Event-ID" in refused.body["error"]["message"]
    writer = attach(node)
    writer.create(topic)
    some = events(node, f"?topics=nobody/made/this,{urllib.parse.quote(topic)}")
    assert some.status == 200
    error = some.next()
    assert (error["type"], error["topic"], error["code"]) == ("error", "nobody/made/this", "TOPIC_NOT_FOUND")
    writer.publish(topic, "here")
    assert some.message() == "here"
    writer.ask("destroy-topic", topicName=topic)
    assert some.next()["type"] == "unsubscribed"


def test_a_token_is_needed_where_one_is_and_its_end_ends_the_stream(tmp_path, attach, events):
    root = token("root", roles=["admin"])
    origin = "https://app.example"
    flags = guarding(tmp_path, f"origins: [{origin}]\n")
    with Cluster(1, *flags, token=root) as cluster:
        node = cluster[0]
        writer = attach(node, root)
        writer.create("open")
        writer.create("closed", permission=0)
        assert events(node).status == 401
        alice = token("alice", roles=["user"])
        assert events(node, f"?topics=closed&token={alice}").status == 403
        cookie = {"Cookie": f"token={alice}"}
        assert events(node, headers=cookie).status == 401, "a cookie counts only with an origin"
        foreign = events(node, headers={**cookie, "Origin": "https://evil.example"})
        assert foreign.status == 403 and "Access-Control-Allow-Origin" not in foreign.headers
        known = events(node, headers={**cookie, "Origin": origin})
        assert known.status == 200 and known.headers["Access-Control-Allow-Origin"] == origin
        assert known.headers["Access-Control-Allow-Credentials"] == "true"
        by_header = events(node, "?topics=open", headers={"Authorization": f"Bearer {alice}"}).begun()
        brief = events(node, f"?topics=open&token={token('alice', roles=['user'], lifetime=3)}").begun()
        for stream in (known, by_header):
            writer.publish("open", "hello")
        assert [by_header.message() for _ in range(2)] == ["hello"] * 2
        assert brief.next()["type"] == "auth", "it ends within the 30 s of the warning"
        assert [brief.message() for _ in range(2)] == ["hello"] * 2
        assert brief.next()["code"] == 1008 and brief.next() is None
        # A permission that is taken away ends what is open.
        writer.ask("set-topic-permission", topicName="open", permission=0)
        ended = by_header.next()
        assert (ended["type"], ended["code"]) == ("unsubscribed", "PERMISSION_DENIED")


def test_a_stream_that_nobody_reads_is_fed_from_the_log_when_somebody_does(node, attach, events, topic):
    writer = attach(node)
    writer.create(topic)
    host, port = node.front.split(":")
    before = node.metric("roost_slow_consumers_total")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect((host, int(port)))
        slow.sendall(f"GET /events?topics={urllib.parse.quote(topic)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        slow.settimeout(LIMIT)
        held = b""
        while b"\nid: " not in held:
            held += slow.recv(1_024)
        text = "x" * 2_000
        for number in range(3_000):
            writer.send({"method": "publish", "attributes": {"topicName": topic, "message": [number, text]}})
        writer.publish(topic, ["last", ""])
        assert node.metric("roost_slow_consumers_total") > before
        while b'"data":["last",' not in held:
            part = slow.recv(65_536)
            assert part, "the stream ended"
            held += part
    lines = [line for line in held.decode().splitlines() if line.startswith('data: {"type":')]
    frames = [json.loads(line[6:]) for line in lines]
    assert all(frame["type"] == "event" for frame in frames)
    assert [frame["data"][0] for frame in frames] == [*range(3_000), "last"]


@needs_openssl
def test_a_stream_over_tls(tmp_path, attach, events):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("node", "node")
    address = f"127.0.0.1:{free_port()}"
    with Cluster(
        1, "--tls-listen", address, "--tls-certificate-file", str(certificate), "--tls-key-file", str(key)
    ) as cluster:
        writer = attach(cluster[0])
        writer.create("secret")
        stream = events(address, "?topics=secret", context=authority.context()).begun()
        assert "Strict-Transport-Security" in stream.headers
        for number in range(100):
            writer.publish("secret", [number, "y" * 10_000])
        assert [stream.message()[0] for _ in range(100)] == list(range(100))
        assert cluster[0].stop() == 0
        assert stream.next()["type"] == "drain" and stream.next()["code"] == 1012 and stream.next() is None


class Balancer:
    """HAProxy before nodes, as Cluster/local runs it."""

    def __init__(self, nodes, log):
        self.front = f"127.0.0.1:{free_port()}"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [str(ROOT / "Cluster/local/balancer"), self.front, *[node.front for node in nodes]],
                stdout=file, stderr=file,
            )  # fmt: skip
        eventually("the balancer answers", self._answers)

    def _answers(self):
        assert self.process.poll() is None, "the balancer has ended"
        try:
            return Events(self.front, "?topics=a,,").status == 400
        except OSError:
            return False

    def end(self):
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
def balance(tmp_path):
    started = []

    def balance(nodes):
        started.append(Balancer(nodes, tmp_path / "balancer.log"))
        return started[-1]

    yield balance
    for each in started:
        each.end()


@needs_haproxy
def test_a_stream_survives_its_node_behind_the_balancer(fresh_three, balance, attach, events):
    balancer = balance(fresh_three.nodes)
    writers = [attach(node) for node in fresh_three.nodes]
    writers[0].create("news")
    fresh_three.await_equal_vectors()
    stream = events(balancer, "?topics=news").begun()
    for number in range(3):
        writers[number].publish("news", number, ack="stored")
    assert sorted(stream.message() for _ in range(3)) == [0, 1, 2]
    fresh_three.await_equal_vectors()
    mine = serving(fresh_three)
    mine.kill()
    assert stream.next() is None
    other = next(index for index, node in enumerate(fresh_three.nodes) if node is not mine)
    writers[other].publish("news", "meanwhile", ack="stored")
    # At once: the balancer may not have found out yet that the node is dead.
    again = events(balancer, "?topics=news", stream.last_id)
    assert again.status == 200 and again.message() == "meanwhile"


def serving(cluster):
    """The node that has the open stream."""
    having = [node for node in cluster.running() if node.metric("roost_connections") - clients(node) > 0]
    assert len(having) == 1, having
    return having[0]


def clients(node):
    """The WebSocket that each of these tests has at every node."""
    return 1


@needs_haproxy
@needs_chromium
def test_a_browsers_event_source_survives_its_node(fresh_three, balance, attach, browser, tmp_path):
    balancer = balance(fresh_three.nodes)
    writers = [attach(node) for node in fresh_three.nodes]
    writers[0].create("news")
    fresh_three.await_equal_vectors()
    (tmp_path / "index.html").write_text(
        "<!doctype html><title>news</title><script>"
        f'const source = new EventSource("http://{balancer.front}/events?topics=news");'
        "window.got = []; window.opened = 0;"
        "source.onopen = () => { window.opened += 1; };"
        "source.onmessage = (event) => window.got.push(JSON.parse(event.data));"
        "</script>"
    )
    browser.open_folder(tmp_path)
    browser.until("window.opened === 1")
    expected = []
    for round in range(2):
        for index, node in enumerate(fresh_three.nodes):
            if node in fresh_three.running():
                writers[index].publish("news", f"{round} {index}", ack="stored")
                expected.append(f"{round} {index}")
        browser.until(f"window.got.length >= {len(expected)}")
        fresh_three.await_equal_vectors()
        if round == 0:
            mine = serving(fresh_three)
            mine.kill()
            other = next(index for index, node in enumerate(fresh_three.nodes) if node is not mine)
            for number in range(20):
                writers[other].publish("news", number, ack="stored")
                expected.append(number)
            browser.until("window.opened >= 2")
            browser.until(f"window.got.length >= {len(expected)}")
    got = browser.run("window.got")
    assert all(event["type"] == "event" for event in got), got
    assert sorted(map(str, (event["data"] for event in got))) == sorted(map(str, expected))
    assert [event["data"] for event in got if isinstance(event["data"], int)] == list(range(20))
    assert browser.run("source.readyState") == 1
