"""An error below which other workers or trials went on, and what is said below of who died of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis

WORK = "".join(f"[pool] worker {n:02d} fold={n} auc=0.7{n}\n" for n in range(8))
OTHERS = "[pool] worker 02 fold=9 auc=0.79\n"
OMP = (
    "OMP: Error #34: System unable to allocate necessary resources for OMP thread:\n"
    "OMP: System error #11: Resource temporarily unavailable\n"
)
GOMP = "libgomp: Thread creation failed: Resource temporarily unavailable\n"
BAD_ALLOC = (
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
)
RAISED = (
    'Traceback (most recent call last):\n  File "/w/a.py", line 9, in {}\n    fit(epochs=3)\n{}\n'
)
OOM = RAISED.format(
    "objective", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
)
KEY = RAISED.format("work", "KeyError: 'label'")
CI = "ERROR: Job failed: exit code 1\n"


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


def root(analysis: Analysis) -> str:
    found = analysis.first_failure
    return "" if found is None or found.process.crash is None else found.process.crash.text


@pytest.mark.parametrize(
    ("error", "below", "words"),
    [
        (OMP, "[pool] worker 11 died (exit code -6), giving up\n", "OMP: Error #34"),
        (OMP, f"[pool] worker 11 died (exit code -6), giving up\n{CI}", "OMP: Error #34"),
        (OMP, f"[pool] worker 11 died (exit code -6), giving up\n{OTHERS}{CI}", "OMP: Error #34"),
        (OMP, "Process 3 exited with status 134; aborting\n", "OMP: Error #34"),
        (
            BAD_ALLOC,
            "mpirun noticed that process rank 5 with PID 9 on node n4 exited on signal 6 (Aborted).\n",
            "std::bad_alloc",
        ),
        (GOMP, "srun: error: node7: task 3: Exited with exit code 1\n", "libgomp"),
        (
            GOMP,
            "E0312 api.py:869] failed (exitcode: 1) local_rank: 3 (pid: 42) of binary: p\n",
            "libgomp",
        ),
        (GOMP, "worker #7 crashed (returncode 1)\n", "libgomp"),
        (
            KEY,
            "launcher: process 3 terminated with exit status 1, shutting down 7 others\n",
            "KeyError",
        ),
        (
            GOMP,
            "[ERROR] [launch.py:322] ['python', 'train.py', '--local_rank=3'] exits with return code = 1\n",
            "libgomp",
        ),
        (
            KEY,
            "[rank: 1] Child process with PID 44 terminated with code 1. Terminating all others\n",
            "KeyError",
        ),
        (
            RAISED.format("work", "RuntimeError: can't start new thread"),
            "Exiting because a job execution failed. Look above for error message\n",
            "can't start new thread",
        ),
        (
            OMP,
            RAISED.format(
                "main",
                "subprocess.CalledProcessError: Command 'fit' died with <Signals.SIGABRT: 6>.",
            ),
            "OMP: Error #34",
        ),
    ],
)
def test_the_error_of_the_one_that_died_is_the_root(
    tmp_path: Path, error: str, below: str, words: str
) -> None:
    """Though others made progress below it: that they did says nothing of that one."""
    analysis = of_log(tmp_path, WORK + WORK + error + OTHERS + below)
    assert analysis.outcome == "crashed"
    assert words in root(analysis)
    found = analysis.first_failure
    assert found is not None
    assert not found.process.recovered
    assert not found.process.handled_exceptions


@pytest.mark.parametrize(
    ("below", "words"),
    [
        ("[pool] worker 02 died (exit code 3), giving up\n", "exit code 3"),
        ("[pool] worker 02 died (exit code -11), giving up\n", "exit code -11"),
        (CI, "Job failed"),
        (RAISED.format("work", "AssertionError: 3 failures, limit 2"), "3 failures"),
        (RAISED.format("work", "ValueError: expected a tensor of rank 2"), "rank 2"),
        (RAISED.format("work", "ValueError: task 3 answered with status 404"), "status 404"),
        (f"{KEY}[pool] worker 02 died (exit code 1), giving up\n", "KeyError"),
    ],
)
def test_another_end_leaves_what_was_survived_survived(
    tmp_path: Path, below: str, words: str
) -> None:
    """A process that ends by abort() leaves another status, and an error nearer to the end is nearer to its cause."""
    analysis = of_log(tmp_path, WORK + WORK + OMP + OTHERS + below)
    assert words in root(analysis)
    assert "openmp_error_34" in analysis.findings[0].process.recovered


@pytest.mark.parametrize(
    "below",
    [
        "[pool] worker 11 died (exit code -6), restarting it (1 of 3)\n",
        "[pool] worker 11 died (exit code -6)\n",
        "",
    ],
)
def test_a_run_that_goes_on_without_one_did_not_crash(tmp_path: Path, below: str) -> None:
    """It begins another, or does without."""
    analysis = of_log(tmp_path, f"{WORK}{WORK}{OMP}{OTHERS}{below}{WORK}[pool] all done\n")
    assert analysis.outcome == "finished"


@pytest.mark.parametrize(
    "end",
    [
        "RuntimeError: Number of consecutive failures exceeded the limit of 3.",
        "ValueError: No trials are completed yet.",
        "hyperopt.exceptions.AllTrialsFailed",
        "ray.tune.error.TuneError: ('Trials did not complete', ['fn_0'])",
        "search.SearchAborted: too many failed trials (3 of 3)",
        "RuntimeError: all 8 jobs failed",
        "RuntimeError: max failed trials reached (4), stopping the experiment",
    ],
)
@pytest.mark.parametrize(("error", "words"), [(OOM, "CUDA out of memory"), (KEY, "KeyError")])
def test_a_search_that_gives_up_ended_by_its_last_trial(
    tmp_path: Path, end: str, error: str, words: str
) -> None:
    """It went on below each trial that failed, and ends because they did."""
    trials = "".join(f"Trial {n} started\n{error}Trial {n} Complete\n" for n in range(3))
    analysis = of_log(tmp_path, trials + RAISED.format("<module>", end))
    assert analysis.outcome == "crashed"
    assert words in root(analysis)


def test_an_exception_of_its_own_is_none_of_the_trials(tmp_path: Path) -> None:
    """A failed trial above it was survived."""
    trials = f"Trial 1 started\n{OOM}Trial 2 Complete\nTrial 3 Complete\n"
    assert "KeyError" in root(of_log(tmp_path, trials + KEY))
    assert of_log(tmp_path, f"{trials}Search finished\n").outcome == "finished"
