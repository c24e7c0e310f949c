"""Named scenarios, for their figures: so many messages with `ack: replicated`, and one kind of fault."""

import random

from chaos.plan import Step

NAMES = ("kills", "power", "blackout", "partitions", "pauses", "loss")
# How long a node is away, and how long it then has, in seconds.
CALM = 5.0


def settings(name, seed, messages, nodes):
    """The plan and the load of a scenario. Publishing takes as long as the faults do."""
    steps = _steps(name, random.Random(seed), nodes)
    seconds = steps[-1].end + CALM
    publishers = 4
    each = {
        "ack": "replicated", "retries": True, "window": 256, "rate": messages / publishers / seconds,
        "count": messages // publishers,
    }  # fmt: skip
    return {"steps": steps, "seconds": seconds, "publishers": [each] * publishers, "topic_client": False}


def _steps(name, chance, nodes):
    match name:
        case "kills":
            return _one_after_another([("kill", (chance.choice(nodes),), 5) for _ in range(10)])
        case "power":
            return _one_after_another([("power", (chance.choice(nodes),), 5) for _ in range(5)])
        case "blackout":
            return _one_after_another([("blackout", tuple(nodes), 2) for _ in range(5)])
        case "partitions":
            return _one_after_another([("isolate", (node,), 30) for node in nodes])
        case "pauses":
            return _one_after_another([("pause", (node,), 20) for node in nodes])
        case "loss":
            return [Step(CALM, "loss", tuple(nodes), 60, 10)]


def _one_after_another(faults):
    steps, at = [], CALM
    for fault, targets, seconds in faults:
        steps.append(Step(at, fault, targets, seconds))
        at += seconds + CALM
    return steps
