"""Processes that fill a real cgroup beside a training."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.paths import TESTS
from tests.support.waiting import wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cgroups import RealCgroup


def script(name: str) -> str:
    """Return the path of a program that tests run."""
    return os.path.join(TESTS, "scripts", name)


@contextlib.contextmanager
def crowd(cgroup: RealCgroup, path: str, count: int) -> Iterator[int]:
    """Run the script at ``path``, which puts ``count`` tasks into ``cgroup``; give its PID once they are there."""
    command = [sys.executable, path, cgroup.folder, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            process.kill()
    wait_for_end(process.pid)
