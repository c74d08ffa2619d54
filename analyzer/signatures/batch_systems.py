"""Signatures of batch systems that end a job, or say how one ended: LSF, Grid Engine, PBS, OAR."""

from __future__ import annotations

from analyzer.signatures.rows import interrupted, own_limit, time_limit
from analyzer.signatures.signature import Expression, Signature

BATCH_SIGNATURES: tuple[Signature, ...] = (
    # LSF
    own_limit(
        "lsf_memory",
        "TERM_",
        r"\bTERM_(?:MEMLIMIT|SWAP)\b",
        "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.",
        "TERM_PROGRAM=vscode",
        advice="lsf_memory",
    ),
    Signature(
        name="lsf_threads",
        literals=("TERM_",),
        pattern=Expression(r"\bTERM_(?:THREADLIMIT|PROCESSLIMIT)\b"),
        example="TERM_THREADLIMIT: job killed after reaching LSF thread limit.",
        benign="TERM_SESSION_ID=w0t0p0:6E1F2A90",
        signal="SIGKILL",
        causes=("pids_cgroup", "nproc"),
        advice="lsf_threads",
    ),
    Signature(
        name="lsf_run_limit",
        literals=("TERM_",),
        pattern=Expression(r"\bTERM_(?:RUNLIMIT|CPULIMIT|DEADLINE)\b"),
        example="TERM_RUNLIMIT: job killed after reaching LSF run time limit.",
        benign="TERM_PROGRAM_VERSION=1.89.0",
        causes=("time_limit",),
        speaks_for=("time_limit",),
        stops=True,
    ),
    Signature(
        name="lsf_preempted",
        literals=("TERM_",),
        pattern=Expression(r"\bTERM_(?:PREEMPT|LOAD|WINDOW|REQUEUE\w*)\b"),
        example="TERM_PREEMPT: job killed after preemption.",
        benign="+ export TERM_FEATURES=T3LrMSc7",
        causes=("preempted",),
        speaks_for=("preempted",),
        stops=True,
    ),
    Signature(
        name="lsf_owner",
        literals=("TERM_",),
        pattern=Expression(r"\bTERM_(?:OWNER|ADMIN|FORCE_OWNER|FORCE_ADMIN)\b"),
        example="TERM_OWNER: job killed by owner.",
        benign="LC_TERM_VERSION=3.4.23",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        stops=True,
    ),
    # Grid Engine
    own_limit(
        "sge_memory",
        (' limit "h_', ' limit "s_'),
        r"exceeds job (?:master |slave )?(?:hard|soft) limit \"[hs]_(?:vmem|rss|data)\"",
        'job 48921.1 exceeds job hard limit "h_vmem" of queue "all.q@cn12" (17180729344.00000 > limit:17179869184.00000) - sending SIGKILL',
        'qconf: a job with h_vmem=32G waits, its limit "h_vmem" is no more than 16G',
        advice="sge_memory",
    ),
    time_limit(
        "sge_cpu_time",
        (' limit "h_', ' limit "s_'),
        r"exceeds job (?:master |slave )?(?:hard|soft) limit \"[hs]_(?:cpu|rt)\"",
        'job 48921.1 exceeds job hard limit "h_cpu" of queue "all.q@cn12" (3601.00000 > limit:3600.00000) - sending SIGKILL',
        'qconf: the limit "h_rt" of all.q is 24:00:00',
    ),
    # In its accounting, of three limits at once.
    Signature(
        name="sge_enforced",
        literals=("qmaster enforced h_",),
        pattern=Expression(r"\bqmaster enforced h_rt, h_cpu,? or h_vmem limit"),
        example="failed       37  : qmaster enforced h_rt, h_cpu, or h_vmem limit",
        benign="37: qmaster enforced h_rt (see sge_status)",
        signal="SIGKILL",
        causes=("time_limit", "scheduler_memory"),
        at_any_level=True,
        advice="sge_memory",
    ),
    # PBS
    own_limit(
        "pbs_memory",
        "PBS: job killed",
        r"PBS: job killed: (?:v?p?mem|mem) \S+ exceeded limit",
        "=>> PBS: job killed: mem 16788432kb exceeded limit 16777216kb",
        'man pbs_resources: above its memory the server writes "PBS: job killed" and the limit',
        advice="pbs_memory",
    ),
    Signature(
        name="pbs_walltime",
        literals=("PBS: job killed",),
        pattern=Expression(r"PBS: job killed: (?:walltime|cput|ncpus) \S+ exceeded limit"),
        example="=>> PBS: job killed: walltime 86432 exceeded limit 86400",
        benign='qalter: walltime is 48:00:00, "PBS: job killed" is due on Saturday',
        causes=("time_limit",),
        speaks_for=("time_limit",),
        stops=True,
    ),
    interrupted(
        "pbs_deleted",
        "PBS: job killed",
        r"PBS: job killed: job deleted\b",
        "=>> PBS: job killed: job deleted by mila@login1",
        'qdel: "PBS: job killed" is written into the output of a job',
    ),
    Signature(
        name="pbs_cgroup_memory",
        literals=("memory limit exceed",),
        pattern=Expression(r"\bCgroup memory limit exceeded: "),
        example="Cgroup memory limit exceeded: Killed process 4242, UID 1000, (python) total-vm:1kB",
        benign="hook: cgroup memory limit exceeded in 0 of 40 jobs",
        signal="SIGKILL",
        causes=("cgroup_memory",),
        speaks_for=("cgroup_memory",),
        at_any_level=True,
        advice="pbs_memory",
    ),
    # OAR
    time_limit(
        "oar_walltime",
        "WALLTIME",
        r"\bWALLTIME: \[\w+\] ",
        "events = [2024-10-09 22:13:10] WALLTIME: [bipbip] job 3011876 reached its walltime",
        "WALLTIME=24:00:00",
    ),
    # By its time limit, for another job, or by a person: OAR says so only where it is asked.
    Signature(
        name="oar_killed",
        literals=("KILLED ##",),
        pattern=Expression(r"^## OAR \[[^\]]+\] Job \d+ KILLED ##"),
        example="## OAR [2024-10-09 22:13:10] Job 3011876 KILLED ##",
        benign="grep -c 'KILLED ##' OAR.3011876.stderr",
        causes=("time_limit", "preempted", "interrupted"),
        is_secondary=True,
        stops=True,
        at_any_level=True,
    ),
)
