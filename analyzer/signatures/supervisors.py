"""Signatures of what starts processes and sees them end: systemd, Docker, Nomad, HTCondor, supervisord, honcho, pm2."""

from __future__ import annotations

from analyzer.signatures.rows import interrupted, killed, preempted, summary
from analyzer.signatures.signature import MEMORY, NOT_A_LIMIT, Expression, Signature

SUPERVISOR_SIGNATURES: tuple[Signature, ...] = (
    # systemd
    interrupted(
        "systemd_stop_timeout",
        "timed out. Killing",
        r"\bState 'stop-\w+' timed out\. Killing",
        "train.service: State 'stop-sigterm' timed out. Killing.",
        "watchdog: fetch of part 7 timed out. Killing its connection, attempt 2 of 5 follows",
    ),
    killed(
        "systemd_137",
        "status=137",
        r"[Mm]ain process exited, code=exited, status=137/",
        "train.service: Main process exited, code=exited, status=137/n/a",
        "unit_state{code=exited, status=137} 0",
    ),
    interrupted(
        "systemd_143",
        "status=143",
        r"[Mm]ain process exited, code=exited, status=143/",
        "train.service: Main process exited, code=exited, status=143/n/a",
        "unit_state{code=exited, status=143} 0",
    ),
    summary(
        "systemd_exited",
        ("=exited, status=", "=dumped, status="),
        r"[Mm]ain process exited, code=(?:exited|dumped), status=[1-9]\d*/",
        "train.service: Main process exited, code=exited, status=1/FAILURE",
        "train.service: Control process exited, code=exited, status=0/SUCCESS",
    ),
    # Docker
    interrupted(
        "docker_stop_event",
        ("container stop ", "container kill "),
        r"\bcontainer (?:stop [0-9a-f]{4,64} \(|kill [0-9a-f]{4,64} \(.*\bsignal=(?:2|3|9|15)\b)",
        "2024-06-01T10:00:00.1Z container stop 4f1a9c (image=fit:1, name=fit)",
        "docker events --filter event=stop  # one line for each container stop or start",
    ),
    interrupted(
        "docker_forced",
        "using the force",
        r"failed to (?:exit|stop) within \d+ ?s\w* of signal \d+ - using the force",
        'level=info msg="Container failed to exit within 10s of signal 15 - using the force"',
        "layout: using the force-directed one, 300 iterations",
    ),
    killed(
        "docker_died_137",
        "exitCode=137",
        r"\bcontainer die [0-9a-f]{4,64} \(.*\bexitCode=137\b",
        "2024-06-01T10:00:00.1Z container die 4f1a9c (exitCode=137, image=fit:1, name=fit)",
        "alert ContainerKilled{exitCode=137}: inactive",
    ),
    summary(
        "docker_died",
        "container die ",
        r"\bcontainer die [0-9a-f]{4,64} \(.*\bexitCode=(?!143\b)[1-9]\d*",
        "2024-06-01T10:00:00.1Z container die 4f1a9c (exitCode=1, image=fit:1, name=fit)",
        "2024-06-01T10:00:00.1Z container die 4f1a9c (exitCode=0, image=fit:1, name=fit)",
    ),
    # Nomad
    Signature(
        name="nomad_oom",
        literals=("OOM Killed",),
        pattern=Expression(r"Exit Message: \"OOM Killed\""),
        example='Terminated  Exit Code: 137, Exit Message: "OOM Killed"',
        benign="nomad: tasks that were OOM Killed in the last hour: 0",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
        at_any_level=True,
    ),
    interrupted(
        "nomad_stopped",
        ("being migrated", "alloc not needed", "being updated due"),
        r"\balloc (?:is being migrated|not needed (?:due to|as)|is being updated due to)\b",
        "Desired Description  = alloc is being migrated",
        "scheduler: alloc not needed on 3 of 4 nodes",
    ),
    preempted(
        "nomad_preempted",
        "Preempted by alloc",
        r"\bPreempted by alloc(?:ation)? (?:ID )?\w",
        "Desired Description  = Preempted by alloc ID 5b1e9c2f",
        "preemption_config: batch jobs may be Preempted by alloc, service jobs not",
    ),
    Signature(
        name="nomad_lost",
        literals=("alloc is lost since",),
        pattern=Expression(r"\balloc is lost since its node is down"),
        example="Desired Description  = alloc is lost since its node is down",
        benign="nomad: an alloc is lost since 10 s at most before it is placed again",
        causes=("host_lost",),
        speaks_for=("host_lost",),
        at_any_level=True,
    ),
    # HTCondor
    preempted(
        "condor_evicted",
        "Job was evicted.",
        r"^\d{3} \(\d+\.\d+\.\d+\) .*Job was evicted\.",
        "004 (4471.000.000) 2024-05-06 15:02:13 Job was evicted.",
        "condor_wait: event 004 reads 'Job was evicted.'",
    ),
    Signature(
        name="condor_held",
        literals=("Job was held.",),
        pattern=Expression(r"^\d{3} \(\d+\.\d+\.\d+\) .*Job was held\."),
        example="012 (4471.000.000) 2024-05-06 15:02:13 Job was held.",
        benign="condor_wait: event 012 reads 'Job was held.'",
        causes=("interrupted", NOT_A_LIMIT),
        is_secondary=True,
        stops=True,
        at_any_level=True,
    ),
    summary(
        "condor_ended",
        ("(return value ", "termination (signal"),
        r"\(\d\) (?:Normal termination \(return value [1-9]\d*\)|Abnormal termination \(signal (?!9\b)\d+\))",
        "\t(1) Normal termination (return value 2)",
        "\t(1) Normal termination (return value 0)",
    ),
    # supervisord, honcho, pm2
    killed(
        "supervisord_killed",
        "nated by SIGKILL",
        r"\bexited: \S+ \(terminated by SIGKILL",
        "2026-01-14 03:12:44,918 WARN exited: train (terminated by SIGKILL; not expected)",
        "2026-01-14 03:12:44,918 INFO stopped: tensorboard (terminated by SIGKILL)",
    ),
    summary(
        "supervisord_failed",
        ("exited: ", "gave up: "),
        r"\bexited: \S+ \(terminated by SIG(?!TERM|KILL)\w+|\bgave up: \S+ entered FATAL state",
        "2026-01-14 03:12:44,918 INFO gave up: train entered FATAL state, too many start retries too quickly",
        "2026-01-14 03:12:44,918 INFO exited: train (exit status 0; expected)",
    ),
    killed(
        "honcho_killed",
        "stopped (rc=-9)",
        r"^\S+ stopped \(rc=-9\)",
        "train.1 stopped (rc=-9)",
        "demo: tensorboard stopped (rc=-9) and started again",
    ),
    summary(
        "honcho_stopped",
        "stopped (rc=",
        r"^\S+ stopped \(rc=(?!-15\b)-?[1-9]\d*\)",
        "train.1 stopped (rc=1)",
        "train.1 stopped (rc=0)",
    ),
    killed(
        "pm2_killed",
        "signal [SIGKILL]",
        r"\bexited with code \[\d+\] via signal \[SIGKILL\]",
        "App [train:0] exited with code [0] via signal [SIGKILL]",
        "pm2: kill_timeout 1600 ms, then via signal [SIGKILL]",
    ),
    summary(
        "pm2_exited",
        "exited with code [",
        r"^App \[[^\]]+\] exited with code \[[1-9]\d*\]",
        "App [train:0] exited with code [1] via signal [SIGINT]",
        "App [train:0] exited with code [0] via signal [SIGINT]",
    ),
)
