"""Builders of what /proc has of process 7 and its children."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = b"python\0train.py\0--epochs\0" + b"9\0"


def make_process(root: Path, pid: int, parent: int, *, maps: int = 5, **status: int) -> None:
    """Write what /proc has of a process."""
    folder = root / "proc" / str(pid)
    (folder / "task" / str(pid)).mkdir(parents=True)
    (folder / "fd").mkdir()
    for name in range(status.pop("fds", 1)):
        (folder / "fd" / str(name)).write_text("")
    (folder / "task" / str(pid) / "comm").write_text("python\n")
    (folder / "task" / str(pid) / "children").write_text("")
    (folder / "comm").write_text("python\n")
    known = {"PPid": parent, "Threads": 2} | status
    lines = "".join(f"{name}:\t{value}\n" for name, value in known.items())
    size = "VmRSS:\t10 kB\nVmSize:\t100 kB\n" if pid != 66 else ""
    (folder / "status").write_text(f"Name:\tpython\n{lines}{size}")
    start = " ".join(["0"] * 18)
    (folder / "stat").write_text(f"{pid} (python) S {start} {pid}\n")
    (folder / "cmdline").write_bytes(TRAIN)
    (folder / "limits").write_text("Max open files            100                  100   files\n")
    (folder / "maps").write_text("1000-2000 r--p 00000000 00:00 0\n" * maps)


def make_tree(root: Path, *children: int) -> None:
    make_process(root, 7, 1)
    (root / "proc/sys/vm").mkdir(parents=True)
    (root / "proc/sys/vm/max_map_count").write_text("1000\n")
    (root / "proc/7/task/7/children").write_text(" ".join(map(str, children)))
