"""Signatures of engines and schedulers that end a process, or say how one ended: Ray, Dask, Slurm, LSF, PBS, YARN."""

from __future__ import annotations

from analyzer.signatures.rows import killed, own_limit
from analyzer.signatures.signature import Expression, Signature

ENGINE_SIGNATURES: tuple[Signature, ...] = (
    # Ray
    own_limit(
        "ray_memory_monitor",
        "killed due to memory pressure",
        r"killed due to memory pressure \(OOM\)",
        "(raylet) node_manager.cc:3040: 3 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to other reasons",
        "ray_memory",
    ),
    own_limit(
        "ray_low_memory",
        "running low on memory",
        r"killed due to the node running low on memory",
        "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
        "ray_memory",
    ),
    killed(
        "ray_worker_crashed",
        "WorkerCrashedError",
        r"\bWorkerCrashedError\b",
        "ray.exceptions.WorkerCrashedError: The worker died unexpectedly while executing this task.",
    ),
    killed(
        "ray_worker_died",
        "worker died",
        r"A worker died or was killed while executing|[Tt]he worker died unexpectedly|worker died unexpectedly",
        "WARNING worker.py:1115 -- A worker died or was killed while executing task e004d35e3a7c2cb2.",
    ),
    killed(
        "ray_actor_died",
        "ActorDiedError",
        r"\b(?:ActorDiedError|RayActorError)\b",
        "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.",
    ),
    Signature(
        name="ray_node_died",
        literals=("NodeDiedError",),
        pattern=Expression(r"\bNodeDiedError\b"),
        example="ray.exceptions.NodeDiedError: Task failed because the node it was running on is dead or unavailable.",
        causes=("host_lost",),
        speaks_for=("host_lost",),
    ),
    Signature(
        name="ray_registration",
        literals=("have not registered within the timeout",),
        pattern=Expression(r"worker process\(\w+\) have not registered within the timeout"),
        example="(raylet) worker_pool.cc:587: Some workers of the worker process(2212) have not registered within the timeout.",
        causes=("pids_cgroup", "nproc", "threads_max", "pid_max", "not_a_limit"),
        is_secondary=True,
        at_any_level=True,
    ),
    # Dask
    own_limit(
        "dask_nanny",
        "exceeded 95% memory budget",
        r"Worker .*exceeded \d+% memory budget",
        "distributed.nanny - WARNING - Worker tcp://10.0.0.5:36421 (pid=3321) exceeded 95% memory budget. Restarting...",
        "dask_memory",
    ),
    killed(
        "dask_killed_worker",
        "KilledWorker",
        r"\bKilledWorker\b",
        "distributed.scheduler.KilledWorker: Attempted to run task 'train-3f' on 4 different workers, but all those workers died while running it.",
    ),
    # Slurm
    own_limit(
        "slurm_memory_limit",
        "exceeded memory limit",
        r"\b(?:[Jj]ob|[Ss]tep) \S+ exceeded memory limit|exceeded (?:job|step) memory limit",
        "slurmstepd: error: Job 4411 exceeded memory limit (16900224 > 16777216), being killed",
        "slurm_memory",
    ),
    killed(
        "srun_task_killed",
        ": Killed",
        r"srun: error: \S+: tasks? [\d,-]+: Killed",
        "srun: error: node7: task 0: Killed",
    ),
    Signature(
        name="slurm_preempted",
        literals=("DUE TO PREEMPTION",),
        pattern=Expression(r"CANCELLED AT \S+ DUE TO PREEMPTION"),
        example="slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-14T03:12:44 DUE TO PREEMPTION ***",
        signal="SIGTERM",
        causes=("preempted",),
        speaks_for=("preempted",),
        stops=True,
    ),
    Signature(
        name="slurm_node_failure",
        literals=("DUE TO NODE FAILURE",),
        pattern=Expression(
            r"CANCELLED AT \S+ DUE TO NODE FAILURE|Job/step already completing or completed.*NODE_FAIL"
        ),
        example="slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-14T03:12:44 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***",
        causes=("host_lost",),
        speaks_for=("host_lost",),
    ),
    Signature(
        name="slurm_cancelled",
        literals=("CANCELLED AT",),
        pattern=Expression(r"\*\*\* JOB \S+ ON \S+ CANCELLED AT \S+ \*\*\*"),
        example="slurmstepd: error: *** JOB 25883692 ON node12 CANCELLED AT 2024-11-17T23:04:27 ***",
        signal="SIGTERM",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        stops=True,
    ),
    # srun cancels a step for a task of it that failed, and when the job is cancelled.
    Signature(
        name="slurm_step_cancelled",
        literals=("CANCELLED AT",),
        pattern=Expression(r"\*\*\* STEP \S+ ON \S+ CANCELLED AT \S+ \*\*\*"),
        example="slurmstepd: error: *** STEP 61230.2 ON cn0330 CANCELLED AT 2023-01-13T22:51:09 ***",
        signal="SIGTERM",
        causes=("interrupted", "not_a_limit"),
        stops=True,
        is_secondary=True,
    ),
    # LSF
    own_limit(
        "lsf_memory",
        "TERM_",
        r"\bTERM_(?:MEMLIMIT|SWAP)\b",
        "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.",
        "lsf_memory",
    ),
    Signature(
        name="lsf_threads",
        literals=("TERM_",),
        pattern=Expression(r"\bTERM_(?:THREADLIMIT|PROCESSLIMIT)\b"),
        example="TERM_THREADLIMIT: job killed after reaching LSF thread limit.",
        signal="SIGKILL",
        causes=("pids_cgroup", "nproc"),
        advice="lsf_threads",
    ),
    Signature(
        name="lsf_run_limit",
        literals=("TERM_",),
        pattern=Expression(r"\bTERM_(?:RUNLIMIT|CPULIMIT|DEADLINE)\b"),
        example="TERM_RUNLIMIT: job killed after reaching LSF run time limit.",
        causes=("time_limit",),
        speaks_for=("time_limit",),
        stops=True,
    ),
    Signature(
        name="lsf_preempted",
        literals=("TERM_",),
        pattern=Expression(r"\bTERM_(?:PREEMPT|LOAD|WINDOW|REQUEUE\w*)\b"),
        example="TERM_PREEMPT: job killed after preemption.",
        causes=("preempted",),
        speaks_for=("preempted",),
        stops=True,
    ),
    Signature(
        name="lsf_owner",
        literals=("TERM_",),
        pattern=Expression(r"\bTERM_(?:OWNER|ADMIN|FORCE_OWNER|FORCE_ADMIN)\b"),
        example="TERM_OWNER: job killed by owner.",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        stops=True,
    ),
    # PBS
    own_limit(
        "pbs_memory",
        "PBS: job killed",
        r"PBS: job killed: (?:v?p?mem|mem) \S+ exceeded limit",
        "=>> PBS: job killed: mem 16788432kb exceeded limit 16777216kb",
        "pbs_memory",
    ),
    Signature(
        name="pbs_walltime",
        literals=("PBS: job killed",),
        pattern=Expression(r"PBS: job killed: (?:walltime|cput|ncpus) \S+ exceeded limit"),
        example="=>> PBS: job killed: walltime 86432 exceeded limit 86400",
        causes=("time_limit",),
        speaks_for=("time_limit",),
        stops=True,
    ),
    # HTCondor, Flux, YARN
    own_limit(
        "condor_memory",
        "over memory limit",
        r"[Jj]ob has gone over memory limit|memory usage exceeded request_memory",
        "Job has gone over memory limit of 4096 megabytes. Peak usage: 4102 megabytes.",
        "condor_memory",
    ),
    own_limit(
        "condor_excessive",
        "held for excessive memory",
        r"held for excessive memory",
        "\tError from slot1@node: Job was held for excessive memory use",
        "condor_memory",
    ),
    own_limit(
        "yarn_memory",
        "killed by YARN",
        r"Container killed by YARN for exceeding (?:physical |virtual )?memory limits",
        "WARN YarnSchedulerBackend: Container killed by YARN for exceeding memory limits. 8.2 GB of 8 GB physical memory used. Consider boosting spark.yarn.executor.memoryOverhead.",
        "yarn_memory",
    ),
    own_limit(
        "yarn_beyond_limits",
        "beyond",
        r"is running (?:\S+ )?beyond the '?(?:PHYSICAL|VIRTUAL)'? memory limit|running beyond (?:physical|virtual) memory limits",
        "Container [pid=4242,containerID=container_1] is running beyond virtual memory limits. Current usage: 1.1 GB of 1 GB physical memory used",
        "yarn_memory",
    ),
)
