"""Signatures of a notebook's kernel that died, as Jupyter, papermill and hosted notebooks say it."""

from __future__ import annotations

from analyzer.signatures.rows import killed
from analyzer.signatures.signature import MEMORY, Expression, Signature

NOTEBOOK_SIGNATURES: tuple[Signature, ...] = (
    killed(
        "jupyter_restarting",
        "KernelRestarter: restarting kernel",
        r"KernelRestarter: restarting kernel",
        "[I 2023-06-16 09:39:03.923 ServerApp] AsyncIOLoopKernelRestarter: restarting kernel (1/5), keep random ports",
        'c.KernelManager.debug = True (it logs when "KernelRestarter: restarting kernel" happens)',
    ),
    killed(
        "jupyter_restarted",
        ("restarted", "died, restarting", "kernel appears to have died"),
        r"\bkernel [0-9a-f-]{8,36} restarted|Kernel \S* ?died, restarting|kernel appears to have died",
        "[W 2023-06-16 09:39:03.924 ServerApp] kernel 5d0f2a39-7a61-4a0e-9b16-8a0e6cbb7c3e restarted",
        "exporter restarted in 1.2 s, 12 metrics",
    ),
    killed(
        "dead_kernel",
        ("DeadKernelError", "ernel died", "Kernel crashed while", "kernel is unresponsive"),
        r"\bDeadKernelError\b|\bKernel died (?:while waiting for|before replying to)\b|(?:^|: )Kernel died\s*$"
        r"|\bThe Kernel crashed while executing code|\bThe Python kernel is unresponsive",
        "nbclient.exceptions.DeadKernelError: Kernel died",
        "from nbclient.exceptions import CellExecutionError, DeadKernelError",
    ),
    Signature(
        name="notebook_memory",
        literals=("using all available RAM", "more memory than is available"),
        pattern=Expression(
            r"session crashed after using all available RAM|notebook tried to allocate more memory than is available"
        ),
        example="Your session crashed after using all available RAM.",
        benign="loader: using all available RAM but 8 GB for the cache",
        signal="SIGKILL",
        causes=MEMORY,
        speaks_for=("cgroup_memory",),
        at_any_level=True,
    ),
)
