"""Leave a process behind in a mount namespace with a v1 pids mount; print its PID and its first line."""

from __future__ import annotations

import os
import subprocess

INSIDE = (
    "umount -R /sys/fs/cgroup && mount -t tmpfs t /sys/fs/cgroup"
    " && mkdir /sys/fs/cgroup/pids && mount -t cgroup -o pids c /sys/fs/cgroup/pids"
    " && echo ready && exec sleep 30"
)

if __name__ == "__main__":
    process = subprocess.Popen(
        ["unshare", "-C", "-m", "sh", "-c", INSIDE],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    print(process.pid, process.stdout.readline(), flush=True)
    os._exit(0)
