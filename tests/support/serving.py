"""`foldwatch serve` in a process of its own, and requests to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def serving(
    top: Path, *options: str, says: str = "$", prefix: tuple[str, ...] = (), **environment: str
) -> Iterator[str]:
    """Run the daemon on a free port and give its address; it must end cleanly at SIGTERM.

    Args:
        top: The directory that it follows.
        *options: Of `foldwatch serve`.
        says: A pattern for all of its standard error but the address; nothing by default.
        prefix: A command that runs it, such as ``ip netns exec``.
        **environment: Set over this process's own.
    """
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "foldwatch", "serve", str(top), "--port", "0", *options],
        cwd=ROOT,
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    try:
        for line in process.stderr:  # an alert may come first
            if line.startswith("serving "):
                break
            said += line
        else:
            pytest.fail(said)
        yield line.split()[1]
    finally:
        process.send_signal(signal.SIGTERM)
        rest = said + process.stderr.read()
        process.stderr.close()
        code = process.wait(20)
    assert code == 0
    assert re.match(says, rest), rest


def fetch(url: str, **headers: str) -> str:
    """Get ``url`` and return the body of the answer."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return str(answer.read().decode())
