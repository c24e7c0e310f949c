"""The clients of a run, in a process of their own: publishers, subscribers, and one that creates and destroys topics.

Usage: python -m chaos.load CONFIGURATION. Says `begun`; takes `stop` (publish nothing new, settle what is open), says
`settled`; takes `finish` (subscribers wait for what was acknowledged), says `finished`.
"""

import asyncio
import json
import random
import sys
from pathlib import Path

from chaos.publisher import Publisher
from chaos.record import Recorder
from chaos.subscriber import Subscriber
from chaos.topics import TopicClient



async def run(configuration):
    """Runs the clients that a configuration names, until standard input says stop."""
    stop, finish = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    folder = Path(configuration["folder"])
    publishers = [
        Publisher(each, configuration["nodes"], Recorder(folder / f"{each['name']}.jsonl"), stop)
        for each in configuration["publishers"]
    ]
    subscribers = [
        Subscriber(each, configuration["nodes"], Recorder(folder / f"{each['name']}.jsonl"), finish)
        for each in configuration["subscribers"]
    ]
    writing = [asyncio.create_task(each.run()) for each in publishers]
    if configuration.get("topic_client"):
        chance = random.Random(configuration["seed"])
        client = TopicClient(configuration["nodes"], Recorder(folder / "topics.jsonl"), stop, chance)
        writing.append(asyncio.create_task(client.run()))
    reading = [asyncio.create_task(each.run()) for each in subscribers]
    commands = await _standard_input(loop)
    print("begun", flush=True)

    async def obey():
        async for line in commands:
            {b"stop\n": stop, b"finish\n": finish}[line].set()
            if line == b"finish\n":
                return

    obeying = asyncio.create_task(obey())
    await asyncio.gather(*writing)
    print("settled", flush=True)
    await finish.wait()
    await obeying
    acked = set().union(*(each.acked for each in publishers))
    deadline = loop.time() + configuration["patience"]
    while not all(acked <= each.ids for each in subscribers) and loop.time() < deadline:
        await asyncio.sleep(0.05)
    for each in reading:
        each.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    trouble = [task.exception() for task in reading if not task.cancelled() and task.exception()]
    for each in (*publishers, *subscribers):
        each.record.close()
    if trouble:
        raise trouble[0]
    print("finished", flush=True)


async def _standard_input(loop):
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


if __name__ == "__main__":
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
