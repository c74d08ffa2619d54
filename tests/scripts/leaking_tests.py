"""Tests that leak, each in its own way; ``test_clean_...`` do not. Copied and run under the pytest plugin."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

KEPT: list[object] = []
SUBSCRIBERS: list[object] = []
pytestmark = pytest.mark.foldwatch(maps=5)


def start_worker() -> None:
    never = threading.Event()
    threading.Thread(target=never.wait, daemon=True, name="worker-1").start()


def test_thread() -> None:
    start_worker()


def start_pool() -> None:
    pool = ThreadPoolExecutor(1, thread_name_prefix="loader")
    KEPT.append(pool)
    pool.submit(os.getpid).result()


def test_thread_pool() -> None:
    start_pool()


def map_pages() -> None:
    for _ in range(10):
        KEPT.append(mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE))
        KEPT.append(mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))


def test_mmap() -> None:
    map_pages()


def keep_bytes() -> None:
    KEPT.append(b"x" * (3 * 2**20))


def test_bytes() -> None:
    keep_bytes()


def take_from_malloc() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    for _ in range(40):
        ctypes.memset(library.malloc(ctypes.c_size_t(2**16)), 1, 2**16)


def test_malloc() -> None:
    take_from_malloc()


def open_file() -> None:
    KEPT.append(os.open(os.devnull, os.O_RDONLY))


def test_descriptor() -> None:
    open_file()


def connect() -> None:
    KEPT.append(socket.socketpair())


def test_socket() -> None:
    connect()


def start_child() -> None:
    KEPT.append(subprocess.Popen(["sleep", "30"]))


def test_child() -> None:
    start_child()


@functools.cache
def squares(count: int, _: int) -> list[int]:
    return [number * number for number in range(count)]


def test_cache() -> None:
    KEPT.append(None)
    squares(60_000, len(KEPT))


def subscribe() -> None:
    rows = [[number] for number in range(30_000)]
    SUBSCRIBERS.append(lambda: rows)


def test_closure() -> None:
    subscribe()


@pytest.fixture
def connection() -> socket.socket:
    """Give what nothing closes: a leak of a fixture."""
    one, other = socket.socketpair()
    KEPT.append((one, other))
    return one


def test_fixture(connection: socket.socket) -> None:
    assert connection.fileno() >= 0
