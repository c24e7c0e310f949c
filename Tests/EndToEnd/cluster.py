"""Real nodes as real processes on this machine: started, killed, restarted, and ended again, only ever their own."""

import fcntl
import itertools
import json
import os
import random
import secrets
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TESTED_BINARY", ROOT / ".build/release/roost"))

# A node that stops sends its clients away over a second, not over five.
HASTE = {"ROOST_DRAIN_SECONDS": "1"}

# Generous: these bound a hang, they do not measure.
READY_LIMIT = 60
STOP_LIMIT = 60
AGREE_LIMIT = 60


def eventually(what, check, limit=AGREE_LIMIT):
    """Asks `check` until it gives something true, which it returns; fails with the last thing that it gave."""
    deadline = time.monotonic() + limit
    while True:
        last = check()
        if last:
            return last
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit} s")
        time.sleep(0.05)


# Below 32768, where no outgoing connection of this machine takes one; each is given out once.
_ports = itertools.chain(random.SystemRandom().sample(range(20_000, 32_000), 11_000))
# Whoever gives a port to a node locks that byte of this file for as long as its process lives: a node that is down for a
# moment finds its ports free, whichever tests run beside it.
_taken = None


def _take(port):
    """Whether a port is now this process' own, among all that ask here."""
    global _taken
    if _taken is None:
        path = Path(tempfile.gettempdir()) / f"roost-test-ports-{os.getuid()}"
        _taken = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(_taken, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def free_port():
    """A port that neither TCP nor UDP uses now, and that no other test's process has been given."""
    for port in _ports:
        if not _take(port):
            continue
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise RuntimeError("no port is free")


class Node:
    """One `roost serve` process and what is left of it between two lives."""

    def __init__(self, name, folder, *flags):
        self.name = name
        self.data = Path(folder) / name
        self.front, self.gossip, self.bus = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.flags = list(flags)
        self.environment = {}
        self.process = None
        # What HTTP requests bring along when they are given none of their own.
        self.token = None
        self.log = Path(folder) / f"{name}.log"

    @property
    def url(self):
        return f"ws://{self.front}"

    def command(self):
        return [
            str(BINARY), "serve", "--node-name", self.name, "--data", str(self.data),
            "--listen", self.front, "--gossip", self.gossip, "--bus", self.bus, *self.flags,
        ]  # fmt: skip

    def launch(self):
        """Starts the process without waiting for it."""
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                env={**HASTE, **os.environ, **self.environment},
            )  # fmt: skip
        self._ready = threading.Event()
        threading.Thread(target=self._read, args=(self.process, self._ready), daemon=True).start()
        return self

    def _read(self, process, ready):
        with process.stdout as lines, self.log.open("a") as log:
            for line in lines:
                log.write(line)
                if line.startswith("ready "):
                    ready.set()

    def await_ready(self):
        deadline = time.monotonic() + READY_LIMIT
        while not self._ready.wait(0.05):
            ended = self.process.poll()
            assert ended is None, f"{self.name} ended with {ended} while it started:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self.name} was not ready in {READY_LIMIT} s:\n{self.tail()}"
        return self

    def start(self):
        return self.launch().await_ready()

    def kill(self):
        """SIGKILL: what a crash looks like."""
        self.process.kill()
        self.process.wait(STOP_LIMIT)

    def stop(self):
        """SIGTERM: a clean stop. Returns the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_LIMIT)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_LIMIT)

    def tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def call(self, method, path, body=None, token=None):
        """One HTTP request. Returns (status, value): JSON when it says so, else text."""
        headers = {"Content-Type": "application/json"}
        token = token or self.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.front}{path}", content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _value(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, _value(answer)

    def get(self, path):
        status, value = self.call("GET", path)
        assert status == 200, f"{path}: {status} {value}"
        return value

    def metric(self, name, **labels):
        """The sum of a metric over its samples, or those with these labels; 0 when it is not there."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in self.get("/metrics").splitlines() if line.split("{")[0].split(" ")[0] == name]
        lines = [line for line in lines if all(each in line for each in wanted)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _value(answer):
    text = answer.read().decode()
    return json.loads(text) if "json" in answer.headers.get("Content-Type", "") and text else text


class Cluster:
    """Nodes with one cluster key in one temporary folder, ended with the block."""

    def __init__(self, size, *flags, token=None):
        self._folder = tempfile.TemporaryDirectory(prefix="roost-test-")
        self.folder = Path(self._folder.name)
        self.key = self.folder / "cluster.key"
        self.key.write_text(secrets.token_hex(32))
        self.key.chmod(0o600)
        shared = [] if size == 1 else ["--cluster-key-file", str(self.key)]
        self.nodes = [Node(f"node-{i + 1}", self.folder, *shared, *flags) for i in range(size)]
        for node in self.nodes:
            node.token = token
            for other in self.nodes:
                if other is not node:
                    node.flags += ["--join", other.gossip]

    def __enter__(self):
        try:
            for node in self.nodes:
                node.launch()
            for node in self.nodes:
                node.await_ready()
            self.await_members(len(self.nodes))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.end()
        self._folder.cleanup()

    def __getitem__(self, index):
        return self.nodes[index]

    def running(self):
        return [node for node in self.nodes if node.process.poll() is None]

    def await_members(self, count):
        """Until every running node sees `count` living members."""

        def agreed():
            return all(len(alive(node)) == count for node in self.running())

        eventually(f"every node sees {count} living members", agreed)

    def await_equal_vectors(self):
        """Until every running node holds the same records."""

        def equal():
            vectors = [node.get("/api/v1/cluster")["vector"] for node in self.running()]
            return all(vector == vectors[0] for vector in vectors)

        eventually("every node holds the same records", equal)


def alive(node):
    return [member["name"] for member in node.get("/api/v1/cluster")["members"] if member["state"] == "alive"]
