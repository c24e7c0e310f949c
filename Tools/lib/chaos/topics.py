"""A client that creates topics on whatever node answers, and destroys some of them again."""

import asyncio
import itertools
import json

from chaos.connection import GONE, attached

ANSWER_LIMIT = 8
PAUSE = 1.0


class TopicClient:
    """Names are never used twice, so that what it was told says what must be there in the end."""

    def __init__(self, nodes, record, stop, chance):
        self.nodes, self.record, self.stop, self.random = nodes, record, stop, chance
        self.created = []

    async def run(self):
        for number in itertools.count(1):
            if self.stop.is_set():
                break
            if self.created and self.random.random() < 0.3:
                topic = self.created.pop(self.random.randrange(len(self.created)))
                await self._ask("destroy-topic", topic)
            elif await self._ask("create-topic", f"registry/{number}") == "ok":
                self.created.append(f"registry/{number}")
            await asyncio.sleep(PAUSE)
        self.record.close()

    async def _ask(self, method, topic):
        node, address = self.random.choice(self.nodes)
        outcome = "unknown"
        try:
            async with attached(address) as socket:
                await socket.send(json.dumps({"id": 1, "method": method, "attributes": {"topicName": topic}}))
                answer = json.loads(await asyncio.wait_for(socket.recv(), ANSWER_LIMIT))
                outcome = "ok" if answer["ok"] else answer["code"]
        except GONE:
            pass
        self.record.write({"what": method, "topic": topic, "node": node, "outcome": outcome})
        return outcome
