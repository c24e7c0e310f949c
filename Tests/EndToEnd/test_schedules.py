"""Schedules: what is to be done at certain times is done once, whichever nodes live then."""

import json
import re
import time
from contextlib import ExitStack

import pytest
from websockets.sync.client import connect

from cluster import Cluster, eventually
from live import live
from test_command_line import roost, well
from tokens import guarding, token

LIMIT = 60


class Dashboard:
    """SQLatte's own example: a client that follows the executions of schedules."""

    def __init__(self, node, secret=None):
        query = f"?token={secret}" if secret else ""
        self._stack = ExitStack()
        self.socket = self._stack.enter_context(connect(f"{node.url}/ws{query}", open_timeout=LIMIT))
        events = ["schedule_executed", "query_completed"]
        self.socket.send(json.dumps({"type": "subscribe", "data": {"events": events}}))
        assert json.loads(self.socket.recv(LIMIT)) == {"type": "subscribed", "data": {"events": events}}

    def take(self):
        said = json.loads(self.socket.recv(LIMIT))
        assert said["type"] == "schedule_executed", said
        return said["data"]

    def close(self):
        self._stack.close()


@pytest.fixture
def dashboard():
    open_ones = []

    def attach(node, secret=None):
        open_ones.append(Dashboard(node, secret))
        return open_ones[-1]

    yield attach
    for each in open_ones:
        each.close()


def add(node, **schedule):
    status, answer = node.call("POST", "/api/v1/schedules", schedule)
    assert status == 201, answer
    return answer["data"]


def listed(node):
    return node.get("/api/v1/schedules")["data"]["schedules"]


def make(node, topic):
    assert node.call("POST", "/api/v1/topics", {"name": topic})[0] == 201


def history(node, topic):
    with live(node, node.token) as client:
        return client.history(topic)


def test_a_schedule_is_known_at_every_node_and_removed_at_any(three):
    made = add(three[0], name="Daily Sales", cron="0 6 * * MON-FRI", query={"sql": "SELECT 1 WHERE ?", "params": [1]})
    assert made["cron"] == "0 6 * * MON-FRI" and made["next"].endswith("T06:00:00.000Z")
    eventually("every node knows it", lambda: all([each["id"] for each in listed(node)] == [made["id"]] for node in three.nodes))
    assert three[1].get(f"/api/v1/schedules/{made['id']}")["data"] == made
    assert three[2].call("DELETE", f"/api/v1/schedules/{made['id']}")[0] == 200
    eventually("no node knows it", lambda: all(listed(node) == [] for node in three.nodes))
    status, answer = three[2].call("DELETE", f"/api/v1/schedules/{made['id']}")
    assert status == 404 and answer["error"]["code"] == "SCHEDULE_NOT_FOUND"


def test_a_query_is_asked_and_told_at_every_node(three, dashboard):
    make(three[0], "schedules/orders")
    for number in range(3):
        path = "/api/v1/topics/schedules%2Forders/messages"
        assert three[0].call("POST", path, {"message": {"n": number}, "ack": "replicated"})[0] == 201
    three.await_equal_vectors()
    boards = [dashboard(node) for node in three.nodes]
    made = add(three[0], name="Orders", interval=1_000, query={"sql": 'SELECT * FROM "schedules/orders"'})
    try:
        heard = [[board.take() for _ in range(3)] for board in boards]
        for each in heard[0]:
            assert {"schedule_id", "schedule_name", "success", "rows_returned"} <= each.keys()
            assert (each["schedule_id"], each["schedule_name"]) == (made["id"], "Orders")
            assert (each["success"], each["rows_returned"]) == (True, 3)
        # The same at every node, each firing once, at the times that the interval says.
        assert heard[0] == heard[1] == heard[2]
        assert len({each["due"] for each in heard[0]}) == 3 and len({each["node"] for each in heard[0]}) == 1
    finally:
        assert three[1].call("DELETE", f"/api/v1/schedules/{made['id']}")[0] == 200


def test_a_publish_is_once_in_history_though_the_node_that_fires_is_killed(fresh_three, dashboard):
    three = fresh_three
    make(three[0], "beats")
    three.await_equal_vectors()
    board = dashboard(three[0])
    made = add(three[0], name="Beat", interval=1_000, publish={"topic": "beats", "message": {"beat": True}, "event": "beat", "key": "k"})
    firing = board.take()["node"]
    victim = next(node for node in three.nodes if node.name == firing)
    witness = next(node for node in three.nodes if node is not victim)
    board = dashboard(witness)
    victim.kill()
    killed = time.time()
    # Another node takes over, and makes up for what came due meanwhile.
    while (told := board.take())["node"] == firing:
        pass
    assert told["success"], told
    eventually("the heir fires on", lambda: board.take()["due"] > stamp(killed + 8))
    victim.start()
    three.await_members(3)
    assert witness.call("DELETE", f"/api/v1/schedules/{made['id']}")[0] == 200
    eventually("no node knows it", lambda: all(listed(node) == [] for node in three.nodes))
    three.await_equal_vectors()
    seen = [history(node, "beats") for node in three.nodes]
    assert seen[0] == seen[1] == seen[2]
    for message in seen[0]:
        assert (message["event"], message["key"], message["user"], message["data"]) == ("beat", "k", "$schedule", {"beat": True})
    dues = [int(message["messageId"].rpartition("@")[2]) for message in seen[0]]
    # Every second once: none left out, none twice.
    assert sorted(dues) == list(range(min(dues), max(dues) + 1, 1_000)), dues


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def test_a_schedule_lives_through_a_restart(tmp_path, dashboard):
    with Cluster(1) as cluster:
        make(cluster[0], "t")
        made = add(cluster[0], name="Restarted", interval=1_000, publish={"topic": "t", "message": 1})
        gone = add(cluster[0], name="Removed", cron="@hourly", publish={"topic": "t", "message": 2})
        assert cluster[0].call("DELETE", f"/api/v1/schedules/{gone['id']}")[0] == 200
        for end in (cluster[0].kill, cluster[0].stop):
            end()
            cluster[0].start()
            assert [each["id"] for each in listed(cluster[0])] == [made["id"]]
            assert dashboard(cluster[0]).take()["success"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    flags = guarding(folder, 'roles:\n  user: {read: ["#", "$schedules"], write: ["#"]}\n  reader: {read: ["own/#"]}\n')
    with Cluster(1, *flags, token=token("root", roles=["admin"])) as cluster:
        make(cluster[0], "own/a")
        make(cluster[0], "private")
        yield cluster[0]


def test_a_schedule_has_the_rights_of_its_creator_when_it_fires(guarded, dashboard):
    ann, bob = token("ann", roles=["user"]), token("bob", roles=["reader"])
    publish = {"name": "p", "interval": 1_000, "publish": {"topic": "own/a", "message": 1}}
    status, answer = guarded.call("POST", "/api/v1/schedules", publish, bob)
    assert status == 403 and answer["error"]["code"] == "PERMISSION_DENIED"
    query = {"name": "q", "interval": 1_000, "query": {"sql": "SELECT * FROM private"}}
    status, answer = guarded.call("POST", "/api/v1/schedules", query, bob)
    assert status == 404 and answer["error"]["code"] == "TABLE_NOT_FOUND"
    board = dashboard(guarded, ann)
    status, answer = guarded.call("POST", "/api/v1/schedules", publish, ann)
    assert status == 201 and answer["data"]["owner"] == "ann"
    ident = answer["data"]["id"]
    assert board.take()["success"] is True
    # The owner alone may publish from now on, and that is not ann.
    assert guarded.call("PUT", "/api/v1/topics/own%2Fa", {"permission": 127 << 7})[0] == 200
    while (told := board.take())["success"]:
        pass
    assert told["code"] == "PERMISSION_DENIED" and told["schedule_name"] == "p"
    # Another user's schedules are not there; an admin's eyes see them all.
    for method in ("GET", "DELETE"):
        assert guarded.call(method, f"/api/v1/schedules/{ident}", token=bob)[0] == 404
    assert guarded.call("GET", "/api/v1/schedules", token=bob)[1]["data"]["schedules"] == []
    assert [each["id"] for each in listed(guarded)] == [ident]
    assert guarded.call("DELETE", f"/api/v1/schedules/{ident}", token=ann)[0] == 200
    # What is told of schedules is the system's to say.
    status, answer = guarded.call("POST", "/api/v1/topics/$schedules/messages", {"message": {}, "event": "schedule_executed"}, ann)
    assert status == 403, answer


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": None}, '"name" is missing'), ({"cron": "61 * * * *"}, "the minute 61 is not within 0 to 59"),
        ({"cron": None}, '"cron" and "interval" are missing'), ({"interval": 5_000}, "not both"),
        ({"cron": None, "interval": 10}, "milliseconds from 1000 to 31536000000"),
        ({"query": None}, '"query" and "publish" are missing'), ({"publish": {"topic": "t", "message": 1}}, "not both"),
        ({"query": {"sql": "DELETE FROM t"}}, "SELECT"), ({"query": {}}, '"sql" is missing'),
        ({"query": None, "publish": {"topic": "t"}}, '"message" is missing'),
        ({"query": None, "publish": {"message": 1}}, '"topic" is missing'),
        ({"query": 7}, '"query" must be an object'),
    ],
)  # fmt: skip
def test_a_wrong_schedule_is_refused_in_words(node, changes, words):
    good = {"name": "s", "cron": "* * * * *", "query": {"sql": "SELECT 1"}}
    wanted = {key: value for key, value in {**good, **changes}.items() if value is not None}
    status, answer = node.call("POST", "/api/v1/schedules", wanted)
    assert status == 400 and words in answer["error"]["message"], answer


# MARK: the command


def test_the_command_adds_lists_and_removes_schedules(node, topic):
    well(roost(node, "topics", "create", topic))
    assert well(roost(node, "schedule", "list")).split() == ["ID", "NAME", "WHEN", "WHAT", "OWNER", "NEXT"]
    said = well(roost(node, "schedule", "add", "Daily sales", "--cron", "0 6 * * MON-FRI", "--query", "SELECT 1"))
    asked = re.fullmatch(r"added (\S+), due next at \S+T06:00:00.000Z\n", said).group(1)
    message = ["--publish", topic, "--message", '{"beat": [1.50]}', "--key", "k", "--event", "beat"]
    told = json.loads(well(roost(node, "schedule", "add", "Beat", "--every", "1.5", *message, "--json")))
    assert told["interval"] == 1_500
    assert told["publish"] == {"topic": topic, "event": "beat", "key": "k", "message": {"beat": [1.5]}}
    words = json.loads(well(roost(node, "schedule", "add", "W", "--every", "3600", "--publish", topic, "--message", "no JSON", "--json")))
    assert words["publish"]["message"] == "no JSON"
    lines = {line.split()[0]: line for line in well(roost(node, "schedule")).splitlines()[1:]}
    assert lines.keys() == {asked, told["id"], words["id"]}
    assert "Daily sales" in lines[asked] and "0 6 * * MON-FRI" in lines[asked] and "SELECT 1" in lines[asked]
    assert "every 1500 ms" in lines[told["id"]] and f"publish to {topic}" in lines[told["id"]]
    listed_ones = json.loads(well(roost(node, "schedule", "list", "--json")))["schedules"]
    assert {each["id"]: each["name"] for each in listed_ones} == {asked: "Daily sales", told["id"]: "Beat", words["id"]: "W"}
    (message,) = json.loads(f"[{well(roost(node, 'sub', topic, '--since', 'beginning', '--count', '1', '--json'))}]")
    assert (message["event"], message["key"], message["data"]) == ("beat", "k", {"beat": [1.5]})
    assert well(roost(node, "schedule", "remove", asked)) == f"removed {asked}\n"
    assert json.loads(well(roost(node, "schedule", "remove", told["id"], "--json"))) == {"id": told["id"], "removed": True}
    assert well(roost(node, "schedule", "delete", words["id"])) == f"removed {words['id']}\n"
    assert listed(node) == []


def test_the_command_says_why_a_schedule_is_refused_and_exits_with_1(node):
    for arguments, words in [
        (["add", "s", "--cron", "61 * * * *", "--query", "SELECT 1"], "the minute 61 is not within 0 to 59"),
        (["add", "", "--every", "5", "--query", "SELECT 1"], '"name" is missing'),
        (["add", "s", "--every", "5", "--query", "DELETE FROM t"], "SELECT"),
        (["add", "s", "--every", "5", "--publish", "a/#", "--message", "1"], "a topic name holds U+23"),
        (["remove", "schedule_0"], "SCHEDULE_NOT_FOUND"),
    ]:
        result = roost(node, "schedule", *arguments)
        assert (result.returncode, result.stdout) == (1, "") and words in result.stderr, result
    assert listed(node) == []


def test_the_command_takes_no_half_a_schedule_and_exits_with_64(node):
    query = ["--query", "SELECT 1"]
    for arguments, words in [
        (["add", "s", *query], "Give one of --cron and --every."),
        (["add", "s", "--cron", "@daily", "--every", "5", *query], "Give one of --cron and --every."),
        (["add", "s", "--every", "5"], "Give one of --query and --publish."),
        (["add", "s", "--every", "5", *query, "--publish", "t", "--message", "1"], "Give one of --query and --publish."),
        (["add", "s", "--every", "5", "--publish", "t"], "--publish and --message go together."),
        (["add", "s", "--every", "5", *query, "--message", "1"], "--publish and --message go together."),
        (["add", "s", "--every", "0.5", *query], "--every must be 1 to 31536000 seconds."),
        (["add", "s", "--every", "nan", *query], "--every must be 1 to 31536000 seconds."),
        (["add", "s", "--every", "often", *query], "--every"), (["add", "--every", "5", *query], "<name>"),
        (["remove"], "<id>"), (["list", "--colour"], "--colour"),
    ]:  # fmt: skip
        result = roost(node, "schedule", *arguments)
        assert (result.returncode, result.stdout) == (64, "") and words in result.stderr, result
    assert listed(node) == []


def test_the_command_acts_for_whoever_its_token_names(guarded):
    ann, bob = token("ann", roles=["user"]), token("bob", roles=["reader"])
    add_one = ["schedule", "add", "s", "--cron", "@yearly", "--publish", "private", "--message", "1"]
    for secret, code in (("none", "AUTH_FAILED"), (bob, "PERMISSION_DENIED")):
        result = roost(guarded, *add_one, "--token", secret)
        assert result.returncode == 1 and code in result.stderr, result
    ident = json.loads(well(roost(guarded, *add_one, "--token", ann, "--json")))["id"]
    assert ident not in well(roost(guarded, "schedule", "--token", bob))
    result = roost(guarded, "schedule", "remove", ident, "--token", bob)
    assert result.returncode == 1 and "SCHEDULE_NOT_FOUND" in result.stderr, result
    assert "ann" in well(roost(guarded, "schedule", "--token", ann))
    well(roost(guarded, "schedule", "remove", ident, "--token", ann))
