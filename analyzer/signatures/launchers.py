"""Signatures of launchers, schedulers and supervisors that report how a training ended.

The example above each is a real line. Most are secondary: a summary of what some process reported or
suffered before.
"""

from __future__ import annotations

from analyzer.signatures.signature import KILLED, MEMORY, Expression, Signature

LAUNCHER_SIGNATURES: tuple[Signature, ...] = (
    # slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.0 cgroup. Some of your processes may have been killed
    # slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.
    # The counter is the cgroup's, and a kill for the host's memory counts there as well.
    Signature(
        name="slurm_oom_kill",
        literals=("oom-kill", "oom_kill event"),
        pattern=Expression(r"Detected \d+ oom[-_]kill event"),
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
        advice="slurm_memory",
    ),
    # srun: error: node1: task 0: Out Of Memory
    Signature(
        name="slurm_out_of_memory",
        literals=("Out Of Memory",),
        pattern=Expression(r"error: \S+: tasks? [\d,-]+: Out Of Memory"),
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
    ),
    # 7.batch  OUT_OF_ME+  0:125
    Signature(
        name="slurm_accounting",
        literals=("OUT_OF_ME",),
        pattern=Expression(r"\bOUT_OF_ME(?:\+|MORY\b)\s+0:125"),
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
    ),
    # slurmstepd: error: *** STEP 7.0 ON node1 CANCELLED AT 2026-01-14T03:12:44 DUE TO TIME LIMIT ***
    Signature(
        name="slurm_time_limit",
        literals=("DUE TO TIME LIMIT",),
        pattern=Expression(r"CANCELLED AT .* DUE TO TIME LIMIT"),
        signal="SIGTERM",
        causes=("time_limit",),
        speaks_for=("time_limit",),
        stops=True,
    ),
    #       Reason:       OOMKilled        "OOMKilled": false of docker inspect proves nothing
    Signature(
        name="kubernetes_oom_killed",
        literals=("Killed",),
        pattern=Expression(r"\bOOMKilled\b(?![\w./-])"),
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
        look_alikes=(Expression(r"OOMKilled[\"']?\s*[:=]\s*false", ignore_case=True),),
    ),
    # The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi.
    Signature(
        name="kubernetes_eviction_memory",
        literals=("The node was low on resource",),
        pattern=Expression(r"The node was low on resource: memory"),
        signal="SIGKILL",
        causes=("host_memory",),
        speaks_for=("host_memory",),
        at_any_level=True,
    ),
    Signature(
        name="kubernetes_eviction_pids",
        literals=("The node was low on resource",),
        pattern=Expression(r"The node was low on resource: pids"),
        signal="SIGKILL",
        causes=("pid_max", "threads_max"),
        at_any_level=True,
    ),
    Signature(
        name="kubernetes_eviction",
        literals=("The node was low on resource",),
        pattern=Expression(r"The node was low on resource: "),
        signal="SIGKILL",
        causes=("not_a_limit",),
        speaks_for=("not_a_limit",),
        at_any_level=True,
    ),
    # The exit codes of the workers are {SIGKILL(-9)}
    Signature(
        name="joblib_worker_killed",
        literals=("codes of the workers are",),
        pattern=Expression(r"exit codes of the workers are \{[^}]*SIGKILL\(-9\)"),
        signal="SIGKILL",
        causes=KILLED,
    ),
    Signature(
        name="joblib_worker_ended",
        literals=("codes of the workers are",),
        pattern=Expression(r"exit codes of the workers are \{(?P<codes>[^}]+)\}"),
        causes=("not_a_limit",),
        is_secondary=True,
        is_generic=True,
    ),
    # joblib.externals.loky.process_executor.TerminatedWorkerError: A worker process managed by the executor was unexpectedly terminated.
    Signature(
        name="joblib_terminated",
        literals=("TerminatedWorkerError",),
        pattern=Expression(r"\bTerminatedWorkerError\b"),
        causes=KILLED,
        is_secondary=True,
    ),
    # torch.distributed.elastic: failed (exitcode: -9) local_rank: 0 (pid: 42) of binary: /usr/bin/python
    # traceback : Signal 9 (SIGKILL) received by PID 42
    Signature(
        name="elastic_killed",
        literals=("exitcode",),
        pattern=Expression(r"exitcode\s*: -9\b(?:.*pid: (?P<pid>\d+))?"),
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
    Signature(
        name="elastic_signal_9",
        literals=("SIGKILL",),
        pattern=Expression(r"Signal 9 \(SIGKILL\) received by PID (?P<pid>\d+)"),
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
    Signature(
        name="elastic_failed",
        literals=("exitcode",),
        pattern=Expression(r"failed \(exitcode: (?P<exit_code>-?[1-9]\d*)\) local_rank: \d+"),
        causes=("not_a_limit",),
        is_secondary=True,
        is_generic=True,
        looks_above=True,
    ),
    # SignalException: Process 42 got signal: 1     Received 1 death signal, shutting down workers
    # The terminal was closed (1) or a peer stopped (15).
    Signature(
        name="elastic_death_signal",
        literals=("death signal",),
        pattern=Expression(r"Received (?P<number>1|2|15) death signal"),
        causes=("interrupted",),
        speaks_for=("interrupted",),
        is_secondary=True,
        stops=True,
        at_any_level=True,
    ),
    # Watchdog caught collective operation timeout: WorkNCCL(SeqNum=42, OpType=ALLREDUCE, ...) ran for 1800011 milliseconds
    # A rank died or hangs: look for the earliest error of any rank.
    Signature(
        name="nccl_watchdog",
        literals=("Watchdog caught collective",),
        pattern=Expression(r"Watchdog caught collective operation timeout"),
        signal="SIGABRT",
        causes=("not_a_limit",),
        is_secondary=True,
    ),
    # nnU-Net blames the RAM for whatever ended its workers.
    Signature(
        name="nnunet_background_workers",
        literals=("ackground workers",),
        pattern=Expression(r"Background workers died|background workers are no longer alive"),
        causes=("pids_cgroup", "nproc", *KILLED),
        is_secondary=True,
    ),
    # subprocess.CalledProcessError: Command '[...]' died with <Signals.SIGKILL: 9>.
    # torch.multiprocessing.spawn.ProcessExitedException: process 0 terminated with signal SIGKILL
    Signature(
        name="python_child_killed",
        literals=("SIGKILL",),
        pattern=Expression(r"<Signals\.SIGKILL: 9>|\bterminated with signal SIGKILL\b"),
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
    # Killed        train.sh: line 5:  4242 Killed                  python train.py
    Signature(
        name="shell_killed",
        literals=("Killed",),
        pattern=Expression(r"^\s*Killed\s*$|: line \d+: +(?P<pid>\d+) Killed\b"),
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
    # Exit Code:    137        command terminated with exit code 137       make: *** [Makefile:3: train] Error 137
    # worker 3: exit code -9        ['python', 'train.py'] returned -9
    Signature(
        name="exit_137",
        literals=(
            *("code 137", "status 137", "Exit Code:", "Error 137"),
            *("code -9", "status -9", "returned -9"),
        ),
        pattern=Expression(
            r"\bexit(?:ed)?(?: with)?[ _](?:code|status):?\s+(?:137|-9)\b(?!\s*\w)"
            r"|\breturned -9\b|^\s*make.*\bError 137\b",
            ignore_case=True,
        ),
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
)
