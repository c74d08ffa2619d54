"""Signatures of a run that somebody or something ended though it did not fail: time limits, preemption, people."""

from __future__ import annotations

from analyzer.signatures.rows import interrupted, preempted, time_limit
from analyzer.signatures.signature import Expression, Signature

STOP_SIGNATURES: tuple[Signature, ...] = (
    time_limit(
        "flux_timeout",
        "resource allocation expired",
        r"type=timeout .*resource allocation expired",
        "1800.214s: job.exception type=timeout severity=0 resource allocation expired",
        "flux jobs: f2nTz timeout (resource allocation expired), f2nUa completed",
    ),
    time_limit(
        "gitlab_timeout",
        "execution took longer than",
        r"Job failed: execution took longer than",
        "ERROR: Job failed: execution took longer than 1h0m0s seconds",
        "slow query: execution took longer than 500 ms",
    ),
    time_limit(
        "github_timeout",
        "exceeded the maximum execution time",
        r"has exceeded the maximum execution time",
        "##[error]The job running on runner GitHub Actions 4 has exceeded the maximum execution time of 360 minutes.",
        "planner: 0 of 40 queries exceeded the maximum execution time",
    ),
    time_limit(
        "airflow_timeout",
        "AirflowTaskTimeout",
        r"\bAirflowTaskTimeout\b",
        "airflow.exceptions.AirflowTaskTimeout: Timeout, PID: 4211",
        "from airflow.exceptions import AirflowException, AirflowTaskTimeout",
    ),
    time_limit(
        "kubernetes_deadline",
        ("DeadlineExceeded", "longer than specified deadline"),
        r"\bDeadlineExceeded\b.*(?:active|deadline)|Job was active longer than specified deadline",
        "Warning  DeadlineExceeded  job-controller  Job was active longer than specified deadline",
        'grpc_server_handled_total{grpc_code="DeadlineExceeded"} 0',
    ),
    time_limit(
        "sge_time",
        "exceeded hard wallclock",
        r"exceeded hard wallclock time",
        "job 4892 exceeded hard wallclock time - initiate terminate method",
        "qacct: no job exceeded hard wallclock limits (h_rt=24:00:00)",
    ),
    interrupted(
        "runner_shutdown",
        "received a shutdown signal",
        r"The runner has received a shutdown signal",
        "##[error]The runner has received a shutdown signal.",
        "prefetcher received a shutdown signal, its 12 batches are used up",
    ),
    interrupted(
        "operation_canceled",
        "operation was canceled",
        r"##\[error\]The operation was canceled",
        "##[error]The operation was canceled.",
        "preview: the operation was canceled by a newer one",
    ),
    interrupted(
        "jenkins_aborted",
        ("Aborted by ", "Finished: ABORTED"),
        r"^Aborted by \S|^Finished: ABORTED",
        "Aborted by Alice Nowak",
        "part 7 was Aborted by the client and sent again",
    ),
    interrupted(
        "sigterm_received",
        "SIGTERM",
        r"(?:received|caught|got|handling)\b[^\n]{0,20}\bSIGTERM|SIGTERM (?:received|caught)|terminated by SIGTERM|Caught signal SIGTERM",
        "WARN received SIGTERM indicating exit request",
        "handlers for SIGTERM and SIGUSR1 are installed (checkpoint and requeue)",
    ),
    preempted(
        "spot_notice",
        ("spot interruption", "pot instance interruption"),
        r"[Ss]pot (?:instance )?interruption (?:notice|warning)",
        "[watch] Instance is marked for termination: spot interruption notice received",
        "polling the spot interruption endpoint every 5 s",
    ),
    interrupted(
        "scontrol_cancelled",
        "JobState=CANCELLED",
        r"JobState=CANCELLED",
        "JobState=CANCELLED Reason=None",
        "--dependency=afterok:6 (not started if JobState=CANCELLED)",
    ),
    time_limit(
        "sacct_timeout",
        " TIMEOUT ",
        r"\bTIMEOUT\s+\d+:\d+",
        "7  train  TIMEOUT      0:0",
        "HEARTBEAT TIMEOUT 30 s, INTERVAL 5 s",
    ),
    interrupted(
        "sacct_cancelled",
        "CANCELLED by",
        r"CANCELLED by \d+",
        "7  train  CANCELLED by 1001      0:0",
        "order 1182 CANCELLED by customer, label 0",
    ),
    # a terminal or a person
    Signature(
        name="keyboard_interrupt",
        literals=("KeyboardInterrupt",),
        pattern=Expression(r"^\s*KeyboardInterrupt\b"),
        example="KeyboardInterrupt",
        benign="Press Ctrl+C (KeyboardInterrupt) to stop early, the best model is kept",
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
        benign="column filter ^C\\d+$ selects 14 columns",
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
        benign="WARNING 04-14 20:04:53 scheduler.py:1484] Sequence group 63 is preempted by PreemptionMode.RECOMPUTE mode because there is not enough KV cache space.",
        causes=("preempted",),
        speaks_for=("preempted",),
        stops=True,
        at_any_level=True,
    ),
)
