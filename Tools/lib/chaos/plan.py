"""Which faults happen when: a function of the seed."""

import random
from dataclasses import dataclass

# What `--faults` may name, and the faults that each stands for.
GROUPS = {
    "kill": ("kill",),
    "pause": ("pause",),
    "stutter": ("stutter",),
    "partition": ("isolate", "one-way", "only-udp", "only-tcp"),
    "loss": ("loss",),
    "delay": ("delay",),
    "duplicate": ("duplicate",),
    "reorder": ("reorder",),
    "power": ("power", "blackout"),
    "full": ("full",),
    "readonly": ("readonly",),
    "sync": ("slow-sync", "sync-error"),
    "clock": ("clock",),
}
# How long each lasts, in seconds: at least and at most.
SECONDS = {
    "kill": (5, 9), "pause": (2, 20), "stutter": (4, 10), "isolate": (5, 20), "split": (5, 20), "one-way": (4, 12),
    "only-udp": (5, 12), "only-tcp": (5, 12), "loss": (6, 15), "delay": (5, 12), "duplicate": (5, 10),
    "reorder": (5, 10), "power": (1, 8), "blackout": (1, 3), "full": (4, 8), "readonly": (4, 8), "slow-sync": (5, 10),
    "sync-error": (2, 5), "clock": (5, 15),
}  # fmt: skip
# These take the process or its disk, so that no two of them have the same node at once.
TAKES_NODE = {"kill", "pause", "stutter", "power", "full", "readonly", "slow-sync", "sync-error"}
NEEDS_SWITCH = {"delay", "duplicate", "reorder"}
NEEDS_SMALL_DISK = {"full"}
# Between two faults that do not overlap, so that one sees how the cluster recovers.
CALM = (4, 7)
OVERLAP = 0.25
CLOCK_JUMPS = (3_600, -86_400, 30, -30, 2)


@dataclass(frozen=True)
class Step:
    """One fault: when it begins, in seconds after the load; on which nodes; for how long; how much."""

    at: float
    fault: str
    nodes: tuple
    seconds: float
    amount: float = 0
    # Whether nothing else is broken at the same time, so that times can be measured.
    alone: bool = True

    def __str__(self):
        amount = f" {self.amount:g}" if self.amount else ""
        together = "" if self.alone else "  (with another)"
        return f"{self.at:7.1f} s  {self.fault}{amount} {','.join(self.nodes)} for {self.seconds:.1f} s{together}"

    @property
    def end(self):
        return self.at + self.seconds


def faults_of(groups):
    """The faults that `--faults` names."""
    for group in groups:
        if group not in GROUPS:
            raise ValueError(f"there is no fault '{group}'; there are: {', '.join(GROUPS)}")
    return [fault for group in groups for fault in GROUPS[group]]


def draw(seed, seconds, groups, nodes):
    """The steps of one run. Each fault comes before any comes twice."""
    chance = random.Random(seed)
    kinds = faults_of(groups)
    if len(nodes) > 3 and "isolate" in kinds:
        kinds.append("split")
    steps, bag, at = [], [], 3.0
    while True:
        if not bag:
            bag = chance.sample(kinds, len(kinds))
        step = _step(chance, bag.pop(), at, nodes)
        if step.end > seconds:
            return steps
        steps.append(step)
        if bag and chance.random() < OVERLAP:
            other = _step(chance, bag[-1], at + chance.uniform(0, step.seconds / 2), nodes)
            if other.end <= seconds and not _collide(step, other):
                bag.pop()
                steps[-1] = _together(step)
                steps.append(_together(other))
        at = max(each.end for each in steps[-2:]) + chance.uniform(*CALM)


def _together(step):
    return Step(step.at, step.fault, step.nodes, step.seconds, step.amount, alone=False)


def _collide(step, other):
    both = {step.fault, other.fault}
    if "blackout" in both:
        return True
    if both <= TAKES_NODE:
        return True  # two of three nodes would be away
    return both & TAKES_NODE and "clock" in both and bool(set(step.nodes) & set(other.nodes))


def _step(chance, fault, at, nodes):
    seconds = round(chance.uniform(*SECONDS[fault]), 1)
    some = tuple(chance.sample(nodes, 2))
    match fault:
        case "blackout" | "loss" | "delay" | "duplicate" | "reorder":
            targets = tuple(nodes)
        case "one-way" | "only-udp" | "only-tcp":
            targets = some
        case "split":
            targets = tuple(sorted(chance.sample(nodes, len(nodes) // 2)))
        case _:
            targets = some[:1]
    amount = {
        "loss": lambda: chance.choice([10, 10, 50, 200]),  # of 1,000
        "delay": lambda: chance.choice([20, 100, 300]),  # ms
        "duplicate": lambda: chance.choice([50, 300]),  # of 1,000
        "reorder": lambda: chance.choice([50, 300]),  # of 1,000
        "slow-sync": lambda: chance.choice([50, 500, 2_000]),  # ms
        "clock": lambda: chance.choice(CLOCK_JUMPS),  # s
    }.get(fault, lambda: 0)()
    return Step(round(at, 1), fault, targets, seconds, amount)
