"""Signatures of the platforms that run jobs: clouds, workflow managers, experiment servers, hosted notebooks."""

from __future__ import annotations

from analyzer.signatures.rows import interrupted, killed, preempted, summary, time_limit
from analyzer.signatures.signature import MEMORY, NOT_A_LIMIT, Expression, Signature

PLATFORM_SIGNATURES: tuple[Signature, ...] = (
    # Prefect says of every signal that the flow crashed.
    interrupted(
        "prefect_signalled",
        "Execution was ",
        r"Execution was (?:aborted by an? (?:interrupt|termination) signal|cancelled by the runtime environment)",
        "ERROR   | Flow run 'tan-caracal' - Crash detected! Execution was aborted by a termination signal.",
        "Execution was paused by the flow, it waits for input",
    ),
    interrupted(
        "dagster_interrupted",
        ("_CANCEL", "ExecutionInterrupte"),
        r"\b(?:RUN|PIPELINE)_CANCELED - |\bDagsterExecutionInterruptedError\s*$",
        'dagster - INFO - fit - 5d0f2a39 - 4242 - RUN_CANCELED - Execution of run for "fit" canceled.',
        "from dagster._core.errors import DagsterExecutionInterruptedError, DagsterError",
    ),
    interrupted(
        "clearml_aborted",
        ("USER ABORTED", "User aborted: "),
        r"### TASK STOPPED - USER ABORTED - |\bUser aborted: stopping task",
        "clearml.Task - WARNING - ### TASK STOPPED - USER ABORTED - STATUS CHANGED ###",
        "queue: 3 tasks are STOPPED - USER ABORTED or timed out",
    ),
    # Azure ML, Vertex AI, Determined, SkyPilot and others: the state that a job ended in, or who ended it.
    interrupted(
        "platform_canceled",
        ("anceled", "ancelled", "_CANCEL", "ancel requested by"),
        r"^\s*(?:[Ff]inal )?[Ss]tatus: Cancel(?:l)?ed\s*$|['\"]JobCancel(?:l)?ed['\"]|\bCancel requested by\b"
        r"|\b(?:[Rr]un|[Jj]ob|[Tt]rial(?= \(Experiment)|[Ee]xperiment(?: status)?|[Ww]orkflow)\b(?: \([^)]{1,60}\)| \S{1,60})? (?:was|is|has been) cancel(?:l)?ed\b(?! (?:if|when|after))"
        r"|\bJOB_STATE_CANCELLED\b|\bexperiment state changed to STOPPING_CANCELED\b|\b(?:Training|Custom)?Job cancel(?:l)?ed\.?\s*$",
        "Status: Canceled",
        "scheduler: of 12 runs 2 were canceled and sent again (Status: Canceled, retried)",
    ),
    time_limit(
        "platform_timeout",
        (
            *("hit its timeout", "FunctionTimeoutErr", "aximum runtime of", "in state TimedOut"),
            *("exceeded timeout of", "allowed execution t", "the allowed runtime"),
        ),
        r"\bcurrent input \S+ hit its\b|\bFunctionTimeoutError: |^\s*Exceeded maximum runtime of \d+ seconds|\bFinished in state TimedOut\("
        r"|\b(?:Flow|Task) run exceeded timeout of |\b[Nn]otebook\b.* exceeded the (?:maximum )?allowed (?:execution time|runtime)\b",
        "Task's current input in-wrd5Ktt6HmXMgu9T6pyhAj hit its timeout of 2700s",
        "client: the request hit its timeout of 30 s, trying again",
    ),
    preempted(
        "platform_preempted",
        (
            "re-empt",
            "SPOT_INSTANCE_TERM",
            "Spot Instance inter",
            "luster is preempted",
            "decommissioned beca",
        ),
        r"\bPreemptionError: |\b(?:[Nn]odes?|job|VMs?)\b.{0,40} (?:got|was|were|been) pre-empted\b|[Pp]re-emption warning signal"
        r"|\bSPOT_INSTANCE_TERMINATION\b(?!')|\bterminated: Spot [Ii]nstance interruption\b|\bCluster is preempted\b|\bworker decommissioned because of .*(?:spot|preempt)",
        "AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted.",
        "queue: jobs of class low can be pre-empted at any time",
    ),
    Signature(
        name="metaflow_memory",
        literals=("Task ran out of mem",),
        pattern=Expression(r"\bTask ran out of memory\. Increase"),
        example="[345/train/9146 (pid 72172)] Task ran out of memory. Increase the available memory for the step.",
        benign='@retry(times=2)  # also if "Task ran out of memory"',
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
        at_any_level=True,
    ),
    Signature(
        name="sagemaker_memory",
        literals=("type with more memo",),
        pattern=Expression(r"Please use an instance type with more memory"),
        example="Failed. Reason: ClientError: Please use an instance type with more memory, or reduce the size of training data processed on an instance.",
        benign='runbook: after "use an instance type with more memory" choose ml.m5.4xlarge',
        causes=MEMORY,
        at_any_level=True,
    ),
    Signature(
        name="azureml_disk",
        literals=("DiskFullError",),
        pattern=Expression(r"\bDiskFullError: "),
        example="AzureMLCompute job failed. DiskFullError: Azure ML Compute ran out of disk space.",
        benign="from storage.errors import DiskFullError",
        causes=("disk_space",),
        speaks_for=("disk_space",),
        at_any_level=True,
    ),
    killed(
        "azureml_killed",
        "KilledBySystemSigna",
        r"\bUserProcessKilledBySystemSignal\b",
        "UserProcessKilledBySystemSignal: Job failed since the user script received system termination signal usually due to out-of-memory or segfault.",
        "docs: the codes of a failed job are UserError, SystemError, KilledBySystemSignal",
    ),
    # Databricks tells no more of its driver: as a rule its heap was full, or its host was taken away.
    Signature(
        name="spark_driver_stopped",
        literals=("driver has stopped ",),
        pattern=Expression(r"\bspark driver has stopped unexpectedly and is restarting"),
        example="The spark driver has stopped unexpectedly and is restarting. Your notebook will be automatically reattached.",
        benign="monitor: no driver has stopped unexpectedly this week",
        causes=(*MEMORY, "host_lost", NOT_A_LIMIT),
        at_any_level=True,
    ),
    killed(
        "colab_crashed",
        "session crashed for",
        r"\b[Yy]our session crashed for an unknown reason",
        "Your session crashed for an unknown reason.",
        "help: a session crashed for an unknown reason if its kernel was killed",
    ),
    # Kubeflow, Kubernetes' jobs, Vertex AI, Flyte, Metaflow, Dagster, SkyPilot, Determined: what failed stands above.
    summary(
        "kubeflow_failed",
        "replica(s) failed",
        r"\b\w+Job \S+ (?:is|has) failed because \d+ \w+ replica\(s\) failed",
        "PyTorchJob default/bert is failed because 1 Worker replica(s) failed.",
        "PyTorchJob default/bert is restarting because 1 Worker replica(s) failed.",
    ),
    summary(
        "kubernetes_backoff",
        "specified backoff l",
        r"\bBackoffLimitExceeded\b.*Job has reached the specified backoff limit",
        "Warning  BackoffLimitExceeded  2m  job-controller  Job has reached the specified backoff limit",
        "Job has a specified backoff limit of 6",
    ),
    summary(
        "platform_exit_status",
        ("non-zero ", "exit code ("),
        r"\bexited with a non-zero status of (?!137\b)\d+|\bterminated with exit code \((?!0\)|137\))\d+\)"
        r"|\bfailed with non-zero exit code: (?!137\b)\d|\b[Ee]rror \(exit code (?!137\b)[1-9]\d*\)",
        "The replica workerpool0-0 exited with a non-zero status of 1. To find out more about why your job exited please check the logs",
        "healthcheck: a container with a non-zero status is started again",
    ),
    summary(
        "step_failed",
        ("STEP_FAILURE", "orkflow failed.", "Step failure:", "with return code li"),
        r"\bSTEP_FAILURE - Execution of step |\bWorkflow failed\.\s*$|^\s*Step failure:\s*$|\bfailed with return code list: \[",
        'dagster - ERROR - fit - 5d0f2a39 - 4242 - train - STEP_FAILURE - Execution of step "train" failed.',
        "hooks: on STEP_FAILURE or RUN_FAILURE a message is sent",
    ),
)
