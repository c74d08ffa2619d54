"""Descriptors by what they are."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from telemetry.kernel.descriptor_identity import descriptor_name, read_descriptors_by_identity
from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("/logs/fold-12/epoch_3.log", "/logs/fold-#/epoch_#.log"),
        ("/logs/a.log (deleted)", "/logs/a.log (deleted)"),
        ("socket:[12345]", "socket"),
        ("pipe:[1]", "pipe"),
        ("anon_inode:[eventpoll]", "anon_inode:[eventpoll]"),
        ("/dev/nvidia0", "/dev/nvidia#"),
    ],
)
def test_a_descriptor_is_known_by_its_link(link: str, name: str) -> None:
    """Two that differ in a number are of one kind."""
    assert descriptor_name(link) == name


def test_the_descriptors_of_a_process_are_counted(tmp_path: Path) -> None:
    """By path, and sockets together."""
    before = read_descriptors_by_identity(os.getpid())
    files = [open(tmp_path / f"log-{number}", "w") for number in range(4)]  # noqa: SIM115 - they stay open
    sockets = socket.socketpair()
    after = read_descriptors_by_identity(os.getpid())
    for file in files:
        file.close()
    for one in sockets:
        one.close()
    assert after[descriptor_name(f"{tmp_path}/log-0")] == 4
    assert after["socket"] - before.get("socket", 0) == 2


def test_a_path_that_is_no_text_is_written_as_such(tmp_path: Path) -> None:
    """A journal takes nothing else; in a process of its own, which has few others."""
    code = (
        "import os, sys\n"
        "from telemetry.kernel.descriptor_identity import read_descriptors_by_identity\n"
        "with open(os.path.join(os.fsencode(sys.argv[1]), b'\\xff'), 'w'):\n"
        "    found = read_descriptors_by_identity(os.getpid())\n"
        "print(any(name.endswith('\\\\udcff') for name in found))\n"
    )
    assert run_python("-c", code, str(tmp_path)).out == "True\n"
