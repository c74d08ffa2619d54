"""Memory maps by what they are."""

from __future__ import annotations

import mmap
import os
import threading

from telemetry.kernel.map_identity import LONGEST_NAME, maps_by_identity, read_maps_by_identity

MAPS = b"""\
55d0c0000000-55d0c0001000 r--p 00000000 fe:00 393 /usr/bin/python3.11
55d0c0001000-55d0c0002000 r-xp 00001000 fe:00 393 /usr/bin/python3.11
55d0c2000000-55d0c2100000 rw-p 00000000 00:00 0 [heap]
7f2b48000000-7f2b4916c000 rw-p 00000000 00:00 0
7f2b4916c000-7f2b4c000000 ---p 00000000 00:00 0
7f2b4c000000-7f2b4d000000 rw-p 00000000 00:00 0
7f2b4d000000-7f2b50000000 ---p 00000000 00:00 0
7f2b536ff000-7f2b53700000 ---p 00000000 00:00 0
7f2b53700000-7f2b53f00000 rw-p 00000000 00:00 0
7f2b60001000-7f2b60101000 rw-p 00000000 00:00 0
7f2b61001000-7f2b61081000 rw-p 00000000 00:00 0
7f2b62001000-7f2b62002000 rwxp 00000000 00:00 0
7f2b63000000-7f2b63001000 rw-p 00000000 00:00 0 [anon:malloc]
7f2b63002000-7f2b63003000 rw-p 00000000 00:00 0 [anon: glibc: pthread stack: 71]
7f2b63004000-7f2b63005000 rw-p 00000000 00:00 0 [anon: glibc: pthread stack: 72]
7f2b63006000-7f2b63007000 rw-p 00000000 00:00 0 [anon: glibc: malloc arena]
7f2b64001000-7f2b64002000 rw-s 00000000 00:01 5 /memfd:a b (deleted)
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
"""


def test_each_kind_is_known() -> None:
    """Files, names, sizes, a stack with its guard, and two arenas with their unused ends."""
    assert maps_by_identity(MAPS) == {
        "malloc arena": 4,
        "thread stack": 2,
        "/usr/bin/python3.11 r--p": 1,
        "/usr/bin/python3.11 r-xp": 1,
        "[heap]": 1,
        "anonymous rw-p 1 MiB": 1,
        "anonymous rw-p 512 KiB": 1,
        "anonymous rwxp 4 KiB": 1,
        "[anon:malloc]": 1,
        "[anon: glibc: pthread stack]": 2,
        "[anon: glibc: malloc arena]": 1,
        "/memfd:a b (deleted) rw-s": 1,
        "[stack]": 1,
    }


def test_very_many_are_counted_together() -> None:
    """A process may map any number of files, of any name."""
    lines = [
        b"%x-%x r--p 0 0:0 1 /%s%d" % (at << 20, (at << 20) + 4096, b"x" * 500, at)
        for at in range(1, 100)
    ]
    found = maps_by_identity(b"\n".join(lines), kept=5)
    assert sum(found.values()) == 99
    assert len(found) <= 6
    assert max(map(len, found)) <= LONGEST_NAME + len(" r--p")


def test_what_is_no_map_is_left_out() -> None:
    """Whatever the text."""
    assert maps_by_identity(b"") == {}
    assert maps_by_identity(b"rubbish\n\n1-2 r\n") == {}


def test_what_this_process_maps_is_found() -> None:
    """Threads that wait, and maps of its own."""
    before, done = read_maps_by_identity(os.getpid()), threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    maps = [mmap.mmap(-1, 4096 * (1 + at % 2), prot=mmap.PROT_READ) for at in range(40)]
    after = read_maps_by_identity(os.getpid())
    done.set()
    for thread in threads:
        thread.join()
    for one in maps:
        one.close()
    zero = "/dev/zero (deleted) r--s"
    assert after.get(zero, 0) - before.get(zero, 0) == 40
    assert after.get("thread stack", 0) > before.get("thread stack", 0)
