"""Signatures of a CI that ended a job: its time limit, a person, a newer commit, or a runner that is gone."""

from __future__ import annotations

from analyzer.signatures.rows import interrupted, time_limit
from analyzer.signatures.signature import MEMORY, Expression, Signature

_STOPS: tuple[Signature, ...] = (
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
        "ci_step_timeout",
        (
            *("has timed out after", "ran longer than the maximum time", "The task has timed out"),
            *("maximum time limit for jobs", "No output has been received in the last"),
            *("Too long with no output", "build time limit of"),
            *("Marking the build as aborted", "steps due to timeout", "State: TIMED_OUT"),
            *("failed to finish within", "exceeded its deadline"),
        ),
        r"##\[error\]The (?:action|task)\b.* has timed out\b|##\[error\]The job running on agent .* ran longer than the maximum time"
        r"|^The job exceeded the maximum time limit for jobs|^No output has been received in the last \d+m|^Too long with no output \(exceeded"
        r"|^Exceeded build time limit of|^Build timed out \(after .*Marking the build as aborted"
        r"|^Cancelling nested steps due to timeout|Phase complete: \w+ State: TIMED_OUT|\b(?:Task|Pipeline)Run \"[^\"]+\" failed to finish within"
        r"|\b(?:Step|Pod|Workflow) exceeded its deadline\b",
        "##[error]The action 'Run cv' has timed out after 30 minutes.",
        "crawler: 2 of 40 hosts: fetch has timed out after 30 s",
    ),
    interrupted(
        "gitlab_canceled",
        "Job failed: canceled",
        r"ERROR: Job failed: canceled",
        "ERROR: Job failed: canceled",
        'after_script: runs unless the log ends with "Job failed: canceled"',
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
        "ci_canceled",
        (
            *(
                "cancellation signal",
                "ted by a signal: ",
                "will be canceled",
            ),
            *("operation was canceled", "Job Cancelled", "uild was cancel", "ipeline cancel"),
        ),
        r"^# Received cancellation signal|command was interrupted by a signal: (?:terminated|interrupt)|The Operation will be canceled"
        r"|^(?:Error: )?The operation was canceled\.?\s*$|^Done: Job Cancelled|^(?:The )?[Bb]uild was cancel(?:ed|led)\b|\b[Pp]ipeline cancel(?:ed|led) by\b",
        "# Received cancellation signal, interrupting",
        "watch: the build was canceled by nobody, 14 steps are through",
    ),
    interrupted(
        "ci_stopped",
        (
            *(
                "canceled externally",
                "higher priority waiting request",
                "Sending interrupt signal to",
            ),
            *(
                "FlowInterruptedException",
                "State: STOPPED",
                "shutdown with strategy",
                "Run was cancelled",
            ),
        ),
        r"\bscript canceled externally\b|\bCanceling since a higher priority waiting request\b|^Sending interrupt signal to process\s*$"
        r"|\bFlowInterruptedException\s*$|Phase complete: \w+ State: STOPPED|\bworkflow shutdown with strategy: |\b(?:Task|Pipeline)Run was cancelled\b",
        "WARNING: script canceled externally (UI, API)",
        "import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException;",
    ),
)
CI_STOPS = frozenset(one.name for one in _STOPS)
"""Below one of these only what ends a job in order is done: that it succeeds says nothing of the job."""
CI_SIGNATURES: tuple[Signature, ...] = (
    *_STOPS,
    # GitHub says itself that the runner may have been starved of CPU or memory.
    Signature(
        name="runner_lost",
        literals=("lost communication with the server", "stopped hearing from agent"),
        pattern=Expression(
            r"\brunner\b.* lost communication with the server|\bWe stopped hearing from agent "
        ),
        example="##[error]The hosted runner lost communication with the server.",
        benign="mqtt: lost communication with the server, connected again after 1.2 s",
        causes=("host_lost", *MEMORY),
        at_any_level=True,
    ),
)
