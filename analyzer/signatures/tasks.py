"""Signatures of threads and processes that were refused: EAGAIN, ENOSPC.

The first that matches counts, so special ones stand first.
"""

from __future__ import annotations

from analyzer.signatures.signature import ENOMEM, TASK_OR_MEMORY, TASKS, Expression, Signature

TASK_SIGNATURES: tuple[Signature, ...] = (
    # The name came with TF 2.5; JAX has the same line; two processes may write into one line.
    Signature(
        name="tensorflow_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(
            r"(?:Check failed: ret == 0 \((?P<errno>\d+) vs\. 0\) ?)?"
            r"Thread (?:(?P<thread>[^\n]{1,64}?) )?creation via pthread_create\(\) failed"
        ),
        example="F tensorflow/tsl/platform/default/env.cc:74] Check failed: ret == 0 (11 vs. 0)Thread tf_ creation via pthread_create() failed.",
        benign="pthread_create@@GLIBC_2.34 resolved in /lib/x86_64-linux-gnu/libc.so.6",
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
        at_any_level=True,
    ),
    Signature(
        name="glog_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(
            r"Check failed: res == 0 \((?P<errno>\d+) vs\. 0\) pthread_create failed"
        ),
        example="F0000 threadpool_pthread_impl.cc:51] Check failed: res == 0 (11 vs. 0) pthread_create failed",
        benign="-- Looking for pthread_create in pthread - found",
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    # EPERM: a seccomp filter of an old Docker refuses clone3. The C library's text may be translated.
    Signature(
        name="thread_not_permitted",
        literals=(
            *("pthread_create", "libgomp: Thread creation failed", "OMP: "),
            *("unable to create thread", "failed to spawn thread", "an't create Thread"),
        ),
        pattern=Expression(
            r"(?<!blas_thread_init: )\bpthread_create(?:\(\))?(?: failed\b.*|: )(?:Operation not permitted|\(EPERM\))"
            r"|(?:libgomp: Thread creation failed|unable to create thread|can't create Thread): Operation not permitted"
            r"|\bOMP: System error #1: |failed to spawn thread: .*(?:code: 1,|PermissionDenied)"
        ),
        example="runtime/cgo: pthread_create failed: Operation not permitted",
        benign="seccomp: pthread_create is permitted, clone3 answers ENOSYS",
        errno=1,
        signal="SIGABRT",
        causes=("not_a_limit",),
        speaks_for=("not_a_limit",),
        advice="seccomp",
        at_any_level=True,
    ),
    # curl says no errno.
    Signature(
        name="curl_resolver_thread",
        literals=("thread failed to start",),
        pattern=Expression(r"getaddrinfo\(\) thread failed to start"),
        example="curl: (6) getaddrinfo() thread failed to start",
        benign="watchdog: 0 of 4 threads hang, no thread failed to start",
        causes=(*TASK_OR_MEMORY, "not_a_limit"),
        advice="seccomp_perhaps",
    ),
    Signature(
        name="openblas_not_permitted",
        literals=("pthread_create",),
        pattern=Expression(r"blas_thread_init: pthread_create.*: Operation not permitted"),
        example="OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 64: Operation not permitted",
        benign="     0.42%  python  libc.so.6  [.] pthread_create@@GLIBC_2.34",
        errno=1,
        causes=("not_a_limit",),
        speaks_for=("not_a_limit",),
        advice="seccomp",
    ),
    # Before 0.3.4 it does not name the thread: blas_thread_init: pthread_create: 资源暂时不可用
    # In a language that is not known it may be EPERM as well.
    *(
        Signature(
            name="openblas_pthread_create",
            literals=("pthread_create",),
            pattern=Expression(
                r"blas_thread_init: pthread_create"
                r"(?: failed for thread (?P<thread>\d+) of (?P<threads_wanted>\d+))?: " + words
            ),
            example="OpenBLAS blas_thread_init: pthread_create failed for thread 40 of 64: Resource temporarily unavailable",
            benign="OpenBLAS 0.3.21: 64 threads by pthread_create, affinity off",
            errno=errno,
            causes=causes,
        )
        for words, errno, causes in (
            ("(?:Resource temporarily unavailable|资源暂时不可用)", 11, TASK_OR_MEMORY),
            ("", None, (*TASK_OR_MEMORY, "not_a_limit")),
        )
    ),
    # Before or after the line above; printed whether or not that limit is the one.
    Signature(
        name="openblas_nproc",
        literals=("RLIMIT_NPROC",),
        pattern=Expression(r"RLIMIT_NPROC (?P<soft>-?\d+) current, (?P<hard>-?\d+) max"),
        example="OpenBLAS blas_thread_init: RLIMIT_NPROC 4096 current, 2067053 max",
        benign="prlimit: RLIMIT_NPROC=4096:2067053",
        causes=TASK_OR_MEMORY,
        is_secondary=True,
    ),
    Signature(
        name="libgomp_thread_creation",
        literals=("libgomp: Thread creation failed",),
        pattern=Expression(r"libgomp: Thread creation failed: "),
        example="libgomp: Thread creation failed: Resource temporarily unavailable",
        benign='FAQ: "libgomp: Thread creation failed" means that OMP_NUM_THREADS is above the limit on tasks',
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="openmp_error_34",
        literals=("OMP: ",),
        pattern=Expression(r"OMP: Error #(?:34: |\d+: .*\bpthread_create\b)"),
        example="OMP: Error #34: System unable to allocate necessary resources for OMP thread:",
        benign="OMP: Info #276: omp_set_nested routine deprecated, please use omp_set_max_active_levels instead.",
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="openmp_system_error",
        literals=("OMP: ",),
        pattern=Expression(r"OMP: System error #(?P<errno>11|12): "),
        example="OMP: System error #11: Resource temporarily unavailable",
        benign="OMP: Warning #191: Forking a process while a parallel region is active is potentially unsafe.",
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
        is_secondary=True,
    ),
    Signature(
        name="pthread_create_return_code",
        literals=("pthread_create",),
        pattern=Expression(r"return code from pthread_create\(\) is (?P<errno>[1-9]\d*)"),
        example="ERROR; return code from pthread_create() is 11",
        benign="thread 3: return code from pthread_create() is 0",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="grpc_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(r"thd\.cc:\d+\].*pthread_create failed: "),
        example="E1203 10:11:12.13 4242 thd.cc:157] pthread_create failed: Resource temporarily unavailable",
        benign="configure: pthread_create is in libc, -lpthread is not needed",
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="cgo_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(r"runtime/cgo: pthread_create failed"),
        example="runtime/cgo: pthread_create failed: Resource temporarily unavailable",
        benign="# runtime/cgo: pthread_create from libpthread.a is linked in",
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="jvm_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(
            r'Failed to start thread "(?P<thread>[^"]*)".*pthread_create failed \(EAGAIN\)'
        ),
        example='[0.1s][warning][os,thread] Failed to start thread "GC Thread#1" - pthread_create failed (EAGAIN) for attributes: stacksize: 1024k, guardsize: 4k, detached.',
        benign='[0.012s][debug][os,thread] Thread "GC Thread#1" started by pthread_create (attributes: stacksize: 1024k, guardsize: 4k, detached).',
        errno=11,
        causes=TASK_OR_MEMORY,
        at_any_level=True,
    ),
    Signature(
        name="pthread_create_failed",
        literals=("pthread_create",),
        pattern=Expression(r"pthread_create\(\) failed \((?P<errno>\d+): "),
        example="nginx: [alert] pthread_create() failed (11: Resource temporarily unavailable)",
        benign="python->pthread_create(0x7ffc21d0, 0, 0x401176, 0) = 0",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="jvm_map_failed",
        literals=("OutOfMemoryError: ",),
        pattern=Expression(r"OutOfMemoryError: Map failed"),
        example="java.lang.OutOfMemoryError: Map failed",
        benign="# OnOutOfMemoryError: no command is set",
        errno=12,
        causes=ENOMEM,
        speaks_for=("max_map_count",),
    ),
    Signature(
        name="jvm_native_thread",
        literals=("OutOfMemoryError: ",),
        pattern=Expression(r"OutOfMemoryError: unable to create (?:new )?native thread"),
        example="java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached",
        benign="HeapDumpOnOutOfMemoryError: on, HeapDumpPath: /tmp",
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    # mprotect() splits a mapping, which only the map count refuses.
    Signature(
        name="jvm_guard_pages",
        literals=("stack guard pages failed",),
        pattern=Expression(r"Attempt to (?:protect|allocate) stack guard pages failed"),
        example="OpenJDK 64-Bit Server VM warning: Attempt to protect stack guard pages failed.",
        benign='If "Attempt to protect stack guard pages failed" is printed, raise vm.max_map_count',
        errno=12,
        causes=ENOMEM,
        speaks_for=("max_map_count",),
        at_any_level=True,
    ),
    # CPython never says the errno.
    Signature(
        name="python_new_thread",
        literals=("can't start new thread",),
        pattern=Expression(r"(?:RuntimeError|\berror): can't start new thread"),
        example="RuntimeError: can't start new thread",
        benign="prefetch: can't start new thread above --threads 8, using the caller's",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="ray_thread",
        literals=("system:",),
        pattern=Expression(r"thread: .*\[system:11\]"),
        example="  what():  thread: Resource temporarily unavailable [system:11]",
        benign='{"event": "sysstat", "system:cpu": 0.41, "system:load1": 11.2}',
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="ray_open_files",
        literals=("system:",),
        pattern=Expression(r"\[system:24\b"),
        example="  what():  open: Too many open files [system:24]",
        benign="cpu time user:76 system:24 idle:0",
        errno=24,
        causes=("open_files",),
        speaks_for=("open_files",),
    ),
    Signature(
        name="cpp_resource_unavailable",
        literals=("what():  ",),
        pattern=Expression(r"what\(\):  Resource temporarily unavailable"),
        example="  what():  Resource temporarily unavailable",
        benign="  // e.what():  the text of std::exception, see <stdexcept>",
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="cpp_system_error",
        literals=("terminate called",),
        pattern=Expression(r"terminate called after throwing an instance of 'std::system_error'"),
        example="terminate called after throwing an instance of 'std::system_error'",
        benign="[pool] terminate called: 8 idle workers closed",
        signal="SIGABRT",
        causes=(*TASK_OR_MEMORY, "open_files", "not_a_limit"),
    ),
    Signature(
        name="cpp_terminate_recursively",
        literals=("terminate called",),
        pattern=Expression(r"terminate called recursively"),
        example="terminate called recursively",
        benign="pool.terminate called once more, nothing is left to close",
        signal="SIGABRT",
        causes=(*TASK_OR_MEMORY, "not_a_limit"),
        is_secondary=True,
    ),
    Signature(
        name="ray_raylet",
        literals=("Unable to register worker with raylet",),
        pattern=Expression(r"Unable to register worker with raylet"),
        example="[2026-01-14 C 42 42] core_worker.cc:1: Unable to register worker with raylet. IOError",
        benign="(pid=4211) Unable to register worker with raylet yet, retry 1 of 10",
        causes=(*TASKS, "not_a_limit"),
        is_secondary=True,
    ),
    Signature(
        name="rust_thread_pool",
        literals=("ThreadPoolBuildError",),
        pattern=Expression(r"ThreadPoolBuildError.*code: (?P<errno>\d+)"),
        example='called `Result::unwrap()` on an `Err` value: ThreadPoolBuildError { kind: IOError(Os { code: 11, kind: WouldBlock, message: "Try again" }) }',
        benign="use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="rust_spawn",
        literals=("failed to spawn thread",),
        pattern=Expression(r"failed to spawn thread: (?:.*code: (?P<errno>\d+)|WouldBlock)"),
        example='failed to spawn thread: Os { code: 11, kind: WouldBlock, message: "Resource temporarily unavailable" }',
        benign="WARN rayon: failed to spawn thread 17, going on with 16",
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    # Of a thread, or of a socket that is not ready.
    Signature(
        name="rust_would_block",
        literals=("kind: WouldBlock",),
        pattern=Expression(r"\bOs \{ code: (?P<errno>\d+), kind: WouldBlock"),
        example='called `Result::unwrap()` on an `Err` value: Os { code: 11, kind: WouldBlock, message: "Resource temporarily unavailable" }',
        benign='DEBUG mio::poll: read: Custom { kind: WouldBlock, error: "not ready" }',
        causes=(*TASK_OR_MEMORY, "not_a_limit"),
    ),
    Signature(
        name="go_os_thread",
        literals=("failed to create new OS thread",),
        pattern=Expression(
            r"failed to create new OS thread \(have (?P<threads>\d+) already[;,] errno=(?P<errno>\d+)\)"
        ),
        example="runtime: failed to create new OS thread (have 1025 already; errno=11)",
        benign='debug.SetMaxThreads(10000) stops the program before it reads "failed to create new OS thread"',
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="go_newosproc",
        literals=("newosproc",),
        pattern=Expression(r"fatal error: (?:runtime\.)?newosproc"),
        example="fatal error: newosproc",
        benign="#\t0x43a1e5\truntime.newosproc+0x25\t/usr/local/go/src/runtime/os_linux.go:174",
        causes=TASK_OR_MEMORY,
        is_secondary=True,
    ),
    # The first refusal of a cgroup only.
    Signature(
        name="kernel_fork_rejected",
        literals=("fork",),
        pattern=Expression(r"cgroup: fork rejected by pids controller in (?P<cgroup>\S+)"),
        example="cgroup: fork rejected by pids controller in /docker/0123",
        benign="huggingface/tokenizers: The current process just got forked, after parallelism has already been used. Disabling parallelism to avoid deadlocks...",
        errno=11,
        causes=("pids_cgroup",),
        names_its_cause=True,
    ),
    Signature(
        name="libgit2_thread",
        literals=("unable to create thread",),
        pattern=Expression(r"unable to create thread"),
        example="fatal: unable to create thread: Resource temporarily unavailable",
        benign="[lance] unable to create thread 9, falling back to 8 threads",
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="glibc_mutex",
        literals=("Fatal glibc error: pthread_mutex_lock.c",),
        pattern=Expression(r"Fatal glibc error: pthread_mutex_lock\.c"),
        example="Fatal glibc error: pthread_mutex_lock.c:450 (__pthread_mutex_lock_full): assertion failed: e != ESRCH || !robust FUTEX_OWNER_DIED",
        benign='Known issue (glibc < 2.36): if a worker is forked, "Fatal glibc error: pthread_mutex_lock.c" can follow',
        signal="SIGABRT",
        causes=(*TASK_OR_MEMORY, "not_a_limit"),
        is_secondary=True,
    ),
    # No PID is free, not the disk.
    Signature(
        name="clone_no_pid",
        literals=("clone(2) failure",),
        pattern=Expression(r"clone\(2\) failure; (?P<errno>28)\b"),
        example="error: clone(2) failure; 28 (No space left on device)",
        benign="nsjail: clone(2) failure count 0, jails started 28",
        causes=("pid_max",),
        speaks_for=("pid_max",),
    ),
    Signature(
        name="clone_failure",
        literals=("clone(2) failure",),
        pattern=Expression(r"clone\(2\) failure; (?P<errno>\d+)"),
        example="error: clone(2) failure; 11 (Resource temporarily unavailable)",
        benign="man nsjail: a clone(2) failure is reported with its errno",
        causes=TASKS,
    ),
    # dlopen() had no descriptor or map left.
    Signature(
        name="libgcc_s",
        literals=("libgcc_s.so.1 must be installed",),
        pattern=Expression(
            r"libgcc_s\.so\.1 must be installed for pthread_(?:exit|cancel) to work"
        ),
        example="libgcc_s.so.1 must be installed for pthread_exit to work",
        benign="conda: libgcc_s.so.1 must be installed for this environment (found in /opt/conda/lib)",
        signal="SIGABRT",
        causes=("open_files", *ENOMEM, "not_a_limit"),
        speaks_for=("open_files",),
    ),
)
