"""A fault of the file system at each call that the runner or an agent makes on the run directory, one in each run.

Every call (open, read, write, rename, ...) on every file is tried with EIO, ENOSPC, ESTALE, EACCES, EINTR, and writes also
cut short. A run has three folds, of which the last one fails; each run is then resumed without a fault.

    python -m benchmarks.faults_of_runs            # all of them
    python -m benchmarks.faults_of_runs 100 7      # 100 of them, chosen by the seed 7
"""

from __future__ import annotations

import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

from benchmarks.kills_of_runs import orphans
from tests.support.faults import ERRNOS, Fault, Site
from trainer.run.directory import RunDirectory

AT_ONCE = 3
HELD = "no room on the file system"
"""What is said of folds that are not started because the disk is full: they run when it is not."""
TWIN = "agent 2"
"""The agent of a fold that finishes, as that of fold 1 does: it makes the same calls."""
HANG_SECONDS = 20
"""Ten more than a run takes on a machine that is busy."""
FOLD = """
import os, sys
place, fold = sys.argv[1:]
with open(os.path.join(place, "begun"), "a") as file:
    file.write(f"{fold} {os.getpid()}\\n")
with open(os.environ["FOLDWATCH_METRICS"], "w") as file:
    file.write('{"score": %s}' % (int(fold) / 7))
sys.exit(fold == "3")
"""


@dataclass(slots=True)
class Outcome:
    """What became of the runs, counted; each fault that did harm is named."""

    points: int = 0
    """Faults that came."""
    not_reached: int = 0
    """Faults whose call was not made this time."""
    hangs: int = 0
    orphans: int = 0
    lost: int = 0
    """Folds without a result though the fault was in no file of theirs, and the run was begun."""
    wrong: int = 0
    """Runs that ended as if all had finished, or whose summary counts a fold that failed."""
    failed: int = 0
    """Tracebacks, and runs that could not be resumed."""
    harmful: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended."""

    code: int
    said: str
    sites: list[Site]
    was_hit: bool


def run(place: str, fault: Fault | None, *options: str) -> Ended | None:
    """Run three folds at ``place``; None if that did not end."""
    report = f"{place}/report.json"
    chosen = None if fault is None else [*fault.site, fault.how]
    command = [sys.executable, "-m", "tests.scripts.faulty_foldwatch", f"{place}/run", report]
    command += [json.dumps(chosen), "run", "--folds", "3", *options, "--output", f"{place}/run"]
    command += ["--", sys.executable, "-I", "-S", "-c", FOLD, place, "{fold}"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, said = process.communicate(timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    reports = []
    for path in sorted(glob.glob(f"{report}.*")):
        with open(path, encoding="utf-8") as file:
            reports.append(json.load(file))
        os.unlink(path)
    sites = [Site(*site) for one in reports for site in one["sites"]]
    return Ended(process.returncode, said, sites, any(one["was_hit"] for one in reports))


def points() -> list[Fault]:
    """Return each call of an undisturbed run, and of its resumption, with each way to fail."""
    with tempfile.TemporaryDirectory() as place:
        ended = [run(place, None), run(place, None, "--resume-mode", "auto")]
    sites = dict.fromkeys(site for one in ended if one is not None for site in one.sites)
    return [
        Fault(site, how)
        for site in sites
        if site.process != TWIN
        for how in ERRNOS
        if how != "short" or site.call == "write"
    ]


def finished(place: str) -> set[int]:
    """Return the folds with a whole result."""
    directory = RunDirectory(f"{place}/run")
    return {fold for fold in (1, 2, 3) if directory.result(fold) is not None}


def counted(place: str) -> set[int]:
    """Return the folds that the summary counts."""
    try:
        with open(f"{place}/run/summary.json", encoding="utf-8") as file:
            return set(json.load(file)["folds_finished"])
    except OSError:
        return set()


def innocent(fault: Fault) -> set[int]:
    """Return the folds whose files the fault was not in."""
    words = f"{fault.site.process} {fault.site.path}"
    return {1, 2} - {int(fold) for fold in re.findall(r"(?:agent |fold-)(\d)", words)}


def harm(fault: Fault) -> dict[str, int]:
    """Run once with a fault, resume without one, and return what went wrong."""
    with tempfile.TemporaryDirectory() as place:
        ended = run(place, fault)
        alive = orphans(place)
        if ended is None:
            return {"points": 1, "hangs": 1, "orphans": alive}
        whole = finished(place)
        was_refused = ended.code == 2 and not os.path.exists(f"{place}/begun")
        found = {
            "points": ended.was_hit,
            "not_reached": not ended.was_hit,
            "orphans": alive,
            "lost": 0 if was_refused or HELD in ended.said else len(innocent(fault) - whole),
            "wrong": ended.code == 0 or not counted(place) <= whole or 3 in whole,
            "failed": "Traceback" in ended.said,
        }
        again = run(place, None, "--resume-mode", "auto")
        if again is None or (again.code, finished(place)) != (1, {1, 2}):
            found["failed"] = True
    return {name: int(count) for name, count in found.items()}


def tried(faults: list[Fault]) -> Outcome:
    """Try every fault."""
    outcome = Outcome()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for fault, found in zip(faults, pool.map(harm, faults), strict=True):
            for name, count in found.items():
                setattr(outcome, name, getattr(outcome, name) + count)
            if bad := [
                name for name, n in found.items() if n and name not in {"points", "not_reached"}
            ]:
                outcome.harmful.append(
                    f"{' '.join(map(str, fault.site))} {fault.how}: {', '.join(bad)}"
                )
    return outcome


def main(count: int | None = None, seed: int = 7) -> None:
    """Print one JSON object."""
    faults = points()
    if count is not None:
        faults = random.Random(seed).sample(faults, min(count, len(faults)))
    print(json.dumps(asdict(tried(faults))))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
