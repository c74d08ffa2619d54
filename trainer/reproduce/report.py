"""The outcome of a reproduction: what counts as a success, reproduce.json, and two figures."""

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
from telemetry.journal.follower import JournalFollower
from telemetry.journal.run_layout import JOURNAL, is_set_aside
from telemetry.reading import Reading
from telemetry.thread_line import clean_label
from telemetry.used_share import used_ratio
from trainer.reproduce.scenarios import FOLDS, ISOLATED, ONE_PROCESS, RUNS
from trainer.run.durable_files import write_whole

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
"""Limits whose hits the kernel does not count, so their cause is likely at best."""
PACKAGES = ("foldwatch", "tensorflow", "keras", "numpy", "scikit-learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioOutcome:
    """The figures of one reproduction."""

    fold: int | None
    """The fold in which the one process died."""
    message: str | None
    """Its error message; None if the kernel killed it."""
    signal: str | None
    last_label: str | None
    end: float | None
    """The time of its end, in seconds since the epoch."""
    alert: Alert | None
    """The first alert about the limit that was reached."""
    lead_seconds: float | None
    """Seconds from that alert to the end of the process."""
    cause: str | None
    confidence: str | None
    evidence: tuple[str, ...]
    used_at_most: Mapping[str, float | None]
    """By run, the highest use of the limit in any reading; 1 is the limit."""

    @classmethod
    def of(cls, found: Reproduced, path: str) -> ScenarioOutcome:
        """Collect them from the analysis of the one process, the alerts of its run, and the journals."""
        finding = found.one_process.first_failure
        process = None if finding is None else finding.process
        crash = None if process is None else process.crash
        end = None if process is None else process.exit
        cause = next(iter(() if finding is None else finding.causes), None)
        limit = found.enforcement.limit
        alert = next((a for a in found.alerts if a.labels.get("ceiling") == limit), None)
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
            used_at_most={run: _peak(os.path.join(path, run), limit) for run in RUNS},
        )


def missing(found: Reproduced, outcome: ScenarioOutcome) -> list[str]:
    """Return each expectation that was not met, a sentence each; empty if all were."""
    limit = found.enforcement.limit
    checks = {
        "the one process did not crash": outcome.fold is not None,
        f"the cause found is not {limit}": outcome.cause == limit,
        "the cause is not certain": outcome.confidence == Confidence.CERTAIN
        or (limit in UNCOUNTED and outcome.confidence == Confidence.LIKELY),
        "no alert came before the crash": (outcome.lead_seconds or 0) > 0,
        "the isolated run is not complete": len(found.finished) == FOLDS,
    }
    return [sentence for sentence, holds in checks.items() if not holds]


def record(found: Reproduced, outcome: ScenarioOutcome) -> dict[str, Any]:
    """Return the content of reproduce.json; absent values are null."""
    alert = outcome.alert
    return {
        "schema": 1,
        "scenario": found.scenario,
        "limit": found.enforcement.description,
        "ceiling": found.enforcement.limit,
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
    """Return the kernel, the hardware and the package versions, on which the figures depend."""
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


def write(found: Reproduced, outcome: ScenarioOutcome, path: str) -> None:
    """Write reproduce.json and both pictures into the directory ``path``.

    Raises:
        InputError: A picture cannot be written.
        OSError: reproduce.json cannot be written.
    """
    text = json.dumps(record(found, outcome), indent=2) + "\n"
    write_whole(os.path.join(path, RECORD), text)
    figures.save(before_and_after(found, outcome, path), os.path.join(path, PICTURE))
    figures.save(figures.plot(found.one_process), os.path.join(path, CRASH_PICTURE))


def before_and_after(found: Reproduced, outcome: ScenarioOutcome, path: str) -> Figure:
    """Draw the use of the limit over time, for the one process and each isolated one."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - loaded when a figure is made

    figure = Figure(figsize=(9, 4), layout="constrained")
    panel: Axes = figure.subplots()
    limit = found.enforcement.limit
    for folder, colour, title in (
        (ISOLATED, figures.GOOD, "a process for each fold"),
        (ONE_PROCESS, figures.ALARM, "one process"),
    ):
        began, lanes = _lanes(os.path.join(path, folder), limit)
        for number, lane in enumerate(lanes):
            label = title if number == 0 else None
            panel.plot(
                [t - began for t, _ in lane], [r for _, r in lane], color=colour, label=label
            )
        if folder == ONE_PROCESS and lanes:
            last, crash = lanes[-1][-1], _crash(outcome, limit, lanes[-1][-1])
            times, ratios = [last[0] - began, crash[0] - began], [last[1], crash[1]]
            panel.plot(times, ratios, color=colour)
            panel.plot(times[1], ratios[1], "x", color=colour, ms=11, mew=3, label="crash")
            if outcome.alert is not None:
                panel.axvline(
                    outcome.alert.began - began, color=figures.WARN, ls="--", label="alert"
                )
    panel.axhline(1, color=figures.MUTED, lw=1)
    panel.set(xlabel="seconds", ylabel=f"{limit}, % of the limit", ylim=(0, 1.08))
    panel.set_title(f"foldwatch reproduce {found.scenario}", loc="left", color=figures.INK)
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _crash(outcome: ScenarioOutcome, limit: str, last: tuple[float, float]) -> tuple[float, float]:
    """Return the time of the end and the use of the limit: 1 or more if the cause is certain."""
    is_proven = (outcome.cause, outcome.confidence) == (limit, Confidence.CERTAIN)
    return outcome.end or last[0], max(1.0, last[1]) if is_proven else last[1]


def _peak(path: str, limit: str) -> float | None:
    _, lanes = _lanes(path, limit)
    return max((ratio for lane in lanes for _, ratio in lane), default=None)


def _lanes(path: str, limit: str) -> tuple[float, list[list[tuple[float, float]]]]:
    """Return the first reading's time, and by process the times and uses of the limit."""
    by_pid: dict[int, list[tuple[float, float]]] = {}
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not is_set_aside(name)]
        if JOURNAL not in names:
            continue
        for reading in JournalFollower(os.path.join(folder, JOURNAL)).finish():
            if isinstance(reading, Reading) and (ratio := used_ratio(reading, limit)) is not None:
                by_pid.setdefault(reading.pid, []).append((reading.time, ratio))
    lanes = sorted(by_pid.values())
    return (lanes[0][0][0] if lanes else 0.0), lanes
