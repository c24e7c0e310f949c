"""Members that an operator takes out of the cluster, and processes that claim another's id."""

import shutil
import subprocess

import pytest

from cluster import BINARY, STOP_LIMIT, Cluster, Node, alive, eventually
from live import Refused
from tokens import guarding, token

MEMBERS = "/api/v1/cluster/members"


def status(node):
    return node.get("/api/v1/cluster")


def members(node):
    return {each["name"]: each for each in status(node)["members"] if each["state"] != "left"}


def await_members(node, names):
    """Until a node counts these members and no others, whatever their state."""
    eventually(f"{node.name} has the members {names}", lambda: sorted(members(node)) == sorted(names))


def await_state(node, name, state):
    eventually(f"{node.name} holds {name} to be {state}", lambda: members(node)[name]["state"] == state)


def await_another_id(node, former):
    """Until a node that was turned away has begun anew; meanwhile it does not answer."""

    def changed():
        try:
            return status(node)["node"]["id"] != former
        except OSError:
            return False

    eventually(f"{node.name} has another id", changed)


def set_aside(node):
    return list(node.data.glob("set-aside-*"))


def test_a_dead_member_is_forgotten_and_no_longer_counted(fresh_three, attach, topic):
    cluster = fresh_three
    a, b, c = cluster
    client = attach(a)
    client.create(topic)
    client.publish(topic, "before", ack="replicated")
    cluster.await_equal_vectors()
    former = status(c)["node"]["id"]
    c.kill()
    await_state(a, "node-3", "dead")
    answer = a.call("DELETE", f"{MEMBERS}/node-3")
    assert answer == (200, {"success": True, "data": {"id": former, "name": "node-3", "members": 2}})
    assert a.call("DELETE", f"{MEMBERS}/{former}")[0] == 200, "once more is as good"
    for node in (a, b):
        await_members(node, ["node-1", "node-2"])
    client.publish(topic, "two are left", ack="replicated")
    b.kill()
    with pytest.raises(Refused, match="NOT_REPLICATED"):  # of three, two would have been enough
        client.publish(topic, "one alone", ack="replicated", within=120)
    b.start()
    # The forgotten node comes back: turned away, it begins anew and fetches everything.
    c.start()
    await_another_id(c, former)
    for node in cluster:
        await_members(node, ["node-1", "node-2", "node-3"])
    cluster.await_members(3)
    cluster.await_equal_vectors()
    assert [each["data"] for each in attach(c).history(topic)] == ["before", "two are left", "one alone"]
    (folder,) = set_aside(c)
    assert former in folder.name and list(folder.glob("log-*.roost")), "what it held is kept"
    assert former in c.log.read_text() and "set aside" in c.log.read_text()


def test_a_removal_reaches_members_that_were_away_and_outlives_all(fresh_three):
    a, b, c = fresh_three
    former = status(c)["node"]["id"]
    b.kill()
    c.kill()
    await_state(a, "node-2", "dead")
    await_state(a, "node-3", "dead")
    code, answer = a.call("DELETE", f"{MEMBERS}/node-3")
    assert code == 409 and answer["error"]["code"] == "MEMBER_NEEDED" and "partition" in answer["error"]["message"]
    assert a.call("DELETE", f"{MEMBERS}/node-3?force=true")[0] == 200
    b.start()
    await_members(b, ["node-1", "node-2"])
    a.kill()
    b.kill()
    a.start()
    b.start()
    for node in (a, b):
        await_members(node, ["node-1", "node-2"])
    # Comes back where only the one is known that had not heard of it at the time.
    c.flags = [flag for flag in c.flags if flag != a.gossip]
    c.flags = [f for i, f in enumerate(c.flags) if not (f == "--join" and c.flags[i + 1 : i + 2] in ([], ["--join"]))]
    c.start()
    await_another_id(c, former)
    await_members(a, ["node-1", "node-2", "node-3"])


def test_a_member_that_no_process_was_met_of_is_absent_and_may_be_forgotten(fresh_three):
    a, b, c = fresh_three
    fresh_three.await_equal_vectors()
    for node in (a, b, c):
        node.stop()
    a.start()
    b.start()
    await_state(a, "node-3", "absent")
    assert a.call("DELETE", f"{MEMBERS}/node-3")[0] == 200
    await_members(b, ["node-1", "node-2"])


def test_who_may_not_be_forgotten_and_who_may_not_forget(tmp_path):
    with Cluster(3, *guarding(tmp_path), token=token("op", roles=["admin"])) as cluster:
        a, b, c = cluster
        alive_one = a.call("DELETE", f"{MEMBERS}/node-3")
        assert alive_one[0] == 409 and "alive" in alive_one[1]["error"]["message"]
        itself = a.call("DELETE", f"{MEMBERS}/node-1")
        assert itself[0] == 409 and "leave" in itself[1]["error"]["message"]
        unknown = a.call("DELETE", f"{MEMBERS}/node-9")
        assert unknown[0] == 404 and unknown[1]["error"]["code"] == "MEMBER_NOT_FOUND"
        assert "node-1" in unknown[1]["error"]["message"], "it names those that there are"
        user = token("ann", roles=["user"])
        for method, path in (("DELETE", f"{MEMBERS}/node-3"), ("POST", "/api/v1/cluster/leave")):
            code, answer = a.call(method, path, token=user)
            assert code == 403 and answer["error"]["code"] == "PERMISSION_DENIED"
            assert a.call(method, path, token="no.good.token")[0] == 401
        assert a.call("DELETE", f"{MEMBERS}/node-3?force=perhaps")[0] == 400
        assert a.call("GET", f"{MEMBERS}/node-3")[0] == 405
        cluster.await_members(3)


def test_the_last_member_does_not_leave(node):
    code, answer = node.call("POST", "/api/v1/cluster/leave")
    assert code == 409 and "only member" in answer["error"]["message"]
    assert node.get("/readyz") == "ready\n"


def test_a_node_leaves_after_it_has_handed_over(fresh_three, attach, topic):
    cluster = fresh_three
    a, b, c = cluster
    client = attach(c)
    client.create(topic)
    for number in range(200):
        client.publish(topic, number, ack="stored")
    former = status(c)["node"]["id"]
    command = [str(BINARY), "cluster", "leave", "--url", f"http://{c.front}"]
    left = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert left.returncode == 0, left.stderr
    assert left.stdout == f"node-3 ({former}) has left the cluster; members: 2\n"
    assert client.expect_close() == 1012
    assert c.process.wait(STOP_LIMIT) == 0
    for node in (a, b):
        await_members(node, ["node-1", "node-2"])
        assert [each["data"] for each in attach(node).history(topic)] == list(range(200))
    attach(a).publish(topic, "by two", ack="replicated")
    c.start()
    await_members(a, ["node-1", "node-2", "node-3"])
    assert status(c)["node"]["id"] != former and len(set_aside(c)) == 1


def test_the_command_line_forgets(fresh_three):
    a, b, c = fresh_three

    def run(*arguments):
        command = [str(BINARY), "cluster", *arguments, "--url", f"http://{a.front}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    refused = run("forget", "node-3")
    assert refused.returncode == 1 and "MEMBER_NEEDED" in refused.stderr
    former = status(c)["node"]["id"]
    c.kill()
    await_state(a, "node-3", "dead")
    done = run("forget", former)
    assert done.returncode == 0 and done.stdout == f"node-3 ({former}) is forgotten; members: 2\n", done.stderr
    assert "node-3" not in [line.split()[0] for line in run().stdout.splitlines() if " left " not in line]


def clone(node, folder, *flags):
    """A copy of a node's data directory as it is now, and a process that is to run on it at other addresses."""
    copy = Node(node.name + "-copy", folder, *flags)
    shutil.copytree(node.data, copy.data, ignore=shutil.ignore_patterns("lock"))
    return copy


def test_a_copy_of_a_running_node_is_refused_and_the_node_stays(fresh_three, attach, topic):
    cluster = fresh_three
    original = cluster[2]
    client = attach(original)
    client.create(topic)
    client.publish(topic, "kept", ack="replicated")
    before = status(original)["node"]
    copy = clone(original, cluster.folder, "--cluster-key-file", str(cluster.key))
    copy.flags += [each for node in cluster.nodes[:2] for each in ("--join", node.gossip)]
    copy.launch()
    assert copy.process.wait(STOP_LIMIT) == 70, copy.tail()
    assert "another living process has this node's id" in copy.tail() and before["id"] in copy.tail()
    assert original.process.poll() is None and status(original)["node"] == before
    client.publish(topic, "goes on", ack="replicated")
    cluster.await_members(3)


def test_a_copy_of_the_only_node_is_refused_by_the_node_itself(tmp_path):
    with Cluster(1) as cluster:
        original = cluster[0]
        copy = clone(original, cluster.folder, "--join", original.gossip)
        copy.launch()
        assert copy.process.wait(STOP_LIMIT) == 70, copy.tail()
        assert "another living process has this node's id" in copy.tail()
        assert original.process.poll() is None and original.get("/readyz") == "ready\n"


def test_a_moved_data_directory_goes_on_elsewhere(fresh_three, attach, topic):
    cluster = fresh_three
    original = cluster[2]
    client = attach(original)
    client.create(topic)
    client.publish(topic, "kept", ack="replicated")
    before = status(original)["node"]["id"]
    original.kill()
    moved = clone(original, cluster.folder, *original.flags)
    try:
        moved.start()
        eventually("the others take it up", lambda: "node-3-copy" in alive(cluster[0]))
        assert status(moved)["node"]["id"] == before and not set_aside(moved)
    finally:
        moved.end()
