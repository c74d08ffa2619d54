"""What service managers, container engines, schedulers and CIs say of the end of a run: who ended it, or how it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis

EPOCHS = "".join(f"Epoch {n}/9 loss 0.{n}\n" for n in range(1, 5))
DOCKER = "2026-01-14T08:15:30.1Z container {} 7d1fb1ee8a0b ({}image=fit:1, name=fit{})\n"
SYSTEMD = "Jan 14 08:15:30 lab systemd[1]: train.service: {}\n"
MAIN = SYSTEMD.format("Main process exited, code={}")
FAILED_UNIT = MAIN.format("exited, status=1/FAILURE")
RESTARTING = SYSTEMD.format("Scheduled restart job, restart counter is at 1.")
CONDOR = "{} (4471.000.000) 2026-01-14 15:02:13 {}\n"
EVICTED = CONDOR.format("004", "Job was evicted.")
EXECUTES = CONDOR.format("001", "Job executing on host: <10.12.3.12:9618>")
SLURM = "slurmstepd: error: *** {} ON n1 CANCELLED AT 2026-01-14T11:02:40 DUE {} ***\n"
HONCHO = (
    "08:15:30 train.1 | epoch 3/4 loss 0.3\n08:15:31 train.1 | epoch 4/4 loss 0.3\n"
    "08:15:31 system  | train.1 stopped (rc={})\n"
    "08:15:31 system  | sending SIGTERM to tb.1 (pid 7)\n08:15:32 system  | tb.1 stopped (rc=-15)\n"
    "08:15:36 system  | sending SIGKILL to gpu.1 (pid 8)\n08:15:36 system  | gpu.1 stopped (rc=-9)\n"
)
FOREMAN = (
    "08:15:30 train.1 | epoch 4/4 loss 0.3\n08:15:31 train.1 | exited with code {}\n"
    "08:15:31 system  | sending SIGTERM to all processes\n08:15:31 tb.1    | terminated by SIGTERM\n"
)


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (MAIN.format("killed, status=15/TERM") + SYSTEMD.format("Succeeded."), "stopped"),
        (MAIN.format("exited, status=143/n/a"), "stopped"),
        (SYSTEMD.format("State 'stop-sigterm' timed out. Killing."), "stopped"),
        (MAIN.format("exited, status=1/FAILURE"), "crashed"),
        (MAIN.format("exited, status=137/n/a"), "crashed"),
        (SYSTEMD.format("Succeeded."), "finished"),
        (FAILED_UNIT + RESTARTING, "crashed"),
        (FAILED_UNIT + RESTARTING + "epoch 1/4 loss 0.9\n", "running"),
        ("Application startup complete.\n", "running"),
        ("done training in 1914.8 seconds\n", "finished"),
        ("done training epoch 1\n", "running"),
        (DOCKER.format("kill", "", ", signal=15"), "stopped"),
        (DOCKER.format("kill", "", ", signal=10"), "running"),
        (DOCKER.format("stop", "", ""), "stopped"),
        (DOCKER.format("die", "exitCode=1, ", ""), "crashed"),
        (DOCKER.format("die", "exitCode=137, ", ""), "crashed"),
        (DOCKER.format("die", "exitCode=0, ", ""), "running"),
        ("Desired Description  = alloc is being migrated\n", "stopped"),
        ("Desired Description  = alloc is lost since its node is down\n", "crashed"),
        ('Terminated  Exit Code: 137, Exit Message: "OOM Killed"\n', "crashed"),
        (EVICTED, "stopped"),
        (EVICTED + EXECUTES, "running"),
        (EVICTED + EXECUTES + "\t(1) Normal termination (return value 0)\n", "finished"),
        ("\t(1) Normal termination (return value 2)\n", "crashed"),
        ("\t(0) Abnormal termination (signal 11)\n", "crashed"),
        (SLURM.format("JOB 7", "TO JOB REQUEUE"), "stopped"),
        (SLURM.format("STEP 7.0", "to SIGNAL Terminated"), "stopped"),
        ("Handling auto-requeue signal: 10\nrequeing job 7...\n", "stopped"),
        ("submitit - Caught signal SIGUSR2 on n1: this job is timed-out.\n", "stopped"),
        ("SIGINT received, will stop after this batch\n", "stopped"),
        ("received signal 15, shutting down\n", "stopped"),
        ("ERROR: interrupted by SIGTERM\n", "stopped"),
        ("got signal 2 of 4 channels\n", "running"),
        ("SIGHUP received, reloading the configuration\n", "running"),
        ("# Received cancellation signal, interrupting\n", "stopped"),
        ("Error: The command was interrupted by a signal: terminated\n", "stopped"),
        ("make: *** [Makefile:31: train] Interrupt\n", "stopped"),
        ("make: *** [Makefile:31: train] Killed\n", "crashed"),
        ("INFO stopped: train (terminated by SIGTERM)\n", "stopped"),
        ("WARN exited: train (terminated by SIGKILL; not expected)\n", "crashed"),
        ("App [train:0] exited with code [1] via signal [SIGINT]\n", "crashed"),
        ("App [train:0] exited with code [0] via signal [SIGINT]\n", "running"),
    ],
)
def test_what_saw_the_run_end_says_how(tmp_path: Path, end: str, outcome: str) -> None:
    """Whether it failed, or somebody ended it, or it is begun again elsewhere."""
    assert of_log(tmp_path, EPOCHS + end).outcome == outcome


@pytest.mark.parametrize("log", [HONCHO, FOREMAN])
def test_the_process_that_ended_first_says_how_the_run_ended(tmp_path: Path, log: str) -> None:
    """The manager of processes ends the others then: that says nothing."""
    assert of_log(tmp_path, log.format(0)).outcome == "finished"
    failed = of_log(tmp_path, log.format(1))
    assert failed.outcome == "crashed"
    (crash,) = (one.process.crash for one in failed.findings if one.process.crash)
    assert "1" in crash.text


def test_a_stop_that_was_asked_for_explains_the_kill_below_it(tmp_path: Path) -> None:
    """SIGTERM, ten seconds, SIGKILL and 137: no want of memory."""
    forced = DOCKER.format("kill", "", ", signal=15") + DOCKER.format("kill", "", ", signal=9")
    text = EPOCHS + forced + DOCKER.format("die", "exitCode=137, ", "") + '"ExitCode":137,\n'
    (found,) = of_log(tmp_path, text).findings
    assert found.process.crash is not None
    assert found.process.crash.signature == "docker_stop_event"
    assert [one.cause for one in found.causes] == ["interrupted"]
