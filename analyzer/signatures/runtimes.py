"""Signatures of other runtimes than Python: LLVM, Node, tokio, Go, the JVM, R, the loader, Windows."""

from __future__ import annotations

from analyzer.signatures.signature import (
    ENOMEM,
    MEMORY,
    TASK_OR_MEMORY,
    TASKS,
    Expression,
    Signature,
)

RUNTIME_SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="llvm_pthread_create",
        literal="pthread_create",
        pattern=Expression(r"LLVM ERROR: pthread_create failed"),
        example="LLVM ERROR: pthread_create failed: Resource temporarily unavailable",
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="node_worker",
        literal="ERR_WORKER_INIT_FAILED",
        pattern=Expression(r"\[ERR_WORKER_INIT_FAILED\].*EAGAIN"),
        example="Error [ERR_WORKER_INIT_FAILED]: Worker initialization failure: EAGAIN",
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="libuv_thread",
        literal="uv_thread_create",
        pattern=Expression(r"uv_thread_create"),
        example="node[17]: ../src/node_platform.cc:68: Assertion `(0) == (uv_thread_create(t.get(), start_thread, this))' failed.",
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="node_heap",
        literal="heap out of memory",
        pattern=Expression(r"JavaScript heap out of memory"),
        example="FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        causes=("not_a_limit",),
        advice="node_heap",
    ),
    Signature(
        name="tokio_thread",
        literal="can't spawn worker thread",
        pattern=Expression(r"OS can't spawn worker thread"),
        example="thread 'main' panicked at 'OS can't spawn worker thread: Resource temporarily unavailable (os error 11)'",
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="go_fork_exec",
        literal="fork/exec",
        pattern=Expression(r"fork/exec \S+: resource temporarily unavailable"),
        example="fork/exec /usr/bin/git: resource temporarily unavailable",
        errno=11,
        causes=TASKS,
    ),
    Signature(
        name="elasticsearch_maps",
        literal="max_map_count",
        pattern=Expression(r"vm\.max_map_count \[?\d+\]? (?:is )?(?:too low|likely too low)"),
        example="[1]: max virtual memory areas vm.max_map_count [65530] is too low, increase to at least [262144]",
        causes=("max_map_count",),
        speaks_for=("max_map_count",),
    ),
    Signature(
        name="openblas_regions",
        literal="too many memory regions",
        pattern=Expression(r"OpenBLAS\s*:? .*too many memory regions"),
        example="OpenBLAS warning: precompiled NUM_THREADS exceeded, adding auxiliary array for thread metadata. BLAS : Program is Terminated. Because you tried to allocate too many memory regions.",
        causes=("not_a_limit",),
        advice="openblas_regions",
        at_any_level=True,
    ),
    Signature(
        name="blas_terminated",
        literal="too many memory regions",
        pattern=Expression(r"tried to allocate too many memory regions"),
        example="BLAS : Program is Terminated. Because you tried to allocate too many memory regions.",
        causes=("not_a_limit",),
        advice="openblas_regions",
    ),
    Signature(
        name="jvm_commit_memory",
        literal="commit_memory(",
        pattern=Expression(r"os::commit_memory\(0x[0-9a-f]+, (?P<bytes>\d+), \d\) failed"),
        example="OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x00007f8844096000, 16384, 0) failed; error='Not enough space' (errno=12)",
        errno=12,
        causes=ENOMEM,
        at_any_level=True,
    ),
    Signature(
        name="jvm_native_memory",
        literal="Native memory allocation",
        pattern=Expression(r"Native memory allocation \(\w+\) failed"),
        example="# Native memory allocation (mmap) failed to map 16384 bytes for committing reserved memory.",
        errno=12,
        causes=ENOMEM,
    ),
    Signature(
        name="jvm_heap",
        literal="OutOfMemoryError: ",
        pattern=Expression(
            r"OutOfMemoryError: (?:Java heap space|GC overhead limit exceeded|Metaspace|Requested array size)"
        ),
        example="java.lang.OutOfMemoryError: Java heap space",
        causes=("not_a_limit",),
        advice="jvm_heap",
    ),
    Signature(
        name="r_vector",
        literal="cannot allocate vector of size",
        pattern=Expression(r"cannot allocate vector of size"),
        example="Error: cannot allocate vector of size 7.5 Gb",
        errno=12,
        causes=(*MEMORY, "address_space", "data_size"),
    ),
    Signature(
        name="r_fork",
        literal="unable to fork",
        pattern=Expression(
            r"unable to fork, possible reason: (?P<reason>Cannot allocate memory|Resource temporarily unavailable)?"
        ),
        example="Error in mcfork() : unable to fork, possible reason: Resource temporarily unavailable",
        causes=(*TASKS, *MEMORY),
        narrowed_by={"Cannot allocate memory": MEMORY, "Resource temporarily unavailable": TASKS},
    ),
    Signature(
        name="loader_segment",
        literal="failed to map segment",
        pattern=Expression(
            r"failed to map segment from shared object(?!: Operation not permitted)"
        ),
        example="ImportError: libcublas.so.12: failed to map segment from shared object",
        errno=12,
        causes=(*ENOMEM, "not_a_limit"),
    ),
    Signature(
        name="static_tls",
        literal="static TLS block",
        pattern=Expression(r"cannot allocate memory in static TLS block"),
        example="ImportError: libgomp.so.1: cannot allocate memory in static TLS block",
        causes=("not_a_limit",),
        advice="static_tls",
    ),
    Signature(
        name="windows_paging_file",
        literal="WinError 1455",
        pattern=Expression(r"\[WinError 1455\]"),
        example="OSError: [WinError 1455] The paging file is too small for this operation to complete",
        causes=("windows_commit",),
        speaks_for=("windows_commit",),
    ),
    Signature(
        name="torch_cpu_allocator",
        literal="DefaultCPUAllocator",
        pattern=Expression(
            r"DefaultCPUAllocator: (?:can't allocate memory: you tried to allocate (?P<bytes>\d+) bytes|not enough memory)"
        ),
        example="RuntimeError: [enforce fail at alloc_cpu.cpp:73] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 42472464384 bytes. Error code 12 (Cannot allocate memory)",
        errno=12,
        causes=("host_memory", "cgroup_memory", "address_space", "data_size"),
    ),
    *(
        Signature(
            name=name,
            literal=literal,
            pattern=Expression(pattern),
            example=example,
            errno=12,
            causes=causes,
        )
        for name, literal, pattern, example, causes in (
            (
                "jemalloc_memory",
                "<jemalloc>",
                r"<jemalloc>: Error in \w+\(\): out of memory",
                "<jemalloc>: Error in malloc(): out of memory",
                ENOMEM,
            ),
            (
                "mimalloc_memory",
                "unable to allocate",
                r"mimalloc: error: unable to allocate",
                "mimalloc: error: unable to allocate memory (8589934608 bytes)",
                ENOMEM,
            ),
            (
                "tcmalloc_memory",
                "tcmalloc",
                r"tcmalloc: (?:allocation failed|.*[Oo]ut of memory)",
                "tcmalloc: allocation failed 8589934592",
                ENOMEM,
            ),
            (
                "arrow_memory",
                "ArrowMemoryError",
                r"\bArrowMemoryError\b",
                "pyarrow.lib.ArrowMemoryError: malloc of size 4294967296 failed",
                ENOMEM,
            ),
            (
                "realloc_memory",
                "alloc of size",
                r"\b(?:m|re|c)alloc of size \d+ failed",
                "realloc of size 2147483648 failed",
                ENOMEM,
            ),
            (
                "julia_memory",
                "OutOfMemoryError()",
                r"OutOfMemoryError\(\)",
                "ERROR: LoadError: OutOfMemoryError()",
                ENOMEM,
            ),
            (
                "go_memory",
                "untime: out of memory",
                r"(?:fatal error: )?runtime: (?:cannot allocate memory|out of memory)",
                "runtime: out of memory: cannot allocate 8589934592-byte block (3932160 in use)",
                ENOMEM,
            ),
            (
                "r_vector_memory",
                "vector memory",
                r"vector memory (?:exhausted|limit of)",
                "Error: vector memory exhausted (limit reached?)",
                (*MEMORY, "address_space", "data_size"),
            ),
        )
    ),
    *(
        Signature(
            name=name,
            literal=literal,
            pattern=Expression(pattern),
            example=example,
            errno=11,
            causes=TASKS,
        )
        for name, literal, pattern, example in (
            ("node_spawn", "EAGAIN", r"\bspawn \S+ EAGAIN", "Error: spawn /usr/bin/python3 EAGAIN"),
        )
    ),
    Signature(
        name="files_of_the_system",
        literal="Too many open files in system",
        pattern=Expression(r"Too many open files in system|\[Errno 23\]"),
        example="OSError: [Errno 23] Too many open files in system",
        errno=23,
        causes=("open_files",),
        advice="files_of_the_system",
    ),
    Signature(
        name="cpp_broken_pipe",
        literal="what():  ",
        pattern=Expression(
            r"what\(\):  (?:Broken pipe|Connection (?:refused|reset|timed out)|No such file or directory|Permission denied|Invalid argument|"
            r"Bad file descriptor|Is a directory|Address already in use|Operation not permitted)"
        ),
        example="  what():  Broken pipe",
        signal="SIGABRT",
        causes=("not_a_limit",),
        speaks_for=("not_a_limit",),
    ),
    Signature(
        name="cpp_what_memory",
        literal="what():  ",
        pattern=Expression(r"what\(\):  Cannot allocate memory"),
        example="  what():  Cannot allocate memory",
        errno=12,
        signal="SIGABRT",
        causes=ENOMEM,
    ),
    Signature(
        name="cpp_what_files",
        literal="what():  ",
        pattern=Expression(r"what\(\):  Too many open files"),
        example="  what():  Too many open files",
        errno=24,
        signal="SIGABRT",
        causes=("open_files",),
        speaks_for=("open_files",),
    ),
)
