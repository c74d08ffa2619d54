"""Reads many logs, and the ranges of big ones, on every core.

A log is cut at line ends, but not between the pieces that a container runtime made of a line; a compressed
log is read in one go. The workers are forked: a copy of this process costs milliseconds, and
starting a process would cost more than most logs do. A copy of a process with several threads may
find a lock held for ever, so a process with threads reads alone.

ProcessPoolExecutor is not used, although it reads 300 MB as fast (2.5 s beside 2.6 s, on a busy machine):
it starts a thread in this process, and a worker that is killed ends all of them, where here its ranges
are read again.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import pickle
import select
import stat
import struct
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.decompression import MAGIC_BYTES, Unpacked, is_packed, open_log
from analyzer.logs.label_budget import label_shares
from analyzer.logs.line_prefixes import PartialLineAssembler
from analyzer.logs.scan_options import PLAIN
from analyzer.logs.scanner import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analyzer.logs.scan_options import ScanOptions
    from analyzer.logs.scan_result import ScanResult

STANDARD_INPUT = "-"
RANGE_BYTES = 2**25
"""Of the smallest stretch: reading it takes as long as ten forks."""
HEAD_START = 2**25
"""What the other workers read while this process loads what is made of it."""
_LINE_BYTES = 2**20
"""Looked through for the line end at which a file is cut."""
_BEFORE_BYTES = 2**17
"""Looked through for a piece of a line whose rest is behind the cut."""
WORKERS = 8
PROGRESS_SECONDS = 0.1


class ByteRange(NamedTuple):
    """A file, or what of it lies between two line ends; ``size_bytes`` is None up to the end."""

    path: str
    offset: int = 0
    size_bytes: int | None = None


class UnreadableInput(NamedTuple):
    """A stretch that could not be read, and why."""

    error: OSError


def byte_ranges(path: str, *, workers: int) -> list[ByteRange]:
    """Cut the file at ``path`` for so many workers, of which the first has more to do. Raises OSError."""
    if path == STANDARD_INPUT or not stat.S_ISREG(os.stat(path).st_mode):
        return [ByteRange(path)]
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(MAGIC_BYTES)
        count = min(workers, size // RANGE_BYTES)
        if count < 2 or is_packed(start):
            return [ByteRange(path, size_bytes=None)]
        ahead = HEAD_START if size // count > 2 * HEAD_START else 0
        each = (size + ahead) // count
        cuts = [0]
        for number in range(1, count):
            at = each * number - ahead
            before = max(0, at - _BEFORE_BYTES)
            file.seek(before)
            end = _whole_line_end(file.read(at - before + _LINE_BYTES), at - before)
            if end is not None:
                cuts.append(before + end)
    ends = [*cuts[1:], None]
    return [
        ByteRange(path, start, None if end is None else end - start)
        for start, end in zip(cuts, ends, strict=True)
        if end is None or end > start
    ]


def _whole_line_end(content: bytes, at: int) -> int | None:
    """Return the first end of a line behind ``at`` where no piece of a line waits for its rest.

    What stands before ``at`` shows whether one waits.
    """
    joiner = PartialLineAssembler()
    start = content.find(b"\n") + 1
    while start and (end := content.find(b"\n", start) + 1):
        joiner.take(content[start : end - 1])
        if end > at and not joiner.is_waiting:
            return end
        start = end
    return None


def read_ranges(
    wanted: Sequence[ByteRange],
    *,
    workers: int,
    options: ScanOptions = PLAIN,
    progress: Callable[[int], None] | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> list[ScanResult | UnreadableInput]:
    """Read every range, in their order; ``progress`` is called now and then with the bytes done.

    ``meanwhile`` is called once, while the other workers read.
    """
    sizes = [_size(byte_range) for byte_range in wanted]
    shares = _shares(sizes, workers if _is_alone() else 1)
    tasks = [
        (byte_range, replace(options, most_labels=labels))
        for byte_range, labels in zip(wanted, label_shares(sizes), strict=True)
    ]
    with contextlib.closing(mmap.mmap(-1, 8 * max(1, len(shares)))) as board:
        reported = SharedProgress(board, progress)
        others = [_Worker(share, tasks, reported, n) for n, share in enumerate(shares[1:], 1)]
        try:
            found = {n: _read(*tasks[n], reported.of(0)) for n in (shares or [[]])[0]}
            if meanwhile is not None:
                meanwhile()
            for other in others:
                found |= other.result(reported)
        finally:
            for other in others:
                other.end()
        for number, task in enumerate(tasks):  # what a worker that was killed left unread
            if number not in found:
                found[number] = _read(*task, reported.of(0))
    return [found[number] for number in range(len(wanted))]


def _is_alone() -> bool:
    """Whether this process has one thread, those of libraries included; False where that is unknown."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def processors() -> int:
    """How many workers are worth having here."""
    return min(WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)


def _shares(sizes: Sequence[int], workers: int) -> list[list[int]]:
    """Deal ranges of these sizes out, the biggest first; this process takes the first share and all pipes."""
    workers = max(1, min(workers, sum(sizes) // RANGE_BYTES))
    shares: list[list[int]] = [[] for _ in range(workers)]
    loads = [HEAD_START, *[0] * (workers - 1)]
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        least = 0 if sizes[number] == 0 else loads.index(min(loads))
        shares[least].append(number)
        loads[least] += sizes[number]
    return [sorted(share) for share in shares if share]


def _size(byte_range: ByteRange) -> int:
    if byte_range.size_bytes is not None:
        return byte_range.size_bytes
    try:
        status = os.stat(byte_range.path)
    except OSError:
        return 0
    return max(0, status.st_size - byte_range.offset) if stat.S_ISREG(status.st_mode) else 0


class SharedProgress:
    """The bytes that each worker has read, on a page that all of them see."""

    def __init__(self, board: mmap.mmap, progress: Callable[[int], None] | None) -> None:
        self._board = board
        self._progress = progress
        self._next = 0.0

    def of(self, worker: int) -> Callable[[int], None]:
        """Return what ``worker`` calls with the bytes that it has just read."""

        def advance(count: int) -> None:
            (done,) = struct.unpack_from("q", self._board, 8 * worker)
            struct.pack_into("q", self._board, 8 * worker, done + count)
            if worker == 0:
                self.show()

        return advance

    def show(self) -> None:
        """Tell the sum, but not too often."""
        if self._progress is not None and (now := time.monotonic()) >= self._next:
            self._next = now + PROGRESS_SECONDS
            self._progress(sum(struct.unpack(f"{len(self._board) // 8}q", self._board)))


class _Worker:
    """A forked copy of this process that reads its share and sends the parts through a pipe."""

    def __init__(
        self,
        share: Sequence[int],
        tasks: Sequence[tuple[ByteRange, ScanOptions]],
        reported: SharedProgress,
        number: int,
    ) -> None:
        self._out, write_end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:  # pragma: no cover - the copy ends here, and what measured it with it
            try:
                os.close(self._out)
                parts = {n: _read(*tasks[n], reported.of(number)) for n in share}
                with open(write_end, "wb") as pipe:
                    pickle.dump(parts, pipe, protocol=5)
            finally:
                os._exit(0)
        os.close(write_end)

    def result(self, reported: SharedProgress) -> dict[int, ScanResult | UnreadableInput]:
        """Wait for the parts; none where the worker was killed."""
        while not select.select([self._out], [], [], PROGRESS_SECONDS)[0]:
            reported.show()
        with open(self._out, "rb", closefd=False) as pipe:
            content = pipe.read()
        try:
            return pickle.loads(content)  # type: ignore[no-any-return] # noqa: S301 - from our own copy
        except (EOFError, pickle.UnpicklingError):
            return {}

    def end(self) -> None:
        """Reap the worker; one that still reads is not needed any more."""
        os.close(self._out)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)


def _read(
    byte_range: ByteRange, options: ScanOptions, advance: Callable[[int], None]
) -> ScanResult | UnreadableInput:
    try:
        if byte_range.path == STANDARD_INPUT:
            stdin = sys.stdin.buffer
            assert isinstance(stdin, io.BufferedReader)  # noqa: S101 - what Python opens it as
            return read_open(stdin, options=options, advance=advance)
        with open(byte_range.path, "rb") as file:
            if byte_range.offset:
                file.seek(byte_range.offset)
                limit = byte_range.size_bytes
                return scan(file, limit_bytes=limit, options=options, advance=advance)
            return read_open(
                file, limit_bytes=byte_range.size_bytes, options=options, advance=advance
            )
    except OSError as error:
        return UnreadableInput(error)


def read_open(
    stream: io.BufferedReader,
    *,
    limit_bytes: int | None = None,
    options: ScanOptions = PLAIN,
    advance: Callable[[int], None] | None = None,
) -> ScanResult:
    """Read an open log from its first byte, unpacking it where it is packed. Raises OSError."""
    unpacked = open_log(stream)
    part = scan(unpacked, limit_bytes=limit_bytes, options=options, advance=advance)
    if isinstance(unpacked, Unpacked) and unpacked.broken is not None:
        part.skip(part.lines + 1, unpacked.broken)
    return part
