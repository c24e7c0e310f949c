"""Reads everything back from a node through `/live`, as a client that knows nothing of the run."""

import json

from websockets.sync.client import connect

LIMIT = 60
PAGE = 1_000


class Reader:
    """One connection to one node."""

    def __init__(self, address):
        self._socket = connect(
            f"ws://{address}/live", open_timeout=LIMIT, compression=None, max_size=None, max_queue=None
        )
        self._take()

    def _take(self):
        return json.loads(self._socket.recv(LIMIT))

    def ask(self, method, **attributes):
        self._socket.send(json.dumps({"id": 1, "method": method, "attributes": attributes}))
        while (answer := self._take())["type"] != "response":
            pass
        if not answer["ok"]:
            raise RuntimeError(f"{method} {attributes}: {answer['code']}: {answer['error']}")
        return answer["data"]

    def topics(self):
        """Everything that the node says of every topic, by name, but for what is this node's own to know."""
        named, after, more = {}, None, True
        while more:
            page = self.ask("list-topic", limit=PAGE, **({"after": after} if after else {}))
            for each in page["topics"]:
                named[each["name"]] = each
                after = each["name"]
            more = page["more"]
        return named

    def history(self, topic, since="beginning"):
        """Every message after a place, in their order: [(partition, offset, messageId, timestamp, by, n)]."""
        messages, more = [], True
        while more:
            page = self.ask("history", topicName=topic, since=since, limit=PAGE)
            messages += [
                (
                    each["partition"], each["offset"], each.get("messageId"), each["timestamp"], each["data"]["by"],
                    each["data"]["n"],
                )
                for each in page["messages"]
            ]  # fmt: skip
            since, more = page["cursor"], page["more"]
        return messages

    def followed(self, topic, cursor):
        """What a subscription from a cursor is told to its end: ([(partition, offset, messageId)], gaps)."""
        head = self.ask("get-topic", name=topic)["heads"]
        self.ask("subscribe", topicName=topic, since=cursor)
        events, gaps = [], []
        places = dict(cursor)
        while any(places.get(partition, 0) < offset for partition, offset in head.items()):
            frame = self._take()
            if frame["type"] == "event":
                events.append((frame["partition"], frame["offset"], frame.get("messageId")))
                places[frame["partition"]] = frame["offset"]
            elif frame["type"] == "cursor":
                places.update(frame["cursor"])
            elif frame["type"] == "gap":
                gaps.append((frame["partition"], frame["from"], frame["to"]))
                places[frame["partition"]] = frame["to"]
        self.ask("unsubscribe", topicName=topic)
        return events, gaps

    def close(self):
        self._socket.close()
