"""Who may read what is written into a run directory."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from telemetry.journal.private_files import GROUP_READABLE, make_folder, open_private
from tests.support.programs import run_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = ["-m", "foldwatch", "run", "--folds", "2"]
FOLD = (
    "import os, telemetry, sys; telemetry.checkpoint('START');"
    "open(os.environ['FOLDWATCH_METRICS'], 'w').write('{}'); sys.exit(os.environ['FOLDWATCH_FOLD'] == '2')"
)
WRITTEN = {"run.json", "summary.json", "journal.jsonl", "output.log", "result.json", "failure.json"}


def mode(path: object) -> str:
    return oct(stat.S_IMODE(os.stat(str(path)).st_mode))


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_file_and_its_folder_are_the_owner_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    """Whatever the umask; the group's as well if that is asked for."""
    for value, expected in (("", ["0o700", "0o600"]), ("1", ["0o750", "0o640"])):
        monkeypatch.setenv(GROUP_READABLE, value)
        folder = tmp_path / f"run{value}"
        with umask(mask):
            make_folder(str(folder))
            os.close(open_private(str(folder / "file"), os.O_WRONLY))
        assert [mode(folder), mode(folder / "file")] == expected


def test_a_link_in_the_place_of_a_file_is_not_written_through(tmp_path: Path) -> None:
    """Somebody who can write into the folder would choose which file of ours is written to."""
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(OSError, match="link"):
        open_private(str(tmp_path / "link"), os.O_WRONLY)
    assert not (tmp_path / "target").exists()


@pytest.mark.slow
def test_what_a_run_writes_is_private(tmp_path: Path) -> None:
    """Journals, outputs, results and failures, of the runner, its folds and their recorders."""
    for option, folder, file in (((), "0o700", "0o600"), (("--group-readable",), "0o750", "0o640")):
        place = tmp_path / f"run{len(option)}"
        command = ["--output", str(place), *option, "--", "python3", "-c", FOLD]
        with umask(0):
            ended = run_python(*RUN, *command)
        assert ended.code == 1, ended.err
        ours = [path for path in place.rglob("*") if path.name != "metrics.json"]
        assert {path.name for path in ours} >= WRITTEN
        assert {mode(path) for path in (place, *ours) if path.is_dir()} == {folder}
        assert {mode(path) for path in ours if path.is_file()} == {file}


def test_the_recorder_s_own_journal_is_private(tmp_path: Path) -> None:
    """Also where no runner has made the folder."""
    code = f"import telemetry; telemetry.start(run_dir={str(tmp_path / 'run')!r})"
    with umask(0):
        assert run_python("-c", code).code == 0
    assert mode(tmp_path / "run") == "0o700"
    assert mode(tmp_path / "run" / "journal.jsonl") == "0o600"
