"""Signatures of processes that could not be started, and of the code that starts them.

The first that matches counts, so special ones stand first.
"""

from __future__ import annotations

from analyzer.signatures.signature import MEMORY, TASKS, Expression, Signature

FORK_SIGNATURES: tuple[Signature, ...] = (
    # "No child processes" is the same event.
    Signature(
        name="shell_fork",
        literals=("fork",),
        pattern=Expression(r"\bv?fork: (?:retry: |Resource temporarily unavailable)"),
        example="-bash: fork: retry: Resource temporarily unavailable",
        benign="From github.com:team/vision, a fork of pytorch/vision that is 12 commits behind main",
        errno=11,
        causes=TASKS,
    ),
    # The commit limit, never PIDs (that is EAGAIN).
    Signature(
        name="shell_fork_memory",
        literals=("fork",),
        pattern=Expression(r"\bfork: Cannot allocate memory"),
        example="-bash: fork: Cannot allocate memory",
        benign="vm.overcommit_memory = 1, fork() of a large process succeeds",
        errno=12,
        causes=MEMORY,
    ),
    # dash says no more.
    Signature(
        name="dash_fork",
        literals=("fork",),
        pattern=Expression(r": Cannot fork\b"),
        example="sh: 1: Cannot fork",
        benign="multiprocessing start method: fork (others: spawn, forkserver)",
        causes=(*TASKS, *MEMORY),
    ),
    Signature(
        name="nginx_fork",
        literals=("fork",),
        pattern=Expression(r"\bfork\(\) failed while spawning"),
        example='[alert] 1#1: fork() failed while spawning "worker process" (11: Resource temporarily)',
        benign="gunicorn --preload: the app is loaded before the fork of 4 workers",
        errno=11,
        causes=TASKS,
    ),
    # Also _fork_exec( and _posixsubprocess.fork_exec(, of subprocess.
    Signature(
        name="fork_frame",
        literals=("fork", "in _execute_child"),
        pattern=Expression(r"\bos\.fork\(\)|\b_?fork_exec\(|popen_fork\.py|\bin _execute_child\b"),
        example="    self.pid = os.fork()",
        benign="DeprecationWarning: This process (pid=4210) is multi-threaded, use of fork() may lead to deadlocks in the child.",
        is_frame=True,
    ),
    # multiprocessing/process.py, with its log on.
    # A server's master, which starts a worker in the place of one that died, proves nothing: what
    # died gave its tasks back.
    Signature(
        name="process_started",
        literals=("child process calling self.run()",),
        pattern=Expression(r"child process calling self\.run\(\)"),
        example="[INFO/Process-2] child process calling self.run()",
        benign="[DEBUG/ForkPoolWorker-3] child process calling self.run()",
        is_frame=True,
    ),
    Signature(
        name="process_exited",
        literals=("process exiting with exitcode",),
        pattern=Expression(r"process exiting with exitcode \d+"),
        example="[INFO/Process-1] process exiting with exitcode 1",
        benign="[INFO/MainProcess] process exiting with exitcode 0",
        is_frame=True,
    ),
    Signature(
        name="traceback",
        literals=("Traceback (most recent call last)",),
        pattern=Expression(r"Traceback \(most recent call last\)"),
        example="Traceback (most recent call last):",
        benign='    assert "Traceback (most recent call last)" not in result.stderr',
        is_frame=True,
    ),
    # Also of a pipe, a lock, sendfile().
    Signature(
        name="python_errno_11",
        literals=("[Errno ",),
        pattern=Expression(r"(?:BlockingIOError|OSError|IOError): \[Errno 11\]"),
        example="BlockingIOError: [Errno 11] Resource temporarily unavailable",
        benign="stdin: [Errno 11] Resource temporarily unavailable, no key was pressed",
        errno=11,
        causes=(*TASKS, "not_a_limit"),
        causes_in_frame={"fork_frame": TASKS},
        needs_frame=True,
    ),
)
