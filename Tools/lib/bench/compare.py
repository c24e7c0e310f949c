"""What Tools/bench compares: one load on every server in turn, several rounds, medians, and ratios to a loop in C."""

import argparse
import json
import os
import statistics
import subprocess

from servers import BINARY, Mosquitto, Nats, Nchan, Roost, SendLoop

#: The load at which latencies mean something.
RATE = "100 subscribers, 200 messages/s"
#: A name, what `roost bench` is told, and whether it belongs to the quick run.
SCENARIOS = [
    ("100 subscribers, 1 in flight", ["fan-out", "--subscribers", "100"], True),
    ("100 subscribers, 16 in flight", ["fan-out", "--subscribers", "100", "--in-flight", "16"], True),
    ("1,000 subscribers, 1 in flight", ["fan-out", "--subscribers", "1000"], False),
    ("1,000 subscribers, 16 in flight", ["fan-out", "--subscribers", "1000", "--in-flight", "16"], False),
    (RATE, ["fan-out", "--subscribers", "100", "--rate", "200"], True),
]
#: How many times as many rounds a rate has. Its p99 is the last subscribers of a few messages, which one stall of the machine
#: decides, so that its median needs more of them.
RATE_ROUNDS = 3
#: What Roost's event has around a message's own bytes, so that the second loop sends frames as long as Roost's.
ENVELOPE = 228
IDLE = "10,000 idle subscribed connections"


def cores():
    """The server's core and the client's; None for both where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def bench(server, arguments, client_core):
    """One run of the load; its report, with the exit code."""
    pinned = ["taskset", "-c", str(client_core)] if client_core is not None else []
    command = [*pinned, str(BINARY), "bench", *arguments, *server.bench_flags(), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise RuntimeError(f"{server.name}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    report["complaint"] = done.stderr.strip().removeprefix("roost: ") if done.returncode else ""
    return report


def measure(servers, arguments, rounds, client_core):
    """By server's name the reports of every round, the servers in turn within each."""
    reports = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            try:
                with server:
                    reports[server.name].append(bench(server, arguments, client_core))
            except RuntimeError as error:
                print(f"  note: {error}", flush=True)
    return reports


def median(reports, get):
    return statistics.median([get(report) for report in reports]) if reports else None


def cell(value, reference, unit_digits=2):
    """A figure and, behind it, its ratio to the reference's."""
    if value is None:
        return "-"
    ratio = f" ({value / reference:.2f})" if reference else ""
    return f"{value:,.{unit_digits}f}{ratio}"


def show(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    print(flush=True)


def show_load(title, reports):
    """A table of one scenario, each figure with its ratio to the loop in C."""
    figures = {
        "CPU s per million": lambda r: r["server"]["cpuSecondsPerMillionDeliveries"],
        "p50 µs": lambda r: r["latency"]["p50"],
        "p99 µs": lambda r: r["latency"]["p99"],
        "deliveries/s": lambda r: r["deliveries"] / r["seconds"],
        "bytes each": lambda r: r["bytesRead"] / r["deliveries"],
        "a read": lambda r: r["deliveries"] / r["reads"],
    }
    base = {name: median(reports.get(SendLoop.name), get) for name, get in figures.items()}
    rows = [[title, *figures, ""]]
    for server, runs in reports.items():
        complaints = sorted({run["complaint"] for run in runs if run["complaint"]})
        digits = {"CPU s per million": 3, "a read": 1}
        cells = []
        for name, get in figures.items():
            reference = base[name] if name in ("CPU s per million", "p50 µs", "p99 µs") else None
            cells.append(cell(median(runs, get), reference, digits.get(name, 0)))
        rows.append([server, *cells, "; ".join(complaints)])
    show(rows)


def show_idle(reports):
    rows = [[IDLE, "bytes each", "seconds to attach", ""]]
    for server, runs in reports.items():
        each = median(runs, lambda r: r["server"]["bytesPerSubscriber"])
        attach = median(runs, lambda r: r["openings"][-1]["seconds"])
        complaints = "; ".join(sorted({run["complaint"] for run in runs if run["complaint"]}))
        rows.append([server, cell(each, None, 0), cell(attach, None), complaints])
    show(rows)


def main():
    parser = argparse.ArgumentParser(prog="Tools/bench")
    parser.add_argument("part", nargs="?", default="all", choices=["all", "quick"])
    parser.add_argument(
        "--rounds", type=int,
        help="rounds of each load (default 3; 2 when quick), three times as many of a rate unless quick",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, help="measured seconds of each load (default 2; 1 when quick)")
    parser.add_argument("--only", help="servers whose names hold one of these words, separated by commas")
    parser.add_argument("--scenario", help="loads whose names hold this text; idle for the idle connections")
    options = parser.parse_args()
    quick = options.part == "quick"
    rounds = options.rounds or (2 if quick else 3)
    seconds = options.seconds or (1 if quick else 2)
    rate_times = 1 if quick else RATE_ROUNDS
    server_core, client_core = cores()
    if server_core is None:
        print("note: there is only one core, so the client takes from what it measures")
    candidates = [
        Roost(server_core), Roost(server_core, "memory"), SendLoop(server_core),
        SendLoop(server_core, extra=ENVELOPE), Mosquitto(server_core), Nchan(server_core), Nats(server_core),
    ]  # fmt: skip
    servers = []
    for server in candidates:
        if options.only and not any(word in server.name for word in options.only.split(",")):
            continue
        reason = server.missing()
        if reason:
            print(f"note: {server.name} is left out: {reason}")
            continue
        print(f"{server.name} {server.version()}".rstrip())
        servers.append(server)
    print(
        f"128-byte messages over WebSocket, {rounds} rounds in turn ({rounds * rate_times} of a rate), medians; in "
        "parentheses the ratio to the loop in C.\n"
        "Messages in flight are those that some subscriber has yet to get; a rate's latency counts from when each was due.\n",
        flush=True,
    )
    load = ["--seconds", str(seconds), "--warm-up", "0.5"]
    for title, arguments, is_quick in SCENARIOS:
        if (options.scenario and options.scenario not in title) or (quick and not is_quick):
            continue
        times = rate_times if title == RATE else 1
        show_load(title, measure(servers, [*arguments, *load], rounds * times, client_core))
    if (options.scenario or "idle") in IDLE:
        count = "2000" if quick else "10000"
        idle = ["idle", "--subscribers", count, "--seconds", "0.5", "--at-once", "128"]
        if quick:
            print("(quick: 2,000 connections)")
        show_idle(measure(servers, idle, 1, client_core))


main()
