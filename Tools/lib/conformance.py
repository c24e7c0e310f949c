"""What Tools/conformance does: a real node with its echo door, Autobahn's fuzzing client, and what it found."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Tests" / "EndToEnd"))

import fuzzing_client  # noqa: E402
from cluster import Cluster  # noqa: E402

SKIPPED = 77


def main():
    parser = argparse.ArgumentParser(
        prog="Tools/conformance",
        description="Runs Autobahn's WebSocket cases against a node's echo door. Ends with 0 when none failed, 1 when "
        f"one did, {SKIPPED} when the suite cannot run here.",
    )
    parser.add_argument(
        "cases", nargs="?", default="quick",
        help="quick (all but 9, 12 and 13; the default), deflate (12 and 13), full, or patterns: 1.*,7.7.1",
    )  # fmt: skip
    chosen = parser.parse_args().cases
    try:
        python = fuzzing_client.install()
    except fuzzing_client.Unavailable as reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    folder = fuzzing_client.FOLDER / "reports" / "".join(c if c.isalnum() or c in ".," else "_" for c in chosen)
    began = time.monotonic()
    with Cluster(1, "--test-doors") as cluster:
        results = fuzzing_client.run(python, f"{cluster[0].url}/echo", chosen, folder)
    print(f"{len(results)} cases in {time.monotonic() - began:.0f} s: {fuzzing_client.counts(results)}")
    print(f"How the connections were closed: {fuzzing_client.counts(results, 'behaviorClose')}")
    findings = fuzzing_client.findings(results)
    for case, found, bad in findings:
        if bad or not case.startswith(fuzzing_client.COMPRESSION):
            print(f"  {'FAILED' if bad else 'note  '}  {case}: {found}")
    missing = sum(result["behavior"] == "UNIMPLEMENTED" for result in results.values())
    if missing:
        print(f"  note    {missing} cases of compression had nothing to test: permessage-deflate was not agreed")
    print(f"A page for each case: {folder / 'index.html'}")
    failed = sum(bad for _, _, bad in findings)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
