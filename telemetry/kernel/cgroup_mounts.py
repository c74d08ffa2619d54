"""The cgroups of a process, from /proc/PID/cgroup and the cgroup lines of /proc/PID/mountinfo.

For cgroup v1, v2, both mounted at once (hybrid) and cgroup namespaces. Sources:
Documentation/admin-guide/cgroup-v2.rst, Documentation/admin-guide/cgroup-v1/.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CgroupMount:
    """One mounted cgroup hierarchy; ``controllers`` is empty for v2, which names none."""

    version: int
    root: str
    mountpoint: str
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class CgroupLocation:
    """Where a controller's files for a process are: the cgroup's own folder first, then upwards."""

    version: int
    folders: tuple[str, ...]
    """Folders of every visible level as the process sees them, the leaf first, the mount last."""


# 8:pids:/docker/0123abcd         v1: hierarchy:controllers:path
# 0::/user.slice                  v2: always hierarchy 0 without controllers
def parse_membership(text: bytes) -> dict[str, str]:
    """Return the path by controller of /proc/PID/cgroup; v2's path is under the key "".

    A path may hold colons; ``name=systemd`` stands under its own name. Broken lines are left out.
    """
    paths: dict[str, str] = {}
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            paths.update(dict.fromkeys(parts[1].split(","), parts[2].removesuffix(" (deleted)")))
    return paths


# 39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
# 36 24 0:30 /docker/ab /sys/fs/cgroup rw,nosuid master:4 - cgroup2 cgroup rw,nsdelegate
def parse_mounts(text: bytes) -> list[CgroupMount]:
    """Return the cgroup mounts of /proc/PID/mountinfo, in its order.

    A later mount at the same place hides the earlier one, as when a container's subtree is mounted
    over the hierarchy.
    """
    mounts: dict[str, CgroupMount] = {}
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        before, separator, after = line.partition(" - ")
        fields, source = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(source) < 3:
            continue
        if source[0] == "cgroup2":
            version, controllers = 2, frozenset[str]()
        elif source[0] == "cgroup":
            version, controllers = 1, frozenset(source[2].split(","))
        else:
            continue
        mount = CgroupMount(version, _unescape(fields[3]), _unescape(fields[4]), controllers)
        mounts[mount.mountpoint] = mount
    return list(mounts.values())


def _unescape(path: str) -> str:
    r"""Undo mountinfo's octal escapes of blank, tab, newline and backslash (``\040`` and so on)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def locate(controller: str, membership: bytes, mountinfo: bytes) -> CgroupLocation | None:
    """Find the folders of ``controller`` from the texts of /proc/PID/cgroup and mountinfo.

    A v1 mount that carries the controller wins over v2, which can then not have it. None if no
    mounted hierarchy can show it. If the path lies outside the mounted subtree (``/../x`` in a
    namespace, or v1's host path in a container without a cgroup namespace), the mount itself is
    the container's cgroup.
    """
    paths = parse_membership(membership)
    mounts = parse_mounts(mountinfo)
    for mount in sorted(mounts, key=lambda mount: mount.version):
        if mount.version == 1 and controller in mount.controllers and controller in paths:
            return CgroupLocation(1, _folders(mount, paths[controller]))
        if mount.version == 2 and "" in paths and controller not in paths:
            return CgroupLocation(2, _folders(mount, paths[""]))
    return None


def _folders(mount: CgroupMount, path: str) -> tuple[str, ...]:
    inside = posixpath.relpath(path, mount.root)
    if path.startswith("/..") or inside.startswith("..") or inside == ".":
        return (mount.mountpoint,)
    parts = inside.split("/")
    levels = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
    return (*(posixpath.join(mount.mountpoint, level) for level in levels), mount.mountpoint)
