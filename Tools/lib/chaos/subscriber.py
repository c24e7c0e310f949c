"""A client that follows every topic, keeps its cursor, and goes on from it at another node when its own is gone."""

import asyncio
import json

from chaos.connection import GONE, attached
from chaos.publisher import MOVE_PAUSE

ANSWER_LIMIT = 15


class Subscriber:
    """Records all that it is told, and judges nothing: that is the checker's."""

    def __init__(self, settings, nodes, record, finish):
        self.filter = settings["filter"]
        self.nodes, self.turn = nodes, settings["first"]
        self.record, self.finish = record, finish
        self.cursor = {}
        self.ids = set()

    async def run(self):
        is_first = True
        while True:
            name, address = self.nodes[self.turn % len(self.nodes)]
            try:
                async with attached(address) as socket:
                    since = "beginning" if is_first else self.cursor
                    request = {"id": 1, "method": "subscribe", "attributes": {"topicName": self.filter, "since": since}}
                    await socket.send(json.dumps(request))
                    answer = await asyncio.wait_for(socket.recv(), ANSWER_LIMIT)
                    self._attached(name, json.loads(answer))
                    is_first = False
                    async for text in socket:
                        self._take(json.loads(text))
            except (*GONE, Refused):
                pass
            self.turn += 1
            await asyncio.sleep(MOVE_PAUSE)

    def _attached(self, node, frame):
        if not frame["ok"]:
            self.record.write(["refused", node, frame["code"], frame["error"]])
            raise Refused
        cursor = frame["data"]["cursor"]
        self.record.write(["attached", node, {topic: dict(each) for topic, each in self.cursor.items()}, cursor])
        for topic, places in cursor.items():
            self.cursor.setdefault(topic, {}).update(places)

    def _take(self, frame):
        if frame["type"] not in ("event", "cursor", "gap"):
            return
        places = self.cursor.setdefault(frame["topic"], {})
        if frame["type"] == "event":
            places[frame["partition"]] = frame["offset"]
            self.ids.add(frame["messageId"])
            self.record.write(["event", frame["topic"], frame["partition"], frame["offset"], frame["messageId"]])
        elif frame["type"] == "cursor":
            places.update(frame["cursor"])
            self.record.write(["cursor", frame["topic"], frame["cursor"]])
        else:
            places[frame["partition"]] = frame["to"]
            self.record.write(
                ["gap", frame["topic"], frame["partition"], frame["from"], frame["to"], frame["reason"]]
            )  # fmt: skip


class Refused(Exception):
    """The node did not let it subscribe."""
