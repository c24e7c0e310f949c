"""What is damaged on a disk: never served, told by name, and whole again from the peers. Lost, old and copied directories."""

import json
import shutil
import subprocess

import pytest

from cluster import BINARY, Cluster, Node, eventually
from live import live

# Small enough to be made in a moment, and enough for a segment of 64 MiB to be closed.
COUNT = 90
PAYLOAD = "x" * 900_000


# What a node does by itself with what it holds: it goes through it all the time, or not before it is read.
EAGER = {"ROOST_SCRUB_BYTES_PER_SECOND": "1000000000", "ROOST_SCRUB_INTERVAL_SECONDS": "1"}
UNSCRUBBED = {"ROOST_SCRUB_BYTES_PER_SECOND": "0"}
TOPIC = "filled"


@pytest.fixture(scope="module")
def filled():
    """Three nodes with a closed segment each. A test damages what one of them holds, and it is whole again at the end."""
    with Cluster(3) as cluster:
        fill(cluster, TOPIC)
        assert all(len(segments(node)) > 1 for node in cluster)
        yield cluster


@pytest.fixture(scope="module")
def filled_alone():
    """One node with a closed segment."""
    with Cluster(1) as cluster:
        fill(cluster, TOPIC)
        assert len(segments(cluster[0])) > 1
        yield cluster


def client_of(node):
    return live(node, compression=None)


def fill(cluster, topic, count=COUNT, payload=PAYLOAD):
    """Publishes through every node in turn, until all hold everything."""
    with client_of(cluster[0]) as client:
        client.create(topic)
    cluster.await_equal_vectors()
    for index, node in enumerate(cluster):
        with client_of(node) as client:
            for number in range(index, count, len(cluster.nodes)):
                client.publish(topic, {"n": number, "text": payload}, ack="stored")
    cluster.await_equal_vectors()


def start_with(node, environment):
    node.environment = dict(environment)
    node.start()


def numbers(node, topic):
    """The messages' numbers, in pages that a message of this size fits into."""
    found, since, more = [], "beginning", True
    with client_of(node) as client:
        while more:
            page = client.ask("history", topicName=topic, since=since, limit=20)
            assert not page.get("gaps"), page["gaps"]
            found += [each["data"]["n"] for each in page["messages"]]
            since, more = page["cursor"], page["more"]
    return sorted(found)


def segments(node):
    return sorted(node.data.glob("log-*.roost"))


def flip(path, position):
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 0x10]))


def is_mended(node):
    return node.metric("roost_log_records_mended_total") > 0 and node.metric("roost_log_stretches_missing") == 0


def test_a_bit_that_turns_over_while_a_node_runs_is_found_and_mended(filled):
    node = filled[1]
    node.stop()
    start_with(node, EAGER)
    file = segments(node)[0]
    flip(file, 5_000_000)
    eventually("the record is mended", lambda: is_mended(node))
    assert file.name in node.log.read_text(), "the damaged file is told by name"
    assert numbers(node, TOPIC) == list(range(COUNT))
    node.stop()
    node.start()
    assert numbers(node, TOPIC) == list(range(COUNT))
    assert node.metric("roost_log_damaged_parts_total") == 0


def test_a_reader_that_meets_damage_waits_for_the_peers(filled):
    node = filled[2]
    node.stop()
    start_with(node, UNSCRUBBED)
    flip(segments(node)[0], 5_000_000)
    assert numbers(node, TOPIC) == list(range(COUNT))
    with client_of(node) as client:
        client.subscribe(TOPIC, since="beginning")
        assert sorted(event["data"]["n"] for event in client.take(COUNT)) == list(range(COUNT))
    assert is_mended(node)


@pytest.mark.parametrize(("damage", "index"), [("bit", 0), ("end", 1), ("all", 2)])
def test_a_segment_that_is_damaged_before_the_start_is_mended(filled, damage, index):
    node = filled[index]
    node.kill()
    file = segments(node)[0]
    size = file.stat().st_size
    if damage == "bit":
        flip(file, size // 3)
    else:
        with file.open("r+b") as content:
            content.truncate(size // 2 if damage == "end" else 0)
    start_with(node, {})
    filled.await_members(3)
    eventually("the records are mended", lambda: is_mended(node))
    assert numbers(node, TOPIC) == list(range(COUNT))


def test_a_wiped_directory_refills_from_the_peers(topic):
    with Cluster(3) as cluster:
        fill(cluster, topic, count=30, payload="small")
        node = cluster[2]
        node.stop()
        shutil.rmtree(node.data)
        node.start()
        cluster.await_equal_vectors()
        assert numbers(node, topic) == list(range(30))


def test_an_older_copy_of_a_directory_refills_and_numbers_nothing_twice(topic):
    with Cluster(3) as cluster:
        fill(cluster, topic, count=30, payload="old")
        node = cluster[1]
        node.stop()
        copy = cluster.folder / "copy"
        shutil.copytree(node.data, copy)
        node.start()
        cluster.await_members(3)
        with client_of(node) as client:
            receipts = [client.publish(topic, {"n": 30 + index}, ack="replicated")["id"] for index in range(20)]
        node.kill()
        shutil.rmtree(node.data)
        shutil.copytree(copy, node.data)
        node.start()
        cluster.await_members(3)
        cluster.await_equal_vectors()
        assert numbers(node, topic) == list(range(50))
        with client_of(node) as client:
            receipts += [client.publish(topic, {"n": 50 + index}, ack="replicated")["id"] for index in range(20)]
        assert len({json.dumps(receipt) for receipt in receipts}) == 40
        cluster.await_equal_vectors()
        for each in cluster.nodes:
            assert numbers(each, topic) == list(range(70))


def roost(*arguments):
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=120)


def test_a_backup_of_a_running_node_starts_a_new_one(filled_alone):
    node = filled_alone[0]
    backup = filled_alone.folder / "backup"
    done = roost("backup", backup, "--url", f"http://{node.front}")
    assert done.returncode == 0, done.stderr
    assert f"{COUNT + 2} records" in done.stdout, done.stdout
    assert not list(node.data.glob("backup-*")), "the node holds nothing more for it"
    with client_of(node) as client:
        client.publish(TOPIC, {"n": -1}, ack="stored")

    fresh = Node("fresh", filled_alone.folder)
    done = roost("restore", backup, fresh.data)
    assert done.returncode == 0, done.stderr
    fresh.start()
    try:
        assert numbers(fresh, TOPIC) == list(range(COUNT))
        old, new = (each.get("/api/v1/cluster")["node"]["id"] for each in (node, fresh))
        assert old != new
    finally:
        fresh.end()
    again = roost("restore", backup, fresh.data)
    assert again.returncode == 70 and "not empty" in again.stderr


def test_a_node_alone_tells_what_is_damaged_as_a_gap(filled_alone):
    """After the test of its backup, which needs it whole."""
    node = filled_alone[0]
    node.kill()
    flip(segments(node)[0], 5_000_000)
    node.start()
    with client_of(node) as client:
        client.subscribe(TOPIC, since="beginning")
        frames = [client._take(client.events, 30, "an event") for _ in range(COUNT)]
    gaps = [frame for frame in frames if frame["type"] == "gap"]
    assert len(gaps) == 1 and gaps[0]["reason"] == "lost", gaps


def test_a_backup_restores_the_node_that_is_gone(topic):
    with Cluster(3) as cluster:
        fill(cluster, topic, count=30, payload="kept")
        node = cluster[0]
        backup = cluster.folder / "backup"
        assert roost("backup", backup, "--url", f"http://{node.front}").returncode == 0
        ident = node.get("/api/v1/cluster")["node"]["id"]
        with client_of(node) as client:
            client.publish(topic, {"n": 30}, ack="replicated")
        node.kill()
        shutil.rmtree(node.data)
        assert roost("restore", backup, node.data, "--keep-identity").returncode == 0
        node.start()
        cluster.await_members(3)
        cluster.await_equal_vectors()
        assert node.get("/api/v1/cluster")["node"]["id"] == ident
        assert len(node.get("/api/v1/cluster")["members"]) == 3
        assert numbers(node, topic) == list(range(31))


def test_a_damaged_backup_is_refused(topic):
    with Cluster(1) as cluster:
        node = cluster[0]
        with client_of(node) as client:
            client.create(topic)
            for number in range(100):
                client.publish(topic, number, ack="stored")
        backup = cluster.folder / "backup"
        assert roost("backup", backup, "--url", f"http://{node.front}").returncode == 0
        file = next(backup.glob("log-*.roost"))
        flip(file, file.stat().st_size // 2)
        done = roost("restore", backup, cluster.folder / "data")
        assert done.returncode == 70 and file.name in done.stderr, done.stderr
        assert not (cluster.folder / "data").exists()
