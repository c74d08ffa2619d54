"""A fault of the file system costs the daemon the run that it hits, until the next look."""

from __future__ import annotations

import shutil
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.daemon import daemon
from telemetry.daemon.daemon import SCAN_INTERVALS, Daemon
from tests.support.builders import NOW, exited, header, reading, write_journal
from tests.support.faults import ERRNOS, Fault, Faults, Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNS = ("a", "b", "c")
ROUNDS = 6
ROUNDS_AFTER = 2 * SCAN_INTERVALS
"""Within which what failed is tried again."""


FIRST_LOOK = Site("daemon", "scandir", ".", 1)
"""Nothing is known then that could be kept."""


class AtOnce(Executor):
    """Does what it is given before it goes on."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(function(*arguments, **named))
        except OSError as error:
            done.set_exception(error)
        return done


def grow(top: Path, round_number: int) -> None:
    """Let each run go on by a reading, and run a fold of its own end at the start."""
    for run in RUNS:
        if round_number == 0:
            (top / run).mkdir()
            (top / run / "run.json").write_text('{"schema": 1, "config": {"folds": 2}}')
            write_journal(top / run / "fold-1", header(), reading(1, NOW, threads=1), exited(NOW))
        threads = 10 + round_number
        write_journal(
            top / run / "fold-2", header(), reading(2, NOW + round_number, threads=threads)
        )


def threads(one: Daemon) -> dict[str, int | None]:
    """Return, by run, the threads of its last reading that the daemon knows."""
    return {
        snapshot.run: fold.latest.threads
        for snapshot in one.snapshots
        for fold in snapshot.folds
        if fold.fold == 2 and fold.latest is not None
    }


def follow(top: Path, fault: Fault | None) -> tuple[list[dict[str, int | None]], Faults]:
    """Follow three runs that grow; return what is known after each round, the last ones without a fault."""
    one = Daemon(str(top), judge=lambda _: (), clock=lambda: NOW + 1, looker=AtOnce())
    known = []
    with Faults("daemon", str(top), fault) as faults:
        for number in range(ROUNDS):
            with faults.paused():
                grow(top, number)
            collect(one)
            known.append(threads(one))
    for _ in range(ROUNDS_AFTER):
        collect(one)
    known.append(threads(one))
    return known, faults


def collect(one: Daemon) -> None:
    """Run a round as the daemon's loop does: one that fails is followed by the next."""
    with suppress(OSError):
        one.collect()


@pytest.mark.slow
def test_a_fault_costs_the_run_that_it_hits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each call on each file, and with each errno; the run itself is read again at the next looks."""
    monkeypatch.setattr(daemon, "ROUND_SECONDS", 60.0)  # a machine may be busy for half a second
    (tmp_path / "whole").mkdir()
    whole, faults = follow(tmp_path / "whole", None)
    assert whole[-1] == dict.fromkeys(RUNS, 10 + ROUNDS - 1)
    bad = []
    for site in faults.sites():
        for how in ERRNOS[:-1]:
            top = tmp_path / "run"
            top.mkdir()
            known, _ = follow(top, Fault(site, how))
            shutil.rmtree(top)
            others = [run for run in RUNS if not f"{site.path}/".startswith(f"{run}/")]
            is_lost = any(
                after.get(run) != expected.get(run)
                for after, expected in zip(known, whole, strict=True)
                for run in others
            )
            if known[-1] != whole[-1] or (is_lost and site != FIRST_LOOK):
                bad.append((site, how, known))
    assert bad == []
