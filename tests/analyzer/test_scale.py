"""Analysing a log takes work in proportion to it, however many labels, folds and processes it names.

Work is counted, in bytecodes, so that no clock is in the way.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.reports.html_report import as_html

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FEW = 60
"""Four times as many cost less than four times as much, for there is work that is done once."""
START = "[THREADS] {}: proc=30, cgroup=500/7680, maps={}/65530, rss={}MB\n"
KILLED = "RuntimeError: DataLoader worker (pid 123) is killed by signal: Killed.\n"
REFUSED = "Thread tf_ creation via pthread_create() failed.\n"


def line(label: str, maps: int = 2000, rss: int = 1200) -> str:
    return START.format(label, maps, rss)


LOGS: dict[str, Callable[[int, int], str]] = {
    "labels": lambda n, _: line(f"label {n}"),
    "labels in two folds": lambda n, of: line(f"Fold {1 + 2 * n // of}/2 label {n % (of // 2)}"),
    "folds": lambda n, of: line(f"Fold {n + 1}/{of} START", 2000 + n, 1200 + n),
    "folds with stages of their own": lambda n, of: line(f"Fold {n + 1}/{of} stage {n // 3}"),
    "epochs": lambda n, of: line(f"Fold 1/2 epoch {n + 1}/{of}", 2000 + n),
    "processes one after another": lambda n, of: (
        line("before TF import", 100, 100) + line(f"Fold {n + 1}/{of} START")
    ),
    "processes that each ended in a crash": lambda n, _: (
        line("before TF import", 100, 100) + line(f"Fold {n % 5 + 1}/5 START") + REFUSED
    ),
    "processes side by side": lambda n, of: f"[rank{n}]: " + line(f"Fold {n + 1}/{of} START"),
    "processes side by side that were killed": lambda n, _: (
        f"[rank{n}]: " + line("Fold 1/2 START") + f"[rank{n}]: {KILLED}"
    ),
    "processes side by side that went on": lambda n, _: (
        f"[rank{n}]: {REFUSED}" + f"[rank{n}]: " + line("Fold 1/2 START")
    ),
    "signs that the process survived": lambda n, _: line(f"step {n % 5}") + REFUSED,
    "refused lines": lambda _, __: "[THREADS] nonsense\n",
}


def bytecodes(work: Callable[[], object]) -> int:
    """Count what ``work`` executes."""
    count = 0

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOGS)
def test_work_grows_with_the_log_and_no_faster(kind: str, tmp_path: Path) -> None:
    """Four times as many of what there may be 100,000 of: quadratic work would be more than four."""
    bytecodes(lambda: None)  # Python 3.12 counts none until it has been asked once
    counts = []
    for many in (FEW, 4 * FEW):
        path = tmp_path / f"{many}.log"
        path.write_text("".join(LOGS[kind](n, many) for n in range(many)))
        analyze([str(path)])  # what is made once and kept
        counts.append(bytecodes(partial(analyze, [str(path)])))
    assert counts[1] < 4.1 * counts[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["labels in two folds", "processes that each ended in a crash", "processes side by side"],
)
def test_work_of_a_page_grows_no_faster_than_the_log(kind: str, tmp_path: Path) -> None:
    """Its charts, its tables and what it says of each process; what is made once is made before."""
    counts = []
    for many in (FEW, FEW, 4 * FEW):
        path = tmp_path / f"{many}.log"
        path.write_text("".join(LOGS[kind](n, many) for n in range(many)))
        counts.append(bytecodes(partial(as_html, analyze([str(path)]))))
    assert counts[2] < 4.1 * counts[1]
