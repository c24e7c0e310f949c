"""One run: nodes, load and faults; then the heal, the reading and the check."""

import json
import random
import secrets
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from chaos import checker, figures, plan
from chaos.faults import Injector
from chaos.monitor import Monitor
from chaos.network import Network
from chaos.node import Node
from chaos.reader import Reader
from chaos.record import Record

CLUSTER_LIMIT = 60
SETTLE_LIMIT = 120
READ_LIMIT = 600
PATIENCE = 60
SMALL_DISK_MEGABYTES = 256
PROBES = 12


@dataclass
class Settings:
    """What a run is to be."""

    folder: Path
    program: Path
    tools: Path  # where the shims and the switch are
    seed: int
    steps: list
    seconds: float  # from the beginning of the load to the heal, at least
    nodes: int = 3
    publishers: list = field(default_factory=list)
    subscribers: int = 3
    topic_client: bool = True
    topics: int = 4
    # Disks that say they have synced and have not: what such a run must find is that messages are lost.
    lying_disks: bool = False
    # Says what came too late and does not hold it against the run: a busy machine is late, too.
    untimed: bool = False


class Run:
    """Runs once; `violations` and `figures` say what came of it."""

    def __init__(self, settings):
        self.settings, self.folder = settings, settings.folder
        self.violations, self.figures = [], figures.Figures()
        self.events = []
        self._told = (self.folder / "run.log").open("w", buffering=1)
        self._began = time.monotonic()
        kinds = {step.fault for step in settings.steps}
        # A copy, so that compiling them anew changes nothing for a run that is on.
        tools = Path(shutil.copytree(settings.tools, self.folder / "tools"))
        switch = tools / "switch" if kinds & plan.NEEDS_SWITCH else None
        names = [f"node-{number}" for number in range(1, settings.nodes + 1)]
        self.network = Network(settings.nodes, self.folder, switch, settings.seed)
        megabytes = SMALL_DISK_MEGABYTES if kinds & plan.NEEDS_SMALL_DISK else None
        self.nodes = [
            Node(
                name, self.network.address(name), self.folder / name, settings.program, tools / "shims.so", megabytes
            )
            for name in names
        ]  # fmt: skip
        self._configure()
        self.injector = Injector(self.nodes, self.network, settings.seed, self.tell)

    def _configure(self):
        key = (self.folder / "cluster.key").resolve()
        key.write_text(secrets.token_hex(32))
        key.chmod(0o600)
        for node in self.nodes:
            joins = [flag for other in self.nodes if other is not node for flag in ("--join", f"{other.address}:7336")]
            node.flags = ["--cluster-key-file", str(key), "--insecure-bind", *joins]

    def tell(self, sentence):
        """Writes a sentence to the log of the run."""
        self._told.write(f"{time.monotonic() - self._began:8.2f} {sentence}\n")

    def say(self, sentence):
        """Writes a sentence to the log of the run, and shows it."""
        self.tell(sentence)
        print(f"    {time.monotonic() - self._began:6.1f} s  {sentence}", flush=True)

    def _late(self, sentence):
        """Something took longer than it may, which a run that is not timed only tells."""
        self.say(f"late: {sentence}") if self.settings.untimed else self._violated(sentence)

    def _violated(self, sentence):
        self.violations.append(checker.Violation(sentence))

    # MARK: the run

    def run(self):
        """Everything, from the start of the nodes to the check."""
        try:
            self._start()
            monitor = Monitor(self.nodes, self.folder / "states.jsonl")
            load = self._load()
            self._break()
            healed = self._heal(load)
            settled = self._command(load, "stop", "settled", SETTLE_LIMIT)
            self._converge(max(healed, settled))
            self._command(load, "finish", "finished", PATIENCE + CLUSTER_LIMIT)
            load.wait()
            monitor.stop()
            self._check(Record.load(self.folder), monitor)
        finally:
            for node in self.nodes:
                node.resume()
                if node.process is not None:
                    node.kill()

    def _start(self):
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.await_ready()
        self._await("every node sees every other", CLUSTER_LIMIT, self._all_alive)
        reader = Reader(self.nodes[0].front)
        self.topics = [f"chaos/{number}" for number in range(1, self.settings.topics + 1)]
        for topic in self.topics:
            reader.ask("create-topic", topicName=topic)
        reader.close()
        self._await("every node knows the topics", CLUSTER_LIMIT, self._all_know_topics)
        self.identities = {
            member["name"]: member["id"] for member in self.nodes[0].ask("/api/v1/cluster")["members"]
        }  # fmt: skip

        for node in self.nodes:
            node.control["sync_lies"] = int(self.settings.lying_disks)

    def _all_alive(self):
        wanted = {node.name: "alive" for node in self.nodes}
        return all(node.states() == wanted for node in self.nodes)

    def _all_know_topics(self):
        for node in self.nodes:
            reader = Reader(node.front)
            known = reader.topics()
            reader.close()
            if not set(self.topics) <= set(known):
                return False
        return True

    def _await(self, what, limit, check):
        deadline = time.monotonic() + limit
        while not check():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {limit} s")
            time.sleep(0.05)

    def _load(self):
        settings = self.settings
        configuration = {
            "folder": str(self.folder), "seed": settings.seed, "patience": PATIENCE,
            "nodes": [[node.name, node.front] for node in self.nodes],
            "publishers": [
                {
                    "name": f"publisher-{number}", "topics": self.topics, "first": number,
                    "seed": settings.seed * 1_000 + number, **each,
                }
                for number, each in enumerate(settings.publishers)
            ],
            "subscribers": [
                {"name": f"subscriber-{number}", "filter": "chaos/#", "first": number}
                for number in range(settings.subscribers)
            ],
            "topic_client": settings.topic_client,
        }  # fmt: skip
        path = self.folder / "load.json"
        path.write_text(json.dumps(configuration, indent=1))
        load = subprocess.Popen(
            [sys.executable, "-m", "chaos.load", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=(self.folder / "load.log").open("w"), text=True,
        )  # fmt: skip
        self._answer(load, "begun", CLUSTER_LIMIT)
        return load

    def _answer(self, load, word, limit):
        timer = threading.Timer(limit, load.kill)
        timer.start()
        line = load.stdout.readline().strip()
        timer.cancel()
        if line != word:
            log = (self.folder / "load.log").read_text()[-2_000:]
            raise AssertionError(f"the clients did not say '{word}' within {limit} s: {line} {log}")
        return time.monotonic()

    def _command(self, load, word, answer, limit):
        load.stdin.write(f"{word}\n")
        load.stdin.flush()
        return self._answer(load, answer, limit)

    def _break(self):
        """Begins and ends the faults of the plan at their times."""
        start = time.monotonic()
        steps = self.settings.steps
        moments = [(step.at, 0, step) for step in steps] + [(step.end, 1, step) for step in steps]
        for at, is_end, step in sorted(moments, key=lambda each: each[:2]):
            time.sleep(max(0, start + at - time.monotonic()))
            if is_end:
                self.injector.end(step)
                self.tell(f"end of {step}")
                self._after(step, time.monotonic())
            else:
                self.events.append((step, self.injector.begin(step)))
                self.say(str(step).split("s  ", 1)[1])
        time.sleep(max(0, start + self.settings.seconds - time.monotonic()))

    def _after(self, step, ended):
        """Watches a node whose disk is well again until it accepts."""
        if step.fault not in ("full", "readonly", "slow-sync"):
            return
        node = next(node for node in self.nodes if node.name == step.nodes[0])

        def watch():
            while not node.is_accepting() and time.monotonic() < ended + CLUSTER_LIMIT:
                time.sleep(0.05)
            self.figures.recoveries.append(time.monotonic() - ended)

        threading.Thread(target=watch, daemon=True).start()

    def _heal(self, load):
        healed = time.monotonic()
        for node in self.nodes:
            if not node.is_running:
                self._violated(f"{node.name} ended by itself with {node.process.returncode}; its log says why")
                node.launch()
            node.await_ready()
        if load.poll() is not None:
            raise AssertionError(f"the clients ended: {(self.folder / 'load.log').read_text()[-2_000:]}")
        self.say("healed")
        return max(healed, time.monotonic())

    def _converge(self, since):
        def digests():
            return [(node.ask("/api/v1/cluster") or {}).get("digest") for node in self.nodes]

        while len(set(found := digests())) != 1 or None in found:
            if time.monotonic() > since + CLUSTER_LIMIT:
                self._violated(f"digests differ {CLUSTER_LIMIT} s after the heal: {found}")
                break
            time.sleep(0.05)
        self.figures.convergence = time.monotonic() - since
        if self.figures.convergence > figures.CONVERGENCE_LIMIT:
            self._late(f"digests were equal only {self.figures.convergence:.1f} s after the heal")

    # MARK: the check

    def _check(self, record, monitor):
        self.record = record
        readers = {node.name: Reader(node.front) for node in self.nodes}
        histories = {
            name: {topic: reader.history(topic) for topic in self.topics} for name, reader in readers.items()
        }  # fmt: skip
        registries = {name: reader.topics() for name, reader in readers.items()}
        self.violations += checker.check(record, histories, registries, self.identities)
        self._probe(readers, histories)
        for reader in readers.values():
            reader.close()
        self.kept = sum(len(messages) for messages in histories[self.nodes[0].name].values())
        self.apart = checker.twins_apart(histories)
        self._measure(record, monitor)
        for node in self.nodes:
            if node.control["strangers"]:
                self._violated(f"{node.name} changed files in a way that the shim cannot undo")
            if not node.control["clock_reads"] or not node.control["syncs"]:
                self._violated(f"{node.name} passed the shims by: nothing that they inject counts")

    def _probe(self, readers, histories):
        """Cursors that chance chooses: after the first few of the history, or what a subscriber once held."""
        chance = random.Random(self.settings.seed + 1)
        known = checker.places(self.record)
        for number in range(PROBES):
            node = chance.choice(self.nodes).name
            topic = chance.choice(self.topics)
            history = histories[node][topic]
            if number % 2:
                cursor = {}
                for partition, offset, *_ in history[: chance.randint(0, len(history))]:
                    cursor[partition] = max(offset, cursor.get(partition, 0))
            else:
                cursor = self._once_held(chance, topic)
            suffix = readers[node].history(topic, cursor)
            events, gaps = readers[node].followed(topic, cursor)
            self.violations += checker.check_cursor(node, topic, cursor, history, suffix, events, gaps, known)

    def _once_held(self, chance, topic):
        cursor = {}
        told = self.record.subscribers[chance.choice(sorted(self.record.subscribers))]
        for what, *rest in told[: chance.randint(0, len(told))]:
            if what == "event" and rest[0] == topic:
                cursor[rest[1]] = rest[2]
            elif what == "cursor" and rest[0] == topic:
                cursor.update(rest[1])
            elif what == "gap" and rest[0] == topic:
                cursor[rest[1]] = rest[3]
            elif what == "attached":
                cursor.update(rest[2].get(topic, {}))
        return cursor

    def _measure(self, record, monitor):
        for step, began in self.events:
            if not step.alone:
                continue
            if step.fault in ("kill", "power", "isolate", "split", "pause", "stutter"):
                self.figures.resumptions += figures.resumptions(step, began, record)
            if step.fault in ("kill", "power") and step.seconds >= figures.DETECTABLE:
                found = list(figures.detections(step, began, monitor, self.identities))
                self.figures.detections += [each for each in found if each is not None]
                self.figures.undetected += [step for each in found if each is None]
            if step.fault == "loss" and step.amount <= figures.LOSS_WITHOUT_DEATH:
                dead = [name for name in self.identities if monitor.said(name, "dead", began, began + step.seconds)]
                if dead:
                    self._late(f"{dead} was taken for dead at a loss of {step.amount} of 1,000")
        for name, values, limit in (
            ("publishing resumed", self.figures.resumptions, figures.RESUMPTION_LIMIT),
            ("a crash was detected", self.figures.detections, figures.DETECTION_LIMIT),
            ("a disk's recovery was noticed", self.figures.recoveries, figures.RECOVERY_LIMIT),
        ):
            if values and figures.percentile(sorted(values), 99) > limit:
                self._late(f"{name} too late, the limit is {limit} s: {figures.spread(values)}")
        for step in self.figures.undetected:
            self._late(f"a node never called {step.nodes[0]} dead: {step}")
