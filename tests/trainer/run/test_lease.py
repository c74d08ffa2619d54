"""Leases: one holder at a time, by files alone, whatever the clocks say and whoever is stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT
from trainer.run import lease as module
from trainer.run.lease import Lease, LeaseHeldError, present_token, present_tokens, remove_leases

if TYPE_CHECKING:
    from pathlib import Path

NAME = "fold-3"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


def test_one_holds_it_and_the_next_one_has_to_wait_for_its_release(folder: str) -> None:
    """What was written under the first goes on to count until the second is taken."""
    first = Lease.take(folder, NAME)
    with pytest.raises(LeaseHeldError, match=f"process {os.getpid()} on "):
        Lease.take(folder, NAME)
    first.release()
    assert present_token(folder, NAME) == first.token
    second = Lease.take(folder, NAME)
    assert present_tokens(folder) == {NAME: second.token}
    assert (first.is_held(), second.is_held()) == (False, True)
    assert first.token != second.token


def test_names_do_not_meddle_with_each_other(folder: str) -> None:
    """Nor one that begins as another does."""
    leases = {name: Lease.take(folder, name) for name in ("fold-1", "fold-11", "fold-1.5")}
    assert present_tokens(folder) == {name: lease.token for name, lease in leases.items()}
    assert present_token(folder, "fold-2") is None


def test_a_holder_that_is_proven_to_be_gone_is_not_waited_for(folder: str) -> None:
    """A process of this host that has ended without releasing it."""
    code = "import sys; from trainer.run.lease import Lease; Lease.take(sys.argv[1], 'fold-3')"
    subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, check=True)
    assert Lease.take(folder, NAME).is_held()


@pytest.mark.slow
def test_one_that_is_silent_for_as_long_as_it_promised_loses_it(folder: str) -> None:
    """As one that is stopped, or on a host that cannot be reached; it learns of it before it does anything."""
    silent = Lease.take(folder, NAME, seconds=0.3)
    with pytest.raises(LeaseHeldError):
        Lease.take(folder, NAME, patience=0.0)
    taken = Lease.take(folder, NAME, patience=60)
    assert not silent.is_held()
    assert taken.is_held()
    for _ in range(2):  # also once its successor has one, too
        taken.release()
        taken = Lease.take(folder, NAME)
        assert not silent.is_held()


@pytest.mark.slow
@pytest.mark.parametrize("offset", [-1e9, 1e9])
def test_no_clock_of_another_host_is_believed(folder: str, offset: float) -> None:
    """The time of change may be years off: whether it moves is what counts."""
    Lease.take(folder, NAME)
    (path,) = (os.path.join(folder, ".leases", name) for name in os.listdir(f"{folder}/.leases"))
    os.utime(path, (time.time() + offset,) * 2)
    with pytest.raises(LeaseHeldError):
        Lease.take(folder, NAME, patience=0.3)


@pytest.mark.slow
def test_a_holder_that_renews_it_keeps_it(folder: str) -> None:
    """For as long as it likes."""
    lease, stop = Lease.take(folder, NAME, seconds=2.0), threading.Event()

    def renew() -> None:
        while not stop.wait(0.01):
            lease.is_held()

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        with pytest.raises(LeaseHeldError):
            Lease.take(folder, NAME, patience=3.0)
    finally:
        stop.set()
        renewing.join()
    assert lease.is_held()


def test_of_many_that_want_it_at_once_one_gets_it(folder: str) -> None:
    """However they meet."""

    def take(name: str) -> str | None:
        try:
            return Lease.take(folder, name).token
        except LeaseHeldError:
            return None

    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            name = f"fold-{number}"
            Lease.take(folder, name).release()
            tokens = [token for token in pool.map(take, [name] * 8) if token]
            assert tokens == [present_token(folder, name)]


def test_a_file_system_that_is_away_costs_the_lease_once_others_may_have_it(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: it may come back."""
    lease = Lease.take(folder, NAME, seconds=60)

    def fail(*_: object) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(os, "utime", fail)
    at = module.now()
    monkeypatch.setattr(module, "now", lambda: at + 59)
    assert lease.is_held()
    monkeypatch.setattr(module, "now", lambda: at + 61)
    assert not lease.is_held()
    assert lease.why_lost.startswith(
        "it could not be renewed for 61 s: Stale file handle; its server"
    )


def test_whom_a_lock_guards_loses_it_to_a_later_one_alone(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that has become read-only costs no training that goes on."""
    lease = Lease.take(folder, NAME, seconds=60, is_guarded=True)

    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    at = module.now()
    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", fail)
        patch.setattr(module, "now", lambda: at + 600)
        assert lease.is_held()
    os.link(
        os.path.join(folder, ".leases", f"{NAME}.1"), os.path.join(folder, ".leases", f"{NAME}.2")
    )
    assert not lease.is_held()
    assert lease.why_lost == f"process {os.getpid()} on {socket.gethostname()} has a later one"


def test_without_hard_links_one_alone_gets_it(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on exFAT and some mounts."""

    def fail(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    lease = Lease.take(folder, NAME)
    assert lease.is_held()
    assert present_token(folder, NAME) == lease.token
    with pytest.raises(LeaseHeldError):
        Lease.take(folder, NAME)
    assert os.listdir(os.path.join(folder, ".leases")) == [f"{NAME}.1"]


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "{}", "rubbish", '{"token": 5}', "[" * 5000])
def test_a_broken_file_holds_the_lease_for_its_time_and_counts_for_nobody(
    folder: str, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be one that is being made."""
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.2)
    os.mkdir(os.path.join(folder, ".leases"))
    with open(os.path.join(folder, ".leases", f"{NAME}.7"), "w", encoding="ascii") as file:
        file.write(content)
    assert present_tokens(folder) == {NAME: None}
    with pytest.raises(LeaseHeldError):
        Lease.take(folder, NAME, is_wanted=iter([True, False]).__next__)
    assert Lease.take(folder, NAME).token.startswith("8-")


def test_a_number_that_no_lease_has_makes_none(folder: str) -> None:
    """A fold may plant any: neither is it present, nor does anybody wait for it."""
    own = Lease.take(folder, NAME)
    for number in ("999999999", "1000000", "0", "-1", "\u0661", "1e3", ""):
        with open(os.path.join(folder, ".leases", f"{NAME}.{number}"), "w", encoding="ascii"):
            pass
    assert own.is_present()
    assert present_tokens(folder) == {NAME: own.token}
    with open(os.path.join(folder, ".leases", f"{NAME}.999999"), "w", encoding="ascii"):
        pass
    assert not own.is_present()
    with pytest.raises(OSError, match="no number is left for fold-3"):
        Lease.take(folder, NAME)


@pytest.mark.parametrize("kind", ["file", "loop"])
def test_what_lies_in_the_place_of_the_leases_is_renamed(folder: str, kind: str) -> None:
    """A fold may have put it there."""
    place = os.path.join(folder, ".leases")
    if kind == "file":
        with open(place, "w", encoding="ascii"):
            pass
    else:
        os.symlink(".leases", place)
    assert present_tokens(folder) == {}
    assert Lease.take(folder, NAME).is_present()
    assert len(os.listdir(folder)) == 2


@pytest.mark.slow
def test_who_holds_it_is_told_once(folder: str) -> None:
    """To whoever waits."""
    Lease.take(folder, NAME, seconds=0.5)
    told: list[str] = []
    Lease.take(folder, NAME, patience=60, on_wait=told.append)
    assert told == [f"process {os.getpid()} on {socket.gethostname()}"]


def test_a_lease_is_written_whole_or_not_at_all(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write may take a part of it, and a file that was made may fail to be looked at."""
    write, fstat = os.write, os.fstat
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    lease = Lease.take(folder, NAME)
    assert present_tokens(folder) == {NAME: lease.token}
    monkeypatch.setattr(os, "write", write)

    def fail(file: int) -> os.stat_result:
        if "/.leases/" in os.readlink(f"/proc/self/fd/{file}"):
            raise OSError(5, "Input/output error")
        return fstat(file)

    monkeypatch.setattr(os, "fstat", fail)
    with pytest.raises(OSError, match="Input/output error"):
        Lease.take(folder, "fold-4")
    monkeypatch.setattr(os, "fstat", fstat)
    assert Lease.take(folder, "fold-4").token.startswith("1-")


def test_one_whose_file_was_replaced_is_lost_and_nothing_else_is_touched(
    folder: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By another one's, or by a link to a file that is not ours to renew."""
    other = tmp_path_factory.mktemp("other") / "file"
    other.touch()
    os.utime(other, (1, 1))
    lease = Lease.take(folder, NAME, seconds=0.001)
    path = os.path.join(folder, ".leases", f"{NAME}.1")
    os.unlink(path)
    os.symlink(other, path)
    assert not lease.is_held()
    assert os.stat(other).st_mtime == 1


def test_leases_that_nobody_can_hold_are_removed(folder: str) -> None:
    """Those of one name alone; not behind a link."""
    Lease.take(folder, NAME)
    kept = Lease.take(folder, "fold-30")
    remove_leases(folder, NAME)
    assert os.listdir(os.path.join(folder, ".leases")) == ["fold-30.1"]
    assert kept.is_present()
    os.rename(os.path.join(folder, ".leases"), os.path.join(folder, "elsewhere"))
    os.symlink("elsewhere", os.path.join(folder, ".leases"))
    remove_leases(folder, "fold-30")
    assert os.listdir(os.path.join(folder, "elsewhere")) == ["fold-30.1"]
    assert Lease.take(folder, NAME).is_present()
    assert os.listdir(os.path.join(folder, "elsewhere")) == ["fold-30.1"]
