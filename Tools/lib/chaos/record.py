"""The operations record: what every client did and was told, a JSON value a line, written as it happens."""

import json
from pathlib import Path


class Recorder:
    """Appends to one client's record. Lines reach the file when it is closed, or 64 KiB of them wait."""

    def __init__(self, path):
        self._file = Path(path).open("w", buffering=1 << 16)

    def write(self, value):
        self._file.write(json.dumps(value, separators=(",", ":")) + "\n")

    def close(self):
        self._file.close()


def read(path):
    """The values of a record; none where there is none."""
    path = Path(path)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Record:
    """All that the clients of a run recorded."""

    def __init__(self, attempts, subscribers, topics=()):
        # One for each time that a message was sent: by, n, topic, ack, connection, node, sent, done, outcome, …
        self.attempts = attempts
        # By subscriber, what it was told, in order: lists that begin with `attached`, `event`, `cursor` or `gap`.
        self.subscribers = subscribers
        # One for each request to create or destroy a topic: topic, what, outcome.
        self.topics = list(topics)

    @classmethod
    def load(cls, folder):
        folder = Path(folder)
        attempts = [line for path in sorted(folder.glob("publisher-*.jsonl")) for line in read(path)]
        subscribers = {path.stem: read(path) for path in sorted(folder.glob("subscriber-*.jsonl"))}
        return cls(attempts, subscribers, read(folder / "topics.jsonl"))
