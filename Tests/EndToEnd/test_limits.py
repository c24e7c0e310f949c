"""Every limit that an operator sets, met by real clients of a real node: what they are told, and what is counted."""

import http.client
import json
import re
import time
from pathlib import Path

import pytest

from cluster import Cluster, eventually
from crowd import closed, connection, frame, parsed, raw, refused, reset, response, upgrade
from live import LIMIT, Gone, Live, Refused, live
from tokens import guarding, token
from wire import masked


def status(node, *lines, path="/live"):
    """What an upgrade is answered with; its connection does not stay open."""
    with connection(node) as wire:
        wire.sendall(upgrade(node, path, *lines))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += wire.recv(65_536)
        return parsed(answer)


def test_a_client_over_its_requests_a_second_is_read_more_slowly_and_told_once():
    flags = ["--limits-requests-per-second", "100", "--limits-request-burst", "20"]
    with Cluster(1, *flags) as cluster, live(cluster[0]) as client:
        node = cluster[0]
        client.create("t")
        for number in range(300):
            client.send({"id": number, "method": "publish", "attributes": {"topicName": "t", "message": number}})
        notice, answers = None, []
        while len(answers) < 300:
            told = client.other()
            if told["type"] == "error":
                assert notice is None, "told twice"
                notice = told
            else:
                assert told["ok"], told
                answers.append(told["id"])
        assert notice["code"] == "RATE_LIMIT_EXCEEDED"
        assert answers == list(range(300)), "nothing is lost, and the order stays"
        assert node.metric("roost_connections_held_total") >= 1


def test_a_client_who_goes_on_too_fast_is_closed_with_1008():
    flags = ["--limits-requests-per-second", "50", "--limits-excess-seconds", "2"]
    with Cluster(1, *flags) as cluster, live(cluster[0]) as bystander:
        node = cluster[0]
        wire, stream = raw(node)
        wire.settimeout(LIMIT)
        wire.sendall(masked(0x81, b'{"id":1,"method":"ping"}') * 2_000)
        seen = []
        while (each := frame(stream))[0] != 8:
            seen.append(each[1])
        assert int.from_bytes(each[1][:2]) == 1008 and b"RATE_LIMIT_EXCEEDED" in each[1]
        assert sum(b'"type":"error"' in text for text in seen) == 1
        reset(wire)
        assert closed(node, "rate") == 1
        bystander.ask("list-topic")


def test_requests_over_http_have_the_same_budget_on_each_connection():
    flags = ["--limits-requests-per-second", "2", "--limits-request-burst", "5"]
    with Cluster(1, *flags) as cluster:
        node = cluster[0]
        assert node.call("POST", "/api/v1/topics", {"name": "t"})[0] == 201
        client = http.client.HTTPConnection(node.front, timeout=LIMIT)

        def ask(method, path, body=None):
            headers = {"Authorization": f"Bearer {node.token}"} if node.token else {}
            client.request(method, path, body, headers)
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()

        def publish(number):
            return ask("POST", "/api/v1/topics/t/messages", json.dumps({"message": number}))

        # Faster than two a second, however slow the machine: one more than the budget is refused, and says when it is not.
        taken, refusals, number = [], 0, 0
        begin = time.monotonic()
        while refusals < 3:
            assert time.monotonic() - begin < LIMIT, "nothing was refused"
            status, fields, body = publish(number)
            if status == 201:
                taken.append(number)
                number += 1
                continue
            refusals += 1
            assert (status, int(fields["Retry-After"])) == (429, 1), body
            assert json.loads(body)["error"]["code"] == "RATE_LIMIT_EXCEEDED"
            assert ask("GET", "/healthz")[0] == 200, "a probe is not counted"
            time.sleep(int(fields["Retry-After"]))
            assert publish(number)[0] == 201, "the time that was said is enough"
            taken.append(number)
            number += 1
        assert len(taken) <= 5 + 2 * (time.monotonic() - begin)
        assert node.metric("roost_connections_held_total") == 3
        client.close()
        page = node.get("/api/v1/topics/t/messages?since=beginning&limit=1000")["data"]["messages"]
        assert [each["data"] for each in page] == taken, "what was refused was not published"


def test_connections_of_the_node_are_limited():
    with Cluster(1, "--limits-connections", "20") as cluster:
        node = cluster[0]
        held = [raw(node)[0] for _ in range(20)]
        code, fields, body = status(node)
        assert code == 503 and int(fields["retry-after"]) >= 1 and b"CONNECTION_LIMIT" in body
        assert refused(node, "connections") == 1, "an operator still gets in"
        reset(held.pop())
        eventually("there is room again", lambda: status(node)[0] == 101)
        for wire in held:
            reset(wire)


def test_connections_of_an_address_are_limited():
    flags = ["--limits-connections-per-address", "10", "--limits-exempt-addresses", "192.0.2.0/24"]
    with Cluster(1, *flags) as cluster:
        node = cluster[0]
        held = [raw(node)[0] for _ in range(10)]
        code, fields, body = status(node)
        assert code == 503 and int(fields["retry-after"]) >= 1 and b"your address" in body
        assert status(node, "X-Forwarded-For: 203.0.113.5")[0] == 503, "only a trusted proxy is believed"
        assert refused(node, "address") == 2
        reset(held.pop())
        eventually("there is room again", lambda: status(node)[0] == 101)
        for wire in held:
            reset(wire)


def test_this_machine_has_no_limit_of_its_own():
    with Cluster(1, "--limits-connections-per-address", "1") as cluster:
        held = [raw(cluster[0])[0] for _ in range(5)]
        for wire in held:
            reset(wire)


def test_behind_a_trusted_proxy_its_clients_are_counted():
    proxies = ["--trusted-proxies", "127.0.0.1", "--trusted-proxies", "10.0.0.0/8"]
    flags = ["--limits-connections-per-address", "3", *proxies]
    with Cluster(1, *flags) as cluster:
        node = cluster[0]
        held = [raw(node, "/live", "X-Forwarded-For: 203.0.113.5")[0] for _ in range(3)]
        for line in [
            "X-Forwarded-For: 203.0.113.5", "X-Forwarded-For: 198.51.100.1, 203.0.113.5",
            "X-Forwarded-For: 203.0.113.5, 10.1.2.3", "X-Forwarded-For: ::ffff:203.0.113.5",
            "X-Forwarded-For: 203.0.113.5:4711",
        ]:  # fmt: skip
            assert status(node, line)[0] == 503, line
        for line in ["X-Forwarded-For: 203.0.113.6", "X-Forwarded-For: 203.0.113.5, 203.0.113.7", "X-Nothing: x"]:
            assert status(node, line)[0] == 101, line
        # One IPv6 customer has a whole /64.
        held += [raw(node, "/live", f"X-Forwarded-For: 2001:db8::{number}")[0] for number in range(3)]
        assert status(node, "X-Forwarded-For: 2001:db8::ffff")[0] == 503
        assert status(node, "X-Forwarded-For: 2001:db8:0:1::1")[0] == 101
        reset(held.pop(0))
        eventually("there is room again", lambda: status(node, "X-Forwarded-For: 203.0.113.5")[0] == 101)
        for wire in held:
            reset(wire)


def test_a_silent_client_without_a_token_is_told_and_closed(tmp_path):
    flags = [*guarding(tmp_path), "--limits-first-message-seconds", "2"]
    with Cluster(1, *flags, token=token("op", roles=["admin"])) as cluster:
        node = cluster[0]
        # By its first message, and then as with a token in the upgrade.
        with live(node) as client:
            assert client.session["data"]["user"] == "" and client.session["data"]["authenticateWithinMs"] == 2_000
            with pytest.raises(Refused, match="AUTH_REQUIRED"):
                client.create("t")
            assert client.ask("auth", token=token("ann", roles=["user"]))["user"] == "ann"
            client.create("t")
            silent, bad = Live(node), Live(node)
            with pytest.raises((Refused, Gone)):
                bad.ask("auth", token=token("eve", secret="another secret of that length 0123456789"))
            assert bad.expect_close() == 1008
            assert silent.other()["code"] == "AUTH_REQUIRED" and silent.expect_close() == 1008
            assert closed(node, "unauthenticated") == 2
            assert client.ask("list-topic")["topics"], "its time is not over: it has authenticated"
        # REST has no second message.
        ask = f"GET /api/v1/topics HTTP/1.1\r\nHost: {node.front}\r\nConnection: close\r\n\r\n"
        assert response(node, ask.encode())[0] == 401


def test_a_client_who_answers_no_ping_is_closed_with_1008():
    with Cluster(1, "--limits-ping-seconds", "1", "--limits-pong-seconds", "2") as cluster, live(cluster[0]) as polite:
        node = cluster[0]
        wire, stream = raw(node)
        pings = 0
        while (each := frame(stream))[0] != 8:
            pings += each[0] == 9
        assert int.from_bytes(each[1][:2]) == 1008 and pings >= 2
        reset(wire)
        assert closed(node, "unanswered_ping") == 1
        polite.ask("list-topic")


def test_http_connections_are_closed_when_nothing_is_asked_or_a_request_does_not_end():
    with Cluster(1, "--limits-idle-seconds", "1") as cluster:
        node = cluster[0]
        ask = f"GET /healthz HTTP/1.1\r\nHost: {node.front}\r\n\r\n".encode()
        post = f"POST /api/v1/topics HTTP/1.1\r\nHost: {node.front}\r\nContent-Length: 90\r\n\r\n{{".encode()
        for rest in [b"", b"GET /healthz HT", post]:
            with connection(node) as wire:
                wire.settimeout(LIMIT)
                wire.sendall(ask)
                assert b" 200 " in wire.recv(65_536)
                wire.sendall(rest)
                while wire.recv(65_536):
                    pass
        assert closed(node, "idle") == 3


def test_a_later_request_with_too_large_a_head_is_refused_too(node):
    before = node.metric("roost_heads_refused_total")
    with connection(node) as wire:
        wire.settimeout(LIMIT)
        wire.sendall(f"GET /healthz HTTP/1.1\r\nHost: {node.front}\r\n\r\n".encode())
        assert b" 200 " in wire.recv(65_536)
        wire.sendall(f"GET /healthz HTTP/1.1\r\nHost: {node.front}\r\nX: {'x' * 20_000}\r\n\r\n".encode())
        assert b" 431 " in wire.recv(65_536)
    assert node.metric("roost_heads_refused_total") - before == 1


def test_messages_and_subscriptions_have_the_limits_that_are_set():
    with Cluster(1, "--limits-message-bytes", "2048", "--limits-subscriptions", "2") as cluster:
        node = cluster[0]
        with live(node) as client:
            client.subscribe("a/#")
            client.subscribe("b/#")
            with pytest.raises(Refused, match="CONNECTION_LIMIT"):
                client.subscribe("c/#")
            client.send("x" * 2_049)
            assert client.expect_close() == 1009
        assert closed(node, "message_too_large") == 1
        assert node.metric("roost_subscriptions_refused_total") == 1


def test_the_node_takes_as_many_open_files_as_it_may_and_no_more_connections_than_they_allow():
    with Cluster(1) as cluster:
        node = cluster[0]
        node.stop()
        command = node.command()
        node.command = lambda: ["prlimit", "--nofile=128:512", *command]
        node.start()
        limits = Path(f"/proc/{node.process.pid}/limits").read_text()
        assert re.search(r"Max open files\s+512\s+512", limits), limits
        held = []
        while (answer := status(node))[0] == 101 and len(held) < 600:
            held.append(raw(node)[0])
        assert answer[0] == 503 and 100 < len(held) < 512
        # Those who come beyond all margin are closed as they come, while the node's own files are safe.
        crowd = [connection(node) for _ in range(120)]
        crowd[-1].settimeout(LIMIT)
        assert crowd[-1].recv(1) == b"", "it said nothing, and its time to speak is longer than this"
        for wire in held + crowd:
            reset(wire)
        eventually("it goes on", lambda: status(node)[0] == 101)
        assert closed(node, "turned_away") >= 1 and closed(node, "silent") == 0


def test_tokens_are_in_no_log(tmp_path):
    flags = [*guarding(tmp_path), "--log-level", "trace"]
    for extra in ([], ["--log-format", "json"]):
        good, bad = token("ann", roles=["admin"]), token("eve", secret="another secret of that length 0123456789")
        with Cluster(1, *flags, *extra, token=good) as cluster:
            node = cluster[0]
            origin = f"Origin: http://{node.front}"
            for each in (good, bad):
                for path, *lines in [
                    ("/live", f"Authorization: Bearer {each}"), (f"/live?token={each}",),
                    ("/live", f"Cookie: token={each}", origin), (f"/nowhere?token={each}",),
                ]:  # fmt: skip
                    status(node, *lines, path=path)
                    plain = f"GET {path.replace('/live', '/api/v1/topics')} HTTP/1.1\r\nHost: {node.front}\r\n"
                    fields = "".join(f"{line}\r\n" for line in lines)
                    response(node, f"{plain}{fields}Connection: close\r\n\r\n".encode())
                    # Cut off in the middle, and followed by what is no HTTP.
                    response(node, f"{plain}{fields}\r\nnonsense {each}\r\n\r\n".encode())
                for text in [
                    f'{{"id":1,"method":"auth","attributes":{{"token":"{each}"}}}}',
                    f'{{"method":"auth","attributes":{{"token":["{each}"]}}}}',
                    f'{{"method":"auth","attributes":{{"token":"{each}',
                ]:
                    with live(node) as client:
                        client.send(text)
                        client.other()
                node.call("POST", f"/api/v1/auth/login?token={each}", {"username": each, "password": each})
            node.stop()
            log = node.log.read_text(errors="replace")
            assert "roost" in log
            for each in (good, bad):
                for part in (each, each.split(".")[1], each.split(".")[2]):
                    assert part not in log
