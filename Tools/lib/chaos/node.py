"""One real node: its process, its disk, its clock, and what it says of the cluster."""

import json
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import chaos.power
from chaos.control import Control
from chaos.network import run

READY_LIMIT = 60
ASK_LIMIT = 2


class Node:
    """`roost serve` in a namespace of its own, with the shims in its way. `folder` holds all that is left of it."""

    def __init__(self, name, address, folder, program, shims, disk_megabytes=None):
        self.name, self.address = name, address
        self.folder = Path(folder).resolve()
        self.program, self.shims = str(program), str(shims)
        self.disk = self.folder / "disk"
        self.data, self.copies = self.disk / "data", self.disk / "undo"
        self.journal, self.log = self.folder / "undo.journal", self.folder / "log"
        self.flags = []
        self.process = None
        self.starts = 0
        self.disk.mkdir(parents=True)
        if disk_megabytes:
            run("mount", "-t", "tmpfs", "-o", f"size={disk_megabytes}m", "chaos", str(self.disk))
        self.data.mkdir(mode=0o700)
        self.copies.mkdir()
        self.control = Control(self.folder / "control")

    @property
    def front(self):
        return f"{self.address}:6336"

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def launch(self):
        """Starts the process without waiting for it."""
        assert not self.is_running, f"{self.name} runs already"
        self.starts += 1
        self._out = self.folder / f"out.{self.starts}"
        with self.log.open("ab") as log, self._out.open("wb") as out:
            log.write(f"--- start {self.starts}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                [
                    "nsenter", f"--net=/run/netns/{self.name}", "env", f"LD_PRELOAD={self.shims}",
                    f"CHAOS_CONTROL={self.control.path}", f"CHAOS_DISK={self.data}",
                    f"CHAOS_JOURNAL={self.journal}", f"CHAOS_UNDO={self.copies}",
                    self.program, "serve", "--node-name", self.name, "--data", str(self.data),
                    "--listen", self.front, "--gossip", f"{self.address}:7336", "--bus", f"{self.address}:8336",
                    *self.flags,
                ],
                stdin=subprocess.DEVNULL, stdout=out, stderr=log, cwd=self.folder,
            )  # fmt: skip

    def await_ready(self, limit=READY_LIMIT):
        deadline = time.monotonic() + limit
        while b"ready " not in self._out.read_bytes():
            assert self.is_running, f"{self.name} ended with {self.process.returncode} while it started"
            assert time.monotonic() < deadline, f"{self.name} was not ready within {limit} s"
            time.sleep(0.02)

    def start(self):
        self.launch()
        self.await_ready()

    def kill(self):
        """SIGKILL: the process is gone, the page cache is not."""
        if self.is_running:
            self.process.kill()
        self.process.wait()

    def cut_power(self, random):
        """What a power cut leaves of the disk of a node that was killed. Returns sentences about it."""
        assert not self.is_running
        return chaos.power.cut(self.data, self.journal, self.copies, random)

    def pause(self):
        if self.is_running:
            self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        if self.is_running:
            self.process.send_signal(signal.SIGCONT)

    def fill_disk(self):
        """Leaves no byte free."""
        with (self.disk / "fill").open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def empty_disk(self):
        (self.disk / "fill").unlink(missing_ok=True)

    def ask(self, path):
        """What a GET answers, as a value; None when nobody answers in time."""
        try:
            with urllib.request.urlopen(f"http://{self.front}{path}", timeout=ASK_LIMIT) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def is_accepting(self):
        try:
            with urllib.request.urlopen(f"http://{self.front}/readyz", timeout=ASK_LIMIT) as answer:
                return answer.status == 200
        except OSError:
            return False

    def states(self):
        """What it thinks of each member, by name; None when it does not answer."""
        status = self.ask("/api/v1/cluster")
        return status and {member["name"]: member["state"] for member in status["members"]}
