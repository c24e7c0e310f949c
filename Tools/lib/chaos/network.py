"""A network of namespaces that nobody else sees, and how it is cut, made lossy, slow and confused."""

import itertools
import mmap
import struct
import subprocess
from pathlib import Path

CLIENT = "10.99.0.100"


def run(*words, text=None):
    """Runs a command and fails with what it said."""
    done = subprocess.run(words, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """Namespaces `node-1` … `node-N`, and this process's own, which is the clients' and must be private.

    Where frames are to be delayed, repeated or reordered, they go over our own switch; else over the kernel's bridge.
    """

    def __init__(self, count, folder, switch=None, seed=0):
        self.names = [f"node-{number}" for number in range(1, count + 1)]
        self._numbers = itertools.count(1)
        self._rules = None
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "set", "lo", "up")
        if switch:
            self._lay_switch(Path(folder), switch, seed)
        else:
            self._lay_bridge()

    def _lay_bridge(self):
        run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", "stp_state", "0")
        run("ip", "addr", "add", f"{CLIENT}/24", "dev", "br0")
        run("ip", "link", "set", "br0", "up")
        for name in self.names:
            run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", f"to-{name}", "master", "br0", "up")
            run("ip", "-n", name, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")

    def _lay_switch(self, folder, switch, seed):
        ports = len(self.names) + 1
        rules = folder / "switch.rules"
        rules.write_bytes(bytes(16 * ports * ports))
        with rules.open("r+b") as file:
            self._rules = mmap.mmap(file.fileno(), 16 * ports * ports)
        self.process = subprocess.Popen(
            [switch, rules, str(seed), *self.names, "-"], stdout=subprocess.PIPE,
            stderr=(folder / "switch.log").open("w"),
        )
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the switch did not start: {(folder / 'switch.log').read_text()}")
        for name in self.names:
            run("ip", "-n", name, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
        run("ip", "addr", "add", f"{CLIENT}/24", "dev", "eth0")

    def address(self, name):
        return f"10.99.0.{self.names.index(name) + 1}"

    def drop(self, pairs, protocol=None, permille=None):
        """Loses what goes from the first to the second of each pair: all, or `udp` or `tcp`, or so many of 1,000.

        Returns what `restore` takes.
        """
        table = f"fault{next(self._numbers)}"
        rules = {}
        for source, target in pairs:
            words = [f"ip saddr {self.address(source)}"]
            words += [f"meta l4proto {protocol}"] if protocol else []
            words += [f"numgen random mod 1000 < {permille}"] if permille else []
            rules.setdefault(target, []).append(" ".join([*words, "counter drop"]))
        for target, lines in rules.items():
            chain = "\n".join(["type filter hook input priority 0; policy accept;", *lines])
            self._nft(target, f"table inet {table} {{ chain input {{ {chain}\n }}\n}}")
        return table, list(rules)

    def restore(self, dropped):
        table, targets = dropped
        for target in targets:
            self._nft(target, f"delete table inet {table}")

    def _nft(self, name, text):
        run("nsenter", f"--net=/run/netns/{name}", "nft", "-f", "-", text=text + "\n")

    def confuse(self, pairs, delay_ms=0, jitter_ms=0, repeat_permille=0, jump_permille=0):
        """Sets what the switch does with frames from the first to the second of each pair; by default nothing."""
        rule = struct.pack("<4I", int(delay_ms * 1000), int(jitter_ms * 1000), repeat_permille, jump_permille)
        for source, target in pairs:
            place = self.names.index(source) * (len(self.names) + 1) + self.names.index(target)
            self._rules[16 * place : 16 * place + 16] = rule

    def pairs(self, left=None, right=None):
        """All pairs of nodes, or those between two groups, in both directions."""
        left, right = left or self.names, right or self.names
        both = [(a, b) for a in left for b in right] + [(b, a) for a in left for b in right]
        return sorted({(a, b) for a, b in both if a != b})
