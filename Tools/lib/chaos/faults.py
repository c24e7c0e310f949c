"""The injectors: how each fault of a plan begins, and how it ends."""

import errno
import random
import threading
import time

# Seconds.
STUTTER_RUNNING, STUTTER_STOPPED = 0.1, 0.15
SLOW_BEFORE_CUT = 0.2


class Injector:
    """Breaks the nodes and the network of a run, one step at a time or several at once."""

    def __init__(self, nodes, network, seed, tell):
        self.nodes = {node.name: node for node in nodes}
        self.network = network
        self.random = random.Random(seed)
        self.tell = tell  # takes a sentence for the log of the run
        self._dropped = {}
        self._stutters = {}

    def begin(self, step):
        """Begins a fault. Returns when it did."""
        began = time.monotonic()
        targets = [self.nodes[name] for name in step.nodes]
        node = targets[0]
        match step.fault:
            case "kill":
                node.kill()
            case "power" | "blackout":
                began = self._cut_power(targets)
            case "pause":
                node.pause()
            case "stutter":
                self._stutter(node)
            case "isolate" | "split":
                rest = [name for name in self.nodes if name not in step.nodes]
                self._drop(step, self.network.pairs(list(step.nodes), rest))
            case "one-way":
                self._drop(step, [step.nodes])
            case "only-udp" | "only-tcp":
                self._drop(step, self.network.pairs([step.nodes[0]], [step.nodes[1]]), protocol=step.fault[-3:])
            case "loss":
                self._drop(step, self.network.pairs(), permille=step.amount)
            case "delay":
                self.network.confuse(self.network.pairs(), delay_ms=step.amount, jitter_ms=step.amount / 2)
            case "duplicate":
                self.network.confuse(self.network.pairs(), repeat_permille=step.amount)
            case "reorder":
                self.network.confuse(self.network.pairs(), delay_ms=15, jitter_ms=10, jump_permille=step.amount)
            case "full":
                node.fill_disk()
            case "readonly":
                node.control["write_error"] = errno.EROFS
            case "slow-sync":
                node.control["sync_delay_us"] = int(step.amount * 1000)
            case "sync-error":
                node.control["sync_error"] = errno.EIO
            case "clock":
                node.control["clock_offset_ns"] = int(step.amount * 1e9)
            case other:
                raise ValueError(f"nobody knows how to inject '{other}'")
        return began

    def end(self, step):
        """Ends a fault. Processes that it took run again, though perhaps not ready yet."""
        targets = [self.nodes[name] for name in step.nodes]
        node = targets[0]
        match step.fault:
            case "kill" | "power" | "blackout":
                for each in targets:
                    each.launch()
            case "pause":
                node.resume()
            case "stutter":
                stop, thread = self._stutters.pop(node.name)
                stop.set()
                thread.join()
            case "delay" | "duplicate" | "reorder":
                self.network.confuse(self.network.pairs())
            case "full":
                node.empty_disk()
            case "readonly":
                node.control["write_error"] = 0
            case "slow-sync":
                node.control["sync_delay_us"] = 0
            case "sync-error":
                # What the system has kept is unknown after a failed sync: the node is to be restarted.
                node.control["sync_error"] = 0
                node.kill()
                node.launch()
            case "clock":
                node.control["clock_offset_ns"] = 0
            case _:
                self.network.restore(self._dropped.pop(step))

    def _drop(self, step, pairs, **what):
        self._dropped[step] = self.network.drop(pairs, **what)

    def _cut_power(self, targets):
        # A disk that is slow for a moment, so that there is something that is written and not synced.
        for each in targets:
            each.control["sync_delay_us"] = int(SLOW_BEFORE_CUT * 1e6)
        time.sleep(SLOW_BEFORE_CUT * self.random.uniform(1, 2))
        began = time.monotonic()
        for each in targets:
            each.kill()
            each.control["sync_delay_us"] = 0
        for each in targets:
            for sentence in each.cut_power(self.random):
                self.tell(f"{each.name}: {sentence}")
        return began

    def _stutter(self, node):
        stop = threading.Event()

        def run():
            while not stop.is_set():
                node.pause()
                stop.wait(STUTTER_STOPPED)
                node.resume()
                stop.wait(STUTTER_RUNNING)

        thread = threading.Thread(target=run, daemon=True)
        self._stutters[node.name] = (stop, thread)
        thread.start()
