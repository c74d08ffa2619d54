"""Signatures of threads and descriptors that were refused: EAGAIN, EMFILE, ENOSPC.

The example above each is a real line. The first that matches counts, so special ones stand first.
"""

from __future__ import annotations

from analyzer.signatures.signature import ENOMEM, TASK_OR_MEMORY, TASKS, Expression, Signature

TASK_SIGNATURES: tuple[Signature, ...] = (
    # F tensorflow/tsl/platform/default/env.cc:74] Check failed: ret == 0 (11 vs. 0)Thread tf_ creation via pthread_create() failed.
    # The name came with TF 2.5; JAX has the same line; two processes may write into one line.
    Signature(
        name="tensorflow_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(
            r"(?:Check failed: ret == 0 \((?P<errno>\d+) vs\. 0\) ?)?"
            r"Thread (?:(?P<thread>[^\n]{1,64}?) )?creation via pthread_create\(\) failed"
        ),
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
        at_any_level=True,
    ),
    # F0000 threadpool_pthread_impl.cc:51] Check failed: res == 0 (11 vs. 0) pthread_create failed
    Signature(
        name="glog_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(
            r"Check failed: res == 0 \((?P<errno>\d+) vs\. 0\) pthread_create failed"
        ),
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    # OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 64: Operation not permitted
    # EPERM: a seccomp filter of an old Docker refuses clone3. The C library's text may be translated.
    Signature(
        name="openblas_not_permitted",
        literals=("pthread_create",),
        pattern=Expression(r"blas_thread_init: pthread_create.*: Operation not permitted"),
        errno=1,
        causes=("not_a_limit",),
        speaks_for=("not_a_limit",),
        advice="seccomp",
    ),
    # OpenBLAS blas_thread_init: pthread_create failed for thread 40 of 64: Resource temporarily unavailable
    # OpenBLAS blas_thread_init: pthread_create: 资源暂时不可用                    (before 0.3.4)
    # In a language that is not known it may be EPERM as well.
    *(
        Signature(
            name="openblas_pthread_create",
            literals=("pthread_create",),
            pattern=Expression(
                r"blas_thread_init: pthread_create"
                r"(?: failed for thread (?P<thread>\d+) of (?P<threads_wanted>\d+))?: " + words
            ),
            errno=errno,
            causes=causes,
        )
        for words, errno, causes in (
            ("(?:Resource temporarily unavailable|资源暂时不可用)", 11, TASK_OR_MEMORY),
            ("", None, (*TASK_OR_MEMORY, "not_a_limit")),
        )
    ),
    # OpenBLAS blas_thread_init: RLIMIT_NPROC 4096 current, 2067053 max
    # Before or after the line above; printed whether or not that limit is the one.
    Signature(
        name="openblas_nproc",
        literals=("RLIMIT_NPROC",),
        pattern=Expression(r"RLIMIT_NPROC (?P<soft>-?\d+) current, (?P<hard>-?\d+) max"),
        causes=TASK_OR_MEMORY,
        is_secondary=True,
    ),
    Signature(
        name="libgomp_thread_creation",
        literals=("libgomp: Thread creation failed",),
        pattern=Expression(r"libgomp: Thread creation failed: "),
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    # OMP: Error #34: System unable to allocate necessary resources for OMP thread:
    # OMP: System error #11: Resource temporarily unavailable
    Signature(
        name="openmp_error_34",
        literals=("OMP: ",),
        pattern=Expression(r"OMP: Error #34: "),
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="openmp_system_error",
        literals=("OMP: ",),
        pattern=Expression(r"OMP: System error #(?P<errno>11|12): "),
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
        is_secondary=True,
    ),
    # ERROR; return code from pthread_create() is 11
    Signature(
        name="pthread_create_return_code",
        literals=("pthread_create",),
        pattern=Expression(r"return code from pthread_create\(\) is (?P<errno>[1-9]\d*)"),
        causes=TASK_OR_MEMORY,
    ),
    # E1203 thd.cc:157] pthread_create failed: Resource temporarily unavailable
    Signature(
        name="grpc_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(r"thd\.cc:\d+\].*pthread_create failed: "),
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    # runtime/cgo: pthread_create failed: Resource temporarily unavailable
    Signature(
        name="cgo_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(r"runtime/cgo: pthread_create failed"),
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    # [warning][os,thread] Failed to start thread "GC Thread#1" - pthread_create failed (EAGAIN) for attributes: ...
    Signature(
        name="jvm_pthread_create",
        literals=("pthread_create",),
        pattern=Expression(
            r'Failed to start thread "(?P<thread>[^"]*)".*pthread_create failed \(EAGAIN\)'
        ),
        errno=11,
        causes=TASK_OR_MEMORY,
        at_any_level=True,
    ),
    # nginx: [alert] pthread_create() failed (11: Resource temporarily unavailable)
    Signature(
        name="pthread_create_failed",
        literals=("pthread_create",),
        pattern=Expression(r"pthread_create\(\) failed \((?P<errno>\d+): "),
        causes=TASK_OR_MEMORY,
    ),
    # java.lang.OutOfMemoryError: Map failed
    Signature(
        name="jvm_map_failed",
        literals=("OutOfMemoryError: ",),
        pattern=Expression(r"OutOfMemoryError: Map failed"),
        errno=12,
        causes=ENOMEM,
        speaks_for=("max_map_count",),
    ),
    # java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached
    Signature(
        name="jvm_native_thread",
        literals=("OutOfMemoryError: ",),
        pattern=Expression(r"OutOfMemoryError: unable to create (?:new )?native thread"),
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    # OpenJDK 64-Bit Server VM warning: Attempt to protect stack guard pages failed.
    # mprotect() splits a mapping, which only the map count refuses.
    Signature(
        name="jvm_guard_pages",
        literals=("stack guard pages failed",),
        pattern=Expression(r"Attempt to (?:protect|allocate) stack guard pages failed"),
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
        causes=TASK_OR_MEMORY,
    ),
    #   what():  thread: Resource temporarily unavailable [system:11]
    Signature(
        name="ray_thread",
        literals=("system:",),
        pattern=Expression(r"thread: .*\[system:11\]"),
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="ray_open_files",
        literals=("system:",),
        pattern=Expression(r"\[?system:24\b"),
        errno=24,
        causes=("open_files",),
        speaks_for=("open_files",),
    ),
    #   what():  Resource temporarily unavailable
    Signature(
        name="cpp_resource_unavailable",
        literals=("what():  ",),
        pattern=Expression(r"what\(\):  Resource temporarily unavailable"),
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    # terminate called after throwing an instance of 'std::system_error'
    Signature(
        name="cpp_system_error",
        literals=("terminate called",),
        pattern=Expression(r"terminate called after throwing an instance of 'std::system_error'"),
        signal="SIGABRT",
        causes=(*TASK_OR_MEMORY, "open_files", "not_a_limit"),
    ),
    Signature(
        name="cpp_terminate_recursively",
        literals=("terminate called",),
        pattern=Expression(r"terminate called recursively"),
        signal="SIGABRT",
        causes=(*TASK_OR_MEMORY, "not_a_limit"),
        is_secondary=True,
    ),
    Signature(
        name="ray_raylet",
        literals=("Unable to register worker with raylet",),
        pattern=Expression(r"Unable to register worker with raylet"),
        causes=(*TASKS, "not_a_limit"),
        is_secondary=True,
    ),
    # ThreadPoolBuildError { kind: IOError(Os { code: 11, kind: WouldBlock, message: "Try again" }) }
    Signature(
        name="rust_thread_pool",
        literals=("ThreadPoolBuildError",),
        pattern=Expression(r"ThreadPoolBuildError.*code: (?P<errno>\d+)"),
        causes=TASK_OR_MEMORY,
    ),
    # failed to spawn thread: Os { code: 11, kind: WouldBlock, message: "Resource temporarily unavailable" }
    Signature(
        name="rust_spawn",
        literals=("failed to spawn thread",),
        pattern=Expression(r"failed to spawn thread: (?:.*code: (?P<errno>\d+)|WouldBlock)"),
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    # called `Result::unwrap()` on an `Err` value: Os { code: 11, kind: WouldBlock, message: "Resource temporarily unavailable" }
    # Of a thread, or of a socket that is not ready.
    Signature(
        name="rust_would_block",
        literals=("kind: WouldBlock",),
        pattern=Expression(r"\bOs \{ code: (?P<errno>\d+), kind: WouldBlock"),
        causes=(*TASK_OR_MEMORY, "not_a_limit"),
    ),
    # runtime: failed to create new OS thread (have 1025 already; errno=11)
    Signature(
        name="go_os_thread",
        literals=("failed to create new OS thread",),
        pattern=Expression(
            r"failed to create new OS thread \(have (?P<threads>\d+) already[;,] errno=(?P<errno>\d+)\)"
        ),
        causes=TASK_OR_MEMORY,
    ),
    Signature(
        name="go_newosproc",
        literals=("newosproc",),
        pattern=Expression(r"fatal error: (?:runtime\.)?newosproc"),
        causes=TASK_OR_MEMORY,
        is_secondary=True,
    ),
    # cgroup: fork rejected by pids controller in /docker/0123    (the first refusal of a cgroup only)
    Signature(
        name="kernel_fork_rejected",
        literals=("fork",),
        pattern=Expression(r"cgroup: fork rejected by pids controller in (?P<cgroup>\S+)"),
        errno=11,
        causes=("pids_cgroup",),
        names_its_cause=True,
    ),
    # fatal: unable to create thread: Resource temporarily unavailable
    Signature(
        name="libgit2_thread",
        literals=("unable to create thread",),
        pattern=Expression(r"unable to create thread"),
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
    # Fatal glibc error: pthread_mutex_lock.c:450 (__pthread_mutex_lock_full): assertion failed: ... FUTEX_OWNER_DIED
    Signature(
        name="glibc_mutex",
        literals=("Fatal glibc error: pthread_mutex_lock.c",),
        pattern=Expression(r"Fatal glibc error: pthread_mutex_lock\.c"),
        signal="SIGABRT",
        causes=(*TASK_OR_MEMORY, "not_a_limit"),
        is_secondary=True,
    ),
    # error: clone(2) failure; 28 (No space left on device): no PID is free, not the disk
    Signature(
        name="clone_no_pid",
        literals=("clone(2) failure",),
        pattern=Expression(r"clone\(2\) failure; (?P<errno>28)\b"),
        causes=("pid_max",),
        speaks_for=("pid_max",),
    ),
    Signature(
        name="clone_failure",
        literals=("clone(2) failure",),
        pattern=Expression(r"clone\(2\) failure; (?P<errno>\d+)"),
        causes=TASKS,
    ),
    # libgcc_s.so.1 must be installed for pthread_exit to work: dlopen() had no descriptor or map left
    Signature(
        name="libgcc_s",
        literals=("libgcc_s.so.1 must be installed",),
        pattern=Expression(
            r"libgcc_s\.so\.1 must be installed for pthread_(?:exit|cancel) to work"
        ),
        signal="SIGABRT",
        causes=("open_files", *ENOMEM, "not_a_limit"),
        speaks_for=("open_files",),
    ),
    # OSError: [Errno 24] Too many open files: '/data/a.npy'
    # tensorflow.python.framework.errors_impl.ResourceExhaustedError: /data/a.tfrecord; Too many open files
    Signature(
        name="too_many_open_files",
        literals=("Too many open files",),
        pattern=Expression(r"Too many open files"),
        errno=24,
        causes=("open_files",),
        speaks_for=("open_files",),
        look_alikes=(Expression(r"\[Errno 23\]|in system"),),
    ),
    Signature(
        name="python_errno_24",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 24\]"),
        errno=24,
        causes=("open_files",),
        speaks_for=("open_files",),
    ),
    # RuntimeError: received 0 items of ancdata: a descriptor that was sent could not be taken
    Signature(
        name="torch_ancdata",
        literals=("items of ancdata",),
        pattern=Expression(r"received 0 items of ancdata"),
        errno=24,
        causes=("open_files",),
        speaks_for=("open_files",),
    ),
    Signature(
        name="tensorflow_events_file",
        literals=("Could not open events file",),
        pattern=Expression(
            r"Could not open events file.*(?:Resource exhausted|RESOURCE_EXHAUSTED)"
        ),
        causes=("open_files", "not_a_limit"),
        at_any_level=True,
    ),
)
