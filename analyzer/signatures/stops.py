"""Signatures of a run that somebody or something ended though it did not fail: time limits, preemption, people."""

from __future__ import annotations

from analyzer.signatures.rows import stopped
from analyzer.signatures.signature import Expression, Signature

STOP_SIGNATURES: tuple[Signature, ...] = (
    stopped(
        "flux_timeout",
        "resource allocation expired",
        r"type=timeout .*resource allocation expired",
        "1800.214s: job.exception type=timeout severity=0 resource allocation expired",
        "time_limit",
    ),
    stopped(
        "gitlab_timeout",
        "execution took longer than",
        r"Job failed: execution took longer than",
        "ERROR: Job failed: execution took longer than 1h0m0s seconds",
        "time_limit",
    ),
    stopped(
        "github_timeout",
        "exceeded the maximum execution time",
        r"has exceeded the maximum execution time",
        "##[error]The job running on runner GitHub Actions 4 has exceeded the maximum execution time of 360 minutes.",
        "time_limit",
    ),
    stopped(
        "airflow_timeout",
        "AirflowTaskTimeout",
        r"\bAirflowTaskTimeout\b",
        "airflow.exceptions.AirflowTaskTimeout: Timeout, PID: 4211",
        "time_limit",
    ),
    stopped(
        "kubernetes_deadline",
        ("DeadlineExceeded", "longer than specified deadline"),
        r"\bDeadlineExceeded\b.*(?:active|deadline)|Job was active longer than specified deadline",
        "Warning  DeadlineExceeded  job-controller  Job was active longer than specified deadline",
        "time_limit",
    ),
    stopped(
        "sge_time",
        "exceeded hard wallclock",
        r"exceeded hard wallclock time",
        "job 4892 exceeded hard wallclock time - initiate terminate method",
        "time_limit",
    ),
    stopped(
        "runner_shutdown",
        "received a shutdown signal",
        r"The runner has received a shutdown signal",
        "##[error]The runner has received a shutdown signal.",
        "interrupted",
    ),
    stopped(
        "operation_canceled",
        "operation was canceled",
        r"##\[error\]The operation was canceled",
        "##[error]The operation was canceled.",
        "interrupted",
    ),
    stopped(
        "jenkins_aborted",
        ("Aborted by ", "Finished: ABORTED"),
        r"^Aborted by \S|^Finished: ABORTED",
        "Aborted by Alice Nowak",
        "interrupted",
    ),
    stopped(
        "sigterm_received",
        "SIGTERM",
        r"(?:received|caught|got|handling)\b[^\n]{0,20}\bSIGTERM|SIGTERM (?:received|caught)|terminated by SIGTERM|Caught signal SIGTERM",
        "WARN received SIGTERM indicating exit request",
        "interrupted",
    ),
    stopped(
        "spot_notice",
        ("spot interruption", "pot instance interruption"),
        r"[Ss]pot (?:instance )?interruption (?:notice|warning)",
        "[watch] Instance is marked for termination: spot interruption notice received",
        "preempted",
    ),
    stopped(
        "scontrol_cancelled",
        "JobState=CANCELLED",
        r"JobState=CANCELLED",
        "JobState=CANCELLED Reason=None",
        "interrupted",
    ),
    stopped(
        "sacct_timeout",
        " TIMEOUT ",
        r"\bTIMEOUT\s+\d+:\d+",
        "7  train  TIMEOUT      0:0",
        "time_limit",
    ),
    stopped(
        "sacct_cancelled",
        "CANCELLED by",
        r"CANCELLED by \d+",
        "7  train  CANCELLED by 1001      0:0",
        "interrupted",
    ),
    # a terminal or a person
    Signature(
        name="keyboard_interrupt",
        literals=("KeyboardInterrupt",),
        pattern=Expression(r"^\s*KeyboardInterrupt\b"),
        example="KeyboardInterrupt",
        signal="SIGINT",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        stops=True,
    ),
    Signature(
        name="control_c",
        literals=("^C",),
        pattern=Expression(r"^\s*\^C"),
        example="^C",
        signal="SIGINT",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        stops=True,
    ),
    Signature(
        name="spot_preempted",
        literals=("reempted", "reemption notice"),
        pattern=Expression(
            r"(?i:instance|node|VM|pod|machine|task|job|worker)\b.{0,60}\b(?:was|is being|will be|has been) [Pp]reempted|[Pp]reemption notice"
        ),
        example="TPU worker was preempted",
        causes=("preempted",),
        speaks_for=("preempted",),
        stops=True,
        at_any_level=True,
    ),
)
