"""The daemon: runs come, go, are replaced and are rubbish; what is published stays true and bounded."""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import re
import resource
import shutil
import socket
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.daemon import daemon as daemon_module
from telemetry.daemon import run_bounds, verdict_scheduler
from telemetry.daemon.daemon import SCAN_INTERVALS, Daemon
from telemetry.daemon.history import POINTS, Curve
from telemetry.daemon.live_state import LiveState
from telemetry.daemon.run_follower import RunFollower
from telemetry.daemon.run_member import FOLDS_KEPT, WAITING_KEPT
from telemetry.errors import InputError
from telemetry.holders import HolderKind, LimitHolder
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event, encode
from telemetry.reading import Reading
from telemetry.snapshot import GrowthSnapshot, ProcessGrowth
from telemetry.web.state_api import encoded_state, state
from tests.support.at_once import AtOnce
from tests.support.builders import NOW, exited, header, holders, reading, write_journal, write_json
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from telemetry.journal.records import Record
    from telemetry.snapshot import FoldSnapshot, Snapshot


def daemon(top: Path, *, now: float = NOW, **options: Any) -> Daemon:
    options.setdefault("judge", lambda _: ())
    return Daemon(str(top), clock=lambda: now, looker=AtOnce(), **options)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a round read all there is, however slow the machine is; a test of the time of a round sets its own."""
    monkeypatch.setattr(daemon_module, "ROUND_SECONDS", 60.0)


def collected(top: Path, *, now: float = NOW) -> dict[str, Snapshot]:
    """Collect once and return the snapshots by the name of their run."""
    one = daemon(top, now=now)
    one.collect()
    return {snapshot.run: snapshot for snapshot in one.snapshots}


def states(snapshot: Snapshot) -> list[str | None]:
    return [part.state for part in snapshot.folds]


def part(snapshot: Snapshot, fold: int | None) -> FoldSnapshot:
    return next(one for one in snapshot.folds if one.fold == fold)


def test_an_isolated_run_shows_every_fold_s_state(tmp_path: Path) -> None:
    """From run.json, the result and failure files, and what is being written."""
    run = tmp_path / "run"
    write_json(run / "run.json", {"config": {"folds": 4}})
    write_journal(run / "fold-1", header(), reading(1))
    write_json(run / "fold-1" / "result.json", {"seconds": 9.5})
    write_journal(run / "fold-2", header(), reading(2))
    write_json(run / "fold-2" / "failure.json", {"exit_code": 134, "seconds": 2})
    write_journal(run / "fold-3", header(), reading(3))
    (found,) = collected(tmp_path).values()
    assert (found.run, found.host, found.fold_count) == ("run", "node", 4)
    assert states(found) == ["finished", "failed", "running", "waiting"]
    assert (part(found, 1).seconds, part(found, 2).exit_code) == (9.5, 134)
    assert part(found, 1).ended_at is not None
    assert part(found, 3).ended_at is None


def test_a_process_with_all_folds_shows_them_by_its_labels(tmp_path: Path) -> None:
    """The fold that the labels have left is finished; what came before the first one is ended too."""
    write_journal(
        tmp_path / "run",
        *(header(), reading(None), reading(1, NOW + 1), reading(2, NOW + 2)),
    )
    (found,) = collected(tmp_path).values()
    assert states(found) == [None, "finished", "running"]
    assert part(found, None).ended_at == NOW + 1
    assert found.fold_count == 3


def test_the_runner_s_word_of_an_end_is_taken(tmp_path: Path) -> None:
    """SIGKILL, before any failure file is there; and the counters that it read last."""
    killed = Event(
        time=NOW + 1, pid=7, name="exited", facts={"exit_code": 137, "pids_limit_hits": 4}
    )
    write_journal(tmp_path / "run" / "fold-2", header(), reading(2), killed)
    (found,) = collected(tmp_path).values()
    assert (part(found, 2).state, part(found, 2).exit_code) == ("failed", 137)
    latest = part(found, 2).latest
    assert latest is not None
    assert latest.pids_limit_hits == 4


def test_a_process_of_which_nobody_hears_is_ended_after_an_hour(tmp_path: Path) -> None:
    """Not before: a hang must be seen, and alerted of."""
    write_journal(tmp_path / "run", header(), reading(1))
    (soon,) = collected(tmp_path, now=NOW + 3000).values()
    (late,) = collected(tmp_path, now=NOW + 4000).values()
    assert part(soon, 1).ended_at is None
    assert part(late, 1).ended_at == NOW


def test_a_process_of_the_future_of_which_nobody_hears_is_ended_too(tmp_path: Path) -> None:
    """Its clock was set ahead, and back again after it had died: an hour counts from when it was heard of."""
    write_journal(tmp_path / "run", header(), reading(1, NOW + 1e8))
    now = NOW
    one = Daemon(str(tmp_path), judge=lambda _: (), clock=lambda: now, looker=AtOnce())
    ended = []
    for now in (NOW, NOW + 3000, NOW + 4000, NOW + 8000):
        rounds(one, SCAN_INTERVALS)
        ended.append((part(one.snapshots[0], 1).ended_at, one.snapshots[0].folds[0].is_live(now)))
    assert ended == [(None, True), (None, True), (NOW + 4000, True), (NOW + 4000, False)]


@pytest.mark.parametrize("end", [exited(NOW + 1e8), reading(None, NOW + 1e8)])
def test_an_end_in_the_future_is_one_of_now(tmp_path: Path, end: Record) -> None:
    """Else the series of what has ended would be shown until then."""
    write_journal(tmp_path / "run", header(), reading(1), end)
    (found,) = collected(tmp_path).values()
    assert part(found, 1).ended_at == NOW


def test_a_name_that_is_no_text_tells_a_run_from_another(tmp_path: Path) -> None:
    """In a scrape there would be each series twice, and the page could not ask for one of them."""
    for name in (b"run-\xff", b"run-\xfe", "rün".encode()):
        place = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(place)
        with open(os.path.join(place, b"journal.jsonl"), "wb") as file:
            file.write(encode(reading(1)))
    assert set(collected(tmp_path)) == {r"run-\xff", r"run-\xfe", "rün"}


def test_two_hosts_and_two_ranks_are_told_apart(tmp_path: Path) -> None:
    """Also where they write into one journal."""
    write_journal(
        tmp_path / "run",
        *(header("a", "0", pid=1), header("a", "1", pid=2), header("b", "2", pid=3)),
        *(reading(1, pid=pid, threads=pid * 10) for pid in (1, 2, 3)),
    )
    one = daemon(tmp_path)
    one.collect()
    found = {(s.host, s.rank): part(s, 1).latest for s in one.snapshots}
    assert {key: latest and latest.threads for key, latest in found.items()} == {
        ("a", "0"): 10,
        ("a", "1"): 20,
        ("b", "2"): 30,
    }


def test_runs_are_named_by_where_they_are(tmp_path: Path) -> None:
    """So that two of one name are two; what a run has set aside is not of it any more."""
    for place in ("a/run", "b/run", "b/run/previous-1/fold-1"):
        write_journal(tmp_path / place, reading(1))
    assert set(collected(tmp_path)) == {"a/run", "b/run"}
    assert set(collected(tmp_path / "a" / "run")) == {"run"}


def test_runs_come_grow_are_replaced_and_go(tmp_path: Path) -> None:
    """Each within the next look through the directory; one that is unchanged is the same object."""
    one = daemon(tmp_path)
    one.collect()
    assert not one.snapshots
    write_journal(tmp_path / "first", reading(1))
    write_journal(tmp_path / "second", reading(1))
    rounds(one, 7)
    first, second = one.snapshots
    write_journal(tmp_path / "first", reading(1, NOW + 1, threads=11))
    one.collect()
    grown = part(one.snapshots[0], 1).latest
    assert grown is not None
    assert grown.threads == 11
    assert one.snapshots[1] is second
    assert one.snapshots[0] is not first
    (tmp_path / "first" / "journal.jsonl").unlink()
    write_journal(tmp_path / "first", header(pid=8), reading(2, NOW + 2, pid=8))
    rounds(one, 2)
    assert [p.fold for p in one.snapshots[0].folds] == [2]
    shutil.rmtree(tmp_path / "first")
    rounds(one, 6)
    assert [s.run for s in one.snapshots] == ["second"]


def rounds(one: Daemon, number: int) -> None:
    for _ in range(number):
        one.collect()


def test_a_look_through_the_directory_keeps_no_round_waiting(tmp_path: Path) -> None:
    """It is another thread's, but for the first; a run is shown once it was found."""
    one = Daemon(str(tmp_path), judge=lambda _: (), clock=lambda: NOW)
    one.collect()
    write_journal(tmp_path / "run", reading(1))

    def shown() -> tuple[Snapshot, ...]:
        one.collect()
        return one.snapshots

    assert [snapshot.run for snapshot in wait_until(shown, 20, "the run")] == ["run"]


def test_a_run_that_is_set_aside_and_begun_anew_shows_nothing_old(tmp_path: Path) -> None:
    """The runner moves fold-1 into previous-1; the new one waits again."""
    run = tmp_path / "run"
    write_json(run / "run.json", {"config": {"folds": 1}})
    write_journal(run / "fold-1", reading(1))
    write_json(run / "fold-1" / "result.json", {"seconds": 1})
    one = daemon(tmp_path)
    one.collect()
    assert states(one.snapshots[0]) == ["finished"]
    (run / "previous-1").mkdir()
    (run / "fold-1").rename(run / "previous-1" / "fold-1")
    rounds(one, 6)
    assert states(one.snapshots[0]) == ["waiting"]


def test_a_journal_that_is_cut_goes_on_as_the_same(tmp_path: Path) -> None:
    """As logrotate's copytruncate does it: host, rank, curve and fold stay."""
    write_journal(tmp_path / "run", header("node", "3"), reading(1), reading(1, NOW + 1))
    one = daemon(tmp_path)
    one.collect()
    os.truncate(tmp_path / "run" / "journal.jsonl", 0)
    rounds(one, 2)
    write_journal(tmp_path / "run", reading(1, NOW + 2, threads=77))
    rounds(one, 2)
    (found,) = one.snapshots
    assert (found.host, found.rank, states(found)) == ("node", "3", ["running"])
    latest = part(found, 1).latest
    assert latest is not None
    assert latest.threads == 77
    (curve,) = one.histories()[found.key].as_json()
    assert curve["times"] == [NOW, NOW + 1, NOW + 2]


def test_processes_of_one_number_on_two_hosts_are_two(tmp_path: Path) -> None:
    """Two pods, both with pid 12, each with a fold of one run."""
    for fold, host in ((1, "a"), (2, "b")):
        write_journal(tmp_path / "run" / f"fold-{fold}", header(host, pid=12))
    for fold in (1, 2):
        write_journal(tmp_path / "run" / f"fold-{fold}", reading(fold, pid=12))
    one = daemon(tmp_path)
    one.collect()
    assert {(s.host, p.fold) for s in one.snapshots for p in s.folds} == {("a", 1), ("b", 2)}


@pytest.mark.parametrize("is_one_journal", [False, True])
def test_processes_of_one_number_in_two_containers_are_two(
    tmp_path: Path, *, is_one_journal: bool
) -> None:
    """A reading of the one ends no fold of the other; nor does its end."""
    run = tmp_path / "run"
    first = replace(reading(1, NOW + 1), start_ticks=11)
    second = replace(reading(2, NOW + 2), start_ticks=22)
    if is_one_journal:
        write_journal(run, header(), first, second)
        ended = "running"
    else:
        over = Event(time=NOW + 3, pid=7, name="exited", facts={"exit_code": 0})
        write_journal(run / "fold-1", header(), first)
        write_journal(run / "fold-2", header(), second, over)
        ended = "finished"
    (found,) = collected(tmp_path).values()
    assert states(found) == ["running", ended]


def test_folds_that_only_run_json_names_wait_within_bounds(tmp_path: Path) -> None:
    """A hundred such runs are looked through at once; each that ends makes place for another."""
    for number in range(100):
        write_json(tmp_path / f"run-{number}" / "run.json", {"config": {"folds": 10_000}})
    write_journal(tmp_path / "run-3" / "fold-900", header(), reading(900))
    found = collected(tmp_path)["run-3"]
    assert found.fold_count == 10_000
    assert states(found).count("waiting") == WAITING_KEPT
    assert part(found, 900).state == "running"


@pytest.mark.parametrize("host", [None, "node"])
def test_folds_that_waited_are_those_of_the_process_that_comes(
    tmp_path: Path, host: str | None
) -> None:
    """The plan is there before any journal: on this host or another, nothing is left of a run that nobody runs."""
    run = tmp_path / "run"
    write_json(run / "run.json", {"config": {"folds": 2}})
    one = daemon(tmp_path)
    one.collect()
    assert [states(found) for found in one.snapshots] == [["waiting", "waiting"]]
    write_journal(run / "fold-1", header(host or socket.gethostname(), "0"), reading(1))
    rounds(one, 6)
    assert [(found.rank, states(found)) for found in one.snapshots] == [
        ("0", ["running", "waiting"])
    ]


def test_of_many_new_runs_the_one_that_was_written_last_is_read_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of hundreds that are over, a round reads as many as it has time for."""
    for number in range(100):
        journal = write_journal(tmp_path / f"run-{number}", reading(1))
        os.utime(journal, (NOW, NOW + (number * 37) % 100))
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: next(ticks) / 100, time=time.time)
    monkeypatch.setattr(daemon_module, "time", clock)
    monkeypatch.setattr(daemon_module, "ROUND_SECONDS", 0.5)
    order: list[str] = []
    collect = RunFollower.collect

    def noted(self: RunFollower, **options: Any) -> None:
        order.append(self.name)
        collect(self, **options | {"until": math.inf})

    monkeypatch.setattr(RunFollower, "collect", noted)
    one = daemon(tmp_path)
    one.collect()
    newest_first = sorted(range(100), key=lambda number: -((number * 37) % 100))
    assert 10 < len(order) < 60
    assert order == [f"run-{number}" for number in newest_first[: len(order)]]
    assert len(one.snapshots) == len(order)
    rounds(one, 6)
    assert len(one.snapshots) == 100


def test_a_verdict_on_what_is_gone_leaves_the_run_in_sight(tmp_path: Path) -> None:
    """It was judged while the runner moved the fold aside."""
    write_json(tmp_path / "run.json", {"config": {"folds": 1}})
    write_journal(tmp_path / "fold-1", reading(1))
    run = RunFollower(str(tmp_path), "run", [str(tmp_path / "fold-1" / "journal.jsonl")])
    run.collect(until=time.monotonic() + 60, now=NOW)
    shown = run.snapshots
    run.follow([])
    run.judge(())
    assert run.snapshots == shown != ()


def test_what_cannot_be_read_costs_itself_only(tmp_path: Path) -> None:
    """A directory in a journal's place, a link in a circle, a run.json that is none, rubbish."""
    (tmp_path / "odd" / "journal.jsonl").mkdir(parents=True)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "journal.jsonl").symlink_to(tmp_path / "broken" / "journal.jsonl")
    for number, content in enumerate(
        ["[" * 100_000, '{"config": 3}', "\0", '{"config":{"folds":1e9}}']
    ):
        folder = tmp_path / f"run-{number}"
        write_journal(folder, reading(1))
        (folder / "run.json").write_text(content)
        (folder / "fold-1").mkdir()
        (folder / "fold-1" / "result.json").write_text(content)
    write_journal(tmp_path / "good", reading(1))
    found = collected(tmp_path)
    assert {name for name in found if found[name].folds} >= {"good", "run-0", "run-1", "run-2"}
    assert states(found["good"]) == ["running"]


def test_what_is_no_file_in_a_file_s_place_is_not_read(tmp_path: Path) -> None:
    """Pipes, to which nobody writes, as a journal, as run.json, as a result; a link to this process's own memory."""
    write_journal(tmp_path / "good", reading(1))
    (tmp_path / "good" / "fold-1").mkdir()
    os.mkfifo(tmp_path / "good" / "run.json")
    os.mkfifo(tmp_path / "good" / "fold-1" / "result.json")
    (tmp_path / "bad").mkdir()
    os.mkfifo(tmp_path / "bad" / "journal.jsonl")
    (tmp_path / "worse").mkdir()
    (tmp_path / "worse" / "journal.jsonl").symlink_to("/proc/self/mem")
    one = daemon(tmp_path)
    collecting = threading.Thread(target=one.collect, daemon=True)
    collecting.start()
    collecting.join(10)
    assert not collecting.is_alive()
    shown = {snapshot.run: (states(snapshot), snapshot.unreadable) for snapshot in one.snapshots}
    assert shown == {
        "good": (["running"], ""),
        "bad": ([], "journal.jsonl: not a regular file"),
        "worse": ([], "journal.jsonl: not a regular file"),
    }


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_in_a_result_is_not_in_the_state(tmp_path: Path, number: str) -> None:
    """The page could read nothing of it: JSON has no such number."""
    write_journal(tmp_path / "run" / "fold-1", reading(1))
    (tmp_path / "run" / "fold-1" / "result.json").write_text(f'{{"seconds": {number}}}')
    json.loads(encoded_state(published(daemon(tmp_path), 1), None), parse_constant=pytest.fail)


def published(one: Daemon, number: int) -> LiveState:
    """Collect so often, and publish."""
    rounds(one, number)
    board = LiveState(clock=lambda: NOW)
    board.publish(one.snapshots, one.histories())
    return board


def test_what_cannot_be_read_is_said_once_on_the_log_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory that may not be entered, a journal that may not be read, one of rubbish: as a metric, on the page."""
    (tmp_path / "rubbish").mkdir()
    (tmp_path / "rubbish" / "journal.jsonl").write_bytes(b"\xff rubbish\n" * 10_000)
    write_journal(tmp_path / "secret", reading(1))
    (tmp_path / "closed").mkdir()
    for name in ("open", "scandir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name), "secret/journal.jsonl", "closed"))
    board = published(daemon(tmp_path), 3)
    text = board.exposition.text(is_open_metrics=False).decode()
    for run, why in (
        ("closed", "the directory: Permission denied"),
        ("rubbish", "10000 of 10000 lines are no records"),
        ("secret", "journal.jsonl: Permission denied"),
    ):
        assert caplog.text.count(f"run '{run}' is not read whole: {why}") == 1
        assert re.search(rf'^foldwatch_run_unreadable\{{run="{run}",.*{why}', text, re.MULTILINE)
        (shown,) = (snapshot for snapshot in board.snapshots if snapshot.run == run)
        assert why in state(board, shown.key)["run"]["unreadable"]


def refusing(real: Callable[..., Any], *ends: str) -> Callable[..., Any]:
    """Return ``real`` as it is for a user who may not touch a path with one of these ends: root may all."""

    def call(path: Any, *options: Any, **more: Any) -> Any:
        if str(path).endswith(ends):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, *options, **more)

    return call


def test_a_defect_in_reading_a_run_costs_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is shown with the error, which the log has too; the run beside it is read."""
    for name in ("bad", "good"):
        write_journal(tmp_path / name, reading(1))
    stream = JournalFollower.stream

    def defective(self: JournalFollower, **options: Any) -> Iterator[Record]:
        if "bad" in self.path.split("/"):
            raise KeyError("a defect")
        return stream(self, **options)

    monkeypatch.setattr(JournalFollower, "stream", defective)
    found = collected(tmp_path)
    assert states(found["good"]) == ["running"]
    assert found["bad"].unreadable == "KeyError: 'a defect'"
    assert "run 'bad' is not read whole" in caplog.text


def test_a_round_that_fails_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line tells of all that fail in a row."""
    monkeypatch.setattr(daemon_module, "INTERVAL_SECONDS", 0.0)
    stop, attempts = threading.Event(), []

    def publish(board: object) -> None:
        attempts.append(board)
        if len(attempts) == 3:
            stop.set()
        raise KeyError("a defect")

    daemon(tmp_path, on_publish=publish).run(stop)
    assert len(attempts) == 3
    assert caplog.text.count("a round of collecting failed") == 1


def test_of_too_many_folds_the_running_one_stays(tmp_path: Path) -> None:
    """The oldest that ended makes place for it, with its curve."""
    write_journal(tmp_path / "run", *(reading(n, NOW + n) for n in range(1, FOLDS_KEPT + 6)))
    one = daemon(tmp_path, now=NOW + FOLDS_KEPT)
    one.collect()
    (found,) = one.snapshots
    assert [found.folds[0].fold, found.folds[-1].fold] == [6, FOLDS_KEPT + 5]
    assert found.folds[-1].state == "running"
    assert len(one.histories()[found.key].as_json()) == FOLDS_KEPT


@pytest.mark.slow
def test_a_run_that_has_only_begun_is_read_in_every_round(tmp_path: Path) -> None:
    """Its first reading is not kept waiting for the next look."""
    write_journal(tmp_path / "run", header())
    one = daemon(tmp_path)
    for _ in range(3):
        one.collect()
    write_journal(tmp_path / "run", reading(1))
    one.collect()
    assert [fold.fold for snapshot in one.snapshots for fold in snapshot.folds] == [1]


@pytest.mark.slow
def test_a_hostile_journal_is_kept_within_bounds(tmp_path: Path) -> None:
    """Folds, stages, pools, hosts and texts without end."""
    long = "x" * 100_000
    write_journal(
        tmp_path / "run",
        *(header(f"host-{number}", pid=number) for number in range(400)),
        *(reading(number, pid=number) for number in range(1, 2000)),
        reading(1, stage=long, label=long, pools={f"{n}{long[:30_000]}": n for n in range(100)}),
        *(reading(1, errors={f"source {number}": long}) for number in range(200)),
    )
    one = daemon(tmp_path)
    one.collect()
    assert len(one.snapshots) <= 256
    for snapshot in one.snapshots:
        assert len(snapshot.folds) <= 1000
        for found in snapshot.folds:
            assert len(found.error_counts) <= 50
            assert all(len(stage) <= 200 for stage in found.checkpoints)
            pools = (found.latest and found.latest.pools) or {}
            assert len(pools) <= 50
            assert all(len(name) <= 200 for name in pools)


def test_of_one_run_s_folds_and_checkpoints_a_number_is_kept_over_all_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest ones, and of a fold that ended its first and last checkpoint; it is said that there were more."""
    monkeypatch.setattr(run_bounds, "FOLDS_OF_RUN", 30)
    monkeypatch.setattr(run_bounds, "CHECKPOINTS_OF_RUN", 100)
    ranks = range(5)
    write_journal(
        tmp_path / "run",
        *(header(rank=str(rank), pid=rank) for rank in ranks),
        *(
            reading(fold, NOW + fold, pid=rank, stage=stage)
            for fold in range(1, 21)
            for stage in "abcd"
            for rank in ranks
        ),
    )
    one = daemon(tmp_path, now=NOW + 20)
    one.collect()
    folds = [part for found in one.snapshots for part in found.folds]
    assert len(one.snapshots) == 5
    assert len(folds) == 30
    assert {part.fold for part in folds} == set(range(15, 21))
    assert sum(len(part.checkpoints) for part in folds) <= 100
    assert all([*part.checkpoints] == [*"abcd"] for part in folds if part.fold == 20)
    assert all([*part.checkpoints] == ["a", "d"] for part in folds if part.fold == 15)
    assert one.snapshots[0].unreadable == run_bounds.LEFT_OUT


@pytest.mark.slow
def test_a_gigabyte_of_rubbish_costs_bounded_memory_and_delays_nobody(tmp_path: Path) -> None:
    """The run beside it is read in the same round."""
    (tmp_path / "a-rubbish").mkdir()
    with (tmp_path / "a-rubbish" / "journal.jsonl").open("wb") as file:
        block = os.urandom(2**20).replace(b"\n", b" ")
        for _ in range(1024):
            file.write(block)
    write_journal(tmp_path / "good", reading(1))
    one = daemon(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(60):
        if number == 3:
            write_journal(tmp_path / "good", reading(2))
        one.collect()
        if number == 5:
            assert [p.fold for p in one.snapshots[-1].folds] == [1, 2]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * 1024  # KiB


def test_a_run_is_judged_after_new_labels_and_apart_from_collecting(tmp_path: Path) -> None:
    """Collecting never waits for a verdict; the verdict is shown when it is there."""
    growth = GrowthSnapshot(resource="threads", verdict="growing", reason="", per_fold=8.0)
    may_answer, asked = threading.Event(), []

    def judge(journals: Sequence[str]) -> tuple[ProcessGrowth, ...]:
        asked.append(list(journals))
        may_answer.wait(20)
        return (ProcessGrowth("a", 7, None, (growth,)),)

    write_journal(tmp_path / "run", reading(1))
    one = daemon(tmp_path, judge=judge)
    rounds(one, 3)
    assert not one.snapshots[0].growth
    may_answer.set()

    def shown() -> tuple[GrowthSnapshot, ...]:
        one.collect()
        return one.snapshots[0].growth

    assert wait_until(shown, 20, "the verdict") == (growth,)
    assert asked == [[str(tmp_path / "run" / "journal.jsonl")]]


def test_a_verdict_that_fails_costs_the_verdict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the run is shown all the same."""

    def judge(_: Sequence[str]) -> tuple[ProcessGrowth, ...]:
        raise InputError("nothing to judge")

    write_journal(tmp_path / "run", reading(1))
    one = daemon(tmp_path, judge=judge)

    def logged() -> list[logging.LogRecord]:
        one.collect()
        return caplog.records

    wait_until(logged, 20, "a line in the log")
    assert "nothing to judge" in caplog.text
    assert states(one.snapshots[0]) == ["running"]


def test_a_journal_that_is_too_long_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would cost the daemon the memory that the training needs; the run behind it has its verdict."""
    monkeypatch.setattr(verdict_scheduler, "LARGEST_BYTES", 2000)
    asked: list[list[str]] = []

    def judge(journals: Sequence[str]) -> tuple[ProcessGrowth, ...]:
        asked.append([*journals])
        return ()

    write_journal(tmp_path / "a-large", *(reading(1, NOW + n) for n in range(50)))
    small = write_journal(tmp_path / "small", reading(1))
    daemon(tmp_path, judge=judge).collect()
    wait_until(lambda: asked, 20, "a verdict")
    assert asked == [[small]]


@pytest.mark.slow
def test_a_curve_is_bounded_and_keeps_every_peak() -> None:
    """Ten hours at one a second, with one spike that lasts one reading."""
    curve = Curve()
    for second in range(36_000):
        spike = 5000 if second == 20_001 else 100
        curve.add(replace(reading(1), time=float(second + 1), threads=spike))
    assert len(curve.times) < POINTS
    assert max(curve.columns["threads"]) == 5000
    assert curve.times[-1] == 36_000
    assert list(curve.times) == sorted(curve.times)


def test_a_value_that_begins_late_is_absent_before() -> None:
    """And None in JSON, never 0."""
    curve = Curve()
    curve.add(Reading(time=1.0, pid=1, threads=3))
    curve.add(Reading(time=2.0, pid=1, open_fds=4))
    assert curve.as_json() == {"times": [1.0, 2.0], "threads": [3.0, None], "open_fds": [None, 4.0]}


def test_a_clock_that_is_set_back_leaves_the_curve_going_on() -> None:
    """What was written in its future is dropped; a record that comes late changes nothing."""
    curve = Curve()
    for second in (*range(1000, 1010), 1009.5, *range(500, 510)):
        curve.add(reading(1, float(second), threads=9))
    assert list(curve.times) == [float(second) for second in range(500, 510)]
    assert len(curve.columns["threads"]) == 10


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], "running"),
        ([("interpreter_ended", {})], "finished"),
        ([("raised", {"exception": "KeyError"}), ("interpreter_ended", {})], "failed"),
        ([("interpreter_ended", {}), ("exited", {"exit_code": 3})], "failed"),
    ],
)
def test_a_process_that_ends_by_itself_does_not_run_any_more(
    tmp_path: Path, events: list[tuple[str, dict[str, Any]]], state: str
) -> None:
    """As it records itself; its runner's word comes later and counts more."""
    ends = [Event(time=NOW + 1, pid=7, name=name, facts=facts) for name, facts in events]
    write_journal(tmp_path / "r", header(), reading(2), *ends)
    assert states(collected(tmp_path, now=NOW + 2)["r"]) == [state]


@pytest.mark.parametrize("is_ahead", [True, False])
def test_an_event_of_the_training_that_is_named_holders_tells_of_no_limit(
    tmp_path: Path, *, is_ahead: bool
) -> None:
    """And is no line that could not be read."""
    own = Event(time=NOW, pid=7, name="holders", facts={"limit": "shares", "top": "Ada"})
    first = reading(1, start_ticks=1)
    records: list[Record] = [own, first] if is_ahead else [first, own]
    write_journal(tmp_path / "run", header(), *records)
    one = daemon(tmp_path)
    one.collect()
    fold = part(one.snapshots[0], 1)
    assert (dict(fold.holders), dict(fold.error_counts)) == ({}, {})


@pytest.mark.parametrize("is_ahead", [True, False])
def test_who_holds_a_limit_is_kept_of_the_last_look(tmp_path: Path, *, is_ahead: bool) -> None:
    """Also where it is told before the process's first reading; the page shows it with what to do."""
    run = LimitHolder(kind=HolderKind.RUN, amount=390)
    held = [
        Event(time=NOW, pid=7, name="holders", facts=holders(run, used=used).facts())
        for used in (386, 396)
    ]
    first = reading(1, start_ticks=1)
    records: list[Record] = [*held, first] if is_ahead else [first, *held]
    write_journal(tmp_path / "run", header(), *records)
    one = daemon(tmp_path)
    one.collect()
    (found,) = part(one.snapshots[0], 1).holders.values()
    assert found.sentence == "pids_cgroup 396/400: this run 390"
    board = LiveState(clock=lambda: NOW)
    board.publish(one.snapshots)
    (shown,) = state(board, None)["run"]["holders"]
    assert shown["ceiling"] == "pids_cgroup"
    assert (shown["sentence"], shown["advice"]) == (found.sentence, found.advice)
