"""Signatures of servers that refuse to start because a limit is too low for them: Elasticsearch, OpenSearch, Vault."""

from __future__ import annotations

from functools import partial

from analyzer.signatures.signature import NOT_A_LIMIT, Expression, Signature

BOOTSTRAP_CHECK = "bootstrap_check_"
"""Begins the name of each check of one start: every one that fails stands for itself."""


def _check(cause: str, literal: str, pattern: str, example: str, benign: str) -> Signature:
    """Make the row of a check that Elasticsearch, OpenSearch or what embeds them makes before it starts.

    In a cluster a failed check ends the start; without one it is a warning.
    """
    return Signature(
        name=f"{BOOTSTRAP_CHECK}{cause}",
        literals=(literal,),
        pattern=Expression(pattern),
        example=example,
        benign=benign,
        causes=(cause,),
        speaks_for=(cause,),
    )


_locked = partial(
    Signature,
    causes=("locked_memory",),
    speaks_for=("locked_memory",),
)

SERVER_SIGNATURES: tuple[Signature, ...] = (
    _check(
        "open_files",
        "max file descriptors [",
        r"max file descriptors \[\d+\] for .*\btoo low",
        "[1]: max file descriptors [4096] for elasticsearch process is too low, increase to at least [65535]",
        "[WARN ][o.e.b.BootstrapChecks] max file descriptors [4096] for elasticsearch process is too low, increase to at least [65535]",
    ),
    _check(
        "locked_memory",
        "memory is not locked",
        r"memory locking requested for .* process but memory is not locked",
        "[1]: memory locking requested for elasticsearch process but memory is not locked",
        "_nodes: mlockall false, memory is not locked",
    ),
    _check(
        "nproc",
        "max number of threads [",
        r"max number of threads \[\d+\] for user \[[^\]]*\] .*\btoo low",
        "[2]: max number of threads [1024] for user [elastic] is too low, increase to at least [4096]",
        "pool: max number of threads [16], 4 are busy",
    ),
    _check(
        "address_space",
        "max size virtual memory [",
        r"max size virtual memory \[\d+\] for user \[[^\]]*\] .*\btoo low",
        "[1]: max size virtual memory [17179869184] for user [elastic] is too low, increase to [unlimited]",
        "limits: max size virtual memory [unlimited]",
    ),
    _check(
        "max_map_count",
        "max_map_count",
        r"vm\.max_map_count \[?\d+\]? (?:is )?(?:too low|likely too low)",
        "[1]: max virtual memory areas vm.max_map_count [65530] is too low, increase to at least [262144]",
        "vm.max_map_count = 262144",
    ),
    # The largest file, the heap, the discovery, the system call filters: settings.
    _check(
        NOT_A_LIMIT,
        "bootstrap check failure [",
        r"bootstrap check failure \[\d+\] of \[\d+\]: ",
        "bootstrap check failure [1] of [1]: the default discovery settings are unsuitable for production use",
        'docs: each line with "bootstrap check failure [" names a setting',
    ),
    # Vault, Consul and what else locks all of its memory, or the maps of eBPF programs.
    _locked(
        name="memory_lock_refused",
        literals=("Failed to lock memory: ", "MEMLOCK may be too low", "mlockall failed"),
        pattern=Expression(
            r"Failed to lock memory: cannot allocate memory|\(MEMLOCK may be too low, consider"
            r"|\bmlockall failed: (?:Cannot allocate memory|Operation not permitted|ENOMEM|EPERM)"
        ),
        example="Error initializing core: Failed to lock memory: cannot allocate memory",
        benign="prefetch: mlockall failed, pages stay swappable",
        errno=12,
    ),
)
