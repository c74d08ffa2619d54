"""Signatures of memory that ran out: of the process, its cgroup, the host, /dev/shm and the GPU.

The first that matches counts, so special ones stand first.
"""

from __future__ import annotations

from analyzer.signatures.signature import ENOMEM, KILLED, MEMORY, Expression, Signature
from analyzer.signatures.tracebacks import FILE_WRITTEN

MEMORY_SIGNATURES: tuple[Signature, ...] = (
    # UCX and libibverbs pin what a network card reads and writes.
    Signature(
        name="locked_memory_refused",
        literals=("max locked memory (ulimit -l)",),
        pattern=Expression(
            r"failed: Cannot allocate memory\b.*max locked memory \(ulimit -l\) to \S+ \(current: (?P<kilobytes>\d+)"
        ),
        example="UCX  ERROR mlx5_0: ibv_create_cq() failed: Cannot allocate memory. Please set max locked memory (ulimit -l) to 'unlimited' (current: 64 kbytes)",
        benign="max locked memory (ulimit -l) is unlimited",
        errno=12,
        causes=("locked_memory",),
        speaks_for=("locked_memory",),
        at_any_level=True,
    ),
    Signature(
        name="kernel_oom_kill_memory_cgroup",
        literals=("oom-kill",),
        pattern=Expression(
            r"oom-kill:constraint=CONSTRAINT_MEMCG"
            r"(?:.*?oom_memcg=(?P<cgroup>[^,\s]+))?(?:.*?\bpid=(?P<pid>\d+))?"
        ),
        example="oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/job,task_memcg=/job/a,task=python,pid=42,uid=0",
        benign="      --oom-kill-disable               Disable OOM Killer",
        signal="SIGKILL",
        causes=("cgroup_memory",),
        names_its_cause=True,
    ),
    Signature(
        name="kernel_oom_kill_host",
        literals=("oom-kill",),
        pattern=Expression(
            r"oom-kill:constraint=CONSTRAINT_(?:NONE|CPUSET|MEMORY_POLICY)(?:.*?\bpid=(?P<pid>\d+))?"
        ),
        example="oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task=python,pid=42,uid=0",
        benign="OOMPolicy=continue, no oom-kill since the boot",
        signal="SIGKILL",
        causes=("host_memory",),
        names_its_cause=True,
    ),
    Signature(
        name="kernel_memory_cgroup_oom",
        literals=("ut of memory",),
        pattern=Expression(r"Memory cgroup out of memory: Kill(?:ed)? process (?P<pid>\d+)?"),
        example="Memory cgroup out of memory: Killed process 42 (python) total-vm:1kB, anon-rss:1kB",
        benign="memory.oom.group=1: all of a cgroup ends together once it is out of memory",
        signal="SIGKILL",
        causes=("cgroup_memory",),
        names_its_cause=True,
    ),
    Signature(
        name="kernel_host_oom",
        literals=("ut of memory",),
        pattern=Expression(r"Out of memory: Kill(?:ed)? process (?P<pid>\d+)?"),
        example="Out of memory: Killed process 42 (python) total-vm:1kB",
        benign="vm.panic_on_oom = 0 (the kernel picks a process once the host is out of memory)",
        signal="SIGKILL",
        causes=("host_memory",),
        names_its_cause=True,
    ),
    # Once until the next boot, with the number of the thread that asked; with that option on, the
    # line ends at "limits" and nothing was refused (mm/mmap.c, may_expand_vm).
    Signature(
        name="kernel_data_limit",
        literals=("exceed data ulimit",),
        pattern=Expression(
            r"\((?P<pid>\d+)\): VmData \d+ exceed data ulimit \d+\. Update limits or "
        ),
        example="mmap: python (42): VmData 123456 exceed data ulimit 123000. Update limits or use boot option ignore_rlimit_data.",
        benign="[8.7] mmap: python (42): VmData 123456 exceed data ulimit 123000. Update limits.",
        errno=12,
        causes=("data_size",),
        names_its_cause=True,
    ),
    # So little is refused for the number of maps, not for the size.
    Signature(
        name="torch_mmap_little",
        literals=("Cannot allocate memory",),
        pattern=Expression(
            r"unable to mmap (?P<bytes>\d{1,4}) bytes from file .*Cannot allocate memory"
        ),
        example="RuntimeError: unable to mmap 64 bytes from file </torch_4242_17>: Cannot allocate memory (12)",
        benign="perf_event_open: Cannot allocate memory for the ring buffer, sampling is off",
        errno=12,
        causes=ENOMEM,
        speaks_for=("max_map_count",),
    ),
    Signature(
        name="torch_mmap",
        literals=("Cannot allocate memory",),
        pattern=Expression(
            r"unable to mmap (?P<bytes>\d+) bytes from file .*Cannot allocate memory"
        ),
        example="RuntimeError: unable to mmap 786432000 bytes from file </torch_42_1_3>: Cannot allocate memory (12)",
        benign="mlock: Cannot allocate memory, pages stay swappable (RLIMIT_MEMLOCK 64 KiB)",
        errno=12,
        causes=(*ENOMEM, "shared_memory"),
    ),
    # Giving memory back splits a mapping in two: only the map count refuses that.
    Signature(
        name="xla_release_mapped_memory",
        literals=("Cannot allocate memory",),
        pattern=Expression(r"(?:releaseMappedMemory|munmap).*Cannot allocate memory"),
        example="LLVM ERROR: releaseMappedMemory failed with error: Cannot allocate memory",
        benign="hugetlbfs: Cannot allocate memory, 4 KiB pages are used",
        errno=12,
        causes=("max_map_count",),
        speaks_for=("max_map_count",),
    ),
    Signature(
        name="xla_llvm",
        literals=("Cannot allocate memory",),
        pattern=Expression(r"LLVM compilation error: Cannot allocate memory"),
        example="LLVM compilation error: Cannot allocate memory",
        benign="io_uring_setup: Cannot allocate memory, the reader uses threads",
        errno=12,
        causes=ENOMEM,
        speaks_for=("max_map_count",),
    ),
    Signature(
        name="nccl_registration",
        literals=("Call to ibv_",),
        pattern=Expression(r"Call to ibv_(?:reg_mr(?:_iova2)?|create_[qc]p|create_cq)\b.*failed"),
        example="NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory",
        benign="node1:42:99 [0] NCCL INFO Call to ibv_reg_mr_iova2 is available, relaxed ordering is on",
        errno=12,
        causes=("locked_memory", "not_a_limit"),
        speaks_for=("locked_memory",),
        at_any_level=True,
    ),
    Signature(
        name="mmap_frame",
        literals=("mmap.mmap(",),
        pattern=Expression(r"\bmmap\.mmap\("),
        example="    return mmap.mmap(-1, size)",
        benign="    self.buffer = mmap.mmap(self.fd, 0, access=mmap.ACCESS_READ)",
        is_frame=True,
    ),
    # At os.fork() it is the host's commit limit, never PIDs.
    Signature(
        name="python_errno_12",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 12\]"),
        example="OSError: [Errno 12] Cannot allocate memory",
        benign="tracker: [Errno 111] Connection refused, metrics are buffered",
        errno=12,
        causes=(*ENOMEM, "locked_memory"),
        causes_in_frame={
            "fork_frame": ("host_memory", "cgroup_memory"),
            "mmap_frame": ENOMEM,
        },
    ),
    Signature(
        name="rust_allocation",
        literals=("memory allocation of ",),
        pattern=Expression(r"memory allocation of (?P<bytes>\d+) bytes failed"),
        example="memory allocation of 4096 bytes failed",
        benign='arena: memory allocation of 4096 bytes from pool "arrow"',
        signal="SIGABRT",
        causes=ENOMEM,
    ),
    Signature(
        name="mprotect",
        literals=("mprotect",),
        pattern=Expression(r"mprotect\b.*(?:Out of memory|Cannot allocate memory)"),
        example="mprotect failed: Out of memory",
        benign="seccomp: mprotect is allowed, 12 rules are loaded",
        errno=12,
        causes=ENOMEM,
        speaks_for=("max_map_count",),
    ),
    Signature(
        name="cpp_bad_alloc",
        literals=("std::bad_alloc", "Error: bad allocation"),
        pattern=Expression(r"(?:instance of '|(?<![\"']))std::bad_alloc|Error: bad allocation\s*$"),
        example="terminate called after throwing an instance of 'std::bad_alloc'",
        benign="  } catch (const std::bad_alloc& error) { free_cache(); }",
        signal="SIGABRT",
        causes=ENOMEM,
    ),
    Signature(
        name="python_memory_error",
        literals=("MemoryError",),
        pattern=Expression(
            r"(?:^|[]:|>] |\\n|[\r.])\s*_?(?:Array)?MemoryError(?:: .*|[\"'\\].*|\s*$)"
        ),
        example="MemoryError: Unable to allocate 12.0 GiB for an array with shape (1,) and data type float64",
        benign="    except (MemoryError, OSError) as error:",
        causes=ENOMEM,
        look_alikes=(Expression(r"\b(?:raise|except)\b"),),
    ),
    Signature(
        name="nccl_fallocate",
        literals=("No space left on device",),
        pattern=Expression(r"posix_fallocate failed ?: No space left on device"),
        example="node1:42:99 [0] include/shm.h:48 NCCL WARN Call to posix_fallocate failed : No space left on device",
        benign="aria2: posix_fallocate failed: No space left on device, falling back to --file-allocation=none",
        errno=28,
        causes=("shared_memory",),
        speaks_for=("shared_memory",),
        at_any_level=True,
    ),
    Signature(
        name="shared_memory_full",
        literals=("No space left on device",),
        pattern=Expression(
            r"/dev/shm.*No space left on device|No space left on device.*/dev/shm"  # noqa: S108 - a pattern, not a file
            r"|(?<![-/])\b(?:shared memory|shm)\b(?!-).*No space left on device|No space left on device.*(?<![-/])\bshm\b(?!-)"
        ),
        example="NCCL WARN Error: failed to extend /dev/shm/nccl-8dFz4k to 33030532 bytes, error: No space left on device (28)",
        benign='README: --shm-size=8g, for if /dev/shm has 64 MB a loader stops with "No space left on device"',
        errno=28,
        causes=("shared_memory",),
        speaks_for=("shared_memory",),
        at_any_level=True,
    ),
    Signature(
        name="nccl_segment",
        literals=("shared memory",),
        pattern=Expression(r"Error while creating shared memory segment"),
        example="NCCL WARN Error while creating shared memory segment nccl-shm-recv-5a17 (size 9637888)",
        benign="DataLoader: 8 workers, tensors are passed in shared memory",
        errno=28,
        causes=("shared_memory",),
        speaks_for=("shared_memory",),
        at_any_level=True,
    ),
    # The disk; without a path also a semaphore of multiprocessing, which lies in /dev/shm.
    Signature(
        name="disk_full",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 28\].*: ['\"](?P<path>[^'\"]+)"),
        example="OSError: [Errno 28] No space left on device: '/data/model.h5'",
        benign="cache: [Errno 2] No such file or directory: 'cache/index.json', building it",
        errno=28,
        causes=("disk_space",),
        speaks_for=("disk_space",),
    ),
    Signature(
        name="python_errno_28",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 28\]"),
        example="OSError: [Errno 28] No space left on device",
        benign="sync: [Errno 17] File exists: 'outputs/run-7', using 'outputs/run-8'",
        errno=28,
        causes=("disk_space", "shared_memory"),
        causes_in_frame={
            "semlock_frame": ("shared_memory",),
            "shared_memory_frame": ("shared_memory",),
            FILE_WRITTEN: ("disk_space",),
        },
    ),
    # Also of a mapped data file that is shorter than it was.
    Signature(
        name="dataloader_bus_error",
        literals=("us error", "BUS error"),
        pattern=Expression(
            r"killed by signal: Bus error|Unexpected (?:bus|BUS) error encountered in (?:DataLoader )?worker"
        ),
        example="RuntimeError: DataLoader worker (pid 42) is killed by signal: Bus error.",
        benign="resumed at step 1200, no previous error is on record",
        signal="SIGBUS",
        causes=("shared_memory", "not_a_limit"),
        speaks_for=("shared_memory",),
    ),
    Signature(
        name="dataloader_killed",
        literals=("Killed",),
        pattern=Expression(r"DataLoader worker \(pid (?P<pid>\d+)\) is killed by signal: Killed"),
        example="RuntimeError: DataLoader worker (pid 42) is killed by signal: Killed. ",
        benign="Killed 3 stale workers before the start",
        signal="SIGKILL",
        causes=KILLED,
        is_benign_at_end=True,
    ),
    Signature(
        name="dataloader_exited",
        literals=("exited unexpectedly", "exit unexpectedly"),
        pattern=Expression(
            r"DataLoader (?:worker \(pid(?:\(s\))? [\d, ]+\) exited|\d+ workers exit) unexpectedly"
        ),
        example="RuntimeError: DataLoader worker (pid(s) 42, 43) exited unexpectedly",
        benign="watchdog: no worker exited unexpectedly in the last 24 h",
        causes=("shared_memory", *KILLED),
        is_secondary=True,
        is_benign_at_end=True,
    ),
    Signature(
        name="tensorflow_gpu_oom",
        literals=("OOM when allocating tensor",),
        pattern=Expression(r"OOM when allocating tensor.*(?:allocator GPU_\d+_bfc|device:GPU:\d+)"),
        example="ResourceExhaustedError: OOM when allocating tensor with shape[64,512] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc",
        benign="2026-01-14 03:12:44.9: W tensorflow/core/framework/op_kernel.cc:1780] OP_REQUIRES failed at conv.cc:9 : OOM when allocating tensor with shape[64] by allocator GPU_0_bfc",
        causes=("gpu_memory",),
        speaks_for=("gpu_memory",),
    ),
    Signature(
        name="tensorflow_host_oom",
        literals=("OOM when allocating tensor",),
        pattern=Expression(r"OOM when allocating tensor"),
        example="ResourceExhaustedError: OOM when allocating tensor with shape[64,512] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator mklcpu",
        benign="batch finder: OOM when allocating tensor at batch size 512, trying batch size 256",
        causes=(*MEMORY, "address_space", "data_size"),
    ),
    Signature(
        name="tensorflow_allocator",
        literals=("ut of memory",),
        pattern=Expression(
            r"Allocator \((?P<allocator>\w+)\) ran out of memory trying to allocate"
        ),
        example="W bfc_allocator.cc:497] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.00GiB (rounded to 2147483648) requested by op StatefulPartitionedCall",
        benign="W bfc_allocator.cc:312] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.00GiB with freed_by_count=0. The caller indicates that this is not a failure, but this may mean that there could be performance gains if more memory were available.",
        causes=("gpu_memory", *MEMORY),
        is_secondary=True,
        look_alikes=(Expression(r"not a failure"),),
        at_any_level=True,
    ),
    # Each retry asks for 90 %.
    Signature(
        name="cuda_pinned_host_memory",
        literals=("on host: CUDA_ERROR_OUT_OF_MEMORY",),
        pattern=Expression(
            r"failed to alloc (?P<bytes>\d+) bytes on host: CUDA_ERROR_OUT_OF_MEMORY"
        ),
        example="E cuda_driver.cc:802] failed to alloc 2147483648 bytes on host: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        benign="could not pin 2 GiB on host: CUDA_ERROR_OUT_OF_MEMORY, pageable memory is used",
        causes=("locked_memory", *MEMORY, "not_a_limit"),
        at_any_level=True,
    ),
    Signature(
        name="pinned_host_memory",
        literals=("pinned host memory",),
        pattern=Expression(r"could not allocate pinned host memory of size: (?P<bytes>\d+)"),
        example="W device_host_allocator.h:46] could not allocate pinned host memory of size: 1932735232",
        benign="pin_memory=True: 512 MB of pinned host memory in 8 buffers",
        causes=("locked_memory", *MEMORY, "not_a_limit"),
        at_any_level=True,
    ),
    Signature(
        name="torch_cuda_oom",
        literals=("ut of memory",),
        pattern=Expression(r"CUDA out of memory\. Tried to allocate"),
        example="RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 23.65 GiB total capacity; 20.00 GiB already allocated)",
        benign="Batch size 64: CUDA out of memory. Tried to allocate 2.00 GiB; retrying with batch size 32",
        causes=("gpu_memory",),
        speaks_for=("gpu_memory",),
    ),
    Signature(
        name="jax_oom",
        literals=("ut of memory",),
        pattern=Expression(
            r"Out of memory (?:while trying to allocate|allocating) (?P<bytes>[\d.]+)"
        ),
        example="jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 6291456 bytes.",
        benign="XLA_PYTHON_CLIENT_PREALLOCATE=false: without it XLA is out of memory earlier on shared GPUs",
        causes=("gpu_memory", *MEMORY),
        speaks_for=("gpu_memory",),
    ),
    Signature(
        name="jax_allocation",
        literals=("Failed to allocate request for",),
        pattern=Expression(r"Failed to allocate request for .* on device ordinal \d+"),
        example="RESOURCE_EXHAUSTED: Failed to allocate request for 2.0GiB (2147483648B) on device ordinal 0",
        benign="autotuner: Failed to allocate request for 2.0GiB (2147483648B) on device ordinal 0, skipping this configuration",
        causes=("gpu_memory", *MEMORY),
        speaks_for=("gpu_memory",),
    ),
)
