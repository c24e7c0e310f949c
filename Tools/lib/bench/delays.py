"""What Tools/bench delays measures: three real nodes, real clients, ratios to a reference of the same run."""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "Tests" / "EndToEnd"))

from cluster import Cluster, alive, eventually  # noqa: E402
from live import Refused, live  # noqa: E402


def quantiles(seconds):
    ordered = sorted(seconds)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def row(what, seconds, reference):
    median, high = quantiles(seconds)
    base = statistics.median(reference)
    print(f"  {what:<58} {median / base:7.2f}   {high / base:7.2f}   ({median * 1000:.2f} ms, {high * 1000:.2f} ms)")


def timed(action):
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def deliveries(publisher, subscriber, topic, rounds):
    """From the publish to the subscriber's having it, one message at a time."""
    taken = []
    for number in range(rounds):
        began = time.perf_counter()
        publisher.send({"method": "publish", "attributes": {"topicName": topic, "message": number}})
        subscriber.event()
        taken.append(time.perf_counter() - began)
    return taken


def usable(maker, user, name):
    """From the creation's acknowledgement on one node until a publish on another is accepted."""
    maker.create(name)
    began = time.perf_counter()
    while True:
        try:
            user.publish(name, 1)
            return time.perf_counter() - began
        except Refused:
            continue


def rate(publisher, topic, level, rounds, window=256):
    """Seconds for so many publishes with so many in flight."""

    def run():
        sent = answered = 0
        while answered < rounds:
            while sent < rounds and sent - answered < window:
                attributes = {"topicName": topic, "message": "x" * 100, "ack": level}
                publisher.send({"id": f"{level}{sent}", "method": "publish", "attributes": attributes})
                sent += 1
            frame = publisher.other()
            assert frame["ok"], frame
            answered += 1

    return timed(run)


def main():
    parser = argparse.ArgumentParser(prog="Tools/bench delays")
    parser.add_argument("--rounds", type=int, default=300, help="messages of each measurement (default 300)")
    rounds = parser.parse_args().rounds
    with Cluster(3) as cluster, live(cluster[0]) as one, live(cluster[0]) as same, live(cluster[1]) as other:
        one.create("bench")
        eventually("the topic is on node 2", lambda: any(t["name"] == "bench" for t in other.ask("list-topic")["topics"]))
        trips = [timed(lambda: one.ask("get-topic-permission", topicName="bench")) for _ in range(rounds)]
        same.subscribe("bench")
        other.subscribe("bench")
        local = deliveries(one, same, "bench", rounds)
        other.take(rounds)
        remote = deliveries(one, other, "bench", rounds)
        print("Ratios to one request and its answer on one connection: median, 99th percentile (and times)")
        row("delivery to a subscriber of the same node", local, trips)
        row("delivery to a subscriber of another node", remote, trips)
        row("a topic created on one node usable on another", [usable(one, other, f"t{n}") for n in range(50)], trips)
        same.ask("unsubscribe", topicName="bench")
        other.ask("unsubscribe", topicName="bench")
        seconds = {level: rate(one, "bench", level, rounds * 10) for level in ("accepted", "stored", "replicated")}
        print("Publishing rate, 256 in flight, as a ratio to `accepted`")
        for level, taken in seconds.items():
            print(f"  {level:<58} {seconds['accepted'] / taken:7.2f}   ({rounds * 10 / taken:.0f} messages/s)")
        began = time.perf_counter()
        cluster[2].kill()
        eventually("the death is known", lambda: all(len(alive(node)) == 2 for node in cluster.running()))
        print(f"A killed node is known dead by both others after {time.perf_counter() - began:.2f} s")


main()
