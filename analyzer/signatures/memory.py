"""Signatures of memory that ran out: of the process, its cgroup, the host, /dev/shm and the GPU.

The example above each is a real line. The first that matches counts, so special ones stand first.
"""

from __future__ import annotations

from analyzer.signatures.signature import ENOMEM, KILLED, MEMORY, Expression, Signature

MEMORY_SIGNATURES: tuple[Signature, ...] = (
    # oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/job,task_memcg=/job/a,task=python,pid=42,uid=0
    Signature(
        name="kernel_oom_kill_memory_cgroup",
        literals=("oom-kill",),
        pattern=Expression(
            r"oom-kill:constraint=CONSTRAINT_MEMCG"
            r"(?:.*?oom_memcg=(?P<cgroup>[^,\s]+))?(?:.*?\bpid=(?P<pid>\d+))?"
        ),
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
        signal="SIGKILL",
        causes=("host_memory",),
        names_its_cause=True,
    ),
    # Memory cgroup out of memory: Killed process 42 (python) total-vm:...
    Signature(
        name="kernel_memory_cgroup_oom",
        literals=("ut of memory",),
        pattern=Expression(r"Memory cgroup out of memory: Kill(?:ed)? process (?P<pid>\d+)?"),
        signal="SIGKILL",
        causes=("cgroup_memory",),
        names_its_cause=True,
    ),
    Signature(
        name="kernel_host_oom",
        literals=("ut of memory",),
        pattern=Expression(r"Out of memory: Kill(?:ed)? process (?P<pid>\d+)?"),
        signal="SIGKILL",
        causes=("host_memory",),
        names_its_cause=True,
    ),
    # mmap: python (42): VmData 123456 exceed data ulimit 123000. Update limits or use boot option ignore_rlimit_data.
    # Once until the next boot, with the number of the thread that asked; with that option on, the
    # line ends at "limits" and nothing was refused (mm/mmap.c, may_expand_vm).
    Signature(
        name="kernel_data_limit",
        literals=("exceed data ulimit",),
        pattern=Expression(
            r"\((?P<pid>\d+)\): VmData \d+ exceed data ulimit \d+\. Update limits or "
        ),
        errno=12,
        causes=("data_size",),
        names_its_cause=True,
    ),
    # unable to mmap 64 bytes from file </torch_4242_17>: Cannot allocate memory (12)
    # So little is refused for the number of maps, not for the size.
    Signature(
        name="torch_mmap_little",
        literals=("Cannot allocate memory",),
        pattern=Expression(
            r"unable to mmap (?P<bytes>\d{1,4}) bytes from file .*Cannot allocate memory"
        ),
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
        errno=12,
        causes=(*ENOMEM, "shared_memory"),
    ),
    # releaseMappedMemory failed with error: Cannot allocate memory
    # Giving memory back splits a mapping in two: only the map count refuses that.
    Signature(
        name="xla_release_mapped_memory",
        literals=("Cannot allocate memory",),
        pattern=Expression(r"(?:releaseMappedMemory|munmap).*Cannot allocate memory"),
        errno=12,
        causes=("max_map_count",),
        speaks_for=("max_map_count",),
    ),
    Signature(
        name="xla_llvm",
        literals=("Cannot allocate memory",),
        pattern=Expression(r"LLVM compilation error: Cannot allocate memory"),
        errno=12,
        causes=ENOMEM,
        speaks_for=("max_map_count",),
    ),
    # NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory
    Signature(
        name="nccl_registration",
        literals=("Call to ibv_",),
        pattern=Expression(r"Call to ibv_(?:reg_mr(?:_iova2)?|create_[qc]p|create_cq)\b.*failed"),
        errno=12,
        causes=("locked_memory", "not_a_limit"),
        speaks_for=("locked_memory",),
        at_any_level=True,
    ),
    #     return mmap.mmap(-1, size)
    Signature(
        name="mmap_frame",
        literals=("mmap.mmap(",),
        pattern=Expression(r"\bmmap\.mmap\("),
        is_frame=True,
    ),
    # OSError: [Errno 12] Cannot allocate memory; at os.fork() it is the host's commit limit, never PIDs
    Signature(
        name="python_errno_12",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 12\]"),
        errno=12,
        causes=(*ENOMEM, "locked_memory"),
        causes_in_frame={
            "fork_frame": ("host_memory", "cgroup_memory"),
            "mmap_frame": ENOMEM,
        },
    ),
    # thread '<unnamed>' panicked ... memory allocation of 4096 bytes failed
    Signature(
        name="rust_allocation",
        literals=("memory allocation of ",),
        pattern=Expression(r"memory allocation of (?P<bytes>\d+) bytes failed"),
        signal="SIGABRT",
        causes=ENOMEM,
    ),
    # mprotect failed: Out of memory
    Signature(
        name="mprotect",
        literals=("mprotect",),
        pattern=Expression(r"mprotect\b.*(?:Out of memory|Cannot allocate memory)"),
        errno=12,
        causes=ENOMEM,
        speaks_for=("max_map_count",),
    ),
    # terminate called after throwing an instance of 'std::bad_alloc'
    Signature(
        name="cpp_bad_alloc",
        literals=("std::bad_alloc",),
        pattern=Expression(r"(?:instance of '|(?<![\"']))std::bad_alloc"),
        signal="SIGABRT",
        causes=ENOMEM,
    ),
    # MemoryError: Unable to allocate 12.0 GiB for an array with shape (1,) and data type float64
    Signature(
        name="python_memory_error",
        literals=("MemoryError",),
        pattern=Expression(
            r"(?:^|[]:|>] |\\n|[\r.])\s*_?(?:Array)?MemoryError(?:: .*|[\"'\\].*|\s*$)"
        ),
        causes=ENOMEM,
        look_alikes=(Expression(r"\b(?:raise|except)\b"),),
    ),
    # NCCL WARN Call to posix_fallocate failed : No space left on device
    Signature(
        name="nccl_fallocate",
        literals=("No space left on device",),
        pattern=Expression(r"posix_fallocate failed ?: No space left on device"),
        errno=28,
        causes=("shared_memory",),
        speaks_for=("shared_memory",),
        at_any_level=True,
    ),
    # Error: failed to extend /dev/shm/nccl-8dFz4k to 33030532 bytes, error: No space left on device (28)
    Signature(
        name="shared_memory_full",
        literals=("No space left on device",),
        pattern=Expression(
            r"/dev/shm.*No space left on device|No space left on device.*/dev/shm"  # noqa: S108 - a pattern, not a file
        ),
        errno=28,
        causes=("shared_memory",),
        speaks_for=("shared_memory",),
        at_any_level=True,
    ),
    Signature(
        name="nccl_segment",
        literals=("shared memory",),
        pattern=Expression(r"Error while creating shared memory segment"),
        errno=28,
        causes=("shared_memory",),
        speaks_for=("shared_memory",),
        at_any_level=True,
    ),
    # OSError: [Errno 28] No space left on device: '/data/checkpoint'
    # The disk; without a path also a semaphore of multiprocessing, which lies in /dev/shm.
    Signature(
        name="disk_full",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 28\].*: ['\"](?P<path>[^'\"]+)"),
        errno=28,
        causes=("disk_space",),
        speaks_for=("disk_space",),
    ),
    Signature(
        name="python_errno_28",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 28\]"),
        errno=28,
        causes=("disk_space", "shared_memory"),
        causes_in_frame={"semlock_frame": ("shared_memory",)},
    ),
    # RuntimeError: DataLoader worker (pid 42) is killed by signal: Bus error.
    # ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).
    # Also of a mapped data file that is shorter than it was.
    Signature(
        name="dataloader_bus_error",
        literals=("us error",),
        pattern=Expression(
            r"killed by signal: Bus error|Unexpected bus error encountered in worker"
        ),
        signal="SIGBUS",
        causes=("shared_memory", "not_a_limit"),
        speaks_for=("shared_memory",),
    ),
    # RuntimeError: DataLoader worker (pid 42) is killed by signal: Killed.
    Signature(
        name="dataloader_killed",
        literals=("Killed",),
        pattern=Expression(r"DataLoader worker \(pid (?P<pid>\d+)\) is killed by signal: Killed"),
        signal="SIGKILL",
        causes=KILLED,
        is_benign_at_end=True,
    ),
    # RuntimeError: DataLoader worker (pid(s) 42, 43) exited unexpectedly
    Signature(
        name="dataloader_exited",
        literals=("exited unexpectedly",),
        pattern=Expression(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) exited unexpectedly"),
        causes=("shared_memory", *KILLED),
        is_secondary=True,
        is_benign_at_end=True,
    ),
    # OOM when allocating tensor with shape[64,512] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc
    Signature(
        name="tensorflow_gpu_oom",
        literals=("OOM when allocating tensor",),
        pattern=Expression(r"OOM when allocating tensor.*(?:allocator GPU_\d+_bfc|device:GPU:\d+)"),
        causes=("gpu_memory",),
        speaks_for=("gpu_memory",),
    ),
    Signature(
        name="tensorflow_host_oom",
        literals=("OOM when allocating tensor",),
        pattern=Expression(r"OOM when allocating tensor"),
        causes=(*MEMORY, "address_space", "data_size"),
    ),
    # W bfc_allocator.cc: Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.00GiB (rounded to 2147483648) requested by op
    Signature(
        name="tensorflow_allocator",
        literals=("ut of memory",),
        pattern=Expression(
            r"Allocator \((?P<allocator>\w+)\) ran out of memory trying to allocate"
        ),
        causes=("gpu_memory", *MEMORY),
        is_secondary=True,
        look_alikes=(Expression(r"not a failure"),),
        at_any_level=True,
    ),
    # failed to alloc 2147483648 bytes on host: CUDA_ERROR_OUT_OF_MEMORY: out of memory
    # could not allocate pinned host memory of size: 2147483648          (each retry asks for 90 %)
    Signature(
        name="cuda_pinned_host_memory",
        literals=("on host: CUDA_ERROR_OUT_OF_MEMORY",),
        pattern=Expression(
            r"failed to alloc (?P<bytes>\d+) bytes on host: CUDA_ERROR_OUT_OF_MEMORY"
        ),
        causes=("locked_memory", *MEMORY, "not_a_limit"),
        at_any_level=True,
    ),
    Signature(
        name="pinned_host_memory",
        literals=("pinned host memory",),
        pattern=Expression(r"could not allocate pinned host memory of size: (?P<bytes>\d+)"),
        causes=("locked_memory", *MEMORY, "not_a_limit"),
        at_any_level=True,
    ),
    # torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.1 GiB
    Signature(
        name="torch_cuda_oom",
        literals=("ut of memory",),
        pattern=Expression(r"CUDA out of memory\. Tried to allocate"),
        causes=("gpu_memory",),
        speaks_for=("gpu_memory",),
    ),
    # RESOURCE_EXHAUSTED: Out of memory while trying to allocate 6291456 bytes
    Signature(
        name="jax_oom",
        literals=("ut of memory",),
        pattern=Expression(
            r"Out of memory (?:while trying to allocate|allocating) (?P<bytes>[\d.]+)"
        ),
        causes=("gpu_memory", *MEMORY),
        speaks_for=("gpu_memory",),
    ),
    Signature(
        name="jax_allocation",
        literals=("Failed to allocate request for",),
        pattern=Expression(r"Failed to allocate request for .* on device ordinal \d+"),
        causes=("gpu_memory", *MEMORY),
        speaks_for=("gpu_memory",),
    ),
)
