"""Real nodes broken on purpose; and the tools that do it, which must themselves be able to find what is wrong."""

import os
import random
import subprocess
import sys
from copy import deepcopy

import pytest

from cluster import BINARY, ROOT

sys.path.insert(0, str(ROOT / "Tools/lib"))
from chaos import checker, figures, plan, power  # noqa: E402
from chaos.control import Control  # noqa: E402
from chaos.record import Record  # noqa: E402

MINUTES = 5
# The mix, the start of the nodes, and the reading of everything afterwards.
WHOLE_LIMIT = 60 * MINUTES + 600
NODES = ("node-1", "node-2", "node-3")
MIXED_SEED = "3"
# A seed whose plan begins with the power of all nodes.
LYING_SEED = "8"


def chaos(*words):
    """Runs `Tools/chaos`, and skips the test where it cannot be run."""
    done = subprocess.run(
        [ROOT / "Tools/chaos", *words], cwd=ROOT, env={**os.environ, "TESTED_BINARY": str(BINARY)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WHOLE_LIMIT,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    return done.returncode, done.stdout


@pytest.mark.long
def test_five_minutes_of_mixed_faults_break_no_promise():
    # One plan, so that a change is not judged by another's luck; Tools/chaos draws others. No test measures time.
    code, said = chaos("--minutes", str(MINUTES), "--seed", MIXED_SEED, "--untimed")
    assert code == 0, said


def test_disks_that_lie_about_syncs_are_found_out():
    """An ack before the sync, seen from outside: the check must be able to fail."""
    code, said = chaos("--minutes", "0.5", "--seed", LYING_SEED, "--faults", "power", "--lying-disks")
    assert code == 1 and "acknowledged messages" in said and "lost" in said, said
    assert f"--seed {LYING_SEED}" in said and "the evidence (logs, records, data) is in " in said, said


# MARK: the plan


def test_a_seed_is_one_plan():
    drawn = [plan.draw(7, 600, plan.GROUPS, NODES) for _ in range(2)]
    assert drawn[0] == drawn[1] != plan.draw(8, 600, plan.GROUPS, NODES)


def test_a_plan_holds_every_fault_and_never_takes_two_nodes_at_once():
    for seed in range(50):
        steps = plan.draw(seed, 3_600, plan.GROUPS, NODES)
        assert {step.fault for step in steps} == set(plan.faults_of(plan.GROUPS))
        taking = [step for step in steps if step.fault in plan.TAKES_NODE | {"blackout"}]
        for left, right in zip(taking, taking[1:]):
            assert left.end <= right.at, f"seed {seed}: {left} and {right}"


def test_a_fault_that_nobody_knows_is_named():
    with pytest.raises(ValueError, match="no fault 'kil'; there are: kill, pause"):
        plan.faults_of(["kil"])


# MARK: the checker


def message(number, offset, by="publisher-1", partition="AAAAAAAAAAAAAAAAAAAAAA.1", second=0):
    return (partition, offset, f"{by}-{number}", f"2026-01-01T00:00:{second:02}.000Z", by, number)


def attempt(number, outcome="ok", ack="replicated", **more):
    place = {"partition": "AAAAAAAAAAAAAAAAAAAAAA.1", "offset": number} if outcome == "ok" else {}
    return {
        "by": "publisher-1", "n": number, "topic": "chaos/1", "ack": ack, "connection": 1, "node": "node-1",
        "sent": 1.0, "done": 2.0, "outcome": outcome, **place, **more,
    }  # fmt: skip


@pytest.fixture
def honest():
    """A record and histories in which every promise is kept."""
    told = [["attached", "node-1", {}, {"chaos/1": {}}]]
    told += [["event", "chaos/1", "AAAAAAAAAAAAAAAAAAAAAA.1", n, f"publisher-1-{n}"] for n in range(1, 6)]
    record = Record([attempt(n) for n in range(1, 6)], {"subscriber-1": told})
    return record, {node: {"chaos/1": [message(n, n) for n in range(1, 6)]} for node in NODES}


def found(record, histories, **more):
    return " | ".join(checker.check(record, histories, **more))


def test_the_checker_finds_nothing_where_nothing_is_wrong(honest):
    assert found(*honest) == ""


def test_the_checker_finds_a_lost_message(honest):
    record, histories = honest
    for history in histories.values():
        del history["chaos/1"][2]
    assert "node-2 lost 1 acknowledged messages (1 replicated): publisher-1-3" in found(record, histories)


@pytest.mark.parametrize("ack, is_lost", [("stored", True), ("replicated", True), ("accepted", False)])
def test_the_checker_asks_for_what_the_ack_promised(honest, ack, is_lost):
    record, histories = honest
    record.attempts.append(attempt(6, ack=ack))
    assert ("lost" in found(record, histories)) == is_lost


def test_the_checker_finds_a_message_twice_also_one_that_nobody_acknowledged(honest):
    record, histories = honest
    record.attempts[4] = attempt(5, "unknown")
    for history in histories.values():
        history["chaos/1"].append(message(5, 1, partition="BBBBBBBBBBBBBBBBBBBBBB.1"))
    assert "node-1 gives messages of chaos/1 more than once: publisher-1-5" in found(record, histories)


def test_the_checker_finds_a_message_that_nobody_sent(honest):
    record, histories = honest
    del record.attempts[4]
    assert "that nobody sent: publisher-1-5" in found(record, histories)


def test_the_checker_finds_a_broken_order(honest):
    record, histories = honest
    for history in histories.values():
        messages = history["chaos/1"]
        messages[1], messages[2] = message(3, 2), message(2, 3)
    record.attempts[1:3] = [attempt(2, offset=3), attempt(3, offset=2)]
    assert "out of their order: publisher-1-2" in found(record, histories)


def test_the_checker_finds_a_node_that_differs(honest):
    record, histories = honest
    histories["node-3"]["chaos/1"].append(message(6, 6))
    record.attempts.append(attempt(6, "unknown"))
    assert "not the same on node-1 (5) and node-3 (6)" in found(record, histories)


def test_the_checker_finds_a_place_given_away_twice(honest):
    record, histories = honest
    record.attempts.append(attempt(6, offset=5))
    assert "holds publisher-1-5, acknowledged for publisher-1-6" in found(record, histories)


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda told: told.pop(2), "saw a silent gap: chaos/1 AAAAAAAAAAAAAAAAAAAAAA.1 from 2 to 3"),
        (lambda told: told.insert(3, told[2]), "saw a repeat"),
        (lambda told: told.pop(), "never saw 1 acknowledged messages: publisher-1-5"),
        (
            lambda told: told.__setitem__(2, ["gap", "chaos/1", "AAAAAAAAAAAAAAAAAAAAAA.1", 2, 2, "lost"]),
            "never saw 1 acknowledged messages: publisher-1-2",
        ),
        (
            lambda told: told.append(["attached", "node-2", {"chaos/1": {"P": 7}}, {"chaos/1": {"P": 6}}]),
            "node-2 began chaos/1 at P:6, before 7",
        ),
    ],
)
def test_the_checker_finds_what_a_subscriber_should_not_see(honest, change, sentence):
    record, histories = honest
    change(record.subscribers["subscriber-1"])
    assert sentence in found(record, histories)


def test_a_gap_that_was_told_is_no_silent_one(honest):
    record, histories = honest
    record.attempts[1] = attempt(2, "unknown")
    record.subscribers["subscriber-1"][2] = ["gap", "chaos/1", "AAAAAAAAAAAAAAAAAAAAAA.1", 2, 2, "lost"]
    for history in histories.values():
        del history["chaos/1"][1]
    assert found(record, histories) == ""


def test_the_checker_finds_a_registry_that_differs_or_forgot(honest):
    record, histories = honest
    record.topics = [{"what": "create-topic", "topic": "registry/1", "outcome": "ok"}]
    topics = {node: {"registry/1": {"owner": ""}} for node in NODES}
    assert found(record, histories, topics=topics) == ""
    differing = deepcopy(topics)
    differing["node-2"]["registry/1"]["owner"] = "somebody"
    assert "the registry is not the same on node-1 and node-2: registry/1" in found(record, histories, topics=differing)
    assert "lost topics whose creation" in found(record, histories, topics={node: {} for node in NODES})
    record.topics.append({"what": "destroy-topic", "topic": "registry/1", "outcome": "ok"})
    assert "has topics whose destruction" in found(record, histories, topics=topics)


def test_the_checker_finds_a_cursor_that_skips(honest):
    _, histories = honest
    history, cursor = histories["node-1"]["chaos/1"], {"AAAAAAAAAAAAAAAAAAAAAA.1": 2}
    events = [each[:3] for each in history[2:]]
    assert not list(checker.check_cursor("node-1", "chaos/1", cursor, history, history[2:], events, []))
    assert list(checker.check_cursor("node-1", "chaos/1", cursor, history, history[3:], events, []))
    assert list(checker.check_cursor("node-1", "chaos/1", cursor, history, history[2:], events[1:], []))
    assert list(checker.check_cursor("node-1", "chaos/1", cursor, history, history[2:], [*events, events[0]], []))
    twin = [("BBBBBBBBBBBBBBBBBBBBBB.1", 1, events[0][2]), *events[1:]]
    assert not list(checker.check_cursor("node-1", "chaos/1", cursor, history, history[2:], twin, []))
    seen = {("chaos/1", events[0][2]): {("BBBBBBBBBBBBBBBBBBBBBB.1", 1)}}
    cursor["BBBBBBBBBBBBBBBBBBBBBB.1"] = 1
    assert not list(checker.check_cursor("node-1", "chaos/1", cursor, history, history[2:], events[1:], [], seen))
    seen["chaos/1", events[0][2]] = {("BBBBBBBBBBBBBBBBBBBBBB.1", 2)}
    assert list(checker.check_cursor("node-1", "chaos/1", cursor, history, history[2:], events[1:], [], seen))
    told = [(events[0][0], events[0][1], events[0][1])]
    assert not list(checker.check_cursor("node-1", "chaos/1", cursor, history, history[2:], events[1:], told))


def test_percentiles_are_values_that_were_measured():
    assert figures.percentile([1.0, 2.0, 3.0], 99) == 3.0
    assert figures.percentile(list(range(1, 201)), 99) == 198
    assert figures.percentile([4.0], 50) == 4.0


# MARK: the shims


@pytest.fixture(scope="module")
def shims(tmp_path_factory):
    sources = [ROOT / "Tools/lib/chaos" / name for name in ("clock.c", "disk.c")]
    library = tmp_path_factory.mktemp("shims") / "shims.so"
    try:
        subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", library, *sources, "-ldl"], check=True)
    except FileNotFoundError:
        pytest.skip("there is no gcc")
    return library


class Worst:
    """The chance that leaves nothing that was not synced."""

    def choice(self, options):
        return options[0]

    def randint(self, least, _):
        return least

    def random(self):
        return 1.0


@pytest.fixture
def disk(tmp_path, shims):
    """A disk whose power can be cut: runs Python with the shims in its way, in the directory `data`."""

    class Disk:
        data, copies, journal = tmp_path / "data", tmp_path / "undo", tmp_path / "journal"
        control = Control(tmp_path / "control")

        def run(self, program):
            self.control.path.touch()
            done = subprocess.run(
                [sys.executable, "-c", f"import os, time\nos_open = os.open\nD = {str(self.data)!r} + '/'\n{program}"],
                env={
                    "LD_PRELOAD": str(shims), "CHAOS_CONTROL": str(self.control.path), "CHAOS_DISK": str(self.data),
                    "CHAOS_UNDO": str(self.copies), "CHAOS_JOURNAL": str(self.journal),
                },
                capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        def cut(self, seed=None):
            power.cut(self.data, self.journal, self.copies, Worst() if seed is None else random.Random(seed))
            return {path.name: path.read_bytes() for path in self.data.iterdir()}

    Disk.data.mkdir()
    Disk.copies.mkdir()
    return Disk()


APPENDING = """
def appending(name):
    return os.open(D + name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
def sync_names():
    d = os.open(D[:-1], os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(d)
    os.close(d)
f = appending("log")
os.write(f, b"kept")
os.fdatasync(f)
sync_names()
"""


@pytest.mark.parametrize("seed", range(20))
def test_a_power_cut_keeps_what_was_synced_and_at_most_a_part_of_the_rest(disk, seed):
    disk.run(APPENDING + "os.write(f, b'unsynced')")
    left = disk.cut(seed)["log"]
    assert left.startswith(b"kept") and len(left) <= len(b"keptunsynced")


def test_a_power_cut_takes_and_leaves_different_things_by_its_seed(disk):
    disk.run(APPENDING + "os.write(f, b'unsynced')")
    whole, journal = (disk.data / "log").read_bytes(), disk.journal.read_text()
    lengths = set()
    for seed in range(20):
        (disk.data / "log").write_bytes(whole)
        disk.journal.write_text(journal)
        lengths.add(len(disk.cut(seed)["log"]))
    assert 4 in lengths and len(lengths) > 2


def test_a_file_whose_directory_was_not_synced_is_gone(disk):
    disk.run(APPENDING + "g = appending('new')\nos.write(g, b'x')\nos.fdatasync(g)")
    assert "new" not in disk.cut()


def test_names_come_back_after_a_power_cut(disk):
    disk.run(APPENDING + "g = appending('other')\nos.write(g, b'other')\nos.fdatasync(g)\nsync_names()\n"
             "os.rename(D + 'other', D + 'log')")  # fmt: skip
    assert disk.cut() == {"log": b"kept", "other": b"other"}


def test_a_removed_file_comes_back_and_one_whose_removal_was_synced_does_not(disk):
    disk.run(APPENDING + "os.unlink(D + 'log')")
    assert disk.cut() == {"log": b"kept"}
    disk.run("os.unlink(D + 'log')\nd = os.open(D[:-1], os.O_RDONLY)\nos.fsync(d)")
    assert disk.cut() == {}


def test_a_cut_off_end_comes_back_unless_it_was_synced(disk):
    disk.run(APPENDING + "os.ftruncate(f, 1)")
    whole, journal = (disk.data / "log").read_bytes(), disk.journal.read_text()
    copies = {path.name: path.read_bytes() for path in disk.copies.iterdir()}
    left = set()
    for seed in range(20):
        (disk.data / "log").write_bytes(whole)
        disk.journal.write_text(journal)
        for name, content in copies.items():
            (disk.copies / name).write_bytes(content)
        left.add(disk.cut(seed)["log"])
    assert left == {b"k", b"kept"}
    disk.run("f = os.open(D + 'log', os.O_RDWR | os.O_APPEND)\nos.ftruncate(f, 1)\nos.fdatasync(f)")
    assert disk.cut()["log"] == b"k"


def test_what_was_left_by_one_power_cut_is_there_after_the_next(disk):
    disk.run(APPENDING)
    disk.cut()
    disk.run("f = os.open(D + 'log', os.O_RDWR | os.O_APPEND)\nos.write(f, b'more')")
    assert disk.cut()["log"].startswith(b"kept")


def test_what_the_undo_journal_cannot_know_is_counted(disk):
    disk.run(APPENDING + "os.pwrite(f, b'K', 0)")
    assert disk.control["strangers"] == 1 and disk.control["writes"] == 2


TRY = """
def attempt(action):
    try:
        action()
        print("ok")
    except OSError as error:
        print(error.strerror)
"""


def test_the_disk_refuses_what_the_control_says(disk):
    disk.run(APPENDING)
    disk.control["write_error"] = 30
    assert disk.run(TRY + "f = os.open(D + 'log', os.O_RDWR | os.O_APPEND)\nattempt(lambda: os.write(f, b'x'))\n"
                    "attempt(lambda: os.rename(D + 'log', D + 'b'))\nattempt(lambda: os.open(D + 'n', os.O_CREAT))"
                    ).split("\n") == ["Read-only file system"] * 3  # fmt: skip
    disk.control["write_error"] = 0
    disk.control["sync_error"] = 5
    sync = TRY + "f = os.open(D + 'log', os.O_RDWR | os.O_APPEND)\nattempt(lambda: os.fdatasync(f))"
    assert disk.run(sync) == "Input/output error"
    disk.control["sync_error"] = 0
    assert disk.run(sync) == "ok"


def test_a_lying_disk_keeps_nothing(disk):
    disk.control["sync_lies"] = 1
    disk.run(APPENDING)
    assert disk.cut() == {}


def test_the_clock_jumps_by_what_the_control_says_and_the_monotonic_one_does_not(disk):
    before, still = map(float, disk.run("print(time.time(), time.monotonic())").split())
    disk.control["clock_offset_ns"] = 3_600 * 10**9
    after, still_later = map(float, disk.run("print(time.time(), time.monotonic())").split())
    assert 3_600 <= after - before < 3_900 and still_later - still < 300
    assert disk.control["clock_reads"] > 0
