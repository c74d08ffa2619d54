"""What a CI says as it ends a job, and the steps that clean up below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis

FOLDS = "".join(f"fold {n} fit {n}.3 s score 0.9{n}\n" for n in range(1, 5))
STEP = "##[group]Run {}\nshell: /usr/bin/bash -e {{0}}\nenv:\n  OMP_NUM_THREADS: 4\n##[endgroup]\n"
CLEAN_UP = (
    STEP.format("actions/upload-artifact@v4")
    + "Artifact partial.zip successfully finalized. Artifact ID 1612201188\n"
    + "Artifact upload completed successfully\nPost job cleanup.\nCache saved successfully\n"
    + "Cleaning up orphan processes\n"
)
CANCELED = "##[error]The operation was canceled.\n"


def stamped(text: str) -> str:
    """Give lines as the runner of GitHub writes them."""
    lines = text.splitlines()
    return "".join(
        f"2026-01-14T09:{n // 60:02}:{n % 60:02}.{4221199 + n}Z {line}\n"
        for n, line in enumerate(lines)
    )


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (CANCELED + CLEAN_UP, "interrupted"),
        ("Canceling since a higher priority waiting request for 'ci-main' exists\n", "interrupted"),
        ("##[error]The action 'Run cv' has timed out after 30 minutes.\n" + CLEAN_UP, "time_limit"),
        (
            "##[error]The job running on agent Hosted 3 ran longer than the maximum time of 60 minutes.\n##[section]Finishing: Upload, completed\n",
            "time_limit",
        ),
        ("WARNING: script canceled externally (UI, API)\nSaving cache succeeded\n", "interrupted"),
        (
            "Sending interrupt signal to process\nArchiving artifacts\nFinished: ABORTED\n",
            "interrupted",
        ),
        ("Build timed out (after 60 minutes). Marking the build as aborted.\n", "time_limit"),
        (
            "The job exceeded the maximum time limit for jobs, and has been terminated.\n",
            "time_limit",
        ),
        ("Too long with no output (exceeded 10m0s): context deadline exceeded\n", "time_limit"),
        ("[Container] 2026/01/14 10:12:41 Phase complete: BUILD State: STOPPED\n", "interrupted"),
        ('TaskRun "cv-run-1" failed to finish within "1h0m0s"\n', "time_limit"),
    ],
)
@pytest.mark.parametrize("wrap", [str, stamped])
def test_a_job_that_its_ci_ended_was_stopped(
    tmp_path: Path, end: str, cause: str, wrap: type[str]
) -> None:
    """The steps that clean up succeed all the same, and their settings come as those of the steps above."""
    steps = STEP.format("pip install") + "Successfully installed x-1.0\n" + STEP.format("cv.py")
    analysis = of_log(tmp_path, wrap(steps + FOLDS + end))
    assert analysis.outcome == "stopped"
    (found,) = analysis.findings
    assert [one.cause for one in found.causes] == [cause]


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (CLEAN_UP, "finished"),
        ("The operation was canceled by its caller, trying the mirror\n" + FOLDS, "running"),
        ("Cancelling nested steps due to timeout\nJob succeeded\n", "finished"),
        ("Sending interrupt signal to process\nFinished: SUCCESS\n", "finished"),
        ("fetch 12 has timed out after 30 s, sent again\n", "running"),
        ("step 12 exceeded its deadline by 0.2 s\n", "running"),
        (CANCELED + "Epoch 1/3 loss 0.4\nEpoch 2/3 loss 0.3\nTraining complete\n", "finished"),
    ],
)
def test_a_job_that_goes_on_was_not(tmp_path: Path, end: str, outcome: str) -> None:
    """False alarms first."""
    assert of_log(tmp_path, FOLDS + end).outcome == outcome


@pytest.mark.parametrize("wrap", [str, stamped])
@pytest.mark.parametrize(
    "end",
    [
        "Killed\n##[error]Process completed with exit code 137.\n" + CLEAN_UP,
        "ValueError: bad\n##[error]Process completed with exit code 1.\n" + CLEAN_UP,
        "##[error]Bash exited with code '1'.\nFile upload succeed.\n##[section]Finishing: Upload, completed\n",
        "Killed\nUploading artifacts for failed job, completed\nSaving cache for failed job, done\nArchive is up to date!\n",
        "Killed\nArchiving artifacts, completed\nRecording test results: success\n",
    ],
)
def test_a_failure_is_not_mended_by_what_cleans_up(
    tmp_path: Path, end: str, wrap: type[str]
) -> None:
    """Caches and artifacts are saved after failures too."""
    assert of_log(tmp_path, wrap(FOLDS + end)).outcome == "crashed"


def test_a_runner_that_is_gone_may_have_had_no_memory(tmp_path: Path) -> None:
    """GitHub says so itself."""
    text = (
        FOLDS
        + "##[error]The hosted runner lost communication with the server. Anything in your workflow that starves it for CPU/Memory can cause this error.\n"
    )
    analysis = of_log(tmp_path, text)
    assert analysis.outcome == "crashed"
    causes = {one.cause: str(one.confidence) for one in analysis.findings[0].causes}
    assert causes.keys() == {"host_lost", "host_memory", "cgroup_memory"}
    assert {*causes.values()} == {"possible"}
