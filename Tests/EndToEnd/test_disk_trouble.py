"""A disk that is full, only reads, is slow or fails: records are refused with the reason, reads go on, nothing acknowledged
is lost, and the node goes on by itself when the cause has ended."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cluster import READY_LIMIT, Cluster, alive, eventually
from live import Gone, Refused, live
from test_cluster import subscribe_when_known

SOURCE = Path(__file__).resolve().parent / "faults/disk.c"

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="a disk with faults needs a C compiler (cc)")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    built = tmp_path_factory.mktemp("faults") / "disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, SOURCE, "-ldl"], check=True)
    return built


class Disk:
    """The disk of one node, which does what it is told."""

    def __init__(self, node, folder, library):
        self.control = Path(folder) / f"{node.name}.disk"
        node.environment = {
            "LD_PRELOAD": str(library), "FAULTY_FOLDER": str(node.data), "FAULTY_CONTROL": str(self.control),
        }  # fmt: skip
        self.be("ok")

    def be(self, word):
        draft = self.control.with_suffix(".new")
        draft.write_text(word)
        draft.rename(self.control)


@pytest.fixture
def troubled(library):
    """Three nodes, the first on a disk with faults."""
    cluster = Cluster(3)
    disk = Disk(cluster[0], cluster.folder, library)
    with cluster:
        yield cluster, disk


class Writer:
    """Publishes numbers at one node and keeps what was acknowledged and what is unknown."""

    def __init__(self, node, topic, ack="stored"):
        self.node, self.topic, self.ack = node, topic, ack
        self.number, self.acked, self.unsure = 0, [], []

    def publish(self):
        """One message; the words of the refusal, or None when it is acknowledged."""
        self.number += 1
        answer = self.node.call(
            "POST", f"/api/v1/topics/{self.topic}/messages",
            {"message": self.number, "ack": self.ack, "messageId": f"m{self.number}"},
        )  # fmt: skip
        if answer[0] == 201:
            self.acked.append(self.number)
            return None
        error = answer[1]["error"]
        assert error["code"] in ("INTERNAL_ERROR", "NOT_REPLICATED"), answer
        if answer[0] != 503:
            self.unsure.append(self.number)
        return error["message"]

    def publish_many(self, count):
        for _ in range(count):
            assert self.publish() is None


def check_reads(node, topic, acked):
    """History and a new subscriber at a node have everything acknowledged."""
    with live(node) as client:
        assert set(acked) <= {each["data"] for each in client.history(topic)}
        subscribe_when_known(client, topic, since="beginning")
        missing = set(acked)
        while missing:
            missing.discard(client.event()["data"])


@pytest.mark.parametrize(
    ("fault", "words"), [("full", "full"), ("read-only", "read-only"), ("slow 600000", "slow: a sync has taken more than")]
)
def test_trouble_that_passes(troubled, topic, fault, words):
    cluster, disk = troubled
    a, b, c = cluster
    with live(a) as client:
        client.create(topic)
    here = Writer(a, topic)
    here.publish_many(20)
    cluster.await_equal_vectors()
    disk.be(fault)
    eventually("publishes are refused for that reason", lambda: words in (here.publish() or ""))
    status, sentence = a.call("GET", "/readyz")
    assert status == 503 and words in sentence
    assert a.metric("roost_accepting") == 0
    code, answer = a.call("POST", "/api/v1/topics", {"name": f"{topic}/other"})
    assert code == 503 and words in answer["error"]["message"], "topics are refused likewise"
    check_reads(a, topic, here.acked)
    # The other two are a majority, and go on; the third is held to be alive all the while.
    there = Writer(b, topic, ack="replicated")
    there.number = 10_000
    there.publish_many(50)
    assert len(alive(b)) == 3 and a.call("GET", "/readyz")[0] == 503
    disk.be("ok")
    begun = time.monotonic()
    eventually("it goes on by itself", lambda: here.publish() is None)
    print(f"{fault}: recovered in {time.monotonic() - begun:.1f} s")
    eventually("it is ready", lambda: a.call("GET", "/readyz")[0] == 200)
    here.publish_many(20)
    cluster.await_equal_vectors()
    for node in cluster:
        with live(node) as client:
            stored = [each["data"] for each in client.history(topic)]
            assert len(stored) == len(set(stored)), node.name
            assert set(here.acked) | set(there.acked) <= set(stored), node.name
            assert set(stored) <= set(here.acked) | set(there.acked) | set(here.unsure), node.name
    a.kill()
    a.start()
    check_reads(a, topic, here.acked + there.acked)


def test_a_failed_sync_ends_writing_until_a_restart(troubled, topic):
    cluster, disk = troubled
    a, b, c = cluster
    with live(a) as client:
        client.create(topic)
    here = Writer(a, topic)
    here.publish_many(20)
    cluster.await_equal_vectors()
    disk.be("sync-error")
    eventually("publishes are refused", lambda: "failed to sync" in (here.publish() or ""))
    disk.be("ok")
    # What the system has kept is unknown: that the disk answers again changes nothing.
    for _ in range(3):
        assert "failed to sync" in here.publish()
    status, sentence = a.call("GET", "/readyz")
    assert status == 503 and "failed to sync" in sentence and "started anew" in sentence
    check_reads(a, topic, here.acked)
    there = Writer(b, topic, ack="replicated")
    there.number = 10_000
    there.publish_many(50)
    assert len(alive(b)) == 3
    assert a.stop() == 0
    a.start()
    here.publish_many(5)
    cluster.await_equal_vectors()
    for node in cluster:
        check_reads(node, topic, here.acked + there.acked)


def test_replicated_acks_of_a_node_with_a_full_disk_fail_loudly(troubled, topic):
    """A record is in memory here and synced on both others; still nothing is acknowledged that is not synced here."""
    cluster, disk = troubled
    a = cluster[0]
    with live(a) as client:
        client.create(topic)
        client.publish(topic, "before", ack="replicated")
        disk.be("full")
        with pytest.raises((Refused, Gone)) as refused:
            client.publish(topic, "into a full disk", ack="replicated", within=120)
        assert refused.value.code in ("NOT_REPLICATED", "INTERNAL_ERROR")
        disk.be("ok")
        eventually("it is ready", lambda: a.call("GET", "/readyz")[0] == 200)
        client.publish(topic, "after", ack="replicated")


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of one's own needs root")
def test_a_file_system_that_is_really_full(topic, monkeypatch):
    cluster = Cluster(1)
    node = cluster[0]
    plain = node.command

    def command():
        mount = f'mkdir -p "{node.data}" && mount -t tmpfs -o size=4m tmpfs "{node.data}" && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mount, "sh", *plain()]

    monkeypatch.setattr(node, "command", command)
    node.launch()
    try:
        started = time.monotonic()
        while not node._ready.wait(0.1):
            if node.process.poll() is not None and "unshare" in node.tail():
                pytest.skip("this machine allows no mount namespaces")
            assert node.process.poll() is None and time.monotonic() - started < READY_LIMIT, node.tail()
        with live(node) as client:
            client.create(topic)
        writer = Writer(node, topic)
        writer.publish_many(20)
        inside = ["nsenter", "--mount", "--target", str(node.process.pid)]
        filler = f"{node.data}/filler"
        subprocess.run([*inside, "sh", "-c", f'cat /dev/zero >"{filler}" 2>/dev/null'])
        eventually("publishes are refused", lambda: "the disk is full" in (writer.publish() or ""))
        assert node.call("GET", "/readyz")[0] == 503
        check_reads(node, topic, writer.acked)
        subprocess.run([*inside, "rm", filler], check=True)
        eventually("it goes on by itself", lambda: writer.publish() is None)
        eventually("it is ready", lambda: node.call("GET", "/readyz")[0] == 200)
        writer.publish_many(20)
        check_reads(node, topic, writer.acked)
    finally:
        node.end()
        cluster._folder.cleanup()
