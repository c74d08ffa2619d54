"""Results whole or absent, plans, and what aggregates say."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from foldwatch.text.results import result_table
from telemetry.errors import InputError
from tests.support.paths import ROOT
from trainer.run import directory as run_directory
from trainer.run.config import RunConfig
from trainer.run.directory import RunDirectory
from trainer.run.durable_files import write_whole
from trainer.run.fold_result import Aggregate, FoldResult, read_result, summarize
from trainer.run.resume_plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = RunConfig(folds=3, epochs=1, device_mode="cpu")


def finish(directory: RunDirectory, fold: int, config: RunConfig = CONFIG) -> FoldResult:
    result = FoldResult(
        fold=fold,
        folds=config.folds,
        config_digest=config.digest(),
        metrics={"accuracy": 0.9 + fold / 100},
        seconds=1.5,
    )
    result.write(directory.fold(fold))
    return result


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(str(tmp_path / "run"))
    made.create()
    return made


def test_a_result_comes_back_and_a_broken_one_is_none(directory: RunDirectory) -> None:
    """Truncated, of another schema, or with a field missing: not finished."""
    result = finish(directory, 1)
    path = os.path.join(directory.fold(1), "result.json")
    assert read_result(path) == result
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for broken in (text[:-9], "", "[]", "3", text.replace('"schema": 1', '"schema": 2'), "{}"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(broken)
        assert read_result(path) is None


@pytest.mark.parametrize(
    "change",
    [
        *({"fold": fold} for fold in (-1, 0, 2, True)),
        {"folds": 0},
        *({"seconds": seconds} for seconds in (-1.0, "9")),
        *({"metrics": metrics} for metrics in ({"a": "inf"}, {"a": True}, {"a": "1"}, [1.0])),
    ],
)
def test_a_result_with_a_value_that_is_none_does_not_count(
    directory: RunDirectory, change: dict[str, Any]
) -> None:
    """Nor one of another fold."""
    finish(directory, 1)
    path = directory.layout.result(1)
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content | change, file)
    assert directory.result(1) is None


def test_a_fold_that_is_a_copy_of_another_is_not_finished(directory: RunDirectory) -> None:
    """With all its files; it runs."""
    finish(directory, 1)
    shutil.copytree(directory.fold(1), directory.fold(2))
    assert directory.result(2) is None
    made = plan(directory, CONFIG, only=None, resume_mode="auto")
    assert (made.to_run, made.skipped) == ((2, 3), (1,))


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    """SIGKILL in a loop of writes: what is there is always one of the versions."""
    path = str(tmp_path / "x.json")
    code = (
        "import sys\nfrom trainer.run.durable_files import write_whole\n"
        "n = 0\nwhile True:\n"
        f"    write_whole({path!r}, str(n % 10) * 100_000)\n    n += 1\n"
        "    print(n, flush=True)\n"
    )
    for attempt in range(8):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(attempt + 1):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert len(text) == 100_000
        assert len(set(text)) == 1


def test_an_unwritable_place_leaves_nothing_behind(tmp_path: Path) -> None:
    """The aside file goes too."""
    os.mkdir(tmp_path / "taken")
    with pytest.raises(OSError, match="taken"):
        write_whole(str(tmp_path / "taken"), "x")
    assert os.listdir(tmp_path) == ["taken"]


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    """The kernel's own error of a write does not say which file it was."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as raised:
            write_whole(str(tmp_path / "x.json"), "y" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert raised.value.filename == str(tmp_path / "x.json")
    assert os.listdir(tmp_path) == []


def test_auto_skips_whole_results_of_the_same_configuration(directory: RunDirectory) -> None:
    """And runs those of another one again, saying why."""
    finish(directory, 1)
    finish(directory, 2, RunConfig(folds=3, epochs=9, device_mode="cpu"))
    made = plan(directory, CONFIG, only=None, resume_mode="auto")
    assert (made.to_run, made.skipped) == ((2, 3), (1,))
    assert "fold 1: skipped (result already complete)" in made.remarks
    assert "fold 2: runs again (its result has another configuration)" in made.remarks
    assert directory.result(1) is not None
    assert os.path.exists(os.path.join(directory.path, "previous-1", "fold-2", "result.json"))


def test_fresh_moves_everything_aside_and_deletes_nothing(directory: RunDirectory) -> None:
    """Also folds of an earlier run that had more of them."""
    for fold in (1, 2, 3):
        finish(directory, fold)
    os.mkdir(directory.fold(5))
    for attempt in (1, 2):
        made = plan(directory, CONFIG, only=None, resume_mode="fresh")
        assert made.to_run == (1, 2, 3)
        if attempt == 1:
            there = sorted(os.listdir(os.path.join(directory.path, "previous-1")))
            assert there == ["fold-1", "fold-2", "fold-3", "fold-5"]
            assert made.remarks == (f"earlier results moved to {directory.path}/previous-1",)
        else:
            assert made.remarks == ()


def test_one_fold_leaves_the_others_alone(directory: RunDirectory) -> None:
    """--fold 2."""
    for fold in (1, 2, 3):
        finish(directory, fold)
    made = plan(directory, CONFIG, only=2, resume_mode="fresh")
    assert (made.to_run, made.skipped) == ((2,), ())
    assert [directory.result(fold) is not None for fold in (1, 2, 3)] == [True, False, True]


def test_aggregates_say_what_they_cover(directory: RunDirectory) -> None:
    """Mean and sample deviation over the finished folds, with the missing ones named."""
    summary = summarize(3, [finish(directory, 3), None, finish(directory, 1)])
    summary.write(directory.path)
    with open(os.path.join(directory.path, "summary.json"), encoding="utf-8") as file:
        content = json.load(file)
    assert (content["folds"], content["folds_finished"]) == (3, [1, 3])
    assert (content["folds_missing"], content["is_complete"]) == ([2], False)
    accuracy = content["metrics"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(0.92)
    assert accuracy["std"] == pytest.approx(0.0141421, abs=1e-6)
    with open(os.path.join(directory.path, "summary.csv"), encoding="utf-8") as file:
        assert file.read() == "fold,accuracy,seconds\n1,0.91,1.5\n3,0.93,1.5\n"
    assert summarize(3, [finish(directory, 1)]).aggregates()["accuracy"].std is None


def test_a_metric_that_one_fold_lacks_leaves_its_cell_empty(directory: RunDirectory) -> None:
    """The others stay in their columns, and the mean says of how many it is."""
    without = replace(finish(directory, 2), metrics={"loss": 0.25})
    both = replace(finish(directory, 1), metrics={"a[b]": 0.5, "loss": 0.75})
    text = io.StringIO()
    Console(file=text, width=80).print(result_table(summarize(2, [both, without])))
    head, _, _, second, _, foot = text.getvalue().splitlines()[1:7]
    assert head.split() == ["fold", "a[b]", "loss", "seconds"]
    assert second.split() == ["2", "0.2500", "1.5"]
    assert second.index("0.2500") > head.index("a[b]") + 4
    assert "0.5000 (1 of 2)" in foot


def test_a_metric_that_is_no_finite_number_costs_no_mean(directory: RunDirectory) -> None:
    """NaN and infinity are null in the files, in no mean, and told; results with them are whole."""
    for fold, value in ((1, 0.5), (2, math.nan), (3, math.inf)):
        replace(finish(directory, fold), metrics={"loss": value, "nan": math.nan}).write(
            directory.fold(fold)
        )
    summary = summarize(3, directory.results(CONFIG, data_digest=None))
    summary.write(directory.path)
    for name in ("fold-2/result.json", "fold-3/result.json", "summary.json"):
        with open(os.path.join(directory.path, name), encoding="utf-8") as file:
            json.load(file, parse_constant=pytest.fail)
    assert summary.missing == []
    assert summary.aggregates() == {
        "loss": Aggregate(0.5, None, 1),
        "nan": Aggregate(None, None, 0),
    }
    assert summary.not_finite() == {"loss": [2, 3], "nan": [1, 2, 3]}


@pytest.mark.slow
def test_two_runners_on_one_directory_are_refused(directory: RunDirectory) -> None:
    """The second one, while the first is there."""
    with (
        directory.locked(),
        pytest.raises(InputError, match="another run"),
        directory.locked(),
    ):
        pass
    with directory.locked():
        pass


def test_a_lock_that_was_removed_or_replaced_is_held_no_more(directory: RunDirectory) -> None:
    """Another runner may be in the directory by then."""
    with directory.locked() as lock:
        assert lock.is_held()
        os.unlink(directory.layout.lock)
        assert not lock.is_held()
        with directory.locked() as other:
            assert not lock.is_held()
            assert other.is_held()


@pytest.mark.parametrize(
    ("make", "told"), [(os.mkfifo, "pipe"), (partial(os.symlink, "x"), "link")]
)
def test_what_lies_in_the_place_of_the_lock_is_named(
    tmp_path: Path, make: Callable[[str], None], told: str
) -> None:
    """It is not the directory that cannot be written to."""
    directory = RunDirectory(str(tmp_path))
    make(directory.layout.lock)
    with pytest.raises(InputError, match=rf"/\.lock: cannot be written: .*a {told}"):
        directory.create()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_a_lease_keeps_other_runners_out(
    directory: RunDirectory, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network file systems; it is lost to whoever takes it."""

    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(run_directory, "LOCK_SECONDS", 0.1)
    with directory.locked() as lock:
        assert (lock.has_locks, lock.renew(), lock.is_held()) == (False, True, True)
        with pytest.raises(InputError, match="another run is writing here: process"):
            directory.locked().__enter__()
    with directory.locked() as again:
        assert (lock.is_held(), again.is_held()) == (False, True)


def test_another_error_of_the_lock_is_told(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no reason to go on without."""

    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InputError, match="cannot be locked: Input/output error"):
        directory.locked().__enter__()


def test_a_directory_that_is_no_run_is_named(directory: RunDirectory) -> None:
    """run.json missing or broken."""
    with pytest.raises(InputError, match=r"run\.json"):
        directory.config()
    directory.write_config(CONFIG)
    assert directory.config() == CONFIG
