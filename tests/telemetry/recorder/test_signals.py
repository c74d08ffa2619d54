"""The training's signals stay the training's: what it blocks, and what its handlers raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "is_supervised"), [("", "0"), ("port=0", "1"), ("attribute=True", "1")]
)
def test_a_signal_that_the_training_blocks_stays_pending(
    options: str, is_supervised: str, tmp_path: Path
) -> None:
    """No thread of the recorder takes it, which would end the training; and the training's own mask is as it was."""
    code = (
        "import os, signal, sys, threading, telemetry\n"
        "own = {signal.SIGUSR2}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, own)\n"
        f"telemetry.start(run_dir=sys.argv[1], {options})\n"
        "assert threading.active_count() == 2, threading.enumerate()\n"
        "assert signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]) == own\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
        "print(signal.sigwait([signal.SIGUSR1]).name)\n"
    )
    outcome = run_python(
        "-c", code, str(tmp_path), environment={"FOLDWATCH_SUPERVISED": is_supervised}
    )
    assert (outcome.code, outcome.out) == (0, "SIGUSR1\n"), outcome


@pytest.mark.parametrize("error", ["TimeoutError", "ImportError", "OSError"])
def test_what_a_signal_handler_raises_during_the_start_goes_its_way(error: str) -> None:
    """Also of the kinds that a start without a descriptor fails with; the next call starts then."""
    code = (
        "import signal, telemetry\n"
        f"def over(*_): raise {error}('the deadline')\n"
        "signal.signal(signal.SIGUSR1, over)\n"
        "class Folder:\n"
        "    def __fspath__(self): signal.raise_signal(signal.SIGUSR1)\n"
        "try: telemetry.start(run_dir=Folder())\n"
        f"except {error} as error: print(error)\n"
        "telemetry.checkpoint('x')\n"
    )
    outcome = run_python("-c", code)
    assert (outcome.code, outcome.err) == (0, ""), outcome
    assert outcome.out.startswith("the deadline\n[THREADS] x: "), outcome
