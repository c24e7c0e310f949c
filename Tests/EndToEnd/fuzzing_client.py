"""Autobahn's fuzzing client: what RFC 6455 and RFC 7692 ask of a WebSocket server, as 517 cases against an echo door.

The suite is a program for Python 2.7 and for nothing later: under Python 3 it installs and then cannot be imported.
"""

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from cluster import ROOT

VERSION = "25.10.1"
FOLDER = ROOT / ".build" / "autobahn"
SITE = FOLDER / "site"

# What a server may be found to do; all else is a failure.
GOOD = {"OK", "INFORMATIONAL", "NON-STRICT"}
# Without the extension agreed there is nothing to be tested, and the case says so.
COMPRESSION = ("12.", "13.")

# 9 moves megabytes, 12 and 13 are compression, thousands of messages each.
SETS = {
    "quick": (["*"], ["9.*", "12.*", "13.*"]),
    "deflate": (["12.*", "13.*"], []),
    "full": (["*"], []),
}

INSTALL_LIMIT = 600
RUN_LIMIT = 3_600


class Unavailable(Exception):
    """Why the suite cannot run on this machine."""


def python2():
    """A Python 2.7 of this machine: the one that PYTHON2 names, one in PATH, or one of pyenv's."""
    named = os.environ.get("PYTHON2")
    places = [named] if named else [shutil.which("python2.7"), shutil.which("python2")]
    if not named:
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
        places += sorted(map(str, pyenv.glob("versions/2.7*/bin/python2.7")))
    for place in filter(None, places):
        try:
            # A shim of pyenv may stand in PATH and yet have nothing behind it.
            check = [place, "-c", "import sys, ssl, pip; print(sys.version_info[:2])"]
            if subprocess.run(check, capture_output=True, timeout=60).stdout.strip() == b"(2, 7)":
                return place
        except OSError:
            continue
    if named:
        raise Unavailable(f"PYTHON2 names {named}, which is no Python 2.7 with pip and ssl")
    raise Unavailable("there is no Python 2.7 with pip and ssl, in which Autobahn's suite is written; set PYTHON2")


def install():
    """Installs the suite from PyPI, unless it is there; gives the Python that runs it."""
    python, stamp = python2(), FOLDER / "installed.txt"
    wanted = f"{VERSION} {python}\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir(parents=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(SITE),
               f"autobahntestsuite=={VERSION}"]  # fmt: skip
    log = FOLDER / "install.log"
    with log.open("wb") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=INSTALL_LIMIT)
    if done.returncode != 0:
        raise Unavailable(f"pip could not install autobahntestsuite {VERSION} from PyPI: see {log}")
    # A folder of packages has no .pth files, so that the namespace has to be a package.
    (SITE / "zope" / "__init__.py").touch()
    version = _python(python, ["-c", "import autobahntestsuite as suite; print(suite.version)"], capture_output=True)
    if version.returncode != 0:
        error = version.stderr.decode().strip()
        raise Unavailable(f"autobahntestsuite {VERSION} was installed and cannot be imported: {error}")
    stamp.write_text(wanted)
    return python


def _python(python, arguments, **options):
    # Only what was installed here, whatever modules lie in the working folder or in the user's own.
    environment = {**os.environ, "PYTHONPATH": str(SITE), "PYTHONNOUSERSITE": "1"}
    return subprocess.run([python, *arguments], env=environment, cwd=FOLDER, stdin=subprocess.DEVNULL, **options)


def run(python, url, chosen, folder):
    """Runs cases against an echo door; a set's name, or patterns such as `1.*,7.7.1`. Gives the results by case."""
    cases, excluded = SETS.get(chosen) or (chosen.split(","), [])
    folder.mkdir(parents=True, exist_ok=True)
    specification = {
        "outdir": str(folder), "servers": [{"agent": "roost", "url": url}], "cases": cases,
        "exclude-cases": excluded, "exclude-agent-cases": {},
    }  # fmt: skip
    (folder / "specification.json").write_text(json.dumps(specification))
    with (folder / "log.txt").open("wb") as log:
        done = _python(
            python,
            ["-c", "from autobahntestsuite.wstest import run; run()", "-m", "fuzzingclient", "-s",
             str(folder / "specification.json")],
            stdout=log, stderr=log, timeout=RUN_LIMIT,
        )  # fmt: skip
    index = folder / "index.json"
    assert done.returncode == 0 and index.exists(), f"the suite did not come to its end: see {folder / 'log.txt'}"
    results = json.loads(index.read_text())
    assert list(results) == ["roost"] and results["roost"], f"the suite has no results: see {folder / 'log.txt'}"
    return results["roost"]


def number(case):
    """Cases in the order of their numbers."""
    return [int(part) for part in case.split(".")]


def is_bad(case, result):
    """Whether a case went wrong. One of compression that found none agreed says nothing."""
    if result["behavior"] == "UNIMPLEMENTED" and case.startswith(COMPRESSION):
        return False
    return result["behavior"] not in GOOD or result["behaviorClose"] not in GOOD


def findings(results):
    """What is worth reading: cases that are not simply right, in order, with what they are and whether that is bad."""
    plain = {"OK", "INFORMATIONAL"}
    return [
        (case, f"{result['behavior']}, close {result['behaviorClose']}", is_bad(case, result))
        for case, result in sorted(results.items(), key=lambda item: number(item[0]))
        if result["behavior"] not in plain or result["behaviorClose"] not in plain
    ]


def counts(results, what="behavior"):
    """How many cases came to what, the commonest first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(r[what] for r in results.values()).most_common())
