"""Watches what every node thinks of every other, all through a run."""

import json
import threading
import time

INTERVAL = 0.1


class Monitor:
    """A thread for each node that asks it for the cluster, 10 times a second at most, and keeps each change."""

    def __init__(self, nodes, path):
        self.changes = {node.name: [] for node in nodes}  # [(when it was seen, {name: state})]
        self._file = path.open("w")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(node,), daemon=True) for node in nodes]
        for each in self._threads:
            each.start()

    def _watch(self, node):
        changes = self.changes[node.name]
        while not self._stop.wait(INTERVAL):
            states = node.states()
            if states is not None and (not changes or changes[-1][1] != states):
                at = time.monotonic()
                changes.append((at, states))
                self._file.write(json.dumps({"at": at, "node": node.name, "states": states}) + "\n")
                self._file.flush()

    def stop(self):
        self._stop.set()
        for each in self._threads:
            each.join()
        self._file.close()

    def first(self, observer, member, state, since):
        """When an observer first said this state of a member, at or after a time; None when it did not."""
        held = [states for at, states in self.changes[observer] if at <= since]
        if held and held[-1].get(member) == state:
            return since
        return next((at for at, states in self.changes[observer] if at > since and states.get(member) == state), None)

    def said(self, member, state, since, until):
        """Whether anybody came to say this state of a member between two times."""
        return any(
            since < at <= until and states.get(member) == state
            for changes in self.changes.values() for at, states in changes
        )  # fmt: skip
