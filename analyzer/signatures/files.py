"""Signatures of disks, quotas, watches and files that refuse: no limit on tasks or memory."""

from __future__ import annotations

from analyzer.signatures.signature import Expression, Signature

_SHM = ("shared_memory",)

FILE_SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="disk_quota",
        literals=("isk quota exceeded",),
        pattern=Expression(r"[Dd]isk quota exceeded"),
        example="OSError: [Errno 122] Disk quota exceeded",
        errno=122,
        causes=("disk_quota",),
        speaks_for=("disk_quota",),
        at_any_level=True,
    ),
    Signature(
        name="python_errno_122",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 122\]"),
        example="OSError: [Errno 122] Dépassement du quota d'espace disque",
        errno=122,
        causes=("disk_quota",),
        speaks_for=("disk_quota",),
    ),
    Signature(
        name="inotify_watches",
        literals=("inotify",),
        pattern=Expression(
            r"inotify (?:watch|instance)\w* limit (?:reached|exceeded)|inotify_(?:add_watch|init1?)\b.*(?:[Nn]o space left|[Tt]oo many open)"
            r"|(?:limit|max).*inotify|System limit for number of file watchers"
        ),
        example="OSError: [Errno 28] inotify watch limit reached",
        causes=("inotify_watches",),
        speaks_for=("inotify_watches",),
    ),
    Signature(
        name="file_watchers",
        literals=("file watchers reached",),
        pattern=Expression(r"limit for number of file watchers reached"),
        example="Error: ENOSPC: System limit for number of file watchers reached, watch '/srv/app'",
        causes=("inotify_watches",),
        speaks_for=("inotify_watches",),
    ),
    Signature(
        name="torch_shm_write",
        literals=("/torch_",),
        pattern=Expression(
            r"unable to (?:write to file|open shared memory object|resize|mmap \d+ bytes from file) </torch_[^>]*>(?!.*Cannot allocate memory)"
            r"(?!.*Too many open files)"
        ),
        example="RuntimeError: unable to write to file </torch_4242_17>",
        causes=_SHM,
        speaks_for=_SHM,
    ),
    Signature(
        name="torch_checkpoint_write",
        literals=("PytorchStreamWriter failed",),
        pattern=Expression(r"PytorchStreamWriter failed writing"),
        example="RuntimeError: [enforce fail at inline_container.cc:858] . PytorchStreamWriter failed writing file data/19: file write failed",
        causes=("disk_space", "disk_quota", "not_a_limit"),
    ),
    # A semaphore of multiprocessing is a file in /dev/shm.
    Signature(
        name="semlock_frame",
        literals=("SemLock(",),
        pattern=Expression(r"\bSemLock\("),
        example="    sl = self._semlock = _multiprocessing.SemLock(",
        is_frame=True,
    ),
    Signature(
        name="no_space_left",
        literals=("No space left on device",),
        pattern=Expression(r"No space left on device"),
        example="tensorflow.python.framework.errors_impl.ResourceExhaustedError: out/ckpt; No space left on device",
        errno=28,
        causes=("disk_space", "shared_memory"),
        causes_in_frame={"semlock_frame": _SHM},
        look_alikes=(
            Expression(r"clone\(2\)|posix_fallocate|inotify|/dev/shm|shared memory|\[Errno 28\]"),
        ),
    ),
)
