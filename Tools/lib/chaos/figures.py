"""How fast things were in a run: publishing after a fault, the detection of a crash, and recovery."""

from dataclasses import dataclass, field

RESUMPTION_LIMIT = 5.0
DETECTION_LIMIT = 3.0
CONVERGENCE_LIMIT = 10.0
RECOVERY_LIMIT = 5.0
# Below this loss (of 1,000) nobody may be taken for dead.
LOSS_WITHOUT_DEATH = 10
# A crash must last longer than its detection may take, or nobody has to notice it.
DETECTABLE = 4.0


@dataclass
class Figures:
    """Seconds, unless it says otherwise."""

    resumptions: list = field(default_factory=list)
    detections: list = field(default_factory=list)
    recoveries: list = field(default_factory=list)
    undetected: list = field(default_factory=list)
    convergence: float = 0.0

    def lines(self):
        yield f"publishing resumed: {spread(self.resumptions)}"
        yield f"a crash was detected: {spread(self.detections)}"
        yield f"a disk's recovery was noticed: {spread(self.recoveries)}"
        yield f"digests were equal {self.convergence:.1f} s after the heal"


def spread(values):
    """Median, 99th percentile and maximum of some seconds."""
    if not values:
        return "not measured"
    ordered = sorted(values)
    return (
        f"median {percentile(ordered, 50):.2f} s, p99 {percentile(ordered, 99):.2f} s, most {ordered[-1]:.2f} s "
        f"({len(ordered)} times)"
    )


def percentile(ordered, rank):
    """The smallest value that so many percent are not above."""
    return ordered[max(0, -(-len(ordered) * rank // 100) - 1)]


def resumptions(step, began, record):
    """For each publisher that waits for `replicated`: when, after a fault, the first message sent since was acknowledged.

    Those are left out whose own node was cut off or paused: their client waits for an answer first.
    """
    away = set(step.nodes) if step.fault in ("isolate", "split", "pause", "stutter") else set()
    for publisher in sorted({each["by"] for each in record.attempts if each["ack"] == "replicated"}):
        mine = [each for each in record.attempts if each["by"] == publisher and each["sent"] is not None]
        # What was sent to a node that was away counts too: it is open when the fault begins.
        before = [each for each in mine if each["sent"] <= began]
        if before and max(before, key=lambda each: each["sent"])["node"] in away:
            continue
        after = [each["done"] for each in mine if each["sent"] > began and each["outcome"] == "ok"]
        if after:
            yield min(after) - began


def detections(step, began, monitor, running):
    """How long each survivor took to call the victim dead; None where it never did."""
    for observer in running:
        if observer not in step.nodes:
            at = monitor.first(observer, step.nodes[0], "dead", began)
            yield None if at is None or at > began + step.seconds else at - began
