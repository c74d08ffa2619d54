"""What the lines around a failure say of its cause: where a file was written, whose memory the kernel names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

FITS = "".join(f"[CV 1/5; {n}/40] END max_depth={n}; total time= 1.{n}s\n" for n in range(1, 4))
TRACEBACK = """\
Traceback (most recent call last):
  File "/usr/lib/python3.10/site-packages/joblib/_memmapping_reducer.py", line 451, in __call__
    for dumped_filename in dump(a, filename):
  File "/usr/lib/python3.10/site-packages/joblib/numpy_pickle.py", line 134, in write_array
    pickler.file_handle.write(chunk.tobytes('C'))
OSError: [Errno 28] No space left on device
"""
OTHER = """\
Traceback (most recent call last):
  File "/home/a/train.py", line 12, in save
    file.write(model)
OSError: [Errno 28] No space left on device
"""
MAPPED = "Memmapping (shape=(812344, 117), dtype=float64) to new file {}/joblib_memmapping_folder_3/1.pkl\n"
HOST = (
    "kernel: oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
    "task_memcg=/system.slice/cv.service,task=python3,pid=4242,uid=0\n"
    "kernel: Out of memory: Killed process 4242 (python3) total-vm:1kB\n"
)
CGROUP = (
    "kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
    "oom_memcg=/system.slice/cv.service,task_memcg=/system.slice/cv.service,task=python3,pid=4242,uid=0\n"
)
SEEN = {
    "systemd": "cv.service: A process of this unit has been killed by the OOM killer.\n"
    "cv.service: Failed with result 'oom-kill'.\n",
    "Slurm": "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.\n",
    "Kubernetes": "      Reason:       OOMKilled\n",
    "Docker": "2026-01-14T10:00:00.1Z container oom 4f1a9c (image=fit:1, name=fit)\n",
}


def founded(tmp_path: Path, text: str) -> list[str]:
    """Return the causes that are likely, or certain."""
    path = tmp_path / "a.log"
    path.write_text(text)
    analysis = analyze(path)
    assert analysis.outcome == "crashed"
    root = analysis.first_failure
    assert root is not None
    return [one.cause for one in root.causes if str(one.confidence) in {"certain", "likely"}]


@pytest.mark.parametrize(
    ("text", "causes"),
    [
        (FITS + MAPPED.format("/dev/shm") + TRACEBACK, ["shared_memory"]),
        (FITS + MAPPED.format("/scratch/tmp") + TRACEBACK, ["disk_space"]),
        ("+ export JOBLIB_TEMP_FOLDER=/dev/shm\n" + FITS + TRACEBACK, ["shared_memory"]),
        ("os.environ['JOBLIB_TEMP_FOLDER'] = '/tmp'\n" + FITS + TRACEBACK, ["disk_space"]),
        (FITS + TRACEBACK, []),
        (FITS + MAPPED.format("/dev/shm") + OTHER, []),
        (
            FITS + OTHER.replace("/home/a/train.py", "/usr/lib/python3.10/multiprocessing/heap.py"),
            [],
        ),
    ],
)
def test_where_joblib_writes_is_where_there_was_no_room(
    tmp_path: Path, text: str, causes: list[str]
) -> None:
    """Its message names no file; what else found no room wrote elsewhere."""
    assert founded(tmp_path, text) == causes


def test_memory_that_processes_share_lies_in_dev_shm(tmp_path: Path) -> None:
    """That multiprocessing makes for arrays and values; it is the only cause that is left."""
    path = tmp_path / "a.log"
    place = "/usr/lib/python3.10/multiprocessing/heap.py"
    path.write_text(FITS + OTHER.replace("/home/a/train.py", place))
    (found,) = analyze(path).findings
    assert [one.cause for one in found.causes] == ["shared_memory"]


@pytest.mark.parametrize("who", SEEN)
def test_the_kernel_s_word_on_a_kill_counts_before_others(tmp_path: Path, who: str) -> None:
    """They read the cgroup's counter, in which a kill for the host's memory counts as well."""
    assert founded(tmp_path, FITS + HOST + SEEN[who]) == ["host_memory"]
    assert founded(tmp_path, FITS + CGROUP + SEEN[who]) == ["cgroup_memory"]


def test_systemd_alone_does_not_say_whose_memory_it_was(tmp_path: Path) -> None:
    """Slurm and the kubelet kill by the limits that they set themselves."""
    assert founded(tmp_path, FITS + SEEN["systemd"]) == []
    assert founded(tmp_path, FITS + SEEN["Slurm"]) == ["cgroup_memory"]


ARENA = (
    "RuntimeException: [ONNXRuntimeError] : 6 : Status Message: bfc_arena.cc:376 void* "
    "onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 4096\n"
)


@pytest.mark.parametrize(
    ("providers", "confidence"),
    [
        ("['CUDAExecutionProvider', 'CPUExecutionProvider']", "likely"),
        ("['CPUExecutionProvider']", "ruled out"),
        ("not told", "possible"),
    ],
)
def test_the_providers_say_whose_memory_the_arena_of_onnx_runtime_is(
    tmp_path: Path, providers: str, confidence: str
) -> None:
    """However far above the failure they stand."""
    path = tmp_path / "a.log"
    path.write_text(f"providers={providers}\n" + "warm-up\n" * 200 + ARENA)
    (found,) = analyze(path).findings
    by_cause = {cause.cause: str(cause.confidence) for cause in found.causes}
    assert (by_cause["gpu_memory"], by_cause["host_memory"]) == (confidence, "possible")


WORDS = "Error: there is insufficient memory to start the daemon, out of memory\n"


def causes_left(tmp_path: Path, text: str) -> set[str]:
    path = tmp_path / "a.log"
    path.write_text(text)
    (found,) = analyze(path).findings
    return {cause.cause for cause in found.causes if str(cause.confidence) != "ruled out"}


def test_words_that_any_program_has_say_nothing_beside_a_row_that_knows_its_program(
    tmp_path: Path,
) -> None:
    """Neither above it nor below it: they exclude none of its causes, and are not the root."""
    thread = "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached\n"
    alone = causes_left(tmp_path, FITS + thread)
    assert "pids_cgroup" in alone
    assert causes_left(tmp_path, FITS + thread + WORDS) == alone
    assert causes_left(tmp_path, FITS + WORDS + thread) == alone
    assert "host_memory" in causes_left(tmp_path, FITS + WORDS)
