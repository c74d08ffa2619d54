"""Reading without giving the interpreter's lock up: the same bytes and errors as Python's own ways."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from telemetry.kernel import procmap_query
from telemetry.kernel.kernel_file import KernelFile
from telemetry.kernel.procfs import ProcessFiles
from telemetry.kernel.procmap_query import ProcmapQuery
from telemetry.kernel.syscalls import Buffer, has_children, list_folder, read_file

if TYPE_CHECKING:
    from pathlib import Path
from tests.support.programs import run_python


def test_a_file_longer_than_the_buffer_is_cut() -> None:
    """A small buffer takes the beginning."""
    with open("/proc/version", "rb") as file:
        whole = file.read()
    assert read_file("/proc/version", Buffer(4096)) == whole
    assert read_file("/proc/version", Buffer(5)) == whole[:5]


def test_what_cannot_be_read_says_why_and_where() -> None:
    """As `open` would: the errno, its class and the path; nothing stays open."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError, match="/proc/none") as missing:
        read_file("/proc/none", Buffer(16))
    assert (missing.value.errno, missing.value.filename) == (errno.ENOENT, "/proc/none")
    with pytest.raises(IsADirectoryError, match="/proc"):
        read_file("/proc", Buffer(16))
    with pytest.raises(NotADirectoryError, match="/proc/version"):
        list_folder("/proc/version", Buffer(4096))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("count", [0, 1, 500])
def test_a_folder_is_listed_as_python_lists_it(tmp_path: Path, count: int) -> None:
    """In one buffer or in many, names that are no text included."""
    for number in range(count):
        (tmp_path / f"{'x' * (number % 100)}{number}").touch()
        open(os.path.join(os.fsencode(tmp_path), b"\xff%d" % number), "wb").close()
    assert sorted(list_folder(str(tmp_path), Buffer(1024))) == sorted(os.listdir(tmp_path))


def test_where_the_c_library_cannot_list_python_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An older glibc, or another system."""
    buffer = Buffer(16)
    monkeypatch.setattr(buffer.calls, "getdents", None)
    (tmp_path / "a").touch()
    assert list_folder(str(tmp_path), buffer) == ["a"]


def test_children_are_known_without_being_reaped() -> None:
    """One that runs, one that ended; its exit code is still there to be asked for."""
    outcome = run_python("-m", "tests.scripts.own_children")
    assert (outcome.code, outcome.err) == (0, "")
    assert isinstance(has_children(), bool)


@pytest.mark.skipif(
    not procmap_query.KEEPS_THE_LOCK, reason="this Python is not known to keep the lock"
)
def test_maps_are_counted_alike_by_text_and_by_question() -> None:
    """However many there are; None where there are more than may be asked for."""
    files = ProcessFiles(pid=os.getpid())
    held = [mmap.mmap(-1, 4096, prot=mmap.PROT_READ) for _ in range(50)]
    try:
        by_text = files.maps()
        by_question = ProcmapQuery().count(files._maps.hold(), most=100_000)  # noqa: SLF001 - the very descriptor
        if by_question is None:
            pytest.skip("a kernel before 6.11, without PROCMAP_QUERY")
        assert abs(by_question - by_text) <= 2
        assert ProcmapQuery().count(files._maps.hold(), most=by_question - 5) is None  # noqa: SLF001
    finally:
        for page in held:
            page.close()
        files.close()


def test_a_process_full_of_paths_is_counted_by_question_until_it_grows() -> None:
    """Both ways agree before and after, whichever one is taken."""
    files = ProcessFiles(pid=os.getpid())
    files.maps()
    files._most_by_query = 2 * files.maps()  # noqa: SLF001 - as after a text of long paths
    asked = files.maps()
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    pages = [
        libc.mmap(None, 4096, 1 + 2 * (number % 2), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        for number in range(2 * asked)
    ]
    try:
        assert files.maps() >= asked + 2 * asked - 50  # the allocator may give a few back
        assert files._most_by_query == 0  # noqa: SLF001 - mostly without a path now
    finally:
        for page in pages:
            libc.munmap(ctypes.c_void_p(page), 4096)
        files.close()


def test_a_process_that_ended_is_no_process_with_no_maps() -> None:
    """By either way, also where it ends between two counts."""
    waiting = [sys.executable, "-c", "print(flush=True); input()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(waiting, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as child:
        files = ProcessFiles(pid=child.pid)
        assert child.stdout is not None
        child.stdout.readline()  # it maps its libraries while it starts
        assert files.maps() > 10
        files._most_by_query = 1000  # noqa: SLF001 - as after a text of long paths
    with pytest.raises(ProcessLookupError):
        files.maps()
    files.close()


def test_an_old_kernel_or_a_new_python_reads_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question is not known, or would give the lock up 1,800 times."""
    own = KernelFile("/proc/self/status")
    assert ProcmapQuery().count(own.hold(), most=10) is None  # ENOTTY: not a file that answers
    own.close()
    monkeypatch.setattr(procmap_query, "KEEPS_THE_LOCK", False)
    assert ProcmapQuery().count(-1, most=10) is None
