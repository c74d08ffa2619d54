"""Signatures of processes that could not be started, and of the code that starts them.

The example above each is a real line. The first that matches counts, so special ones stand first.
"""

from __future__ import annotations

from analyzer.signatures.signature import MEMORY, TASKS, Expression, Signature

FORK_SIGNATURES: tuple[Signature, ...] = (
    # -bash: fork: retry: Resource temporarily unavailable; "No child processes" is the same event
    Signature(
        name="shell_fork",
        literals=("fork",),
        pattern=Expression(r"\bv?fork: (?:retry: |Resource temporarily unavailable)"),
        errno=11,
        causes=TASKS,
    ),
    # -bash: fork: Cannot allocate memory: the commit limit, never PIDs (that is EAGAIN)
    Signature(
        name="shell_fork_memory",
        literals=("fork",),
        pattern=Expression(r"\bfork: Cannot allocate memory"),
        errno=12,
        causes=MEMORY,
    ),
    # sh: 1: Cannot fork        dash says no more
    Signature(
        name="dash_fork",
        literals=("fork",),
        pattern=Expression(r": Cannot fork\b"),
        causes=(*TASKS, *MEMORY),
    ),
    # [alert] 1#1: fork() failed while spawning "worker process" (11: Resource temporarily unavailable)
    Signature(
        name="nginx_fork",
        literals=("fork",),
        pattern=Expression(r"\bfork\(\) failed while spawning"),
        errno=11,
        causes=TASKS,
    ),
    #     self.pid = os.fork()      self.pid = _fork_exec(      self.pid = _posixsubprocess.fork_exec(
    #   File "/usr/lib/python3.11/subprocess.py", line 1955, in _execute_child
    Signature(
        name="fork_frame",
        literals=("fork", "in _execute_child"),
        pattern=Expression(r"\bos\.fork\(\)|\b_?fork_exec\(|popen_fork\.py|\bin _execute_child\b"),
        is_frame=True,
    ),
    # [INFO/Process-2] child process calling self.run()   multiprocessing/process.py, with its log on
    # A server's master, which starts a worker in the place of one that died, proves nothing: what
    # died gave its tasks back.
    Signature(
        name="process_started",
        literals=("child process calling self.run()",),
        pattern=Expression(r"child process calling self\.run\(\)"),
        is_frame=True,
    ),
    # [INFO/Process-1] process exiting with exitcode 1
    Signature(
        name="process_exited",
        literals=("process exiting with exitcode",),
        pattern=Expression(r"process exiting with exitcode \d+"),
        is_frame=True,
    ),
    Signature(
        name="traceback",
        literals=("Traceback (most recent call last)",),
        pattern=Expression(r"Traceback \(most recent call last\)"),
        is_frame=True,
    ),
    # BlockingIOError: [Errno 11] Resource temporarily unavailable; also of a pipe, a lock, sendfile()
    Signature(
        name="python_errno_11",
        literals=("[Errno ",),
        pattern=Expression(r"(?:BlockingIOError|OSError|IOError): \[Errno 11\]"),
        errno=11,
        causes=(*TASKS, "not_a_limit"),
        causes_in_frame={"fork_frame": TASKS},
        needs_frame=True,
    ),
)
