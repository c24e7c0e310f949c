"""The command line of `Tools/chaos`, inside its namespaces."""

import argparse
import os
import random
import shutil
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from chaos import plan, scenarios
from chaos.network import run as command
from chaos.run import Run, Settings

# What a run of `--minutes` publishes: two that retry until a majority has a message, one that gives up, and one for
# each weaker ack.
MIXED = [
    {"window": 32, "roams": True, **each}
    for each in (
        {"ack": "replicated", "retries": True, "rate": 40},
        {"ack": "replicated", "retries": True, "rate": 40},
        {"ack": "replicated", "retries": False, "rate": 40},
        {"ack": "stored", "retries": True, "rate": 40},
        {"ack": "accepted", "retries": True, "rate": 20},
    )
]


def options():
    parser = argparse.ArgumentParser(
        prog="Tools/chaos",
        description="Breaks real nodes on purpose, and compares what they kept with what they promised.",
    )
    parser.add_argument("--minutes", type=float, default=5, help="how long things are broken (5)")
    parser.add_argument("--seed", type=int, help="which faults happen when (by chance)")
    parser.add_argument("--faults", default=",".join(plan.GROUPS), help="which: %(default)s (all)")
    parser.add_argument("--nodes", type=int, default=3, help="how many, 3 to 7 (3)")
    parser.add_argument("--scenario", choices=scenarios.NAMES, help="a named scenario instead of a drawn plan")
    parser.add_argument("--messages", type=int, default=100_000, help="of a scenario (100000)")
    parser.add_argument("--plan", action="store_true", help="print the plan of the seed, and do nothing")
    parser.add_argument(
        "--lying-disks", action="store_true", help="syncs do nothing: with --faults power this must be found broken"
    )
    parser.add_argument(
        "--untimed", action="store_true", help="tell what came too late, but do not call the run broken for it"
    )
    parser.add_argument("--keep", action="store_true", help="keep logs, records and data also of a run that held")
    parser.add_argument("--folder", type=Path, default=Path(".build/chaos"), help="for the evidence (%(default)s)")
    parser.add_argument("--program", type=Path, default=Path(".build/release/roost"), help="(%(default)s)")
    chosen = parser.parse_args()
    if not 3 <= chosen.nodes <= 7:
        parser.error("--nodes is from 3 to 7: with fewer nothing is left to compare after a fault")
    if not 0 < chosen.minutes <= 24 * 60:
        parser.error("--minutes is more than 0, and at most 1440")
    try:
        plan.faults_of(chosen.faults.split(","))
    except ValueError as error:
        parser.error(str(error))
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(1 << 31)
    return chosen


def settings(chosen):
    """What the command line asks for."""
    names = [f"node-{number}" for number in range(1, chosen.nodes + 1)]
    common = {
        "folder": None, "program": chosen.program.resolve(), "tools": (chosen.folder / "tools").resolve(),
        "seed": chosen.seed, "nodes": chosen.nodes, "lying_disks": chosen.lying_disks,
        "untimed": chosen.untimed,
    }  # fmt: skip
    if chosen.scenario:
        return Settings(**common, **scenarios.settings(chosen.scenario, chosen.seed, chosen.messages, names))
    seconds = chosen.minutes * 60
    steps = plan.draw(chosen.seed, seconds, chosen.faults.split(","), names)
    return Settings(**common, steps=steps, seconds=seconds, publishers=MIXED)


def conclude(run, chosen, folder):
    """Says what came of it. Returns the exit code."""
    outcomes = Counter((each["ack"], each["outcome"]) for each in run.record.attempts) if hasattr(run, "record") else {}
    for (ack, outcome), count in sorted(outcomes.items()):
        print(f"    {count:8,} attempts {outcome:8} with ack {ack}")
    if hasattr(run, "kept"):
        print(f"    {run.kept:8,} messages in the history of every node")
        if run.apart:
            print(f"    {run.apart:8,} repeats that a clock was too far off to fold")
        for line in run.figures.lines():
            print(f"    {line}")
    if not run.violations:
        print(f"held: seed {chosen.seed}, {len(run.settings.steps)} faults, 0 lost, 0 repeated, order kept")
        return 0
    print(f"\nbroken: {len(run.violations)} violations with seed {chosen.seed}")
    for each in run.violations:
        print(f"  - {each}")
    print("the plan of faults:")
    for step in run.settings.steps:
        print(f"  {step}")
    print(f"again: Tools/chaos {' '.join(arguments(chosen))}")
    print(f"the evidence (logs, records, data) is in {folder}")
    return 1


def arguments(chosen):
    """The command line that repeats a run."""
    words = ["--seed", str(chosen.seed), "--nodes", str(chosen.nodes)]
    words += ["--lying-disks"] if chosen.lying_disks else []
    if chosen.scenario:
        return [*words, "--scenario", chosen.scenario, "--messages", str(chosen.messages)]
    return [*words, "--minutes", f"{chosen.minutes:g}", "--faults", chosen.faults]


def main():
    chosen = options()
    wanted = settings(chosen)
    if chosen.plan:
        for step in wanted.steps:
            print(step)
        return 0
    Path("/run/netns").mkdir(parents=True, exist_ok=True)
    command("mount", "-t", "tmpfs", "chaos", "/run/netns")
    folder = (chosen.folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{chosen.seed}").resolve()
    folder.mkdir(parents=True)
    wanted.folder = folder
    (folder / "plan").write_text("".join(f"{step}\n" for step in wanted.steps))
    (folder / "again").write_text(f"Tools/chaos {' '.join(arguments(chosen))}\n")
    print(f"==> {len(wanted.steps)} faults in {wanted.seconds:.0f} s, seed {chosen.seed}", flush=True)
    run = Run(wanted)
    try:
        run.run()
    except Exception as error:  # whatever ends a run early is something to look at
        run.tell(traceback.format_exc())
        run.violations.append(f"the run ended early: {type(error).__name__}: {error}")
    code = conclude(run, chosen, folder)
    _keep(run, folder) if code or chosen.keep else shutil.rmtree(folder, ignore_errors=True)
    return code


def _keep(run, folder):
    """Copies what lies on a disk of our own making, which vanishes with the namespaces."""
    for node in run.nodes:
        if os.path.ismount(node.disk):
            shutil.copytree(node.data, folder / node.name / "data", dirs_exist_ok=True)
    (folder / "violations").write_text("".join(f"{each}\n" for each in run.violations))


if __name__ == "__main__":
    sys.exit(main())
