"""Big logs and many of them are read by every core, with the same result as by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.logs import parallel
from analyzer.logs.parallel import ByteRange, UnreadableInput, read_ranges
from analyzer.logs.scan_result import ScanResult
from analyzer.logs.scanner import scan
from tests.support.paths import INCIDENT, RETAINED

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="small")
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut at 4 kB, so that a small log is a big one."""
    monkeypatch.setattr(parallel, "RANGE_BYTES", 2**12)


@pytest.fixture(name="log")
def long_log(tmp_path: Path) -> str:
    """Both real logs, twenty times."""
    path = tmp_path / "long.log"
    with open(RETAINED, "rb") as retained, open(INCIDENT, "rb") as incident:
        path.write_bytes((retained.read() + incident.read()) * 20)
    return str(path)


def parts_in(path: str, workers: int) -> list[ScanResult]:
    wanted = parallel.byte_ranges(path, workers=workers)
    parts = read_ranges(wanted, workers=workers)
    assert not any(isinstance(part, UnreadableInput) for part in parts)
    return [part for part in parts if isinstance(part, ScanResult)]


@pytest.mark.usefixtures("small")
def test_a_log_in_stretches_says_what_it_says_in_one(log: str) -> None:
    """Lines, readings and signs, however many read it."""
    (whole,) = parts_in(log, 1)
    for workers in (2, 3, 7):
        parts = parts_in(log, workers)
        assert len(parts) == workers
        assert sum(part.lines for part in parts) == whole.lines
        maps = [value for part in parts for value in part.columns["maps"]]
        assert maps == list(whole.columns["maps"])
        assert sum(len(part.skipped) for part in parts) == len(whole.skipped)


@pytest.mark.usefixtures("small")
def test_an_analysis_does_not_depend_on_the_cores(
    log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes, their readings with line numbers, crashes."""
    found = []
    for workers in (1, 2, 5):
        monkeypatch.setattr(
            "analyzer.processes.reading.processors", lambda workers=workers: workers
        )
        analysis = analyze([log, RETAINED])
        findings = [*analysis.findings]
        for run in analysis.earlier_runs:
            findings += run.findings or ()
        found.append(
            (
                analysis.sources,
                [list(finding.process.checkpoints) for finding in findings],
                [finding.process.crash for finding in findings],
            )
        )
    assert found[0] == found[1] == found[2]
    assert len(found[0][1]) > 20


@pytest.mark.usefixtures("small")
def test_what_a_killed_worker_left_is_read_again(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that the kernel chose costs time, not readings."""
    (whole,) = parts_in(log, 1)
    parent = os.getpid()

    def killed(*arguments: object, **options: object) -> ScanResult:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return scan(*arguments, **options)  # type: ignore[arg-type] # passed on as they came

    monkeypatch.setattr(parallel, "scan", killed)
    assert sum(len(part.line_of) for part in parts_in(log, 2)) == len(whole.line_of)


@pytest.mark.usefixtures("small")
def test_a_process_with_threads_is_not_forked(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copy could wait for a lock that nobody holds any more."""
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert len(parts_in(log, 2)) == 2
    finally:
        done.set()
        thread.join()


def test_a_file_that_went_away_is_unread() -> None:
    """With its reason, and what is beside it is read."""
    parts = read_ranges([ByteRange("/nowhere/x.log"), ByteRange(INCIDENT)], workers=2)
    assert isinstance(parts[0], UnreadableInput)
    assert isinstance(parts[1], ScanResult)


@pytest.mark.usefixtures("small")
def test_progress_ends_at_the_size(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told in bytes, never less than before."""
    monkeypatch.setattr(parallel, "PROGRESS_SECONDS", 0.0)
    reported: list[int] = []
    wanted = parallel.byte_ranges(log, workers=1)
    read_ranges(wanted, workers=1, progress=reported.append)
    assert reported == sorted(reported)
    assert reported[-1] == os.path.getsize(log)


def test_the_others_read_more_while_the_first_loads_what_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the head start, where a log is long enough; of a shorter one all read the same."""
    monkeypatch.setattr(parallel, "RANGE_BYTES", 2**10)
    path = tmp_path / "train.log"
    path.write_text(f"{'x' * 63}\n" * 3000)
    for head_start, more in ((640, 640), (2**16, 0)):
        monkeypatch.setattr(parallel, "HEAD_START", head_start)
        found = parallel.byte_ranges(str(path), workers=3)
        starts = [stretch.offset // 64 for stretch in found]
        first, *others = (end - start for start, end in pairwise([*starts, 3000]))
        assert all(abs((other - first) * 64 - more) <= 3 * 64 for other in others)


@pytest.mark.usefixtures("small")
def test_what_is_called_meanwhile_is_called_once(log: str) -> None:
    """By one worker and by several."""
    for workers in (1, 3):
        called: list[int] = []
        wanted = parallel.byte_ranges(log, workers=workers)
        read_ranges(wanted, workers=workers, meanwhile=partial(called.append, 1))
        assert called == [1]


def test_what_judges_is_not_loaded_before_a_log_is_read() -> None:
    """Nor what makes tables of it, nor the reader of journals."""
    words = "import sys, foldwatch.analysis; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", words], check=True, capture_output=True, text=True
    )
    modules = {*loaded.stdout.split()}
    assert "analyzer.logs.scanner" in modules
    late = {"analyzer.judging", "analyzer.processes.tables", "telemetry.journal.records"}
    assert not late & modules
