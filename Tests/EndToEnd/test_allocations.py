"""What a publish and a delivery cost in allocations, against committed thresholds."""

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from cluster import BINARY, Cluster

HERE = Path(__file__).resolve().parent / "allocations"
THRESHOLDS = json.loads((HERE / "thresholds.json").read_text())
PUBLISHES = 2_000

pytestmark = [
    pytest.mark.alone,  # how much is done at a time, and so what it costs, depends on the machine's load
    pytest.mark.skipif(not shutil.which("cc"), reason="counting allocations needs a C compiler (cc)"),
]


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A node whose allocations are counted, and a function that says how many there have been."""
    folder = tmp_path_factory.mktemp("allocations")
    library, counter = folder / "count.so", folder / "count"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "count.c"], check=True)
    counter.write_bytes(bytes(8))
    before = dict(os.environ)
    os.environ.update(LD_PRELOAD=str(library), ALLOCATION_COUNT=str(counter))
    cluster = Cluster(1)
    try:
        try:
            cluster.__enter__()
        finally:
            os.environ.clear()
            os.environ.update(before)
        yield cluster[0], lambda: struct.unpack("=Q", counter.read_bytes())[0]
    finally:
        cluster.__exit__()


def load(node, subscribers, messages, in_flight):
    """Publishes so many messages to so many subscribers, each of which checks every one."""
    done = subprocess.run(
        [str(BINARY), "bench", "fan-out", "--url", node.url, "--subscribers", str(subscribers), "--messages",
         str(messages), "--in-flight", str(in_flight), "--warm-up", "0", "--patience", "60", "--json"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["published"] == messages
    assert report["deliveries"] == messages * subscribers


def allocations_of_messages(counted, subscribers, in_flight):
    """Allocations for each message: those of a long load less those of a short one, which attaches as many."""
    node, count = counted

    def cost(messages):
        before = count()
        load(node, subscribers, messages, in_flight)
        return count() - before

    cost(1)
    few = cost(1)
    return (cost(PUBLISHES + 1) - few) / PUBLISHES


@pytest.mark.parametrize("in_flight", [1, 16])
def test_a_publish_and_a_delivery_allocate_no_more_than_was_agreed(counted, in_flight):
    small, large = 1, 41
    one = allocations_of_messages(counted, small, in_flight)
    many = allocations_of_messages(counted, large, in_flight)
    delivery = (many - one) / (large - small)
    publish = one - delivery * small
    print(f"in flight {in_flight}: {publish:.2f} a publish, {delivery:.3f} a delivery")
    limit = THRESHOLDS[f"inFlight{in_flight}"]
    assert publish <= limit["perPublish"], f"{publish:.2f} allocations a publish, agreed are {limit['perPublish']}"
    assert delivery <= limit["perDelivery"], f"{delivery:.3f} a delivery, agreed are {limit['perDelivery']}"


def test_the_count_counts(counted):
    """The library is in place: starting a node allocates thousands of times."""
    _, count = counted
    assert count() > 1_000
