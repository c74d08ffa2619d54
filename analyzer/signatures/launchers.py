"""Signatures of launchers, schedulers and supervisors that report how a training ended.

Most are secondary: a summary of what some process reported or
suffered before.
"""

from __future__ import annotations

from analyzer.signatures.rows import summary
from analyzer.signatures.signature import KILLED, MEMORY, Expression, Signature

LAUNCHER_SIGNATURES: tuple[Signature, ...] = (
    # The counter is the cgroup's, and a kill for the host's memory counts there as well.
    Signature(
        name="slurm_oom_kill",
        literals=("oom-kill", "oom_kill event"),
        pattern=Expression(r"Detected \d+ oom[-_]kill event"),
        example="slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.",
        benign="memory.events: oom 0, oom_kill events 0",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
        advice="slurm_memory",
    ),
    Signature(
        name="slurm_out_of_memory",
        literals=("Out Of Memory",),
        pattern=Expression(r"error: \S+: tasks? [\d,-]+: Out Of Memory"),
        example="srun: error: node1: task 0: Out Of Memory",
        benign="sacct: Out Of Memory jobs in the last 7 days: 0",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
    ),
    Signature(
        name="slurm_accounting",
        literals=("OUT_OF_ME",),
        pattern=Expression(
            r"\bOUT_OF_ME(?:\+|MORY\b)\s+0:125|^\s*(?:Job)?State[:=]\s?OUT_OF_MEMORY\b"
        ),
        example="7.batch  train  OUT_OF_ME+  0:125",
        benign="+ sacct --state=OUT_OF_MEMORY --noheader",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
    ),
    Signature(
        name="slurm_time_limit",
        literals=("DUE TO TIME LIMIT",),
        pattern=Expression(r"CANCELLED AT .* DUE TO TIME LIMIT"),
        example="slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-14T03:12:44 DUE TO TIME LIMIT ***",
        benign="sbatch: jobs over --time end DUE TO TIME LIMIT after a grace time of 30 s",
        signal="SIGTERM",
        causes=("time_limit",),
        speaks_for=("time_limit",),
        stops=True,
    ),
    # "OOMKilled": false of docker inspect proves nothing.
    Signature(
        name="kubernetes_oom_killed",
        literals=("Killed",),
        pattern=Expression(r"\bOOMKilled\b(?![\w./-])"),
        example="      Reason:       OOMKilled",
        benign='        "OOMKilled": false,',
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
        look_alikes=(
            Expression(
                r"OOMKilled[\"']?(?:\s*[:=]\s*false|[^}]*\}\s+0\b|\s*\}\})", ignore_case=True
            ),
            Expression(r"OOMKilled[\"']?\s*[:=]\s*true\b.*\"ExitCode\":\s*0\b", ignore_case=True),
            Expression(r"\b(?:grep|jq|select|jsonpath)\b.*OOMKilled"),
        ),
    ),
    Signature(
        name="kubernetes_eviction_memory",
        literals=("The node was low on resource", "The node had condition"),
        pattern=Expression(
            r"The node (?:was low on resource: memory|had condition: \[MemoryPressure)"
        ),
        example="Message: The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi.",
        benign='alert NodePressure ("The node was low on resource"): inactive',
        signal="SIGKILL",
        causes=("host_memory",),
        speaks_for=("host_memory",),
        at_any_level=True,
    ),
    Signature(
        name="kubernetes_eviction_disk",
        literals=("The node was low on resource", "The node had condition"),
        pattern=Expression(
            r"The node (?:was low on resource: (?:ephemeral-storage|inodes|nodefs|imagefs)|had condition: \[DiskPressure)"
        ),
        example="Message: The node was low on resource: ephemeral-storage.",
        benign='kubectl get nodes: "The node had condition" DiskPressure=False',
        signal="SIGKILL",
        causes=("disk_space",),
        speaks_for=("disk_space",),
        at_any_level=True,
        advice="ephemeral_storage",
    ),
    Signature(
        name="kubernetes_eviction_pids",
        literals=("The node was low on resource", "The node had condition"),
        pattern=Expression(r"The node (?:was low on resource: pids|had condition: \[PIDPressure)"),
        example="Message: The node was low on resource: pids.",
        benign='kubectl get events: "The node was low on resource" 0 times',
        signal="SIGKILL",
        causes=("pid_max", "threads_max"),
        at_any_level=True,
    ),
    Signature(
        name="kubernetes_eviction",
        literals=("The node was low on resource",),
        pattern=Expression(r"The node was low on resource: "),
        example="Message: The node was low on resource: cpu.",
        benign='docs: "The node was low on resource" names the signal, as memory.available',
        signal="SIGKILL",
        causes=("not_a_limit",),
        speaks_for=("not_a_limit",),
        at_any_level=True,
    ),
    Signature(
        name="joblib_worker_killed",
        literals=("codes of the workers are",),
        pattern=Expression(r"exit codes of the workers are \{[^}]*SIGKILL\(-9\)"),
        example="The exit codes of the workers are {SIGKILL(-9)}",
        benign="loky: exit codes of the workers are logged at the shutdown",
        signal="SIGKILL",
        causes=KILLED,
    ),
    Signature(
        name="joblib_worker_ended",
        literals=("codes of the workers are",),
        pattern=Expression(
            r"exit codes of the workers are \{(?P<codes>(?!(?:EXIT\(0\)(?:, )?)+\})[^}]+)\}"
        ),
        example="The exit codes of the workers are {SIGSEGV(-11)}",
        benign="The exit codes of the workers are {EXIT(0), EXIT(0)}",
        causes=("not_a_limit",),
        is_secondary=True,
        is_generic=True,
    ),
    Signature(
        name="joblib_terminated",
        literals=("TerminatedWorkerError",),
        pattern=Expression(r"\bTerminatedWorkerError\b"),
        example="joblib.externals.loky.process_executor.TerminatedWorkerError: A worker process managed by the executor was unexpectedly terminated.",
        benign="from joblib.externals.loky.process_executor import TerminatedWorkerError",
        causes=KILLED,
        is_secondary=True,
    ),
    Signature(
        name="elastic_killed",
        literals=("exitcode",),
        pattern=Expression(r"exitcode\s*: -9\b(?:.*pid: (?P<pid>\d+))?"),
        example="ERROR:torch.distributed.elastic: failed (exitcode: -9) local_rank: 0 (pid: 42) of binary: python",
        benign="[1,0]<stderr>: exitcode 0",
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
    Signature(
        name="elastic_signal_9",
        literals=("SIGKILL",),
        pattern=Expression(r"Signal 9 \(SIGKILL\) received by PID (?P<pid>\d+)"),
        example="  traceback : Signal 9 (SIGKILL) received by PID 42",
        benign="stop_grace_period: 30s, then SIGKILL",
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
    # docker compose up --abort-on-container-exit, honcho, foreman: which process ended, and how, stands above. If
    # that one ended with 0, they themselves end the others.
    Signature(
        name="container_exited_0",
        literals=("xited with ", "stopped (rc=0)"),
        pattern=Expression(r"^(?:\S+ )?exited with code 0\s*$|^\S+ stopped \(rc=0\)"),
        example="trainer-1 exited with code 0",
        benign="restart: unless exited with code 0 and no other container is up",
        is_frame=True,
    ),
    Signature(
        name="containers_ended",
        literals=("Aborting on container exit", "sending SIGTERM to "),
        pattern=Expression(
            r"^\s*Aborting on container exit\.\.\.|^sending SIGTERM to (?:all processes|\S+ \(pid \d+\))"
        ),
        example="Aborting on container exit...",
        benign="grep -c 'Aborting on container exit' compose.log",
        is_frame=True,
    ),
    summary(
        "mlflow_run_failed",
        "mlflow.exceptions.ExecutionException: Run (ID",
        r"mlflow\.exceptions\.ExecutionException: Run \(ID '\w+'\) failed",
        "mlflow.exceptions.ExecutionException: Run (ID '6a0fb1f0d4de46e0a51fd4b1bfca1b7e') failed",
        "except mlflow.exceptions.ExecutionException: Run (ID in the message)",
    ),
    summary(
        "snakemake_failed",
        "job execution failed",
        r"^Exiting because a job execution failed",
        "Exiting because a job execution failed. Look above for error message",
        "--keep-going: snakemake goes on with independent jobs if a job execution failed",
    ),
    summary(
        "luigi_failed",
        "This progress looks :(",
        r"^This progress looks :\(",
        "This progress looks :( because there were failed tasks",
        'grep -c "This progress looks :(" luigi.log',
    ),
    summary(
        "vertex_failed",
        "Job failed.",
        r"^(?:INFO |ERROR )?Job failed\.$",
        "Job failed.",
        "Job failed. Retrying in 30 s",
    ),
    # One of several processes, as what started them sees it end; not SIGKILL, which has rows of its own.
    summary(
        "member_died",
        (" died", "rashed", "xited ", "erminated ", " failed with ", " exit with "),
        r"\b(?i:worker|rank|process|child|replica|actor)(?:[ _-](?:process|node|rank))?(?i: with pid)?[ _#:=-]*['\"]?(?:\w*-)?\d+\b"
        r"['\"]?(?: \(pid\W{0,2}\d+\))?,? (?:(?:has|was|is) )?(?:died|crashed|exit(?:ed)?|terminated|failed|ended)\b"
        r"(?:[^\n]{0,30}?\b(?:(?:exit ?|return ?)?(?:code|status)|rc|signal)\b\W{0,3}(?!-9\b|9\b|137\b|15\b|143\b|SIGKILL|SIGTERM)(?:-?[1-9]\d*|SIG[A-Z]+)\b"
        r"|[^\n]{0,60}?\b(?:giving up|abort|cancel(?:l)?ing|shutting down|stopping|terminating the))",
        "[bench] worker 11 died (exit code -6), giving up: --on-error=abort",
        "[bench] worker 11 died (exit code -6), restarting it (1 of 3)",
        look_alikes=(
            Expression(
                r"\b(?i:re(?:start|spawn|place|placing|queue|submit|schedule|cover|try|tries)\w*)\b"
            ),
        ),
    ),
    Signature(
        name="elastic_failed",
        literals=("exitcode",),
        pattern=Expression(r"failed \(exitcode: (?P<exit_code>-?[1-9]\d*)\) local_rank: \d+"),
        example="ERROR:torch.distributed.elastic: failed (exitcode: 1) local_rank: 3 (pid: 42) of binary: python",
        benign="worker 0 done (exitcode: 0) local_rank: 0 (pid: 42)",
        causes=("not_a_limit",),
        is_secondary=True,
        is_generic=True,
        looks_above=True,
    ),
    # The terminal was closed (1) or a peer stopped (15).
    Signature(
        name="elastic_hangup",
        literals=("death signal", "closing signal SIGHUP", "SignalException"),
        pattern=Expression(
            r"Received (?:1|SIGHUP) death signal|Sending process \d+ closing signal SIGHUP|SignalException: Process \d+ got signal: 1\b"
        ),
        example="WARNING: Received 1 death signal, shutting down workers",
        benign="+ trap '' HUP  # torchrun would send its workers the closing signal SIGHUP when the terminal is gone",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        is_secondary=True,
        stops=True,
        at_any_level=True,
        advice="hangup",
    ),
    Signature(
        name="elastic_death_signal",
        literals=("death signal", "SignalException"),
        pattern=Expression(
            r"Received (?:2|15|SIGINT|SIGTERM) death signal|SignalException: Process \d+ got signal: (?:2|15)\b"
        ),
        example="WARNING: Received 15 death signal, shutting down workers",
        benign="prctl(PR_SET_PDEATHSIG): the parent death signal is 15",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        is_secondary=True,
        stops=True,
        at_any_level=True,
    ),
    # A rank died or hangs: look for the earliest error of any rank.
    Signature(
        name="nccl_watchdog",
        literals=("Watchdog caught collective", "entire process down"),
        pattern=Expression(
            r"Watchdog caught collective operation timeout|we are taking the entire process down"
        ),
        example="[rank3]:[E321 02:07:08.4 ProcessGroupNCCL.cpp:616] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=42, OpType=ALLREDUCE) ran for 1800011 milliseconds before timing out.",
        benign='TORCH_NCCL_BLOCKING_WAIT=1 raises instead of "Watchdog caught collective operation timeout"',
        signal="SIGABRT",
        causes=("not_a_limit",),
        is_secondary=True,
    ),
    Signature(
        name="peer_lost",
        literals=("remote process exit", "gloo/transport/tcp/pair.cc"),
        pattern=Expression(
            r"remote process exited or there was a network error|remote process exiting prematurely"
            r"|gloo/transport/tcp/pair\.cc:\d+\]? .*(?:[Cc]onnection (?:closed|reset) by peer|Read error)"
        ),
        example="torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1331, remote process exited or there was a network error, NCCL version 2.19.3",
        benign="docs: ncclRemoteError is returned if a remote process exits or the network fails",
        causes=("not_a_limit",),
        is_secondary=True,
    ),
    # nnU-Net blames the RAM for whatever ended its workers.
    Signature(
        name="nnunet_background_workers",
        literals=("ackground workers",),
        pattern=Expression(r"Background workers died|background workers are no longer alive"),
        example="RuntimeError: Background workers died. Look for the error message further up!",
        benign="batchgenerators: 12 background workers started",
        causes=("pids_cgroup", "nproc", *KILLED),
        is_secondary=True,
    ),
    Signature(
        name="python_child_killed",
        literals=("SIGKILL",),
        pattern=Expression(
            r"<Signals\.SIGKILL: 9>|\bterminated with signal SIGKILL\b|^\+\+\+ killed by SIGKILL"
        ),
        example="torch.multiprocessing.spawn.ProcessExitedException: process 0 terminated with signal SIGKILL",
        benign="            process.send_signal(signal.SIGKILL)",
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
    Signature(
        name="shell_killed",
        literals=("Killed",),
        pattern=Expression(
            r"(?:^\s*|\])Killed\s*$|: line \d+: +(?P<pid>\d+) Killed\b|^make\S*: \*\*\* \[[^\]]*\] Killed\b"
        ),
        example="train.sh: line 5:  4242 Killed                  python train.py",
        benign="event_type: Killed (412 rows), Injured (1,033 rows)",
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
    ),
    Signature(
        name="exit_137",
        literals=(
            *("code 137", "status 137", "code (137", "status of 137", "Exit Code:", "Error 137"),
            *("code: 137", "code -9", "status -9", "returned -9", '"ExitCode":'),
        ),
        pattern=Expression(
            r"\bexit(?:ed)?(?: with)?(?: (?:a )?non-zero)?[ _](?:code|status)(?: code| of)?:?\s+\(?(?:137|-9)\b(?!\s*\w)|\breturn code:? -9\b"
            r"|\breturned -9\b|^\s*make.*\bError 137\b|\"ExitCode\":\s*137\b",
            ignore_case=True,
        ),
        example="command terminated with exit code 137",
        benign="job 17: exit code 137 would mean OOM",
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
        at_any_level=True,
    ),
)
