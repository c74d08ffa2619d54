"""Signatures of descriptors, disks, quotas, watches and files that refuse: no limit on tasks or memory."""

from __future__ import annotations

from analyzer.signatures.signature import Expression, Signature
from analyzer.signatures.tracebacks import FILE_WRITTEN

_SHM = ("shared_memory",)
_JOBLIB_FILE, _JOBLIB_FOLDER = "Memmapping (", "JOBLIB_TEMP_FOLDER"

FILE_SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="too_many_open_files",
        literals=("Too many open files", ": too many open files"),
        pattern=Expression(
            # In the words of Go, behind the call that was refused.
            r"Too many open files|\b(?:open|openat|accept4?|socket|pipe2?|dup|dial \w+|listen \w+|fork/exec|inotify_init1?"
            r"|epoll_create1?|creat|lstat|readdirent|epoll)\b[^\n]{0,400}: too many open files|\bEMFILE: too many open files(?!, watch)"
        ),
        example="OSError: [Errno 24] Too many open files: '/data/a.npy'",
        benign='set_sharing_strategy("file_system") is used to avoid "Too many open files"',
        errno=24,
        causes=("open_files",),
        speaks_for=("open_files",),
        look_alikes=(Expression(r"\[Errno 23\]|in system|inotify"),),
    ),
    Signature(
        name="python_errno_24",
        literals=("[Errno ",),
        pattern=Expression(r"\[Errno 24\]"),
        example="OSError: [Errno 24] Zu viele offene Dateien: 'a'",
        benign="fetch: [Errno 104] Connection reset by peer, attempt 2 of 5 follows",
        errno=24,
        causes=("open_files",),
        speaks_for=("open_files",),
        look_alikes=(Expression(r"inotify"),),
    ),
    # A descriptor that was sent could not be taken.
    Signature(
        name="torch_ancdata",
        literals=("items of ancdata",),
        pattern=Expression(r"received 0 items of ancdata"),
        example="RuntimeError: received 0 items of ancdata",
        benign='sharing_strategy=file_system prevents "received 0 items of ancdata"',
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
        example="W events_writer.cc:92] Could not open events file: /logs/events.out.1: Resource exhausted: /logs",
        benign="W events_writer.cc:92] Could not open events file: /logs/events.out.tfevents.1: Permission denied",
        causes=("open_files", "not_a_limit"),
        at_any_level=True,
    ),
    Signature(
        name="disk_quota",
        literals=("isk quota exceeded",),
        pattern=Expression(r"[Dd]isk quota exceeded"),
        example="OSError: [Errno 122] Disk quota exceeded",
        benign='rsync: look at the quota in case it stops with "Disk quota exceeded" (412 of 500 GB are used)',
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
        benign="s3fs: [Errno 110] Connection timed out, part 7 is sent again",
        errno=122,
        causes=("disk_quota",),
        speaks_for=("disk_quota",),
    ),
    Signature(
        name="inotify_watches",
        literals=("inotify",),
        pattern=Expression(
            r"inotify (?:watch|instance)\w* limit (?:reached|exceeded)|inotify_(?:add_watch|init1?)\b.*(?:[Nn]o space left|[Tt]oo many open)"
            r"|(?:reached|exceeded|hit)\b.*(?:limit|max).*inotify|(?:limit|max).*inotify.*(?:reached|exceeded)|System limit for number of file watchers"
            r"|(?:to|not) (?:initiali[sz]e|create|start|open|set up)\b[^\n]{0,20}\binotify\b.*[Tt]oo many open files"
        ),
        example="OSError: [Errno 28] inotify watch limit reached",
        benign="limits: nofile=1048576 nproc=unlimited inotify=524288",
        causes=("inotify_watches",),
        speaks_for=("inotify_watches",),
    ),
    # Of Rust's notify (watchfiles, uvicorn), Go's fsnotify (kubectl logs -f) and libuv, which names what it watches.
    Signature(
        name="file_watch_limit",
        literals=("file watch limit", "MaxFilesWatch", "fsnotify", "open files, watch"),
        pattern=Expression(
            r"\bOS file watch limit reached\b|\bkind: MaxFilesWatch\b|\bEMFILE: too many open files, watch\b"
            r"|\bfsnotify\b.*\b(?:too many open files|no space left on device)"
        ),
        example='OSError: OS file watch limit reached. about ["/srv/data/imagenet"]',
        benign="--reload-exclude keeps watchfiles below the OS file watch limit",
        causes=("inotify_watches",),
        speaks_for=("inotify_watches",),
    ),
    Signature(
        name="file_watchers",
        literals=("file watchers reached",),
        pattern=Expression(r"limit for number of file watchers reached"),
        example="Error: ENOSPC: System limit for number of file watchers reached, watch '/srv/app'",
        benign='Set usePolling if "System limit for number of file watchers reached" appears',
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
        benign="  120 12288 -rw------- 1 user user 12582912 Jan 14 03:12 /dev/shm/torch_4210_1234_0",
        causes=_SHM,
        speaks_for=_SHM,
    ),
    Signature(
        name="torch_checkpoint_write",
        literals=("PytorchStreamWriter failed",),
        pattern=Expression(r"PytorchStreamWriter failed writing"),
        example="RuntimeError: [enforce fail at inline_container.cc:858] . PytorchStreamWriter failed writing file data/19: file write failed",
        benign="save: PytorchStreamWriter failed writing file data/19, retrying in 30 s",
        causes=("disk_space", "disk_quota", "not_a_limit"),
    ),
    # NumPy's tofile() says how far it came, and not why.
    Signature(
        name="numpy_file_write",
        literals=(" requested and ",),
        pattern=Expression(r"\b(?:OS|IO)Error: \d+ requested and \d+ written"),
        example="OSError: 123456789 requested and 40812544 written",
        benign="quota: 400 GB requested and 200 GB granted",
        causes=("disk_space", "disk_quota", "not_a_limit"),
    ),
    Signature(
        name="database_full",
        literals=("or disk is full", "SQLITE_FULL"),
        pattern=Expression(r"\bdatabase or disk is full\b|\bSQLITE_FULL\b"),
        example="sqlite3.OperationalError: database or disk is full",
        benign='store: if SQLite says "database or disk is full", metrics are dropped',
        causes=("disk_space",),
        speaks_for=("disk_space",),
    ),
    # Of the disk, or of a table that may not grow larger.
    Signature(
        name="mysql_table_full",
        literals=("' is full",),
        pattern=Expression(r"\b[Tt]he table '[^']+' is full[\"')]*\s*$"),
        example="pymysql.err.OperationalError: (1114, \"The table 'trial_values' is full\")",
        benign="scheduler: queue 'gpu-a100' is full, 4 jobs wait",
        causes=("disk_space", "not_a_limit"),
    ),
    Signature(
        name="windows_disk",
        literals=("space on the disk", "[WinError 112]"),
        pattern=Expression(r"[Tt]here is not enough space on the disk|\[WinError 112\]"),
        example="OSError: [WinError 112] There is not enough space on the disk",
        benign="installer: when there is not enough space on the disk, choose another folder",
        causes=("disk_space",),
        speaks_for=("disk_space",),
    ),
    # A database goes on: whether its client does, the client says.
    Signature(
        name="server_disk",
        literals=("No space left on device",),
        pattern=Expression(r"\[\d+\] (?:\S+ )?(?:ERROR|FATAL|PANIC):  .*No space left on device"),
        example='2022-09-15 12:06:41.803 UTC [71] ERROR:  could not extend file "base/16384/2619": No space left on device',
        benign="2022-09-15 12:06:41.803 UTC [71] LOG:  could not write temporary statistics file: No space left on device, retrying",
        errno=28,
        causes=("disk_space",),
        narrowed_by={"shared memory segment": ("shared_memory",)},
        is_secondary=True,
        at_any_level=True,
    ),
    # Open MPI passes messages within a host through a file, in /dev/shm unless told otherwise.
    Signature(
        name="openmpi_shared_memory",
        literals=("enough space for",),
        pattern=Expression(r"appears as if there is not enough space for /dev/shm/"),
        example="It appears as if there is not enough space for /dev/shm/vader_segment.node1.7a1c0001.3 (the shared-memory backing",
        benign="sweep: there is not enough space for 4 more trials, they wait",
        causes=_SHM,
        speaks_for=_SHM,
    ),
    Signature(
        name="openmpi_backing_file",
        literals=("enough space for",),
        pattern=Expression(r"appears as if there is not enough space for \S"),
        example="It appears as if there is not enough space for /scratch/ompi.node1.0/shared_mem_pool.node1 (the shared-memory backing",
        benign="cache: there is not enough space for shard 12, the oldest one is removed",
        causes=("disk_space",),
        speaks_for=("disk_space",),
    ),
    # UCX passes messages within a host through files in /dev/shm, or through segments of System V.
    Signature(
        name="ucx_posix_memory",
        literals=("enough memory to wr", "using md posix for"),
        pattern=Expression(
            r"Not enough memory to write total of \d+ bytes\. Please check|using md posix for \S+: (?:Out of memory|Shared memory error)"
        ),
        example="mm_posix.c:233  UCX  ERROR Not enough memory to write total of 4292720 bytes. Please check that /dev/shm or the directory you specified has more available memory.",
        benign="UCX_POSIX_DIR=/scratch: no more 'Not enough memory to write' on small nodes",
        causes=_SHM,
        speaks_for=_SHM,
        at_any_level=True,
    ),
    Signature(
        name="sysv_memory",
        literals=("shmget(", "using md sysv for"),
        pattern=Expression(
            r"\bshmget\([^)]*\).*\b(?:No space left on device|Cannot allocate memory|Invalid argument)|using md sysv for \S+: Out of memory"
        ),
        example="sys.c:915  UCX  ERROR   shmget(size=134221824 flags=0x7b0) for mm_recv_desc failed: No space left on device, please check shared memory limits by 'ipcs -l'",
        benign="strace: shmget(IPC_PRIVATE, 4096, 0600) = 12",
        causes=_SHM,
        speaks_for=_SHM,
        at_any_level=True,
        advice="sysv_memory",
    ),
    # A semaphore of multiprocessing is a file in /dev/shm.
    Signature(
        name="semlock_frame",
        literals=("SemLock(",),
        pattern=Expression(r"\bSemLock\("),
        example="    sl = self._semlock = _multiprocessing.SemLock(",
        benign="<SemLock(value=1, maxvalue=1)> is released",
        is_frame=True,
    ),
    # joblib dumps arrays for its workers into files: into /dev/shm if that is large, else where it is told to. It
    # says where only if it is asked to talk, or its folder is shown as it is set.
    Signature(
        name="joblib_dump_frame",
        literals=("_memmapping_reducer.py",),
        pattern=Expression(r"_memmapping_reducer\.py\", line \d+"),
        example='  File "/usr/lib/python3.10/site-packages/joblib/_memmapping_reducer.py", line 451, in __call__',
        benign="joblib/_memmapping_reducer.py                 214     31    86%",
        is_frame=True,
    ),
    Signature(
        name="joblib_in_shm",
        literals=(_JOBLIB_FILE, _JOBLIB_FOLDER),
        pattern=Expression(
            r"Memmapping \(.*\) to (?:new|old) file /dev/shm/|\bJOBLIB_TEMP_FOLDER\b['\"\]]*\s*[=:,]\s*['\"]?/dev/shm\b"
        ),
        example="Memmapping (shape=(12000, 117), dtype=float64) to new file /dev/shm/joblib_memmapping_folder_31_6d/31-14.pkl",
        benign="unset JOBLIB_TEMP_FOLDER (/dev/shm by default)",
        is_frame=True,
    ),
    Signature(
        name="joblib_on_disk",
        literals=(_JOBLIB_FILE, _JOBLIB_FOLDER),
        pattern=Expression(
            r"Memmapping \(.*\) to (?:new|old) file /(?!dev/shm/)|\bJOBLIB_TEMP_FOLDER\b['\"\]]*\s*[=:,]\s*['\"]?/(?!dev/shm\b)"
        ),
        example="Memmapping (shape=(12000, 117), dtype=float64) to new file /tmp/joblib_memmapping_folder_31_6d/31-14.pkl",
        benign="JOBLIB_TEMP_FOLDER is not set",
        is_frame=True,
    ),
    # multiprocessing keeps the memory that processes share in files of /dev/shm, so do semaphores.
    Signature(
        name="shared_memory_frame",
        literals=("multiprocessing/heap.py", "multiprocessing/shared_memory.py"),
        pattern=Expression(r"multiprocessing/(?:heap|shared_memory)\.py\", line \d+"),
        example='  File "/usr/lib/python3.10/multiprocessing/shared_memory.py", line 114, in __init__',
        benign="lib/python3.10/multiprocessing/heap.py: 12 of 214 lines",
        is_frame=True,
    ),
    # HDF5 says the errno in the middle of its message, which names the file.
    Signature(
        name="hdf5_full",
        literals=("errno = 28, error",),
        pattern=Expression(r"\berrno = 28, error message = '"),
        example="OSError: Can't write data (file write failed: filename = '/out/train.h5', file descriptor = 3, errno = 28, error message = 'No space left on device', buf = 0x7fd2)",
        benign="h5repack: errno = 28, error message = 'No space left on device' in /scratch/a.h5, falling back to /data",
        errno=28,
        causes=("disk_space",),
        speaks_for=("disk_space",),
        narrowed_by={"filename = '/dev/shm": _SHM},
    ),
    # What names its file, or writes through what only files have.
    Signature(
        name="file_full",
        literals=("pace left on device",),
        pattern=Expression(
            r"(?:(?:[ =<(]|['\"])/(?!dev/shm|proc/)[\w.@-]+/[^\n]{0,300}|\bjava\.io\.\w+: )\b[Nn]o space left on device"
        ),
        example="cp: error writing '/scratch/out/model.pt': No space left on device",
        benign="cache: /scratch/cache/7.bin: No space left on device, falling back to /data/cache",
        errno=28,
        causes=("disk_space",),
        speaks_for=("disk_space",),
        look_alikes=(
            Expression(r"clone\(2\)|posix_fallocate|inotify|/dev/shm|shared memory|\[Errno 28\]"),
        ),
    ),
    Signature(
        name="no_space_left",
        literals=("pace left on device",),
        pattern=Expression(r"\b[Nn]o space left on device"),
        example="tensorflow.python.framework.errors_impl.ResourceExhaustedError: out/ckpt; No space left on device",
        benign="cache: No space left on device, falling back to /data/cache",
        errno=28,
        causes=("disk_space", "shared_memory"),
        narrowed_by={"while serializing": ("disk_space",), "[Op:SaveV2]": ("disk_space",)},
        causes_in_frame={"semlock_frame": _SHM, FILE_WRITTEN: ("disk_space",)},
        look_alikes=(
            Expression(r"clone\(2\)|posix_fallocate|inotify|/dev/shm|shared memory|\[Errno 28\]"),
        ),
    ),
    # Of Hugging Face's datasets and of TensorFlow Datasets, which look before they download.
    Signature(
        name="not_enough_disk_space",
        literals=("enough disk space",),
        pattern=Expression(r"\bNot enough disk space\. Needed: "),
        example="OSError: Not enough disk space. Needed: 134.92 GiB (download: 41.97 GiB, generated: 92.95 GiB)",
        benign="UserWarning: Not enough disk space to keep 3 checkpoints, keeping 2",
        causes=("disk_space",),
        speaks_for=("disk_space",),
    ),
)
