"""`HostRecorder`: copies the files that foldwatch reads of a process and its host into a directory, masked.

The files of /proc and of the cgroups are copied unchanged except for values that identify the machine: the process becomes
42, its other threads 43 and up, its descendants 90 and up, files behind maps become /usr/lib/N.so. A file that the user may
not read is empty and listed in unreadable.txt. The directories in tests/hosts are such records.
"""

from __future__ import annotations

import os
import re
from itertools import count

from telemetry.kernel.cgroup_controller import CONTROLLER_FILES
from telemetry.kernel.cgroup_mounts import locate

PROCESS, FIRST_THREAD, FIRST_DESCENDANT = 42, 43, 90
HOST_FILES = (
    "proc/loadavg",
    "proc/meminfo",
    "proc/pressure/cpu",
    "proc/pressure/io",
    "proc/pressure/memory",
    "proc/sys/kernel/pid_max",
    "proc/sys/kernel/threads-max",
    "proc/sys/vm/max_map_count",
)
MARKS = ("cgroup.controllers", "cgroup.procs", "cgroup.type", "release_agent")
"""Files that identify the kind of a cgroup's directory; their content is left out."""
PRESSURE = ("cpu.pressure", "io.pressure", "memory.pressure")


class HostRecorder:
    """Copies the files of one process into the directory ``output``."""

    def __init__(self, pid: int, output: str) -> None:
        self._pid = pid
        self._output = output
        self._numbers = {pid: PROCESS}
        self._unreadable: list[str] = []
        self._threads, self._descendants = count(FIRST_THREAD), count(FIRST_DESCENDANT)

    def record(self) -> None:
        """Copy everything. Raises OSError if there is no such process, or if the directory cannot be written."""
        source = f"proc/{self._pid}"
        for name in ("cgroup", "limits", "status", "stat", "uid_map", "mountinfo", "maps"):
            text = self._copy(f"{source}/{name}", f"proc/{PROCESS}/{name}")
            if text is not None and name in _MASKS:
                self._write(f"proc/{PROCESS}/{name}", _MASKS[name](text))
        for descriptor in self._list(f"{source}/fd", f"proc/{PROCESS}/fd"):
            self._write(f"proc/{PROCESS}/fd/{descriptor}", "")
        self._record_tasks(self._pid, with_names=True)
        for path in HOST_FILES:
            self._copy(path, path)
        self._record_cgroups()
        if self._unreadable:
            self._write("unreadable.txt", "\n".join(sorted(self._unreadable)) + "\n")

    def _record_tasks(self, pid: int, *, with_names: bool = False) -> None:
        masked = self._numbers[pid]
        for tid in sorted(map(int, os.listdir(f"/proc/{pid}/task"))):
            number = masked if tid == pid else next(self._threads)
            folder = f"proc/{masked}/task/{number}"
            if with_names:
                self._copy(f"proc/{pid}/task/{tid}/comm", f"{folder}/comm")
            children = self._copy(f"proc/{pid}/task/{tid}/children", f"{folder}/children") or ""
            numbers = []
            for child in map(int, children.split()):
                self._numbers[child] = next(self._descendants)
                numbers.append(f"{self._numbers[child]} ")
                text = self._copy(f"proc/{child}/status", f"proc/{numbers[-1].strip()}/status")
                if text is not None:
                    self._write(f"proc/{self._numbers[child]}/status", self._with_parent(text, pid))
                self._record_tasks(child)
            if children:
                self._write(f"{folder}/children", "".join(numbers))

    def _with_parent(self, status: str, parent: int) -> str:
        return re.sub(r"(?m)^PPid:\t\d+$", f"PPid:\t{self._numbers[parent]}", status)

    def _record_cgroups(self) -> None:
        texts = []
        for name in ("cgroup", "mountinfo"):
            with open(f"/proc/{self._pid}/{name}", "rb") as file:
                texts.append(file.read())
        for controller in ("pids", "memory", ""):
            location = locate(controller, *texts)
            if location is None:
                continue
            files = CONTROLLER_FILES.get((controller, location.version))
            names = [*PRESSURE] if files is None else _names(files)
            for folder in location.folders:
                self._record_folder(folder.lstrip("/"), names)

    def _record_folder(self, folder: str, names: list[str]) -> None:
        for name in MARKS:
            if os.path.exists(self._real(f"{folder}/{name}")):
                self._write(f"{folder}/{name}", "")
        for name in names:
            if os.path.exists(self._real(f"{folder}/{name}")):
                self._copy(f"{folder}/{name}", f"{folder}/{name}")

    def _real(self, path: str) -> str:
        """Return ``path`` as the recorded process sees it, which may have its own mounts."""
        inside = f"/proc/{self._pid}/root"
        return (
            f"/{path}"
            if path.startswith("proc/") or not os.access(inside, os.X_OK)
            else f"{inside}/{path}"
        )

    def _copy(self, path: str, to: str) -> str | None:
        try:
            with open(self._real(path), encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        except FileNotFoundError:
            return None
        except OSError:
            self._unreadable.append(to)
            self._write(to, "")
            return None
        self._write(to, text)
        return text

    def _list(self, path: str, to: str) -> list[str]:
        try:
            return os.listdir(f"/{path}")
        except PermissionError:
            self._unreadable.append(to)
            os.makedirs(os.path.join(self._output, to), exist_ok=True)
            return []

    def _write(self, path: str, text: str) -> None:
        real = os.path.join(self._output, path)
        os.makedirs(os.path.dirname(real), exist_ok=True)
        with open(real, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)


def _names(files: object) -> list[str]:
    values = [getattr(files, name) for name in ("current", "limit", "peak", "events")]
    local = getattr(files, "local_events", None)
    return [*values, local] if local else values


def _mask_mounts(text: str) -> str:
    """Keep the cgroup mounts, and the tmpfs that carries v1's."""
    return "".join(line for line in text.splitlines(keepends=True) if "cgroup" in line)


def _mask_maps(text: str) -> str:
    numbers: dict[str, int] = {}

    def masked(match: re.Match[str]) -> str:
        return f"/usr/lib/{numbers.setdefault(match[0], len(numbers))}.so"

    return re.sub(r"(?<= )/(?!dev/|memfd:).*", masked, text)


def _mask_stat(text: str) -> str:
    return re.sub(r"^\d+", str(PROCESS), text)


def _mask_status(text: str) -> str:
    """Keep the lines that foldwatch reads, and the first line, which a parser has to skip."""
    kept = (
        "Name:",
        "State:",
        "PPid:",
        "Uid:",
        "VmSize:",
        "VmRSS:",
        "VmData:",
        "Threads:",
        "CapEff:",
    )
    return "".join(line for line in text.splitlines(keepends=True) if line.startswith(kept))


_MASKS = {
    "mountinfo": _mask_mounts,
    "maps": _mask_maps,
    "stat": _mask_stat,
    "status": _mask_status,
}
