"""The power goes between any two steps of a write: results are whole or absent, never gone.

After each step that changes the disk two disks are looked at: the one where everything arrived, and
the one where only that arrived which fsync promised (a file's bytes by its own fsync, a name by its
folder's). A real disk is one of these or between them.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from trainer.run.config import RunConfig
from trainer.run.directory import RunDirectory
from trainer.run.fold_result import FoldResult, read_result, summarize
from trainer.run.resume_plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = RunConfig(folds=2, epochs=1, device_mode="cpu")


class Disk:
    """Knows what fsync has promised; calls ``check`` with each disk that a power loss may leave."""

    def __init__(self, root: str, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.check: Callable[[str], None] = lambda _: None
        self.steps = 0
        self._files: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, os.stat_result]] = {}
        self._copies = 0
        self._is_copying = False
        for name in ("fsync", "replace", "rename", "mkdir"):
            patch.setattr(os, name, self._observed(getattr(os, name)))

    def _observed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def observed(*arguments: Any, **more: Any) -> Any:
            result = call(*arguments, **more)
            if self._is_copying:
                return result
            if call.__name__ == "fsync":
                self._promise(arguments[0])
            self.steps += 1
            self.check(self.root)
            self.check(self.after_power_loss())
            return result

        return observed

    def _promise(self, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        number = os.fstat(descriptor).st_ino
        if os.path.isdir(path):
            entries = os.listdir(path)
            self._folders[number] = {name: os.lstat(os.path.join(path, name)) for name in entries}
        else:
            with open(path, "rb") as file:
                self._files[number] = file.read()

    def after_power_loss(self) -> str:
        """Write what was promised into a folder of its own; return its path."""
        self._copies += 1
        copy = f"{self.root}-{self._copies}"
        self._is_copying = True
        self._restore(os.stat(self.root).st_ino, copy)
        self._is_copying = False
        return copy

    def _restore(self, number: int, path: str) -> None:
        os.makedirs(path, exist_ok=True)
        for name, inner in self._folders.get(number, {}).items():
            if stat.S_ISDIR(inner.st_mode):
                self._restore(inner.st_ino, os.path.join(path, name))
            else:
                with open(os.path.join(path, name), "wb") as file:
                    file.write(self._files.get(inner.st_ino, b""))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    root = str(tmp_path / "run")
    os.makedirs(root)
    return Disk(root, monkeypatch)


def a_result(fold: int, score: float) -> FoldResult:
    return FoldResult(
        fold=fold,
        folds=2,
        config_digest=CONFIG.digest(),
        metrics={"score": score},
        seconds=1.0,
    )


def found(root: str, fold: int) -> FoldResult | None:
    return read_result(os.path.join(root, f"fold-{fold}", "result.json"))


def test_a_result_is_whole_or_absent_and_stays_once_written(disk: Disk) -> None:
    """The folder that was made for it is promised as well; an older result gives way whole."""
    directory = RunDirectory(disk.root)
    first, second, better = a_result(1, 0.5), a_result(2, 0.6), a_result(2, 0.7)
    expect(disk, 1, [None, first])
    first.write(directory.fold(1))
    assert found(disk.after_power_loss(), 1) == first
    expect(disk, 1, [first])
    second.write(directory.fold(2))
    assert found(disk.after_power_loss(), 2) == second
    expect(disk, 2, [second, better])
    better.write(directory.fold(2))
    summarize(2, [first, better]).write(disk.root)
    assert found(disk.after_power_loss(), 2) == better
    assert os.path.exists(os.path.join(disk.after_power_loss(), "summary.json"))
    assert disk.steps > 12


def expect(disk: Disk, fold: int, allowed: list[FoldResult | None]) -> None:
    """Let no step from now on leave anything but these as the result of ``fold``."""

    def check(root: str) -> None:
        assert found(root, fold) in allowed

    disk.check = check


def test_what_is_set_aside_is_in_one_place_or_the_other(disk: Disk) -> None:
    """``fresh`` over finished folds: no moment loses a result."""
    directory = RunDirectory(disk.root)
    results = [a_result(fold, fold / 10) for fold in (1, 2)]
    for result in results:
        result.write(directory.fold(result.fold))

    def check(root: str) -> None:
        for result in results:
            places = (root, os.path.join(root, "previous-1"))
            assert result in [found(place, result.fold) for place in places]

    disk.check = check
    plan(directory, CONFIG, only=None, resume_mode="fresh")
    check(disk.after_power_loss())
    assert found(disk.after_power_loss(), 1) is None
