"""The JavaScript client in Node: attached to whatever node lives, nothing missing and nothing twice."""

import shutil

import pytest

from cluster import ROOT
from javascript import Program, needs_node

pytestmark = needs_node


@pytest.fixture
def library(tmp_path):
    """roost.js under a name by which Node knows that it is a module."""
    return shutil.copy(ROOT / "Sources/Runtime/HTTP/Pages/roost.js", tmp_path / "roost.mjs")


def test_it_moves_to_another_node_and_back_with_nothing_missing_or_twice(fresh_three, library, topic):
    count = 1_500
    program = Program("follow.mjs", library, ",".join(node.url for node in fresh_three), topic, count)
    try:
        program.until("acknowledged", 50)
        by_name = {node.name: node for node in fresh_three}
        for killed in range(2):
            victim = by_name[program.until("attached", killed + 1)[-1]["node"]]
            victim.kill()
            there = program.until("attached", killed + 2)[-1]["node"]
            assert there != victim.name
            victim.start()
            fresh_three.await_members(3)
            program.until("acknowledged", len(program.of("acknowledged")) + 50)
        program.until("waiting", within=180)
        assert program.until("event", count) == list(range(count))
        assert program.of("acknowledged") == list(range(count))
        assert program.of("gap") == [] and program.of("error") == []
        last = [count - 3, count - 2, count - 1]
        assert program.of("described") == [{"name": topic, "listed": [topic], "last": last}]
        program.process.stdin.write("destroy\n")
        program.process.stdin.flush()
        program.until("destroyed")
        assert program.process.wait(30) == 0
    finally:
        program.end()


def test_it_tries_the_next_node_when_the_first_is_not_there(node, library, topic):
    program = Program("follow.mjs", library, f"ws://127.0.0.1:9,{node.url}", topic, 3)
    try:
        program.until("waiting")
        assert program.until("event", 3) == [0, 1, 2]
    finally:
        program.end()


def test_it_hands_over_once_what_was_sent_again_after_a_crash(fresh_three, library, topic):
    first, second, third = fresh_three

    def publish(node, message, **more):
        status, answer = node.call("POST", f"/api/v1/topics/{topic}/messages", {"message": message, **more})
        assert status == 201, answer
        return answer["data"]

    assert first.call("POST", "/api/v1/topics", {"name": topic})[0] == 201
    publish(first, 0, ack="replicated")
    program = Program("repeated.mjs", library, f"{first.url},{second.url}", topic)
    try:
        assert program.until("event") == [0]
        for node in (second, third):
            node.kill()
        publish(first, 1, messageId="one")
        assert program.until("event", 2) == [0, 1]
        first.kill()  # and with it the only copy
        second.start()
        assert publish(second, 1, messageId="one")["offset"] == 1, "it knew the first"
        publish(second, 2, messageId="two")
        assert program.until("event", 3) == [0, 1, 2]
        assert program.of("gap") == [] and program.of("error") == []
    finally:
        program.end()
