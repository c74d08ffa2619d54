"""Faults of the file system: one call of this process on files below a directory fails as a disk would make it.

Calls on such a path, or on a descriptor of such a file, are counted; the chosen one fails with an errno, or is cut short
if it writes. Python's own files are made of a raw one whose reads and writes are counted as well.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ERRNOS = ("EIO", "ENOSPC", "ESTALE", "EACCES", "EINTR", "short")
"""What a call may fail with; a short write takes half of the bytes."""
MOST_TIMES = 3
"""What comes more often is polled, and every time alike."""
_RANDOM = re.compile(r"(?<=\.)[0-9a-f]{12}\.(?=part$)|(?<=-)[0-9a-f]{16}(?=\.)")
"""In the name of a temporary file, and of one that is written under a lease."""
_OF_PATHS = (
    *("open", "stat", "lstat", "mkdir", "makedirs", "unlink", "remove", "rename", "replace"),
    *("listdir", "scandir", "chmod", "rmdir", "utime", "link"),
)
_OF_DESCRIPTORS = ("read", "write", "pread", "fsync", "fstat", "lseek", "fchmod")


class Site(NamedTuple):
    """A call on a file: whose, its name, the path below the directory, and how often it came, from 1 to MOST_TIMES."""

    process: str
    """``runner``, or ``agent 2`` of fold 2."""
    call: str
    path: str
    time: int


class Fault(NamedTuple):
    """Which call fails, and how."""

    site: Site
    how: str


class Faults:
    """Between ``with`` and its end, calls below ``top`` are counted, and that of ``fault`` fails."""

    def __init__(self, process: str, top: str, fault: Fault | None = None) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        """By call and path."""
        self.was_hit = False
        self._process = process
        self._top = os.path.realpath(top) + os.sep
        self._fault = fault
        self._names: dict[int, tuple[str, tuple[int, int] | None]] = {}
        self._real = {name: getattr(os, name) for name in (*_OF_PATHS, *_OF_DESCRIPTORS)}
        self._open = builtins.open

    def __enter__(self) -> Self:
        for name in _OF_PATHS:
            setattr(os, name, self._of_path(name, self._real[name]))
        for name in _OF_DESCRIPTORS:
            setattr(os, name, self._of_descriptor(name, self._real[name]))
        builtins.open = io.open = self._open_file  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)
        builtins.open = io.open = self._open

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the calls inside a ``with`` be as they were."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def sites(self) -> list[Site]:
        """Return every call that was made, each path's at most MOST_TIMES times."""
        return [
            Site(self._process, call, path, time)
            for (call, path), count in sorted(self.calls.items())
            for time in range(1, min(count, MOST_TIMES) + 1)
        ]

    def _is_below(self, path: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        text = os.fsdecode(path)
        return os.path.abspath(text).startswith(self._top) or text == self._top[:-1]

    def strike(self, call: str, path: str) -> bool:
        """Count a call; raise OSError if it is the one that fails, or return whether it is to be cut short."""
        below = _RANDOM.sub("", os.path.relpath(path, self._top))
        self.calls[call, below] += 1
        site = Site(self._process, call, below, self.calls[call, below])
        if self._fault is None or site != self._fault.site:
            return False
        self.was_hit = True
        if self._fault.how == "short":
            return True
        number = getattr(errno, self._fault.how)
        raise OSError(number, os.strerror(number), path)

    def _of_path(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **named: Any) -> Any:
            if not self._is_below(path):
                return real(path, *arguments, **named)
            self.strike(name, os.fsdecode(path))
            found = real(path, *arguments, **named)
            if name == "open":
                self._names[found] = os.fsdecode(path), self._identity(found)
            return found

        return call

    def _of_descriptor(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int, *arguments: Any) -> Any:
            path, identity = self._names.get(descriptor, ("", None))
            # Its number may be another's by now.
            if identity is None or identity != self._identity(descriptor):
                return real(descriptor, *arguments)
            if self.strike(name, path) and name == "write":
                return real(descriptor, arguments[0][: len(arguments[0]) // 2])
            return real(descriptor, *arguments)

        return call

    def _identity(self, descriptor: int) -> tuple[int, int] | None:
        with suppress(OSError):
            found = self._real["fstat"](descriptor)
            return found.st_dev, found.st_ino
        return None

    def _open_file(
        self, path: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any
    ) -> Any:
        if not self._is_below(path):
            return self._open(path, mode, buffering, *rest, **named)
        opener = named.pop("opener", None)
        name = os.fsdecode(path)
        if opener is None:
            self.strike("open", name)
        raw = _CountedFile(name, mode.replace("b", "").replace("t", ""), opener=opener)
        raw.faults = self
        if buffering == 0:
            return raw
        is_read = raw.readable() and not raw.writable()
        buffered = io.BufferedReader(raw) if is_read else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **named)


class _CountedFile(io.FileIO):
    """A raw file whose reads and writes are counted."""

    faults: Faults

    def read(self, size: int | None = -1, /) -> bytes:
        self.faults.strike("read", str(self.name))
        return super().read(-1 if size is None else size)

    def readall(self) -> bytes:
        self.faults.strike("read", str(self.name))
        return super().readall()

    def readinto(self, buffer: Any, /) -> int:
        self.faults.strike("read", str(self.name))
        return super().readinto(buffer)

    def write(self, content: Any, /) -> int:
        if self.faults.strike("write", str(self.name)):
            content = memoryview(content)[: len(content) // 2]
        return super().write(content)
