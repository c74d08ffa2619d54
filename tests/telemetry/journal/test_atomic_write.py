"""Files that are whole or absent."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from telemetry.journal.atomic_write import replacing, writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path


def write(path: Path, text: str) -> None:
    with writing(str(path)) as aside, open(aside, "w", encoding="utf-8") as file:
        file.write(text)


def fail_halfway(path: Path) -> None:
    with writing(str(path)) as aside, open(aside, "w", encoding="utf-8") as file:
        file.write("half of the")
        raise KeyboardInterrupt


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """And nothing beside it; what succeeds takes its place."""
    path = tmp_path / "result"
    write(path, "first")
    with pytest.raises(KeyboardInterrupt):
        fail_halfway(path)
    assert path.read_text() == "first"
    write(path, "second")
    assert path.read_text() == "second"
    assert os.listdir(tmp_path) == ["result"]


def test_a_failed_write_names_the_file(tmp_path: Path) -> None:
    """The one that was asked for, not the one beside it."""
    with pytest.raises(FileNotFoundError) as raised:
        write(tmp_path / "gone" / "file", "text")
    assert raised.value.filename == str(tmp_path / "gone" / "file")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file it points to is replaced."""
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link", "text")
    assert (tmp_path / "file").read_text() == "text"
    assert (tmp_path / "link").is_symlink()


def test_what_is_no_file_is_written_to_not_replaced(tmp_path: Path) -> None:
    """A rename over /dev/stdout, or over a device by root, would take it from everybody."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.parametrize("how", [writing, replacing])
def test_a_link_at_a_temporary_name_is_not_written_through(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: Callable[[str], AbstractContextManager[str]],
) -> None:
    """Not even by somebody who foresaw the name."""
    monkeypatch.setattr(os, "urandom", bytes)
    (tmp_path / "victim").write_text("own")
    (tmp_path / f"file.{'00' * 6}.part").symlink_to("victim")
    with pytest.raises(FileExistsError), how(str(tmp_path / "file")):
        pass
    assert (tmp_path / "victim").read_text() == "own"


def test_two_that_write_one_file_have_a_temporary_name_each(tmp_path: Path) -> None:
    """Two containers on one volume may both be process 1."""
    path = str(tmp_path / "file")
    with writing(path) as one, writing(path) as other:
        assert one != other
