"""What a reproduction came to: for people, for programs, and as a picture.

Owns what must have happened for it to count, reproduce.json, and the two figures. It must not run
anything.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from analyzer.comparison import compare
from analyzer.diagnosis.confidence import Confidence
from analyzer.reports import figures
from analyzer.reports.json_report import comparison_json
from telemetry.alerts.rules import used_ratio
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import FILE_NAME
from telemetry.reading import Reading
from telemetry.thread_line import clean_label
from trainer.reproduce.scenarios import FOLDS, ISOLATED, ONE_PROCESS, RUNS
from trainer.run.fold_result import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from telemetry.alerts.alert import Alert
    from trainer.reproduce.scenarios import Reproduced

RECORD = "reproduce.json"
PICTURE, CRASH_PICTURE = "before-and-after.png", "crash.png"
FILES = (RECORD, PICTURE, CRASH_PICTURE)
UNCOUNTED = ("nproc", "address_space")
"""Ceilings whose hits the kernel does not count: likely is what can be said of them."""
PACKAGES = ("foldwatch", "tensorflow", "keras", "numpy", "scikit-learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioOutcome:
    """The figures of one reproduction."""

    fold: int | None
    """In which the one process died."""
    message: str | None
    """What it wrote: none where the kernel killed it."""
    signal: str | None
    last_label: str | None
    end: float | None
    """When it ended, in seconds since the epoch."""
    alert: Alert | None
    """The first of the ceiling that was met."""
    lead_seconds: float | None
    """From that alert to the end of the process."""
    cause: str | None
    confidence: str | None
    evidence: tuple[str, ...]
    used_at_most: Mapping[str, float | None]
    """By run, the most of the ceiling that a reading saw in use: 1 is all of it."""

    @classmethod
    def of(cls, found: Reproduced, place: str) -> ScenarioOutcome:
        """Take them from the analysis of the one process, the alerts of its run, and the journals."""
        finding = found.one_process.first_failure
        process = None if finding is None else finding.process
        crash = None if process is None else process.crash
        end = None if process is None else process.exit
        cause = next(iter(() if finding is None else finding.causes), None)
        ceiling = found.enforcement.ceiling
        alert = next((a for a in found.alerts if a.labels.get("ceiling") == ceiling), None)
        return cls(
            fold=process.folds[-1] if process is not None and process.folds else None,
            message=None if crash is None or not crash.line else clean_label(crash.text),
            signal=None if crash is None else crash.signal,
            last_label=None if crash is None else crash.last_label,
            end=None if end is None else end.time,
            alert=alert,
            lead_seconds=None if alert is None or end is None else end.time - alert.began,
            cause=None if cause is None else cause.cause,
            confidence=None if cause is None else cause.confidence,
            evidence=() if cause is None else cause.evidence,
            used_at_most={run: _peak(os.path.join(place, run), ceiling) for run in RUNS},
        )


def missing(found: Reproduced, outcome: ScenarioOutcome) -> list[str]:
    """Say what did not come about of crash, alert, cause and isolated run; empty when all of it did."""
    ceiling = found.enforcement.ceiling
    checks = {
        "the one process did not crash": outcome.fold is not None,
        f"the cause is not told to be {ceiling}": outcome.cause == ceiling,
        "the cause is not certain": outcome.confidence == Confidence.CERTAIN
        or (ceiling in UNCOUNTED and outcome.confidence == Confidence.LIKELY),
        "no alert came before the crash": (outcome.lead_seconds or 0) > 0,
        "the isolated run is not complete": len(found.finished) == FOLDS,
    }
    return [words for words, holds in checks.items() if not holds]


def record(found: Reproduced, outcome: ScenarioOutcome) -> dict[str, Any]:
    """Return what reproduce.json holds; absent values are null."""
    alert = outcome.alert
    return {
        "schema": 1,
        "scenario": found.scenario,
        "limit": found.enforcement.words,
        "ceiling": found.enforcement.ceiling,
        "crash": {
            "fold": outcome.fold,
            "exit_code": found.exit_code,
            "signal": outcome.signal,
            "message": outcome.message,
            "last_label": outcome.last_label,
        },
        "alert": None
        if alert is None
        else {
            "name": alert.name,
            "summary": alert.summary,
            "seconds_before_the_crash": outcome.lead_seconds,
        },
        "cause": outcome.cause,
        "standing": outcome.confidence,
        "evidence": list(outcome.evidence),
        "isolated": {"folds": FOLDS, "finished": list(found.finished)},
        "used_at_most": outcome.used_at_most,
        "before_and_after": comparison_json(compare(found.one_process, found.isolated)),
        "missing": missing(found, outcome),
        "seconds": found.seconds,
        "machine": machine(),
    }


def machine() -> dict[str, object]:
    """Return what the figures depend on: the kernel, the cores, and the versions of what ran."""
    return {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "python": platform.python_version(),
        **{name: known for name in PACKAGES if (known := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write(found: Reproduced, outcome: ScenarioOutcome, place: str) -> None:
    """Write reproduce.json and both pictures into ``place``. Raises InputError, and OSError."""
    text = json.dumps(record(found, outcome), indent=2) + "\n"
    write_whole(os.path.join(place, RECORD), text)
    figures.save(before_and_after(found, outcome, place), os.path.join(place, PICTURE))
    figures.save(figures.plot(found.one_process), os.path.join(place, CRASH_PICTURE))


def before_and_after(found: Reproduced, outcome: ScenarioOutcome, place: str) -> Figure:
    """Draw how full the ceiling was over time: the one process, and each isolated one."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - loaded when a figure is made

    figure = Figure(figsize=(9, 4), layout="constrained")
    panel: Axes = figure.subplots()
    ceiling = found.enforcement.ceiling
    for folder, colour, words in (
        (ISOLATED, figures.GOOD, "a process for each fold"),
        (ONE_PROCESS, figures.ALARM, "one process"),
    ):
        began, lanes = _lanes(os.path.join(place, folder), ceiling)
        for number, lane in enumerate(lanes):
            label = words if number == 0 else None
            panel.plot(
                [t - began for t, _ in lane], [r for _, r in lane], color=colour, label=label
            )
        if folder == ONE_PROCESS and lanes:
            last, crash = lanes[-1][-1], _crash(outcome, ceiling, lanes[-1][-1])
            times, ratios = [last[0] - began, crash[0] - began], [last[1], crash[1]]
            panel.plot(times, ratios, color=colour)
            panel.plot(times[1], ratios[1], "x", color=colour, ms=11, mew=3, label="crash")
            if outcome.alert is not None:
                panel.axvline(
                    outcome.alert.began - began, color=figures.WARN, ls="--", label="alert"
                )
    panel.axhline(1, color=figures.MUTED, lw=1)
    panel.set(xlabel="seconds", ylabel=f"{ceiling}, % of the limit", ylim=(0, 1.08))
    panel.set_title(f"foldwatch reproduce {found.scenario}", loc="left", color=figures.INK)
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _crash(
    outcome: ScenarioOutcome, ceiling: str, last: tuple[float, float]
) -> tuple[float, float]:
    """Return when the process ended and how full the ceiling was: all of it where that is proven."""
    is_proven = (outcome.cause, outcome.confidence) == (ceiling, Confidence.CERTAIN)
    return outcome.end or last[0], max(1.0, last[1]) if is_proven else last[1]


def _peak(place: str, ceiling: str) -> float | None:
    _, lanes = _lanes(place, ceiling)
    return max((ratio for lane in lanes for _, ratio in lane), default=None)


def _lanes(place: str, ceiling: str) -> tuple[float, list[list[tuple[float, float]]]]:
    """Return the first reading's time, and by process how full the ceiling was when."""
    by_pid: dict[int, list[tuple[float, float]]] = {}
    for folder, _, names in sorted(os.walk(place)):
        if FILE_NAME not in names or "previous-" in folder[len(place) :]:
            continue
        for reading in JournalFollower(os.path.join(folder, FILE_NAME)).finish():
            if isinstance(reading, Reading) and (ratio := used_ratio(reading, ceiling)) is not None:
                by_pid.setdefault(reading.pid, []).append((reading.time, ratio))
    lanes = sorted(by_pid.values())
    return (lanes[0][0][0] if lanes else 0.0), lanes
