"""No room on a device: on a disk, or in /dev/shm, by what the message and the frames above it show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.diagnosis.confidence import Confidence

if TYPE_CHECKING:
    from pathlib import Path

FULL = "OSError: [Errno 28] No space left on device"
LIB = "/v/lib/python3.10/site-packages"


def raised(path: str, code: str, end: str = FULL) -> str:
    frames = f'  File "/w/run.py", line 5, in main\n    run()\n  File "{path}", line 9, in f\n    {code}\n'
    return f"Traceback (most recent call last):\n{frames}{end}\n"


def left(tmp_path: Path, text: str) -> set[str]:
    path = tmp_path / "a.log"
    path.write_text(f"Epoch 1/9 loss 0.4\n{text}")
    found = analyze(path).first_failure
    assert found is not None
    return {one.cause for one in found.causes if one.confidence is not Confidence.RULED_OUT}


@pytest.mark.parametrize(
    "text",
    [
        raised(f"{LIB}/torch/serialization.py", "zip_file.write_record(name, storage, size)"),
        raised("/usr/lib/python3.10/shutil.py", "_fastcopy_sendfile(fsrc, fdst)"),
        raised(f"{LIB}/joblib/numpy_pickle.py", "NumpyPickler(f).dump(value)"),
        raised("/w/export.py", "f.write(json.dumps(rows))"),
        raised("/w/export.py", "f.write(rows)", "IOError: [Errno 28] Kein Speicherplatz mehr"),
        "cp: error writing '/scratch/out/model.pt': No space left on device\nexit status 1\n",
        'Exception in thread "main" java.io.IOException: No space left on device\n',
        "2024/05/01 10:00:09 write /var/lib/cache/shard-5: no space left on device\nexit status 1\n",
    ],
)
def test_a_file_that_is_written_lies_on_a_disk(tmp_path: Path, text: str) -> None:
    """Unless something says otherwise."""
    assert left(tmp_path, text) == {"disk_space"}


@pytest.mark.parametrize(
    "text",
    [
        "INFO: Pandarallel will use Memory file system\n" + raised("/w/a.py", "pickle.dump(df, f)"),
        "Writing the cache to /dev/shm/cache\n" + raised("/w/export.py", "f.write(blob)"),
        raised("/w/export.py", "open('/dev/shm/a', 'wb').write(blob)"),
        raised("/usr/lib/python3.10/multiprocessing/heap.py", "os.ftruncate(self.fd, size)"),
        raised(
            "/usr/lib/python3.10/multiprocessing/synchronize.py", "sl = _multiprocessing.SemLock("
        ),
        raised(f"{LIB}/joblib/numpy_pickle.py", "pickler.dump(a)  # _memmapping_reducer"),
        raised("/w/alloc.py", "m = mmap.mmap(fd, n)"),
        raised("/w/alloc.py", "m = native.allocate(n)"),
        "NCCL WARN Error: failed to extend /dev/shm/nccl-8dFz4k to 33030532 bytes, error: No space left on device (28)\n",
        "worker: no space left on device\nexit status 1\n",
    ],
)
def test_what_is_shared_may_lie_in_memory(tmp_path: Path, text: str) -> None:
    """Also where nothing is known of what was written."""
    assert "shared_memory" in left(tmp_path, text)
