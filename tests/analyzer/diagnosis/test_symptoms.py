"""Which failures of a run are told as following from another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

HOST = "Apr 16 10:16:40 hub1 "
REJECTED = HOST + "kernel: cgroup: fork rejected by pids controller in /user.slice\n"
THREAD = HOST + "python3[21990]: RuntimeError: can't start new thread\n"
SSHD = HOST + "sshd[880]: error: fork: Resource temporarily unavailable\n"
FILES = HOST + "python3[21990]: OSError: [Errno 24] Too many open files: 'a.npy'\n"
ASSERTION = """\
[rank5]: Traceback (most recent call last):
[rank5]:   File "/fsx/train.py", line 301, in <module>
[rank5]:     assert ids.max() < size
[rank5]: AssertionError: token 32007
"""
PEER = (
    "[rank6]: NCCL error: remote process exited or there was a network error, NCCL version 2.20.5\n"
)
GLOO = "[rank6]: RuntimeError: [../gloo/transport/tcp/pair.cc:525] Read error [10.0.0.3]:4: Connection reset by peer\n"
FAULT = """\
[1,3]<stderr>:Fatal Python error: Segmentation fault
mpirun noticed that process rank 3 with PID 10233 on node n21 exited on signal 11 (Segmentation fault).
"""


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        (REJECTED + THREAD + SSHD, [1]),
        (THREAD + REJECTED, [1, 2]),
        (REJECTED + FILES, [1, 2]),
        (THREAD + SSHD, [1, 2]),
        (ASSERTION + PEER, [4]),
        (ASSERTION + GLOO, [4]),
        (PEER, [1]),
        (FAULT, [1]),
    ],
)
def test_what_follows_from_another_failure_is_no_second_root(
    tmp_path: Path, text: str, roots: list[int]
) -> None:
    """Below the kernel's refusal the tasks that were refused, of a peer that failed the others, of a rank its launcher."""
    path = tmp_path / "a.log"
    path.write_text(text)
    crashed = [one for one in analyze(path).findings if one.process.crash]
    own = [one for one in crashed if one.symptom_of is None] or crashed
    assert [one.process.crash.line for one in own if one.process.crash] == roots
