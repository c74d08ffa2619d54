"""What tells that a run goes on below a failure, and what only looks like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis

EPOCHS = "".join(f"Epoch {n}/5 loss 0.{n}\n" for n in range(1, 6))
FRAME = '  File "/w/train.py", line 88, in <module>\n'
CALL = "    trainer.fit(model, epochs=3)\n"
SEVERAL_LINES = (
    "    main(\n    ~~~~^\n        epochs=30,\n        ^^^^^^^^^^\n        loss=0.1,\n    )\n"
)


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


def traceback(code: str, *, prefix: str = "") -> str:
    text = f"Traceback (most recent call last):\n{FRAME}{code}KeyError: 'val'\n"
    return "".join(f"{prefix}{line}\n" for line in text.splitlines())


@pytest.mark.parametrize("code", [CALL, SEVERAL_LINES])
@pytest.mark.parametrize("prefix", ["", "[rank0]: ", "2026-01-14 03:12:44 "])
def test_the_code_in_a_traceback_is_no_progress(tmp_path: Path, code: str, prefix: str) -> None:
    """An uncaught exception ends a run, whatever its code names and whatever was complete above."""
    analysis = of_log(tmp_path, f"{EPOCHS}Trial 5 Complete\n{traceback(code, prefix=prefix)}")
    assert analysis.outcome == "crashed"
    assert analysis.first_failure is not None
    assert "KeyError" in str(analysis.first_failure.process.crash)


@pytest.mark.parametrize(
    "below",
    [
        "Epoch 6/9 loss 0.1\nEpoch 7/9 loss 0.1\n",
        "    loss=0.1 at the end of the second stage\n",
        "INFO DAGScheduler: Job 6 finished: count at Fit.scala:1100, took 388.1 s\n",
        "INFO DAGScheduler: ResultStage 8 (count at Fit.scala:1100) finished in 41.2 s\n",
        "INFO ExecutionGraph - Map (3/8) (a2) switched from RUNNING to FINISHED.\n",
    ],
)
def test_what_goes_on_below_a_traceback_is_progress(tmp_path: Path, below: str) -> None:
    """Of a training, and of an engine that ran the same again."""
    analysis = of_log(tmp_path, EPOCHS + traceback(CALL) + below)
    assert analysis.outcome in {"running", "finished"}
