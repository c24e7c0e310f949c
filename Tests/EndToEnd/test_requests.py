"""Requests: to one responder, on whichever node, answered by it alone, and never left without a last word."""

import signal
import threading

import pytest

from cluster import eventually
from live import LIMIT, Refused
from test_command_line import roost, well

WORK = "work"


def shown(responder):
    """The next request that the responder is shown."""
    while (frame := responder.other(LIMIT))["type"] != "request":
        pass
    return frame


def parts(client, count):
    return [client._take(client.events, LIMIT, "a reply") for _ in range(count)]


def ask(client, topic, message, **attributes):
    """Asks beside what the test does, and gives what it came to when it is wanted."""
    outcome = {}

    def run():
        try:
            outcome["data"] = client.ask("request", topicName=topic, message=message, **attributes)
        except Refused as refused:
            outcome["code"] = refused.code

    thread = threading.Thread(target=run)
    thread.start()

    def wait():
        thread.join(LIMIT)
        assert not thread.is_alive(), "a request without an end"
        return outcome.get("data") or outcome["code"]

    return wait


def serve(responder, answer):
    """Answers all that the responder is asked, until it is closed."""

    def run():
        try:
            while True:
                request = shown(responder)
                responder.ask("reply", replyTo=request["replyTo"], message=answer(request["data"]))
        except Exception:  # the connection's end, which is the test's
            pass

    threading.Thread(target=run, daemon=True).start()


def test_a_request_is_answered_from_another_node_in_as_many_parts_as_it_takes(three, attach, topic):
    requester, responder = attach(three[0]), attach(three[2])
    requester.create(topic)
    three.await_equal_vectors()
    responder.subscribe(topic, respond=True)
    waiting = ask(requester, topic, {"question": 1})
    request = shown(responder)
    assert (request["topic"], request["data"]) == (topic, {"question": 1})
    responder.ask("reply", replyTo=request["replyTo"], message="one", done=False)
    responder.ask("reply", replyTo=request["replyTo"], message=[2], done=False)
    responder.ask("reply", replyTo=request["replyTo"], message=None, done=True)
    assert waiting() == {"topicName": topic, "replies": 3}
    replies = parts(requester, 3)
    assert [each["data"] for each in replies] == ["one", [2], None]
    assert {(each["type"], each["event"], each["source"]) for each in replies} == {
        ("event", "reply", responder.session["data"]["sessionId"])
    }
    with pytest.raises(Refused, match="INVALID_MESSAGE"):
        responder.ask("reply", replyTo=request["replyTo"], message="late")


def test_requests_stay_on_the_node_and_are_spread_over_its_responders(three, attach, topic):
    requester = attach(three[0])
    requester.create(topic)
    three.await_equal_vectors()
    asked = {"near": 0, "other": 0, "far": 0}

    def count(name):
        def answer(_):
            asked[name] += 1
            return name

        return answer

    for name, node in (("near", 0), ("other", 0), ("far", 1)):
        responder = attach(three[node])
        responder.subscribe(topic, respond=True)
        serve(responder, count(name))
    for number in range(20):
        requester.ask("request", topicName=topic, message=number)
    assert asked["far"] == 0 and asked["near"] and asked["other"] and asked["near"] + asked["other"] == 20
    elsewhere = attach(three[2])
    for number in range(10):
        elsewhere.ask("request", topicName=topic, message=number)
    assert sum(asked.values()) == 30


def test_a_reply_is_the_responders_alone(three, attach, topic):
    requester, responder, thief = attach(three[0]), attach(three[1]), attach(three[1])
    requester.create(topic)
    three.await_equal_vectors()
    responder.subscribe(topic, respond=True)
    waiting = ask(requester, topic, 1)
    request = shown(responder)
    thief.subscribe(topic, respond=True)
    for client in (thief, requester):
        with pytest.raises(Refused, match="INVALID_MESSAGE"):
            client.ask("reply", replyTo=request["replyTo"], message="forged")
    responder.ask("reply", replyTo=request["replyTo"], message="true")
    assert waiting()["replies"] == 1 and parts(requester, 1)[0]["data"] == "true"


def test_nobody_there_a_silent_one_and_one_that_leaves_are_told_apart(three, attach, topic):
    requester, responder = attach(three[0]), attach(three[1])
    requester.create(topic)
    three.await_equal_vectors()
    assert ask(requester, topic, 1)() == "NO_RESPONDER"
    responder.subscribe(topic, respond=True)
    assert ask(requester, topic, 1, timeout=200)() == "REQUEST_TIMEOUT"
    waiting = ask(requester, topic, 1)
    shown(responder), shown(responder)
    responder.close()
    assert waiting() == "NO_RESPONDER"
    assert ask(requester, topic, 1)() == "NO_RESPONDER"
    with pytest.raises(Refused, match="TOPIC_NOT_FOUND"):
        requester.ask("request", topicName=f"{topic}/none", message=1)


def test_a_request_ends_with_the_node_of_its_responder_and_the_next_goes_to_another(fresh_three, attach):
    requester, doomed = attach(fresh_three[0]), attach(fresh_three[2])
    requester.create(WORK)
    fresh_three.await_equal_vectors()
    doomed.subscribe(WORK, respond=True)
    waiting = ask(requester, WORK, 1, timeout=60_000)
    shown(doomed)
    fresh_three[2].kill()
    assert waiting() == "NO_RESPONDER"
    heir = attach(fresh_three[1])
    heir.subscribe(WORK, respond=True)
    serve(heir, lambda data: data + 1)
    assert ask(requester, WORK, 41)()["replies"] == 1
    assert parts(requester, 1)[0]["data"] == 42


def test_a_request_whose_reply_dies_with_the_responders_node_ends_with_an_error(fresh_three, attach):
    """The responder is told that its reply is taken, and the requester, who will never get it, that nothing comes."""
    requester, other, responder = attach(fresh_three[0]), attach(fresh_three[0]), attach(fresh_three[2])
    requester.create(WORK)
    fresh_three.await_equal_vectors()
    responder.subscribe(WORK, respond=True)
    waiting = {name: ask(client, WORK, name, timeout=300_000) for name, client in (("a", other), ("b", other), ("c", requester))}
    places = {request["data"]: request["replyTo"] for request in (shown(responder) for _ in waiting)}
    silent = fresh_three[0].process
    silent.send_signal(signal.SIGSTOP)
    try:
        # More than may be on its way to a node that takes nothing, so that what follows cannot have left.
        for name in ("a", "b"):
            for _ in range(7):
                responder.ask("reply", replyTo=places[name], message="x" * 500_000, done=False)
        assert responder.ask("reply", replyTo=places["c"], message="lost")["replyTo"] == places["c"]
        fresh_three[2].kill()
    finally:
        silent.send_signal(signal.SIGCONT)
    assert [wait() for wait in waiting.values()] == ["NO_RESPONDER"] * 3
    assert requester.events.empty(), "the reply has come"


def test_the_command_asks_and_prints_the_replies(node, attach, topic):
    responder = attach(node)
    responder.create(topic)
    result = roost(node, "request", topic, "1")
    assert result.returncode == 1 and "NO_RESPONDER" in result.stderr
    responder.subscribe(topic, respond=True)
    serve(responder, lambda data: {"doubled": data * 2})
    assert well(roost(node, "request", topic, "21")) == '{"doubled": 42}\n'
    assert eventually("words go as a string", lambda: well(roost(node, "request", topic, "ab"))) == '{"doubled": "abab"}\n'
