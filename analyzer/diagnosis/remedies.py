"""For each finding, the two or three steps that are known to help, with the option that does each.

What removes the cause comes first; raising a limit comes last, because it only moves the crash if
something leaks (smcpp#50, tensorflow#37160).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analyzer.diagnosis.commands import RUN, RUN_EPOCHS, RUN_FOLDS, filled_in
from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.failure_steps import failure_steps
from analyzer.diagnosis.held import HeldBy, fitting
from analyzer.diagnosis.message_steps import MESSAGES, Step
from analyzer.diagnosis.nature_steps import NATURE_STEPS
from analyzer.processes.printed_limits import held_share
from analyzer.signatures.signature import NOT_A_LIMIT
from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from analyzer.diagnosis.causes import Cause
    from analyzer.growth.verdict import Growth
    from analyzer.signatures.search import SignatureMatch

MOST = 3
"""Steps for one finding; more are not read."""
HALF = 0.5
ENOMEM_NUMBER = 12


class Remedy(NamedTuple):
    """One step: what it is for, what to do, and the command that does it or shows that it took."""

    target: str
    """A resource of growth.RESOURCES or a cause of signatures.CAUSES."""
    text: str
    command: str | None = None


ISOLATE = (
    "run each fold in a process of its own, by a script that takes its number: what a fold leaves behind ends with it",
    RUN_FOLDS,
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
    "record the next run: every limit while it runs, and the kernel's counters after a death",
    RUN,
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

_GROWS = (ISOLATE,)
_GROWTH: Mapping[str, tuple[Step, ...]] = {
    "threads": (ISOLATE, _BOUND_DATA),
    "cgroup_pids": (ISOLATE, _CAP_THREADS, _BOUND_DATA),
    "maps": (ISOLATE, _SAMPLE),
    "rss_bytes": (ISOLATE, _FEED),
}
_WITHIN_A_FIT = (
    (
        "end and restart the process every so many epochs from a checkpoint of the model: it grows within"
        " one fit, where a process per fold does not help"
    ),
    None,
)

_NAME_EPOCHS = (
    "name the folds or the epochs in the record: they tell a leak from a phase of the run, time does not",
    RUN_EPOCHS,
)

_USE_LESS: Step = (
    "use less memory: a smaller batch, fewer workers, no cache() of the data set in memory; or add swap",
    None,
)
_ASK_KERNEL: Step = (
    "ask the kernel who was killed, and why; the memory cgroup counts its kills in memory.events",
    "dmesg -T | grep -iE 'oom|killed process'",
)
_WHICH_TASK_LIMIT: Step = (
    (
        "find the limit on tasks that was met, and raise that one: pids.max (docker run --pids-limit,"
        " TasksMax=), the user's ulimit -u, kernel.threads-max, kernel.pid_max"
    ),
    "foldwatch limits",
)
_WHICH_MEMORY_LIMIT: Step = (
    "see which limit on memory was met: the cgroup's, ulimit -v, ulimit -d, or the host's overcommit",
    "foldwatch limits; ulimit -a; sysctl vm.overcommit_memory",
)
_READ_VALUES: Step = (
    "if the log prints what memory was used, read that, to see whether it leaks from fold to fold",
    "foldwatch analyze LOG --pattern 'RSS (?P<rss>[\\d.]+) MB'",
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
        ISOLATE,
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
        ISOLATE,
        (
            (
                "raise the map limit on the host, not in the container; where maps grow it only moves the"
                " crash"
            ),
            "sysctl -w vm.max_map_count=262144 && foldwatch limits",
        ),
    ),
    "cgroup_memory": (
        ISOLATE,
        (
            "raise the memory limit: docker run --memory, resources.limits.memory, --mem of Slurm",
            "foldwatch limits",
        ),
        (
            "use less: a smaller batch, fewer DataLoader workers, no cache() of the data set in memory",
            None,
        ),
    ),
    "host_memory": (_USE_LESS, _ASK_KERNEL, ISOLATE),
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
            "see what is open: what leaks is the same file, socket or pipe many times over",
            "ls -l /proc/PID/fd | sort | uniq -c | sort -n; lsof -p PID",
        ),
        (
            "end what each fold or trial opens: persistent_workers=False, close(), a process of its own",
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
    "disk_space": (("make room on the disk, or write elsewhere", "df -h . && df -i ."),),
    "disk_quota": (("make room within your quota, or ask for more", "quota -s"),),
    "inotify_watches": (
        (
            "raise the limit on watched files, or watch fewer folders",
            "sysctl -w fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024",
        ),
    ),
    "windows_commit": (
        ("enlarge the paging file of Windows, or use fewer DataLoader workers", None),
    ),
    "scheduler_memory": (_USE_LESS, ("ask the batch system for more memory", None)),
    "time_limit": (("ask for more time, or write checkpoints and resume from the last one", None),),
    "host_lost": (("run it again on another host, from the last checkpoint", None),),
    "preempted": (("let the scheduler requeue it, and resume from the last checkpoint", None),),
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

_OF_OWN_USE = frozenset({_CAP_THREADS, ISOLATE, _USE_LESS})
"""Steps by which a run takes less itself."""

_WITHOUT_TENSORFLOW: Mapping[Step, Step | None] = {
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


def remedies(  # noqa: PLR0913 - what was found, and of what
    growth: Mapping[str, Growth],
    epochs: Mapping[str, Growth],
    over_time: Mapping[str, Growth],
    causes: Iterable[Cause],
    *,
    has_tensorflow: bool,
    signs: Sequence[SignatureMatch] = (),
    is_recorded: bool = False,
    is_isolated: bool = False,
    argv: Sequence[str] = (),
    folds: int | None = None,
    held: Mapping[str, HeldBy] | None = None,
) -> tuple[Remedy, ...]:
    """Return the steps for what grows and for what ended the run, no step twice.

    Args:
        growth: By resource, from fold to fold.
        epochs: By resource, from epoch to epoch.
        over_time: By resource, over time.
        causes: What may have ended it, the best founded first.
        has_tensorflow: Whether anything says that TensorFlow is used.
        signs: The signs of the event that ended it.
        is_recorded: Whether foldwatch recorded the process between its labels.
        is_isolated: Whether each fold has a process of its own already.
        argv: What the process was started with; empty where that is not known.
        folds: How many folds its labels plan.
        held: By limit, what to do first by who held it.
    """
    found = (
        *_against_growth(growth, epochs, over_time),
        *_against(list(causes), signs, is_recorded, held or {}),
    )
    fitting = (
        (target, step if has_tensorflow else _WITHOUT_TENSORFLOW.get(step, step))
        for target, step in found
        if not ((is_isolated and step is ISOLATE) or (is_recorded and step is _SAMPLE))
    )
    return without_repeats(
        Remedy(target, text, command and filled_in(command, argv=argv, folds=folds))
        for target, (text, command) in ((target, step) for target, step in fitting if step)
    )


def _against(
    causes: Sequence[Cause],
    signs: Sequence[SignatureMatch],
    is_recorded: bool,  # noqa: FBT001 - see `remedies`
    held: Mapping[str, HeldBy],
) -> Iterator[tuple[str, Step]]:
    left = [
        cause
        for cause in causes
        if cause.confidence not in {Confidence.RULED_OUT, Confidence.UNLIKELY}
    ]
    founded = [
        cause for cause in left if cause.confidence in {Confidence.CERTAIN, Confidence.LIKELY}
    ]
    if not founded and len(left) == 1:
        founded = left
    target = causes[0].cause if causes else ""
    yield from ((target, step) for step in _of_messages(signs, {cause.cause for cause in left}))
    for cause in founded:
        steps = fitting(_CAUSES.get(cause.cause, ()), held.get(cause.cause), of_own_use=_OF_OWN_USE)
        yield from ((cause.cause, step) for step in steps[:MOST])
    if not founded:
        yield from (
            (target, step)
            for step in _first_aid({cause.cause for cause in left})
            if not (is_recorded and step is _READ_VALUES)
        )
    is_told = any(sign.steps or sign.advice for sign in signs)
    if not is_told and {cause.cause for cause in founded or left} <= {NOT_A_LIMIT, "interrupted"}:
        yield from ((target, step) for step in failure_steps(signs))
    is_limit = any(cause.cause in LIMITS for cause in left)
    is_certain = any(cause.confidence == Confidence.CERTAIN for cause in causes)
    if is_limit and not (is_certain or is_recorded):
        yield causes[0].cause, _SAMPLE


def _against_growth(
    growth: Mapping[str, Growth], epochs: Mapping[str, Growth], over_time: Mapping[str, Growth]
) -> Iterator[tuple[str, Step]]:
    for name, judged in growth.items():
        if judged.verdict.is_alarming:
            yield from ((name, step) for step in _steps(name, judged)[:MOST])
    for name, judged in epochs.items():
        if judged.verdict.is_alarming:
            yield from (
                (name, step) for step in (*_own(judged), _WITHIN_A_FIT, _REUSE, _BOUND_DATA)
            )
    for name, judged in over_time.items():
        if judged.verdict.is_alarming:
            yield from ((name, step) for step in (*_own(judged), _NAME_EPOCHS, _REUSE, _BOUND_DATA))


def _steps(name: str, growth: Growth) -> tuple[Step, ...]:
    own = _own(growth)
    return (*own, ISOLATE) if own else _GROWTH.get(name, _GROWS)


def _own(growth: Growth) -> tuple[Step, ...]:
    """Return what helps against memory of this nature; empty where nothing of its own does."""
    if growth.nature is None:
        return ()
    return NATURE_STEPS.get((growth.nature.nature, growth.nature.is_given_back), ())


def _of_messages(signs: Sequence[SignatureMatch], left: set[str]) -> Iterator[Step]:
    """Give the steps that fit what the messages themselves say."""
    for sign in signs:
        yield from sign.steps
        yield from MESSAGES.get(sign.advice or "", ())
        if "gpu_memory" in left and (held_share(sign.text) or 1.0) < HALF:
            yield from MESSAGES["gpu_other_process"]
    if (
        left
        and left <= {"host_memory", "cgroup_memory"}
        and any(s.errno == ENOMEM_NUMBER for s in signs)
    ):
        yield from MESSAGES["overcommit"]


def _first_aid(left: set[str]) -> Iterator[Step]:
    """Give what helps whichever of the causes it is, and what tells them apart."""
    if left & {"pids_cgroup", "nproc", "threads_max", "pid_max"}:
        yield from (_CAP_THREADS, _WHICH_TASK_LIMIT)
    elif left & {"max_map_count", "address_space", "data_size"}:
        yield from (_USE_LESS, _WHICH_MEMORY_LIMIT)
    elif left & {"cgroup_memory", "host_memory"}:
        yield from (_ASK_KERNEL, _USE_LESS, ISOLATE, _READ_VALUES)
    else:
        for cause in sorted(left):
            yield from _CAUSES.get(cause, ())[:1]


def without_repeats(found: Iterable[Remedy]) -> tuple[Remedy, ...]:
    """Keep the first of each step, in their order."""
    unique: dict[str, Remedy] = {}
    for remedy in found:
        unique.setdefault(remedy.text, remedy)
    return tuple(unique.values())
