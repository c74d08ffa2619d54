"""Signatures of who ended a process on a host: its daemons, the kernel, and whoever saw a SIGKILL."""

from __future__ import annotations

from analyzer.signatures.signature import KILLED, MEMORY, Expression, Signature

_SCHEDULER = ("scheduler_memory",)
_SHM = ("shared_memory", "not_a_limit")


def _own_limit(
    name: str, literal: str, pattern: str, example: str, advice: str | None = None
) -> Signature:
    """Return the signature of a memory limit that a batch system or a framework enforces itself."""
    return Signature(
        name=name,
        literal=literal,
        pattern=Expression(pattern),
        example=example,
        signal="SIGKILL",
        causes=(*_SCHEDULER, *MEMORY),
        speaks_for=_SCHEDULER,
        at_any_level=True,
        advice=advice,
    )


def _killed(
    name: str, literal: str, pattern: str, example: str, *, at_any_level: bool = True
) -> Signature:
    """Return the signature of a SIGKILL that somebody saw and nobody explains."""
    return Signature(
        name=name,
        literal=literal,
        pattern=Expression(pattern),
        example=example,
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
        at_any_level=at_any_level,
    )


KILLER_SIGNATURES: tuple[Signature, ...] = (
    # the host's daemons
    Signature(
        name="earlyoom",
        literal="low memory! at or below",
        pattern=Expression(r"low memory! at or below SIG\w+ limits"),
        example="low memory! at or below SIGTERM limits: mem  3.00%, swap 10.00%",
        causes=("host_memory",),
        speaks_for=("host_memory",),
        at_any_level=True,
        advice="earlyoom",
    ),
    Signature(
        name="earlyoom_sending",
        literal="sending SIG",
        pattern=Expression(
            r"sending SIG(?:TERM|KILL) to process (?P<pid>\d+) uid \d+ .*(?:badness|oom_score)"
        ),
        example='sending SIGTERM to process 322603 uid 1000 "python3.13": oom_score 1282, VmRSS 29931 MiB',
        causes=("host_memory",),
        speaks_for=("host_memory",),
        at_any_level=True,
        advice="earlyoom",
    ),
    Signature(
        name="systemd_oomd",
        literal="systemd-oomd",
        pattern=Expression(
            r"systemd-oomd killed|systemd-oomd\[\d+\]: Killed|Killed \S+ due to (?:memory pressure|memory used)"
        ),
        example="systemd-oomd killed 35 process(es) in this unit.",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("host_memory",),
        at_any_level=True,
        advice="oomd",
    ),
    Signature(
        name="oomd_killed",
        literal="due to memory pressure for",
        pattern=Expression(r"Killed \S+ due to memory pressure for"),
        example="Killed /user.slice/user-1000.slice/session-3.scope due to memory pressure for /user.slice being 72.33% > 50.00% for > 20s",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("host_memory",),
        at_any_level=True,
        advice="oomd",
    ),
    Signature(
        name="systemd_oom_kill",
        literal="oom-kill'",
        pattern=Expression(r"Failed with result 'oom-kill'"),
        example="train.service: Failed with result 'oom-kill'.",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
        at_any_level=True,
    ),
    Signature(
        name="kernel_invoked_oom",
        literal="invoked oom-killer",
        pattern=Expression(r"\S+ invoked oom-killer:"),
        example="python invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        causes=MEMORY,
        is_secondary=True,
        at_any_level=True,
    ),
    Signature(
        name="kernel_limit_of",
        literal="killed as a result of limit of",
        pattern=Expression(r"Task in (?P<cgroup>\S+) killed as a result of limit of"),
        example="Task in /docker/4f1 killed as a result of limit of /docker/4f1",
        signal="SIGKILL",
        causes=("cgroup_memory",),
        speaks_for=("cgroup_memory",),
        at_any_level=True,
    ),
    # who saw a SIGKILL and says no more
    _killed(
        "systemd_killed",
        "status=9/KILL",
        r"code=killed, status=9/KILL",
        "train.service: Main process exited, code=killed, status=9/KILL",
    ),
    _killed(
        "signal_9",
        "ignal 9",
        r"(?:exited on|exited prematurely[:,]?(?: with)?|killed (?:by|with)|terminated (?:by|with)|died (?:from|of|with)|exited with|received|by|caught) '?\"?[Ss]ignal:? 9\b",
        "mpirun noticed that process rank 7 with PID 0 on node trainbox exited on signal 9 (Killed).",
    ),
    _killed(
        "airflow_negsignal",
        "Negsignal.SIGKILL",
        r"Negsignal\.SIGKILL",
        "INFO - Task exited with return code Negsignal.SIGKILL",
    ),
    _killed(
        "gunicorn_sigkill",
        "was sent SIGKILL",
        r"Worker \(pid:\s*(?P<pid>\d+)\) was sent SIGKILL",
        "[ERROR] Worker (pid:8) was sent SIGKILL! Perhaps out of memory?",
    ),
    _killed(
        "lost_worker",
        "WorkerLostError",
        r"WorkerLostError\b(?!.*signal 9)",
        "billiard.exceptions.WorkerLostError: Worker exited prematurely: exitcode 155 Job: 12.",
    ),
    _killed(
        "process_pool_broken",
        "BrokenProcessPool",
        r"\bBrokenProcessPool\b",
        "concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while the future was running or pending.",
    ),
    _killed(
        "jupyter_restarting",
        "KernelRestarter: restarting kernel",
        r"KernelRestarter: restarting kernel",
        "[I 2023-06-16 09:39:03.923 ServerApp] AsyncIOLoopKernelRestarter: restarting kernel (1/5), keep random ports",
    ),
    _killed(
        "jupyter_restarted",
        "restarted",
        r"\bkernel [0-9a-f-]{8,36} restarted|Kernel \S* ?died, restarting|kernel appears to have died",
        "[W 2023-06-16 09:39:03.924 ServerApp] kernel 5d0f2a39-7a61-4a0e-9b16-8a0e6cbb7c3e restarted",
    ),
    _killed(
        "dead_kernel",
        "DeadKernelError",
        r"\bDeadKernelError\b",
        "nbclient.exceptions.DeadKernelError: Kernel died",
    ),
    *(
        Signature(
            name="exit_minus_7",
            literal=literal,
            pattern=Expression(
                r"(?:return(?:ed|s)?(?: with)?(?: return)? ?code ?[=:]? ?|exit ?code\s*: ?|returned )-7\b"
            ),
            example="['python', 'finetune.py'] exits with return code = -7",
            signal="SIGBUS",
            causes=_SHM,
            speaks_for=("shared_memory",),
        )
        for literal in ("code = -7", "code: -7", "exitcode: -7", "exitcode  : -7")
    ),
    *(
        _killed(
            "exit_minus_9",
            literal,
            r"(?:exits with return code|return(?:ed)? code)\s*[=:]\s*-9\b",
            "['python', 'finetune.py'] exits with return code = -9",
        )
        for literal in ("code = -9",)
    ),
    Signature(
        name="dataloader_signal",
        literal="is killed by signal: ",
        pattern=Expression(
            r"DataLoader worker \(pid (?P<pid>\d+)\) is killed by signal: (?!Killed|Bus error)(?P<signal>[A-Z][\w ]+)"
        ),
        example="RuntimeError: DataLoader worker (pid 4020404) is killed by signal: Terminated. ",
        causes=("not_a_limit",),
        is_benign_at_end=True,
        is_generic=True,
    ),
    *(
        _killed(name, literal, pattern, example)
        for name, literal, pattern, example in (
            (
                "zsh_killed",
                "killed ",
                r"\b(?:zsh|fish|ksh|bash|sh): (?:killed|Killed)\b|^\[\d+\]\s*[+-]?\s*\d* ?killed\b|terminated by signal SIGKILL",
                "zsh: killed     python convert.py",
            ),
            (
                "job_killed",
                "illed  ",
                r"^\[\d+\][+-]?\s+\d*\s*[Kk]illed\b",
                "[1]+  Killed                  python train.py",
            ),
            (
                "compiler_killed",
                "Killed signal terminated",
                r"Killed signal terminated program",
                "c++: fatal error: Killed signal terminated program cc1plus",
            ),
            (
                "prefect_killed",
                "code: -9",
                r"exited with status code: -9",
                "Process 'tan-caracal' exited with status code: -9; This indicates that the process exited due to a SIGKILL signal.",
            ),
            (
                "condor_signal_9",
                "(signal 9)",
                r"Abnormal termination \(signal 9\)",
                "(0) Abnormal termination (signal 9)",
            ),
            (
                "docker_exited_137",
                "Exited (137)",
                r"Exited \(137\)",
                '3f1c2 train:1 "python train.py" Exited (137) 2 minutes ago',
            ),
        )
    ),
    *(
        _own_limit(name, literal, pattern, example, advice)
        for name, literal, pattern, example, advice in (
            (
                "sge_memory",
                "exceeds job hard limit",
                r"exceeds job hard limit \"(?:h_vmem|h_rss|h_data)\"",
                'job 48921.1 exceeds job hard limit "h_vmem" of queue "all.q@cn12" (17180729344.00000 > limit:17179869184.00000) - sending SIGKILL',
                "sge_memory",
            ),
            (
                "condor_cgroup_memory",
                "cgroup memory limit",
                r"has gone over cgroup memory limit",
                "Error from slot1_3@wn41: Job has gone over cgroup memory limit of 4096 megabytes.",
                "condor_memory",
            ),
        )
    ),
    Signature(
        name="vertex_memory",
        literal="ran out-of-memory",
        pattern=Expression(r"ran out-of-memory and exited"),
        example="The replica workerpool0-0 ran out-of-memory and exited with a non-zero status of 137(SIGKILL).",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
    ),
    Signature(
        name="kubernetes_ephemeral_storage",
        literal="ephemeral local storage usage exceeds",
        pattern=Expression(r"ephemeral local storage usage exceeds"),
        example="Message:  Pod ephemeral local storage usage exceeds the total limit of containers 20Gi.",
        causes=("disk_space",),
        speaks_for=("disk_space",),
        at_any_level=True,
    ),
    Signature(
        name="orte_lost",
        literal="lost communication with",
        pattern=Expression(r"has lost communication with a remote daemon"),
        example="ORTE has lost communication with a remote daemon.",
        causes=("host_lost", "not_a_limit"),
        speaks_for=("host_lost",),
    ),
)
