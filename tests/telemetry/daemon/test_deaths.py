"""The dead are dead: what is proven of a process that is gone, and what is only silence."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.daemon import origins
from telemetry.daemon.daemon import Daemon
from telemetry.journal.records import Event
from telemetry.kernel.process_identity import own_identity, start_ticks
from telemetry.snapshot import STALE_SECONDS
from tests.support.at_once import AtOnce
from tests.support.builders import NOW, header, reading, write_journal, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.journal.records import Header
    from telemetry.snapshot import FoldSnapshot, Snapshot

OWN = own_identity()


def of_process(pid: int, ticks: int | None, **values: Any) -> Header:
    """Give the header of a process of this host and boot, in this PID namespace."""
    known: dict[str, Any] = {"boot_id": OWN.boot_id, "pid_namespace": OWN.pid_namespace}
    return header(socket.gethostname(), pid=pid, start_ticks=ticks, **(known | values))


def shown(top: Path, after: float) -> Snapshot:
    one = Daemon(str(top), judge=lambda _: (), clock=lambda: NOW + after, looker=AtOnce())
    one.collect()
    (found,) = one.snapshots
    return found


def states(found: Snapshot) -> list[str]:
    return [one.present_state for one in found.folds]


def part(found: Snapshot, fold: int | None) -> FoldSnapshot:
    return next(one for one in found.folds if one.fold == fold)


@pytest.fixture(name="gone", scope="module")
def gone_fixture() -> tuple[int, int | None]:
    """Give the number and the start of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = process.pid, start_ticks(process.pid)
        process.communicate()
    return identity


@pytest.mark.parametrize(
    ("after", "state"),
    [(1.0, "running"), (origins.GONE_SECONDS, "died"), (600.0, "died"), (90_000.0, "died")],
)
@pytest.mark.parametrize("fold", [None, 2])
def test_a_process_that_is_gone_without_a_word_has_died(
    tmp_path: Path, gone: tuple[int, int | None], fold: int | None, *, after: float, state: str
) -> None:
    """At its last reading; what launched it is given some seconds to say how."""
    pid, ticks = gone
    record = reading(fold, pid=pid, start_ticks=ticks)
    write_journal(tmp_path / "run", of_process(pid, ticks), record)
    found = shown(tmp_path, after)
    assert found.state == state
    assert part(found, fold).present_state == state
    assert part(found, fold).ended_at == (NOW if state == "died" else None)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="it lives"),
        pytest.param({"boot_id": None}, id="of a version that did not say"),
        pytest.param({"pid_namespace": 1}, id="in a container"),
    ],
)
def test_a_process_of_which_nothing_is_proven_is_stale(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    """After two minutes, and running again with the next reading."""
    own = of_process(os.getpid(), OWN.start_ticks, **values)
    record: dict[str, Any] = {"pid": os.getpid(), "start_ticks": OWN.start_ticks}
    write_journal(tmp_path / "run", own, reading(1, **record))
    assert shown(tmp_path, STALE_SECONDS).state == "running"
    assert shown(tmp_path, STALE_SECONDS + 1).state == "stale"
    late = shown(tmp_path, 3700)
    assert (late.state, part(late, 1).ended_at) == ("stale", NOW)
    write_journal(tmp_path / "run", reading(1, NOW + 4000, **record))
    assert shown(tmp_path, 4001).state == "running"


def test_a_number_that_another_process_has_now_is_not_the_one_that_died(tmp_path: Path) -> None:
    """This very process has the number; it has started at another time."""
    ticks = (OWN.start_ticks or 0) + 1
    write_journal(
        tmp_path / "run",
        of_process(os.getpid(), ticks),
        reading(1, pid=os.getpid(), start_ticks=ticks),
    )
    assert states(shown(tmp_path, 10)) == ["died"]


def test_a_host_that_was_booted_has_killed_what_ran_before(tmp_path: Path) -> None:
    """Known two minutes after the last reading: another host may have the same name, and goes on writing."""
    own = of_process(7, 1, boot_id="another")
    write_journal(tmp_path / "run", own, reading(1, start_ticks=1))
    assert states(shown(tmp_path, 60)) == ["running"]
    assert states(shown(tmp_path, 121)) == ["died"]
    other = header("elsewhere", boot_id="another")
    write_journal(tmp_path / "other", other, reading(1, start_ticks=1))
    assert states(shown(tmp_path / "other", 121)) == ["stale"]


def test_a_word_of_the_end_counts_more_than_that_the_process_is_gone(
    tmp_path: Path, gone: tuple[int, int | None]
) -> None:
    """It may come late: then the fold has not died but finished, or failed with a cause."""
    pid, ticks = gone
    folder = tmp_path / "run" / "fold-1"
    write_journal(folder, of_process(pid, ticks), reading(1, pid=pid, start_ticks=ticks))
    one = Daemon(str(tmp_path), judge=lambda _: (), clock=lambda: NOW + 30, looker=AtOnce())
    one.collect()
    assert states(one.snapshots[0]) == ["died"]
    write_journal(folder, Event(time=NOW + 1, pid=pid, name="exited", facts={"exit_code": 0}))
    one.collect()
    assert states(one.snapshots[0]) == ["finished"]
    write_json(
        folder / "failure.json", {"outcome": "signal", "root_cause": "pids_cgroup (certain)"}
    )
    for _ in range(5):
        one.collect()
    (found,) = one.snapshots
    assert (found.state, part(found, 1).cause) == ("failed", "pids_cgroup (certain)")


@pytest.mark.parametrize("held", [True, False])
def test_a_run_with_folds_that_wait_is_over_once_nobody_holds_its_lock(
    tmp_path: Path, *, held: bool
) -> None:
    """The runner stops at the first failure, or was killed."""
    run = tmp_path / "run"
    write_json(run / "run.json", {"config": {"folds": 3}})
    write_json(run / "fold-1" / "failure.json", {"exit_code": 1, "seconds": 2})
    write_journal(
        run / "fold-1", reading(1), Event(time=NOW, pid=7, name="exited", facts={"exit_code": 1})
    )
    code = "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(run / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as runner:
        assert runner.stdout
        runner.stdout.readline()
        if not held:
            runner.communicate(b"\n")
        assert shown(tmp_path, 1).state == ("waiting" if held else "failed")
        if held:
            runner.communicate(b"\n")


def test_samples_belong_to_the_fold_that_the_labels_name(tmp_path: Path) -> None:
    """What watches from outside names none; before the first label it is of no fold, or of the command's."""
    records = [
        reading(None, NOW, stage=None),
        *(
            one
            for fold in (1, 2)
            for one in (
                reading(fold, NOW + fold * 10),
                reading(None, NOW + fold * 10 + 1, stage=None, threads=50 + fold),
            )
        ),
    ]
    write_journal(tmp_path / "none", header(), *records)
    found = shown(tmp_path / "none", 30)
    assert [(one.fold, one.present_state) for one in found.folds] == [
        (None, "finished"),
        (1, "finished"),
        (2, "running"),
    ]
    latest = [one.latest and one.latest.threads for one in found.folds]
    assert latest == [9, 51, 52]
    write_json(tmp_path / "run" / "run.json", {"config": {"folds": 1}})
    write_journal(tmp_path / "run" / "fold-1", header(), *records)
    found = shown(tmp_path / "run", 30)
    assert [(one.fold, one.state) for one in found.folds] == [(1, "finished"), (2, "running")]
    assert found.fold_count == 3
    write_json(tmp_path / "run" / "fold-1" / "failure.json", {"root_cause": "why"})
    found = shown(tmp_path / "run", 30)
    assert [(one.state, one.cause) for one in found.folds] == [("finished", ""), ("failed", "why")]


def test_no_curve_is_drawn_twice(tmp_path: Path) -> None:
    """One for each fold, in turn."""
    records = (
        reading(
            number // 10 + 1 if number % 10 == 0 else None,
            NOW + number,
            stage="S" if number % 10 == 0 else None,
        )
        for number in range(40)
    )
    write_journal(tmp_path / "run", header(), *records)
    one = Daemon(str(tmp_path), judge=lambda _: (), clock=lambda: NOW + 40, looker=AtOnce())
    one.collect()
    curves = next(iter(one.histories().values())).as_json()
    spans = [(curve["fold"], curve["times"][0], curve["times"][-1]) for curve in curves]
    assert spans == [(n, NOW + n * 10 - 10, NOW + n * 10 - 1) for n in range(1, 5)]


def test_a_fold_that_is_isolated_keeps_its_directory_s_number(tmp_path: Path) -> None:
    """Whatever its script calls the folds inside of it."""
    write_json(tmp_path / "run" / "run.json", {"config": {"folds": 5}})
    write_journal(tmp_path / "run" / "fold-3", header(), reading(1))
    assert [one.fold for one in shown(tmp_path / "run", 1).folds if one.latest] == [3]
