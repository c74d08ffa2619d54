"""For each finding, the two or three steps that are known to help, with the option that does each.

What removes the cause comes first; raising a limit comes last, because it only moves the crash if
something leaks (smcpp#50, tensorflow#37160).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from analyzer.diagnosis.confidence import Confidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analyzer.diagnosis.causes import Cause
    from analyzer.growth.verdict import Growth

MOST = 3
"""Steps for one finding; more are not read."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One step: what it is for, what to do, and the command that does it or shows that it took."""

    target: str
    """A resource of growth.RESOURCES or a cause of signatures.CAUSES."""
    text: str
    command: str | None = None


Step: TypeAlias = tuple[str, str | None]

_ISOLATE = (
    "run each fold in a process of its own: what a fold leaves behind ends with it",
    "foldwatch train --isolation process",
)
_ISOLATE_ANY = (
    "the same for any script, without changing it",
    "foldwatch run -- python train.py --fold {fold}",
)
_CAP_THREADS = (
    "cap the thread pools before TensorFlow, NumPy or OpenBLAS is imported: pools are sized by cores",
    "OMP_NUM_THREADS=4 OPENBLAS_NUM_THREADS=4 TF_NUM_INTEROP_THREADS=2 TF_NUM_INTRAOP_THREADS=4",
)
_BOUND_DATA = (
    (
        "bound the input pipeline: options.threading.private_threadpool_size, num_parallel_calls and"
        " prefetch as numbers instead of AUTOTUNE"
    ),
    None,
)
_REUSE = (
    (
        "create one strategy and one model per process and reuse them; end every iterator and executor"
        " in the callback that began it"
    ),
    None,
)
_SAMPLE = (
    "record between the labels as well, and the counters after a death",
    "foldwatch run -- python train.py",
)

_FEED = (
    (
        "feed tf.data instead of NumPy arrays and keep no dataset.cache() in memory across folds;"
        " K.clear_session() alone did not help on TensorFlow 2.11 to 2.13"
    ),
    None,
)
_GROW_GPU_MEMORY = (
    "let TensorFlow take memory as it needs it, and nothing else use the GPU",
    "TF_FORCE_GPU_ALLOW_GROWTH=true",
)

_GROWTH: Mapping[str, tuple[Step, ...]] = {
    "threads": (_ISOLATE, _ISOLATE_ANY, _BOUND_DATA),
    "cgroup_pids": (_ISOLATE, _CAP_THREADS, _BOUND_DATA),
    "maps": (_ISOLATE, _ISOLATE_ANY, _SAMPLE),
    "rss_bytes": (
        _ISOLATE,
        _ISOLATE_ANY,
        _FEED,
    ),
}
_WITHIN_A_FIT = (
    (
        "end and restart the process every so many epochs from a checkpoint of the model: it grows within"
        " one fit, where a process per fold does not help"
    ),
    None,
)

_CAUSES: Mapping[str, tuple[Step, ...]] = {
    "pids_cgroup": (
        _CAP_THREADS,
        (
            (
                "raise pids.max: docker run --pids-limit=N, podPidsLimit of the kubelet, TasksMax= of the"
                " systemd unit; then see that it took, at every level"
            ),
            "foldwatch limits",
        ),
        _ISOLATE,
    ),
    "nproc": (
        _CAP_THREADS,
        (
            (
                "raise the user's limit: nproc in /etc/security/limits.conf, docker run --ulimit nproc=N;"
                " it counts the user's tasks on the whole host, other containers included"
            ),
            "ulimit -u && foldwatch limits",
        ),
    ),
    "threads_max": (
        _CAP_THREADS,
        ("raise it on the host", "sysctl -w kernel.threads-max=N && foldwatch limits"),
    ),
    "pid_max": (
        _CAP_THREADS,
        ("raise it on the host", "sysctl -w kernel.pid_max=4194304 && foldwatch limits"),
    ),
    "max_map_count": (
        _ISOLATE,
        (
            (
                "raise the map limit on the host, not in the container; where maps grow it only moves the"
                " crash"
            ),
            "sysctl -w vm.max_map_count=262144 && foldwatch limits",
        ),
    ),
    "cgroup_memory": (
        _ISOLATE,
        (
            "raise the memory limit: docker run --memory, resources.limits.memory, --mem of Slurm",
            "foldwatch limits",
        ),
        (
            "use less: a smaller batch, fewer DataLoader workers, no cache() of the data set in memory",
            None,
        ),
    ),
    "host_memory": (
        (
            "use less: a smaller batch, fewer workers, no cache() of the data set in memory",
            None,
        ),
        ("let the kernel say who was killed, and why", "dmesg | grep -i oom"),
        ("where os.fork() got ENOMEM, allow overcommit or add swap", "sysctl vm.overcommit_memory"),
    ),
    "address_space": (
        ("lift RLIMIT_AS: threads reserve 8 MB of it each for their stacks", "ulimit -v unlimited"),
        _CAP_THREADS,
    ),
    "data_size": (
        (
            (
                "lift RLIMIT_DATA, of which each thread's stack takes its 8 MB whole: LimitDATA= of the"
                " systemd unit, data in /etc/security/limits.conf"
            ),
            "ulimit -d unlimited",
        ),
        ("see in the running process that it took", "grep 'Max data size' /proc/PID/limits"),
        _CAP_THREADS,
    ),
    "open_files": (
        (
            "raise the limit of descriptors: docker run --ulimit nofile=N, LimitNOFILE= of the unit",
            "ulimit -n 65536 && foldwatch limits",
        ),
        (
            "in PyTorch, share tensors by file: torch.multiprocessing.set_sharing_strategy('file_system')",
            None,
        ),
    ),
    "shared_memory": (
        (
            "enlarge /dev/shm (Docker gives 64 MB): --shm-size, or an emptyDir of medium Memory",
            "docker run --shm-size=8g; df -h /dev/shm",
        ),
        ("use fewer DataLoader workers", None),
    ),
    "locked_memory": (
        (
            "lift RLIMIT_MEMLOCK: docker run --ulimit memlock=-1, memlock in limits.conf",
            "ulimit -l",
        ),
    ),
    "gpu_memory": (
        ("make the batch smaller, or accumulate gradients", None),
        _GROW_GPU_MEMORY,
    ),
}

_WITHOUT_TENSORFLOW: Mapping[Step, Step | None] = {
    _ISOLATE: (_ISOLATE[0], "foldwatch run --folds N -- COMMAND {fold}"),
    _ISOLATE_ANY: None,
    _CAP_THREADS: (
        "cap the thread pools before NumPy or OpenBLAS is imported: pools are sized by cores",
        "OMP_NUM_THREADS=4 OPENBLAS_NUM_THREADS=4",
    ),
    _BOUND_DATA: None,
    _REUSE: (
        "create one model per process and reuse it; end every iterator and executor where it was begun",
        None,
    ),
    _FEED: None,
    _GROW_GPU_MEMORY: None,
}
"""What stands for a step that is of TensorFlow where nothing says that it is used; None for no step."""


def remedies(
    growth: Mapping[str, Growth],
    epochs: Mapping[str, Growth],
    causes: Iterable[Cause],
    *,
    has_tensorflow: bool,
) -> tuple[Remedy, ...]:
    """Return the steps for what grows and for each cause that is certain or likely, no step twice."""
    found: list[tuple[str, Step]] = [
        (name, step)
        for name, judged in growth.items()
        if judged.verdict.is_alarming
        for step in _GROWTH[name][:MOST]
    ]
    for name, judged in epochs.items():
        if judged.verdict.is_alarming:
            found += [(name, step) for step in (_WITHIN_A_FIT, _REUSE, _BOUND_DATA)]
    causes = list(causes)
    for cause in causes:
        if cause.confidence in {Confidence.CERTAIN, Confidence.LIKELY}:
            found += [(cause.cause, step) for step in _CAUSES.get(cause.cause, ())[:MOST]]
    if causes and not any(cause.confidence == Confidence.CERTAIN for cause in causes):
        found.append((causes[0].cause, _SAMPLE))
    fitting = (
        (target, step if has_tensorflow else _WITHOUT_TENSORFLOW.get(step, step))
        for target, step in found
    )
    return without_repeats(Remedy(target, *step) for target, step in fitting if step is not None)


def without_repeats(found: Iterable[Remedy]) -> tuple[Remedy, ...]:
    """Keep the first of each step, in their order."""
    unique: dict[str, Remedy] = {}
    for remedy in found:
        unique.setdefault(remedy.text, remedy)
    return tuple(unique.values())
