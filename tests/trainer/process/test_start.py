"""A child that is stopped before it has begun holds its parent up for no longer than a start may take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.support.programs import run_python
from trainer.process.start import starting


@pytest.mark.slow
def test_a_child_that_is_stopped_before_it_has_begun_is_continued() -> None:
    """Nobody else would: its parent waits for it to execute its program."""
    with starting():
        process = subprocess.Popen(
            [sys.executable, "-c", "print('begun')"],
            stdout=subprocess.PIPE,
            preexec_fn=lambda: os.kill(os.getpid(), signal.SIGSTOP),  # noqa: PLW1509 - no other thread holds a lock
        )
    assert process.communicate()[0] == b"begun\n"
    assert process.returncode == 0


def test_neither_runner_nor_agent_is_held_in_the_kernel_until_its_child_has_begun() -> None:
    """As by vfork(2), where no signal comes through."""
    code = "import subprocess, {}; print(subprocess._USE_VFORK)"
    for module in ("trainer.runner.local_engine", "trainer.agent.__main__"):
        assert run_python("-c", code.format(module)).out == "False\n"
