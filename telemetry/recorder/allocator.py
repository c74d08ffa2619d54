"""The C allocator behind malloc in this very process: what it holds in use, what it keeps, and how it gives that back.

Which one it is says the object that ``malloc`` lies in (man 3 dladdr): another one may be loaded besides, with a prefix of
its own, and serve nobody. Each is asked by its own interface, as far as it has one:

    glibc       mallinfo2, all arenas together (2.33); malloc_trim
    jemalloc    mallctl: stats.allocated, stats.resident; arena.<all>.purge
    tcmalloc    MallocExtension_GetNumericProperty, MallocExtension_ReleaseFreeMemory (gperftools)
    mimalloc    mi_collect; it has no count of what is in use
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from telemetry.interruption import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_ARENA = 4096
"""MALLCTL_ARENAS_ALL of jemalloc.h, since jemalloc 5."""


class Held(NamedTuple):
    """Bytes of an allocator; None where it does not say."""

    in_use_bytes: int | None = None
    """Handed out and not given back."""
    kept_bytes: int | None = None
    """Given back, and still the process's: in memory, or in addresses alone."""


class Allocator(Protocol):
    """What serves malloc."""

    name: str

    def held(self) -> Held:
        """Ask it; takes its locks one after another."""
        ...

    def release(self) -> None:
        """Let it give back to the kernel what it keeps; what allocates meanwhile waits."""
        ...


class _Mallinfo2(ctypes.Structure):
    """struct mallinfo2 of malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


class _Glibc:
    name = "glibc"
    symbol = "malloc_trim"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._info = _function(library, "mallinfo2")
        if self._info is not None:
            self._info.restype = _Mallinfo2

    def held(self) -> Held:
        if self._info is None:
            return Held()
        info = self._info()
        return Held(info.uordblks + info.hblkhd, info.fordblks)

    def release(self) -> None:
        self._library.malloc_trim(ctypes.c_size_t(0))


class _Jemalloc:
    name = "jemalloc"
    symbol = "mallctl"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._mallctl = library.mallctl

    def held(self) -> Held:
        epoch = ctypes.c_uint64(1)  # the statistics are those of the last epoch
        self._mallctl(b"epoch", None, None, ctypes.byref(epoch), ctypes.c_size_t(8))
        in_use, resident = self._number(b"stats.allocated"), self._number(b"stats.resident")
        return Held(in_use, None if None in {in_use, resident} else max(0, resident - in_use))  # type: ignore[operator] # neither is None

    def _number(self, name: bytes) -> int | None:
        value, size = ctypes.c_size_t(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_size_t))
        failed = self._mallctl(
            name, ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)
        )
        return None if failed else value.value

    def release(self) -> None:
        self._mallctl(b"arena.%d.purge" % _EVERY_ARENA, None, None, None, ctypes.c_size_t(0))


class _Tcmalloc:
    name = "tcmalloc"
    symbol = "MallocExtension_ReleaseFreeMemory"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def held(self) -> Held:
        in_use = self._number(b"generic.current_allocated_bytes")
        heap = self._number(b"generic.heap_size")
        unmapped = self._number(b"tcmalloc.pageheap_unmapped_bytes")
        if in_use is None or heap is None:
            return Held(in_use)
        return Held(in_use, max(0, heap - (unmapped or 0) - in_use))

    def _number(self, name: bytes) -> int | None:
        value = ctypes.c_size_t()
        known = self._library.MallocExtension_GetNumericProperty(name, ctypes.byref(value))
        return value.value if known else None

    def release(self) -> None:
        self._library.MallocExtension_ReleaseFreeMemory()


class _Mimalloc:
    name = "mimalloc"
    symbol = "mi_collect"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def held(self) -> Held:
        return Held()

    def release(self) -> None:
        self._library.mi_collect(True)  # noqa: FBT003 - C has no names for arguments


_KNOWN: tuple[Callable[[ctypes.CDLL], Allocator], ...] = (_Jemalloc, _Tcmalloc, _Mimalloc, _Glibc)


def find_allocator() -> Allocator | None:
    """Return what serves malloc in this process; None where that is not known, as with musl. Never raises."""
    try:
        library = ctypes.CDLL(None)
        serving = _object_of(library, "malloc")
        for kind in _KNOWN:
            if serving is not None and _object_of(library, kind.symbol) == serving:  # type: ignore[attr-defined] # each of them has one
                return kind(library)
    except (OSError, AttributeError, TypeError) as error:
        pass_on(error)
        return None
    return None


class _DlInfo(ctypes.Structure):
    """Dl_info of dlfcn.h."""

    _fields_ = [
        ("fname", ctypes.c_char_p),
        ("fbase", ctypes.c_void_p),
        ("sname", ctypes.c_char_p),
        ("saddr", ctypes.c_void_p),
    ]


def _function(library: ctypes.CDLL, symbol: str) -> Any:
    """Return a function of the library, None without; getattr's default would keep what a signal handler raises."""
    try:
        return getattr(library, symbol)
    except AttributeError as error:
        pass_on(error)
        return None


def _object_of(library: ctypes.CDLL, symbol: str) -> int | None:
    """Return where the object is loaded that a symbol is taken from; None without the symbol."""
    function = _function(library, symbol)
    if function is None:
        return None
    info = _DlInfo()
    found = library.dladdr(ctypes.cast(function, ctypes.c_void_p), ctypes.byref(info))
    return info.fbase if found else None


def malloc_in_use() -> Callable[[], int | None]:
    """Return what tells the bytes in use by glibc's malloc, and keeps the interpreter's lock; None of another allocator.

    To be called over and over: given up, the lock is had back a switch interval later beside a busy thread.
    """
    if not isinstance(find_allocator(), _Glibc):
        return lambda: None
    keeping = _Glibc(ctypes.PyDLL(None))
    return lambda: keeping.held().in_use_bytes
