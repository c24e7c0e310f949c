"""The `roost` command against a running node: what it prints, and the exit codes that scripts rely on."""

import json
import subprocess

import pytest

from cluster import BINARY, eventually
from tokens import guarding, token

LIMIT = 60


def roost(node, *arguments, text=None):
    """Runs one command to its end."""
    return subprocess.run(
        [str(BINARY), *arguments, "--url", f"http://{node.front}"],
        input=text, capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip


def well(result):
    assert result.returncode == 0, f"{result.args}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def test_topics_are_made_listed_and_destroyed(node, topic):
    well(roost(node, "topics", "create", topic))
    assert topic in well(roost(node, "topics", "list"))
    assert topic in [each["name"] for each in json.loads(well(roost(node, "topics", "list", "--json")))["topics"]]
    well(roost(node, "topics", "destroy", topic))
    assert topic not in well(roost(node, "topics", "list")).split()


def test_messages_are_published_and_followed(node, topic):
    well(roost(node, "topics", "create", topic))
    well(roost(node, "pub", topic, '{"n": 1}', "--ack", "stored"))
    answer = json.loads(well(roost(node, "pub", topic, "plain words", "--ack", "stored", "--json")))
    assert answer["offset"] == 2
    lines = well(roost(node, "sub", topic, "--since", "beginning", "--count", "2", "--json")).splitlines()
    assert [json.loads(line)["data"] for line in lines] == [{"n": 1}, "plain words"]


def test_messages_come_from_standard_input_line_by_line(node, topic):
    well(roost(node, "topics", "create", topic))
    well(roost(node, "pub", topic, "-", "--ack", "stored", text="1\n2\n3\n"))
    lines = well(roost(node, "sub", topic, "--since", "beginning", "--count", "3", "--json")).splitlines()
    assert [json.loads(line)["data"] for line in lines] == [1, 2, 3]


def test_a_refusal_is_told_and_exits_with_1(node, topic):
    for arguments in (["pub", topic, "x"], ["sub", topic, "--count", "1"], ["topics", "destroy", topic]):
        result = roost(node, *arguments)
        assert result.returncode == 1 and "TOPIC_NOT_FOUND" in result.stderr, result
        assert result.stdout == ""


def test_a_node_that_is_not_there_is_told_and_exits_with_69(topic):
    class Nowhere:
        front = "127.0.0.1:9"

    result = roost(Nowhere, "topics", "list")
    assert result.returncode == 69 and "127.0.0.1:9" in result.stderr, result


def test_a_wrong_command_line_exits_with_64(node):
    assert roost(node, "pub").returncode == 64
    assert roost(node, "topics", "list", "--colour").returncode == 64


def test_the_cluster_is_shown(node):
    assert node.name in well(roost(node, "cluster"))
    told = json.loads(well(roost(node, "cluster", "--json")))
    assert [member["name"] for member in told["members"]] == [node.name]


def test_a_token_is_made(tmp_path):
    made = subprocess.run(
        [str(BINARY), "token", *guarding(tmp_path), "--sub", "alice", "--role", "admin"],
        capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stdout.count(".") == 2 and len(made.stdout.split()) == 1


def test_a_user_is_made_with_a_hash_and_never_the_password(tmp_path):
    made = subprocess.run(
        [str(BINARY), "user", "add", "alice", "--role", "admin", "--users-file", str(tmp_path / "users")],
        input="correct horse\n", capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    written = (tmp_path / "users").read_text()
    assert "alice" in written and "scrypt" in written and "correct horse" not in written + made.stdout + made.stderr


@pytest.mark.parametrize("command", [["sub", "--since", "beginning"], ["topics", "list"]], ids=lambda each: each[0])
def test_a_closed_pipe_ends_it_quietly(node, attach, topic, command):
    client = attach(node)
    client.create(topic)
    for number in range(2_000):
        client.send({"method": "publish", "attributes": {"topicName": topic, "message": "x" * 200}})
    client.ask("list-topic")
    arguments = [command[0], topic, *command[1:]] if command[0] == "sub" else command
    process = subprocess.Popen(
        [str(BINARY), *arguments, "--url", f"http://{node.front}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        process.stdout.read(1)
        process.stdout.close()
        client.publish(topic, "one more", ack="stored")
        eventually("it ends", lambda: process.poll() is not None, LIMIT)
        trouble = process.stderr.read().decode()
        assert "Fatal" not in trouble and "Traceback" not in trouble and process.returncode in (0, 1, 141, -13)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def test_a_line_that_is_not_text_is_refused_by_its_number(node, topic):
    well(roost(node, "topics", "create", topic))
    result = subprocess.run(
        [str(BINARY), "pub", topic, "-", "--url", f"http://{node.front}"],
        input=b"1\n\xff\xfe\n", capture_output=True, timeout=LIMIT,
    )  # fmt: skip
    assert result.returncode == 1 and b"line 2" in result.stderr, result


def test_a_message_that_was_sent_again_after_a_crash_is_shown_once(fresh_three, topic):
    first, second, third = fresh_three
    well(roost(first, "topics", "create", topic))
    well(roost(first, "pub", topic, "0", "--ack", "replicated"))
    follower = subprocess.Popen(
        [str(BINARY), "sub", topic, "--since", "beginning", "--count", "3", "--json"]
        + [word for node in (first, second) for word in ("--url", f"http://{node.front}")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert json.loads(follower.stdout.readline())["data"] == 0
        for node in (second, third):
            node.kill()
        well(roost(first, "pub", topic, "1", "--message-id", "one"))
        assert json.loads(follower.stdout.readline())["messageId"] == "one"
        first.kill()  # and with it the only copy
        second.start()
        again = json.loads(well(roost(second, "pub", topic, "1", "--message-id", "one", "--json")))
        assert again["offset"] == 1, "it knew the first"
        well(roost(second, "pub", topic, "2"))
        assert json.loads(follower.stdout.readline())["data"] == 2
        assert follower.wait(LIMIT) == 0
    finally:
        follower.kill()
        follower.wait()
        follower.stdout.close()
