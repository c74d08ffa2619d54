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
        "wallclock time",
        r"exceeded (?:hard|soft) wallclock time",
        "job 4892 exceeded hard wallclock time - initiate terminate method",
        "qacct: wallclock time 3600 s, hard limit h_rt=24:00:00",
    ),
    interrupted(
        "compose_interrupted",
        "Gracefully stopping...",
        r"\^CGracefully stopping\.\.\.",
        "^CGracefully stopping... (press Ctrl+C again to force)",
        "Gracefully stopping... (press Ctrl+C again to force)",
    ),
    time_limit(
        "systemd_time",
        ("runtime time limit", "operation timed out"),
        r"\b(?:Service|Scope) reached runtime time limit\b|\bstart operation timed out\. Terminating",
        "train.service: Service reached runtime time limit. Stopping.",
        "RuntimeMaxSec=infinity: no runtime time limit",
    ),
    time_limit(
        "celery_time",
        ("time limit (", "TimeLimitExceeded"),
        r"\b(?:Hard|Soft) time limit \(\d+(?:\.\d+)?s\) exceeded|\b(?:Soft)?TimeLimitExceeded\((?!\w)|\bTimeLimitExceeded: ",
        "ERROR/MainProcess] Hard time limit (300s) exceeded for train.fit[4f]",
        "celery.conf: task_time_limit 300, hard time limit (0 = none)",
    ),
    # submitit tells what Slurm says of the job, in the second line of the message of its exception
    time_limit(
        "submitit_timeout",
        ("(state: TIMEOUT)", "timed-out too many times"),
        r"not produced any output \(state: (?P<state>TIMEOUT)\)|not requeued because: timed-out too many times",
        "has not produced any output (state: TIMEOUT)",
        "job 5514: 3 of 4 tasks are through (state: TIMEOUT), 1 is requeued",
    ),
    preempted(
        "submitit_preempted",
        "(state: PREEMPTED)",
        r"not produced any output \(state: (?P<state>PREEMPTED)\)",
        "has not produced any output (state: PREEMPTED)",
        "job 5514 is requeued (state: PREEMPTED)",
    ),
    interrupted(
        "submitit_cancelled",
        "(state: CANCELLED",
        r"not produced any output \(state: (?P<state>CANCELLED)\b",
        "has not produced any output (state: CANCELLED by 1001)",
        "job 5514 is left out (state: CANCELLED)",
    ),
    time_limit(
        "command_timeout",
        ("Command timed out after", "ode 124", "tatus 124"),
        r"^\s*Command timed out after \d+|(?i:\bexit(?:ed)?(?: with)?(?: exit)? (?:code|status):? 124\b(?!\s*\w))",
        "Process exited with status 124",
        "timeout: on_exit 124, or once Command timed out after 60 s",
    ),
    time_limit(
        "sagemaker_time",
        "MaxRuntimeExceeded",
        r"\bMaxRuntimeExceeded - ",
        "2024-03-01 10:00:00 MaxRuntimeExceeded - Training job runtime exceeded MaxRuntimeInSeconds provided",
        '"secondary_status": ["Completed", "MaxRuntimeExceeded", "Stopped"]',
    ),
    interrupted(
        "condor_removed",
        "via condor_rm",
        r"^\s*via condor_rm \(by user \S+\)",
        "\tvia condor_rm (by user mila)",
        "queue: 14 jobs, 2 of them leave it via condor_rm",
    ),
    interrupted(
        "flux_canceled",
        "type=cancel",
        r"job\.exception .*type=cancel severity=0",
        "12.410s: job.exception f3aBc type=cancel severity=0 cancelled by user",
        "events: type=cancel severity=7, 2 listeners",
    ),
    interrupted(
        "mpirun_forwarded",
        "orwarding signal",
        r"^mpirun: Forwarding signal (?:2|15) to job",
        "mpirun: Forwarding signal 15 to job",
        "launcher: forwarding signals USR1 and USR2 to the ranks",
    ),
    interrupted(
        "systemd_terminated",
        "status=15/TERM",
        r"code=killed, status=15/TERM",
        "train.service: Main process exited, code=killed, status=15/TERM",
        "SuccessExitStatus=143 status=15/TERM",
    ),
    Signature(
        name="kubernetes_node_shutdown",
        literals=("imminent node shutdown", "TerminationByKubelet"),
        pattern=Expression(
            r"terminated in response to imminent node shutdown|\breason:\s+TerminationByKubelet"
        ),
        example="Message:        Pod was terminated in response to imminent node shutdown.",
        benign="kubelet: shutdownGracePeriod is 30s before an imminent node shutdown",
        signal="SIGTERM",
        causes=("preempted", "interrupted", "host_lost"),
        stops=True,
        at_any_level=True,
    ),
    # A drain and a taint: somebody took the node out of use. A node that is lost says so besides.
    Signature(
        name="kubernetes_taint_eviction",
        literals=("TaintManagerEviction", "DeletionByTaintManager"),
        pattern=Expression(
            r"\bTaintManagerEviction\b.*Marking for deletion|\breason: DeletionByTaintManager\b"
        ),
        example="Normal  TaintManagerEviction  1m  taint-eviction-controller  Marking for deletion Pod ml/bert-0",
        benign="Normal  TaintManagerEviction  1m  taint-eviction-controller  Cancelling deletion of Pod ml/bert-0",
        causes=("interrupted", "preempted", "host_lost"),
        stops=True,
        at_any_level=True,
    ),
    interrupted(
        "kubernetes_drained",
        ("EvictionByEvictionAPI", "evicting pod ", "Evicted pod"),
        r"\breason: EvictionByEvictionAPI\b|^evicting pod [\w-]+/[\w.-]+\s*$|\bEvicted\b.*\bEvicted pod(?:: |\s*$)",
        "evicting pod ml/bert-0",
        "replay buffer: evicting pod of 12 episodes",
    ),
    preempted(
        "kubernetes_preempted",
        "Preempted by",
        r"Preempted by (?:a pod|pod \S+|\S+/\S+) on node",
        "Normal  Preempted  2m  default-scheduler  Preempted by a pod on node gke-a100-7",
        "PriorityClass batch: may be Preempted by any class above 1000",
    ),
    interrupted(
        "sigterm_received",
        (
            "SIGTERM",
            "SIGINT",
            "SIGHUP",
            "ignal 15",
            "ignal 2",
            "ignal: 15",
            "SIGNAL TERM",
            "`Termination signal",
        ),
        r"\b(?i:received|caught|got|detected|handling)\b[^\n]{0,20}\bSIG(?:TERM|INT|HUP)\b|\bSIG(?:TERM|INT|HUP) (?:received|caught)|\b(?:terminated|interrupted|stopped) by SIG(?:TERM|INT|HUP)\b"
        r"|\b(?i:received|caught|got|detected) signal:? (?:15|2)\b(?! of| ?/)|\b[Ss]ignal (?:15|2) received|`Termination signal` is detected"
        # Of Spark's driver; it sends one to each executor as it ends.
        r"|(?<!ExecutorBackend: )\bRECEIVED SIGNAL TERM\b",
        "WARN received SIGTERM indicating exit request",
        "handlers for SIGTERM and SIGUSR1 are installed (checkpoint and requeue)",
        look_alikes=(
            Expression(
                r"\b(?:ignor|bypass|reload|reopen|log rotation|0 SIG|signal \d+ handlers)",
                ignore_case=True,
            ),
        ),
    ),
    preempted(
        "spot_notice",
        ("spot interruption", "pot instance interruption", "nstance Interruptio", '"Preempt"'),
        r"(?i:spot (?:instance )?interruption (?:notice|warning))|\"EventType\": ?\"Preempt\"",
        "[watch] Instance is marked for termination: spot interruption notice received",
        "polling the spot interruption endpoint every 5 s",
    ),
    interrupted(
        "scontrol_cancelled",
        ("JobState=CANCELLED", "State: CANCELLED"),
        r"JobState=CANCELLED|^\s*State: CANCELLED",
        "JobState=CANCELLED Reason=None",
        "--dependency=afterok:6 (not started if JobState=CANCELLED)",
    ),
    time_limit(
        "sacct_timeout",
        (" TIMEOUT ", "JobState=TIMEOUT"),
        r"\bTIMEOUT\s+\d+:\d+|^\s*(?:State: |JobState=)TIMEOUT\b",
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
    Signature(
        name="slurm_requeued",
        literals=(
            "DUE TO JOB REQUEUE",
            "auto-requeue signal",
            "JOB NOT ENDING",
        ),
        pattern=Expression(
            r"CANCELLED AT \S+ DUE TO JOB (?:REQUEUE|NOT ENDING WITH SIGNALS)|(?i:handling auto-requeue signal)"
        ),
        example="slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-14T03:12:44 DUE TO JOB REQUEUE ***",
        benign="SLURM auto-requeueing is on: handling auto-requeue signals USR1 only",
        signal="SIGTERM",
        causes=("preempted", "time_limit", "interrupted"),
        stops=True,
        at_any_level=True,
        look_alikes=(Expression(r"auto-requeue signals"),),
    ),
    interrupted(
        "slurm_signalled",
        "DUE to SIGNAL",
        r"CANCELLED AT \S+ DUE to SIGNAL \w+",
        "slurmstepd: error: *** STEP 7.0 ON node1 CANCELLED AT 2026-01-14T03:12:44 DUE to SIGNAL Terminated ***",
        "sacct: 0 steps ended DUE to SIGNAL since 08:00",
    ),
    time_limit(
        "submitit_signal",
        "job is timed-out",
        r"[Cc]aught signal SIG\w+ on \S+ this job is timed-out",
        "submitit WARNING (2026-01-14 03:12:44,918) - Caught signal SIGUSR2 on gpu021: this job is timed-out.",
        "scheduler: if this job is timed-out, its checkpoint is taken up",
        is_secondary=True,
    ),
    preempted(
        "submitit_preemption",
        "job is preempted",
        r"[Cc]aught signal SIG\w+ on \S+ this job is preempted",
        "submitit WARNING (2026-01-14 03:12:44,918) - Caught signal SIGUSR1 on gpu021: this job is preempted.",
        "scheduler: if this job is preempted, its checkpoint is taken up",
        is_secondary=True,
    ),
    # a terminal or a person
    Signature(
        name="keyboard_interrupt",
        literals=("KeyboardInterrupt",),
        pattern=Expression(r"^\s*KeyboardInterrupt\b|Detected KeyboardInterrupt, attempting"),
        example="KeyboardInterrupt",
        benign="Press Ctrl+C (KeyboardInterrupt) to stop early, the best model is kept",
        at_any_level=True,
        signal="SIGINT",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        stops=True,
    ),
    Signature(
        name="control_c",
        literals=("^C", "] Interrupt", "Aborted!", "Ctrl + C detected"),
        pattern=Expression(
            r"^\s*\^C|\]\^C|^make\S*: \*\*\* \[[^\]]*\] Interrupt\b|^Aborted!\s*$|\bCtrl \+ C detected\b"
        ),
        example="^C",
        benign="column filter ^C\\d+$ selects 14 columns",
        signal="SIGINT",
        causes=("interrupted",),
        speaks_for=("interrupted",),
        stops=True,
    ),
    Signature(
        name="spot_preempted",
        literals=("reempted", "reemption", "reclaimed by"),
        pattern=Expression(
            r"(?i:instance|node|VM|pod|machine|task|job|worker|runner|cluster|replica|trial|allocation|container|function)\b.{0,60}\b(?:was|is being|will be|has been|got) (?:[Pp]reempted|reclaimed by)"
            r"|\b[Pp]reemption (?:notice|warning|signal|request|event|checkpoint)\b(?! handler)|\b(?:due to|by|upcoming|because of)(?: \w+){0,2} [Pp]reemption\b(?!\W{0,3}\b0\b)|\bTerminatedByPreemption\b"
        ),
        example="TPU worker was preempted",
        benign="WARNING 04-14 20:04:53 scheduler.py:1484] Sequence group 63 is preempted by PreemptionMode.RECOMPUTE mode because there is not enough KV cache space.",
        causes=("preempted",),
        speaks_for=("preempted",),
        stops=True,
        at_any_level=True,
    ),
)
