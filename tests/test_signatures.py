"""The signature table: a line for each kind of crash, each false friend, and what they are taken for."""

from __future__ import annotations

import io

import pytest

from analyzer.log_table import Process, read_log
from analyzer.signatures import BY_NAME, CAUSES, LITERALS, SIGNATURES, find_crash

TASKS = {"pids_cgroup", "nproc", "threads_max", "pid_max"}
STACKS = TASKS | {"max_map_count", "address_space", "cgroup_memory", "host_memory"}
KILLED = {"cgroup_memory", "host_memory", "not_a_limit"}
ENOMEM = {"max_map_count", "address_space", "host_memory", "cgroup_memory"}

LINES: list[tuple[str, str, set[str] | str, int | None]] = [
    # name, line, causes (or the one it can have), errno
    (
        "tensorflow_pthread_create",
        "2026-01-14 03:12:44.918273: F tensorflow/tsl/platform/default/env.cc:74] Check failed: ret == 0"
        " (11 vs. 0)Thread tf_Compute creation via pthread_create() failed.",
        STACKS,
        11,
    ),
    (
        "tensorflow_pthread_create",
        "F external/org_tensorflow/tensorflow/core/platform/default/env.cc:72] Check failed: ret == 0"
        " (11 vs. 0)Thread creation via pthread_create() failed.",
        STACKS,
        11,
    ),
    (
        "tensorflow_pthread_create",
        "F1203 10:11:12.131415  4242 env.cc:93] Check failed: ret == 0 (11 vs. 0)Thread"
        " tf_XLAPjRtCpuClient creation via pthread_create() failed.",
        STACKS,
        11,
    ),
    (
        "tensorflow_pthread_create",
        "Epoch 3/9  12/52 [==>...] - loss: 0.2 2026-01-14 03:12:44: F env.cc:74] Check fail2026-01-14"
        " 03:12:44: W x.cc:1] a Thread tf_foreach creation via pthread_create() failed.",
        STACKS,
        11,
    ),
    (
        "glog_pthread_create",
        "F0312 04:05:06.7 99 threadpool_pthread_impl.cc:51] Check failed: res == 0 (11 vs. 0)"
        " pthread_create failed",
        STACKS,
        11,
    ),
    (
        "openblas_pthread_create",
        "OpenBLAS blas_thread_init: pthread_create: Resource temporarily unavailable",
        STACKS,
        11,
    ),
    (
        "openblas_pthread_create",
        "OpenBLAS blas_thread_init: pthread_create failed for thread 40 of 64: 资源暂时不可用",
        STACKS,
        11,
    ),
    (
        "openblas_pthread_create",
        "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 64: Ressource temporairement"
        " indisponible",
        STACKS,
        11,
    ),
    (
        "openblas_nproc",
        "OpenBLAS blas_thread_init: RLIMIT_NPROC 4096 current, 2067053 max",
        STACKS,
        None,
    ),
    (
        "openblas_not_permitted",
        "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 4: Operation not permitted",
        "not_a_limit",
        1,
    ),
    (
        "libgomp_thread_creation",
        "libgomp: Thread creation failed: Resource temporarily unavailable",
        STACKS,
        11,
    ),
    (
        "openmp_error_34",
        "OMP: Error #34: System unable to allocate necessary resources for OMP thread:",
        STACKS,
        11,
    ),
    (
        "openmp_system_error",
        "OMP: System error #11: Resource temporarily unavailable",
        STACKS,
        11,
    ),
    (
        "pthread_create_return_code",
        "ERROR; return code from pthread_create() is 11",
        STACKS,
        11,
    ),
    ("python_new_thread", "RuntimeError: can't start new thread", STACKS, None),
    ("python_new_thread", "thread.error: can't start new thread", STACKS, None),
    (
        "cpp_system_error",
        "terminate called after throwing an instance of 'std::system_error'",
        STACKS | {"open_files", "not_a_limit"},
        None,
    ),
    ("cpp_resource_unavailable", "  what():  Resource temporarily unavailable", STACKS, 11),
    ("cpp_terminate_recursively", "terminate called recursively", STACKS | {"not_a_limit"}, None),
    (
        "ray_thread",
        "  what():  thread: Resource temporarily unavailable [system:11]",
        STACKS,
        11,
    ),
    ("ray_open_files", "  what():  open: Too many open files [system:24]", "open_files", 24),
    (
        "grpc_pthread_create",
        "E1203 10:11:12.13 4242 thd.cc:157] pthread_create failed: Resource temporarily unavailable",
        STACKS,
        11,
    ),
    (
        "ray_raylet",
        "[2026-01-14 C 42 42] core_worker.cc:1: Unable to register worker with raylet. IOError",
        TASKS | {"not_a_limit"},
        None,
    ),
    (
        "rust_thread_pool",
        "called `Result::unwrap()` on an `Err` value: ThreadPoolBuildError { kind: IOError(Os { code: 11,"
        ' kind: WouldBlock, message: "Try again" }) }',
        STACKS,
        11,
    ),
    ("rust_spawn", "failed to spawn thread: WouldBlock", STACKS, 11),
    (
        "rust_spawn",
        'failed to spawn thread: Os { code: 35, kind: WouldBlock, message: "Resource temporarily" }',
        STACKS,
        35,
    ),
    (
        "go_os_thread",
        "runtime: failed to create new OS thread (have 1025 already; errno=11)",
        STACKS,
        11,
    ),
    ("go_newosproc", "fatal error: newosproc", STACKS, None),
    (
        "cgo_pthread_create",
        "runtime/cgo: pthread_create failed: Resource temporarily unavailable",
        STACKS,
        11,
    ),
    (
        "jvm_pthread_create",
        '[0.1s][warning][os,thread] Failed to start thread "GC Thread#1" - pthread_create failed (EAGAIN)'
        " for attributes: stacksize: 1024k, guardsize: 4k, detached.",
        STACKS,
        11,
    ),
    (
        "jvm_native_thread",
        "java.lang.OutOfMemoryError: unable to create new native thread",
        STACKS,
        11,
    ),
    (
        "jvm_native_thread",
        "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory",
        STACKS,
        11,
    ),
    (
        "jvm_guard_pages",
        "OpenJDK 64-Bit Server VM warning: Attempt to protect stack guard pages failed.",
        ENOMEM,
        12,
    ),
    ("shell_fork", "-bash: fork: retry: Resource temporarily unavailable", TASKS, 11),
    ("shell_fork", "bash: fork: retry: No child processes", TASKS, 11),
    ("shell_fork", "/bin/sh: fork: Resource temporarily unavailable", TASKS, 11),
    (
        "python_errno_11",
        "BlockingIOError: [Errno 11] Resource temporarily unavailable",
        TASKS | {"not_a_limit"},
        11,
    ),
    (
        "pthread_create_failed",
        "nginx: [alert] pthread_create() failed (11: Resource temporarily unavailable)",
        STACKS,
        11,
    ),
    (
        "nginx_fork",
        '[alert] 1#1: fork() failed while spawning "worker process" (11: Resource temporarily)',
        TASKS,
        11,
    ),
    (
        "libgit2_thread",
        "fatal: unable to create thread: Resource temporarily unavailable",
        STACKS,
        11,
    ),
    (
        "glibc_mutex",
        "Fatal glibc error: pthread_mutex_lock.c:450 (__pthread_mutex_lock_full): assertion failed:"
        " e != ESRCH || !robust FUTEX_OWNER_DIED",
        STACKS | {"not_a_limit"},
        None,
    ),
    (
        "kernel_fork_rejected",
        "[12.3] cgroup: fork rejected by pids controller in /docker/ab",
        "pids_cgroup",
        11,
    ),
    ("clone_no_pid", "error: clone(2) failure; 28 (No space left on device)", "pid_max", 28),
    ("clone_failure", "error: clone(2) failure; 11 (Resource temporarily unavailable)", TASKS, 11),
    (
        "libgcc_s",
        "libgcc_s.so.1 must be installed for pthread_exit to work",
        ENOMEM | {"open_files", "not_a_limit"},
        None,
    ),
    (
        "too_many_open_files",
        "OSError: [Errno 24] Too many open files: '/data/a.npy'",
        "open_files",
        24,
    ),
    (
        "too_many_open_files",
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: /data/a.tfrecord; Too many open"
        " files [Op:IteratorGetNext]",
        "open_files",
        24,
    ),
    ("python_errno_24", "OSError: [Errno 24] Zu viele offene Dateien: 'a'", "open_files", 24),
    ("torch_ancdata", "RuntimeError: received 0 items of ancdata", "open_files", 24),
    (
        "tensorflow_events_file",
        "W events_writer.cc:92] Could not open events file: /logs/events.out.1: Resource exhausted: /logs",
        {"open_files", "not_a_limit"},
        None,
    ),
    (
        "python_errno_12",
        "OSError: [Errno 12] Cannot allocate memory",
        ENOMEM | {"locked_memory"},
        12,
    ),
    (
        "torch_mmap_little",
        "RuntimeError: unable to mmap 64 bytes from file </torch_4242_17_3>: Cannot allocate memory (12)",
        ENOMEM,
        12,
    ),
    (
        "torch_mmap",
        "RuntimeError: unable to mmap 786432000 bytes from file </torch_42_1_3>: Cannot allocate memory (12)",
        ENOMEM | {"shared_memory"},
        12,
    ),
    ("xla_llvm", "LLVM compilation error: Cannot allocate memory", ENOMEM, 12),
    (
        "xla_release_mapped_memory",
        "LLVM ERROR: releaseMappedMemory failed with error: Cannot allocate memory",
        "max_map_count",
        12,
    ),
    ("rust_allocation", "memory allocation of 4096 bytes failed", ENOMEM, None),
    ("mprotect", "mprotect failed: Out of memory", ENOMEM, 12),
    (
        "cpp_bad_alloc",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        ENOMEM,
        None,
    ),
    (
        "python_memory_error",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 12.0 GiB for an array",
        ENOMEM,
        None,
    ),
    ("python_memory_error", "MemoryError", ENOMEM, None),
    (
        "kernel_oom_kill_memory_cgroup",
        "[9.1] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/job,"
        "task_memcg=/job/a,task=python,pid=42,uid=0",
        "cgroup_memory",
        None,
    ),
    (
        "kernel_memory_cgroup_oom",
        "[9.2] Memory cgroup out of memory: Killed process 42 (python) total-vm:1kB, anon-rss:1kB",
        "cgroup_memory",
        None,
    ),
    (
        "kernel_oom_kill_host",
        "[9.3] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task=python,pid=42,uid=0",
        "host_memory",
        None,
    ),
    (
        "kernel_host_oom",
        "[Wed Jan 14 03:12:44 2026] Out of memory: Killed process 42 (python) total-vm:1kB",
        "host_memory",
        None,
    ),
    (
        "slurm_oom_kill",
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.0 cgroup. Some of your processes may"
        " have been killed by the cgroup out-of-memory handler.",
        {"cgroup_memory", "host_memory"},
        None,
    ),
    (
        "slurm_oom_kill",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM"
        " Killed.",
        {"cgroup_memory", "host_memory"},
        None,
    ),
    (
        "slurm_out_of_memory",
        "srun: error: node1: task 0: Out Of Memory",
        {"cgroup_memory", "host_memory"},
        None,
    ),
    (
        "slurm_accounting",
        "7.batch  train  OUT_OF_ME+  0:125",
        {"cgroup_memory", "host_memory"},
        None,
    ),
    (
        "slurm_time_limit",
        "slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-14T03:12:44 DUE TO TIME LIMIT ***",
        "not_a_limit",
        None,
    ),
    ("shell_killed", "Killed", KILLED, None),
    (
        "shell_killed",
        "train.sh: line 5:  4242 Killed                  python train.py",
        KILLED,
        None,
    ),
    ("exit_137", "command terminated with exit code 137", KILLED, None),
    ("exit_137", "      Exit Code:    137", KILLED, None),
    (
        "python_child_killed",
        "subprocess.CalledProcessError: Command '['python']' died with <Signals.SIGKILL: 9>.",
        KILLED,
        None,
    ),
    (
        "elastic_killed",
        "ERROR:torch.distributed.elastic: failed (exitcode: -9) local_rank: 0 (pid: 42) of binary: python",
        KILLED,
        None,
    ),
    ("elastic_signal_9", "  traceback : Signal 9 (SIGKILL) received by PID 42", KILLED, None),
    (
        "elastic_failed",
        "ERROR:torch.distributed.elastic: failed (exitcode: 1) local_rank: 3 (pid: 42) of binary: python",
        "not_a_limit",
        None,
    ),
    (
        "elastic_death_signal",
        "WARNING: Received 1 death signal, shutting down workers",
        "not_a_limit",
        None,
    ),
    (
        "kubernetes_oom_killed",
        "      Reason:       OOMKilled",
        {"cgroup_memory", "host_memory"},
        None,
    ),
    (
        "kubernetes_eviction_memory",
        "Message: The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi.",
        "host_memory",
        None,
    ),
    (
        "kubernetes_eviction_pids",
        "Message: The node was low on resource: pids.",
        {"pid_max", "threads_max"},
        None,
    ),
    (
        "kubernetes_eviction",
        "Message: The node was low on resource: ephemeral-storage.",
        "not_a_limit",
        None,
    ),
    (
        "dataloader_killed",
        "RuntimeError: DataLoader worker (pid 42) is killed by signal: Killed. ",
        KILLED,
        None,
    ),
    (
        "dataloader_bus_error",
        "RuntimeError: DataLoader worker (pid 42) is killed by signal: Bus error. It is possible that"
        " dataloader's workers are out of shared memory.",
        {"shared_memory", "not_a_limit"},
        None,
    ),
    (
        "dataloader_bus_error",
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared"
        " memory (shm).",
        {"shared_memory", "not_a_limit"},
        None,
    ),
    (
        "dataloader_exited",
        "RuntimeError: DataLoader worker (pid(s) 42, 43) exited unexpectedly",
        KILLED | {"shared_memory"},
        None,
    ),
    (
        "joblib_terminated",
        "joblib.externals.loky.process_executor.TerminatedWorkerError: A worker process managed by the"
        " executor was unexpectedly terminated.",
        KILLED,
        None,
    ),
    ("joblib_worker_killed", "The exit codes of the workers are {SIGKILL(-9)}", KILLED, None),
    (
        "joblib_worker_ended",
        "The exit codes of the workers are {SIGSEGV(-11)}",
        "not_a_limit",
        None,
    ),
    (
        "nccl_fallocate",
        "node1:42:99 [0] include/shm.h:48 NCCL WARN Call to posix_fallocate failed : No space left on device",
        "shared_memory",
        28,
    ),
    (
        "nccl_segment",
        "NCCL WARN Error while creating shared memory segment nccl-shm-recv-5a17 (size 9637888)",
        "shared_memory",
        28,
    ),
    (
        "shared_memory_full",
        "NCCL WARN Error: failed to extend /dev/shm/nccl-8dFz4k to 33030532 bytes, error: No space left on"
        " device (28)",
        "shared_memory",
        28,
    ),
    (
        "nccl_registration",
        "NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory",
        {"locked_memory", "not_a_limit"},
        12,
    ),
    (
        "nccl_registration",
        "NCCL WARN Call to ibv_create_qp failed",
        {"locked_memory", "not_a_limit"},
        12,
    ),
    (
        "nccl_watchdog",
        "[rank3]:[E321 02:07:08.4 ProcessGroupNCCL.cpp:616] Watchdog caught collective operation timeout:"
        " WorkNCCL(SeqNum=42, OpType=ALLREDUCE) ran for 1800011 milliseconds before timing out.",
        "not_a_limit",
        None,
    ),
    (
        "nnunet_background_workers",
        "RuntimeError: Background workers died. Look for the error message further up!",
        KILLED | {"pids_cgroup", "nproc"},
        None,
    ),
    (
        "disk_full",
        "OSError: [Errno 28] No space left on device: '/data/model.h5'",
        "not_a_limit",
        28,
    ),
    (
        "shared_memory_full",
        "OSError: [Errno 28] No space left on device: '/dev/shm/torch_42_1'",
        "shared_memory",
        28,
    ),
    (
        "python_errno_28",
        "OSError: [Errno 28] No space left on device",
        {"not_a_limit", "shared_memory"},
        28,
    ),
    (
        "tensorflow_gpu_oom",
        "ResourceExhaustedError: OOM when allocating tensor with shape[64,512] and type float on"
        " /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc",
        "gpu_memory",
        None,
    ),
    (
        "tensorflow_host_oom",
        "ResourceExhaustedError: OOM when allocating tensor with shape[64,512] and type float on"
        " /job:localhost/replica:0/task:0/device:CPU:0 by allocator mklcpu",
        {"cgroup_memory", "host_memory", "address_space"},
        None,
    ),
    (
        "tensorflow_allocator",
        "W bfc_allocator.cc:497] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.00GiB (rounded"
        " to 2147483648) requested by op StatefulPartitionedCall",
        {"gpu_memory", "cgroup_memory", "host_memory"},
        None,
    ),
    (
        "cuda_pinned_host_memory",
        "E cuda_driver.cc:802] failed to alloc 2147483648 bytes on host: CUDA_ERROR_OUT_OF_MEMORY: out of"
        " memory",
        {"locked_memory", "cgroup_memory", "host_memory", "not_a_limit"},
        None,
    ),
    (
        "pinned_host_memory",
        "W device_host_allocator.h:46] could not allocate pinned host memory of size: 1932735232",
        {"locked_memory", "cgroup_memory", "host_memory", "not_a_limit"},
        None,
    ),
    *(
        (
            "torch_cuda_oom",
            f"{error}: CUDA out of memory. Tried to allocate 2.00 GiB{rest}",
            "gpu_memory",
            None,
        )
        for error, rest in (
            ("RuntimeError", " (GPU 0; 23.65 GiB total capacity; 20.00 GiB already allocated)"),
            ("torch.cuda.OutOfMemoryError", ". GPU 0 has a total capacty of 23.65 GiB of which"),
            ("torch.OutOfMemoryError", ". GPU 0 has a total capacity of 79.10 GiB of which"),
        )
    ),
    (
        "jax_oom",
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate"
        " 6291456 bytes.",
        {"gpu_memory", "cgroup_memory", "host_memory"},
        None,
    ),
    (
        "jax_allocation",
        "RESOURCE_EXHAUSTED: Failed to allocate request for 2.0GiB (2147483648B) on device ordinal 0",
        {"gpu_memory", "cgroup_memory", "host_memory"},
        None,
    ),
]

FALSE_FRIENDS = [
    "W bfc_allocator.cc:312] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.00GiB with"
    " freed_by_count=0. The caller indicates that this is not a failure, but this may mean that there"
    " could be performance gains if more memory were available.",
    "tcmalloc: large alloc 4294967296 bytes == 0x5581e2 @  0x7f1 0x7f2",
    "2026-01-14 03:12:44 | WARNING | trainer | attempting to recover from OOM: CUDA out of memory. Tried to"
    " allocate 2.00 GiB (GPU 0; 23.65 GiB total capacity)",
    "    except MemoryError:",
    "        raise MemoryError",
    '        "OOMKilled": false,',
    "huggingface/tokenizers: The current process just got forked, after parallelism has already been used.",
    "OSError: [Errno 23] Too many open files in system",
    "INFO: Downloading shard 137 of 500",
    "[1,0]<stderr>: exitcode 0",
    "OMP: Info #155: KMP_AFFINITY: Initial OS proc set respected: 0-3",
    "Killed 3 stale workers before the start",
    "Using shared memory for the data set",
    "max_map_count=65530, RLIMIT_NPROC unlimited",
]


@pytest.mark.parametrize(("name", "line", "causes", "errno"), LINES)
def test_every_kind_of_crash_is_found(
    name: str, line: str, causes: set[str] | str, errno: int | None
) -> None:
    """By its line, with every cause that such a line can have and its errno, and by its literal alone."""
    crash = find_crash(line, line=1)
    assert crash is not None
    assert crash.signature == name
    assert set(crash.causes) == ({causes} if isinstance(causes, str) else causes)
    assert crash.errno == errno
    assert BY_NAME[name].literal in line or sum(s.name == name for s in SIGNATURES) > 1


@pytest.mark.parametrize("line", FALSE_FRIENDS)
def test_what_only_looks_like_a_crash_is_none(line: str) -> None:
    """Notices, handled errors, source lines."""
    assert find_crash(line, line=1) is None


def test_the_table_is_whole() -> None:
    """Every signature that is no frame has a line here; causes are known; few literals are searched."""
    tested = {name for name, *_ in LINES}
    assert {s.name for s in SIGNATURES if not s.is_frame} == tested
    for signature in SIGNATURES:
        assert set(signature.causes) <= set(CAUSES)
        assert set(signature.speaks_for) <= set(signature.causes)
        assert signature.is_frame or signature.causes
        assert not signature.names_its_cause or len(signature.causes) == 1
    assert len(LITERALS) <= 64
    assert all(len(literal) >= 4 for literal in LITERALS)


def process(text: str) -> Process:
    (found,) = read_log("x.log", io.BytesIO(text.encode())).processes
    return found


FORKING = """\
[THREADS] a: proc=8, cgroup=9/7680, maps=9/65530, rss=1MB
Traceback (most recent call last):
  File "/usr/lib/python3.11/multiprocessing/popen_fork.py", line 66, in _launch
    self.pid = os.fork()
{error}
"""


@pytest.mark.parametrize("frame", ["    self.pid = os.fork()", "    self.pid = _fork_exec("])
def test_eagain_from_a_fork_is_a_limit_and_from_a_pipe_is_none(frame: str) -> None:
    """The frame above the line tells; without a traceback both are possible."""
    error = "BlockingIOError: [Errno 11] Resource temporarily unavailable"
    text = FORKING.format(error=error)
    crash = process(text.replace("    self.pid = os.fork()", frame)).crash
    assert crash is not None
    assert set(crash.causes) == TASKS
    assert process(text.replace("    self.pid = os.fork()", "    fd.read(4)")).crash is None
    bare = process(error + "\n").crash
    assert bare is not None
    assert set(bare.causes) == TASKS | {"not_a_limit"}
    assert (
        process("    self.pid = os.fork()\n" + text.replace("    self.pid = os.fork()", "x")).crash
        is None
    )


def test_enomem_tells_by_its_frame() -> None:
    """At os.fork() the host's commit limit, never PIDs; at mmap.mmap() never a locked-memory limit."""
    text = FORKING.format(error="OSError: [Errno 12] Cannot allocate memory")
    crash = process(text).crash
    assert crash is not None
    assert crash.causes == ("host_memory", "cgroup_memory")
    crash = process(text.replace("os.fork()", "mmap.mmap(-1, 4096)")).crash
    assert crash is not None
    assert set(crash.causes) == ENOMEM
    crash = process(text.replace("os.fork()", "x.call()")).crash
    assert crash is not None
    assert "locked_memory" in crash.causes


def test_the_root_is_the_earliest_that_follows_from_no_other() -> None:
    """Not the loudest, nor the last; a summary alone is still a crash."""
    watchdog = "Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)\n"
    elastic = "failed (exitcode: -6) local_rank: 0 (pid: 42) of binary: python\n"
    cause = "RuntimeError: can't start new thread\n"
    crash = process(watchdog + cause + elastic).crash
    assert crash is not None
    assert (crash.signature, crash.line) == ("python_new_thread", 2)
    crash = process(watchdog + elastic).crash
    assert crash is not None
    assert crash.signature == "nccl_watchdog"


def test_openblas_says_its_limit_before_or_after() -> None:
    """Three layouts: the line of the limit stands alone, and never is the root."""
    failed = "OpenBLAS blas_thread_init: pthread_create failed for thread 3 of 64: Erreur\n"
    advice = "OpenBLAS blas_thread_init: ensure that your address space and process count limits are big\n"
    limit = "OpenBLAS blas_thread_init: RLIMIT_NPROC -1 current, -1 max\n"
    for text in (failed + limit, limit + failed, failed + advice + advice + limit):
        found = process(text)
        assert found.crash is not None
        assert found.crash.signature == "openblas_pthread_create"
        assert found.crash.thread == "3"
        assert found.signs["openblas_nproc"].details == {"soft": "-1", "hard": "-1"}
