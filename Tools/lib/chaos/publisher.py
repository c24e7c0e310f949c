"""A client that publishes in order, without waiting for each answer, and moves on when its node does not answer."""

import asyncio
import json
import math
import random
import time

from chaos.connection import GONE, attached

# A node gives up on an acknowledgement after 5 s.
ANSWER_LIMIT = 8
MOVE_PAUSE = 0.05
# How long one that roams stays with a node.
STAY = (10, 40)
# Refusals after which nobody knows whether the message is there.
UNKNOWN = ("NOT_REPLICATED", "INTERNAL_ERROR")


class Move(Exception):
    """The client goes to another node."""


class Publisher:
    """Messages `NAME-N` to topics that chance chooses.

    What is open when the connection ends is unknown. One that `retries` sends it again on its next node, before
    anything new and in the same order; one that does not gives it up. A refusal is final for a message. One that
    `roams` also leaves nodes that are well, in the middle of what it does.
    """

    def __init__(self, settings, nodes, record, stop):
        self.name, self.ack = settings["name"], settings["ack"]
        self.topics, self.retries = settings["topics"], settings["retries"]
        self.window, self.interval = settings["window"], 1 / settings["rate"]
        self.count, self.roams = settings.get("count"), settings.get("roams", False)
        self.padding = "x" * settings.get("bytes", 100)
        self.nodes, self.turn = nodes, settings["first"]
        self.random = random.Random(settings["seed"])
        self.record, self.stop = record, stop
        self.acked = set()
        self.next = 1
        self.connection = 0
        # Open messages by number, in order: {number: [topic, when it was sent on this connection or None]}.
        self.open = {}
        self._room = asyncio.Event()

    @property
    def is_done(self):
        return self.stop.is_set() or (self.count is not None and self.next > self.count)

    async def run(self):
        give_up = None
        while self.open or not self.is_done:
            if self.stop.is_set():
                give_up = give_up or time.monotonic() + 60
                if time.monotonic() > give_up:
                    break
            name, address = self.nodes[self.turn % len(self.nodes)]
            try:
                async with attached(address) as socket:
                    await self._attached(socket, name)
            except (*GONE, Move) as error:
                self._lost(name, error)
                self.turn += 1
                await asyncio.sleep(MOVE_PAUSE)
        self._lost("none", "the run is over")

    async def _attached(self, socket, node):
        self.connection += 1
        sending = asyncio.create_task(self._send(socket))
        receiving = asyncio.create_task(self._receive(socket, node))
        try:
            done, _ = await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if sending in done and not sending.exception():
                await receiving
            for each in done:
                each.result()
        finally:
            for each in (sending, receiving):
                each.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _send(self, socket):
        for number in list(self.open):
            await self._publish(socket, number)
        due = time.monotonic()
        while not self.is_done:
            if len(self.open) >= self.window:
                self._room.clear()
                await self._room.wait()
                continue
            now = time.monotonic()
            due = max(due + self.interval, now - 1)
            if due > now:
                await asyncio.sleep(due - now)
            number, self.next = self.next, self.next + 1
            self.open[number] = [self.random.choice(self.topics), None]
            await self._publish(socket, number)

    async def _publish(self, socket, number):
        message = self.open.get(number)
        if message is None:
            return
        message[1] = time.monotonic()
        attributes = {
            "topicName": message[0], "message": {"by": self.name, "n": number, "padding": self.padding},
            "messageId": f"{self.name}-{number}", "ack": self.ack,
        }  # fmt: skip
        await socket.send(json.dumps({"id": number, "method": "publish", "attributes": attributes}))

    async def _receive(self, socket, node):
        leave = time.monotonic() + self.random.uniform(*STAY) if self.roams else math.inf
        while self.open or not self.is_done:
            if time.monotonic() > leave and not self.stop.is_set():
                raise Move("it roams")
            try:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 0.5))
            except TimeoutError:
                sent = [at for _, at in self.open.values() if at is not None]
                if sent and time.monotonic() - min(sent) > ANSWER_LIMIT:
                    raise Move("no answer") from None
                continue
            if frame["type"] == "drain":
                raise Move("the node drains")
            if frame["type"] != "response" or frame["id"] not in self.open:
                continue
            if frame["ok"]:
                data = frame["data"]
                self.acked.add(f"{self.name}-{frame['id']}")
                self._settle(node, frame["id"], "ok", partition=data["partition"], offset=data["offset"])
            elif frame["code"] in UNKNOWN:
                raise Move(f"{frame['code']}: {frame['error']}")
            else:
                self._settle(node, frame["id"], "failed", code=frame["code"])

    def _settle(self, node, number, outcome, **more):
        self._write(node, number, outcome, **more)
        del self.open[number]
        self._room.set()

    def _lost(self, node, why):
        for number, message in list(self.open.items()):
            if message[1] is not None:
                self._write(node, number, "unknown", why=str(why)[:200])
                message[1] = None
            if not self.retries:
                del self.open[number]
        self._room.set()

    def _write(self, node, number, outcome, **more):
        topic, sent = self.open[number]
        self.record.write({
            "by": self.name, "n": number, "topic": topic, "ack": self.ack, "connection": self.connection, "node": node,
            "sent": sent, "done": time.monotonic(), "outcome": outcome, **more,
        })  # fmt: skip
