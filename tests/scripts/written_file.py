"""Join a memory cgroup, write 48 MB into a file, and print what is used and what can be taken back.

``python -m tests.scripts.written_file CGROUP FILE``
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    cgroup, path = sys.argv[1:]
    with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="ascii") as procs:
        procs.write("0")
    with open(path, "wb") as data:
        data.writelines(bytes(2**20) for _ in range(48))
    from telemetry.kernel.reader import Reader

    reading = Reader().read()
    print(reading.cgroup_memory_bytes, reading.cgroup_memory_reclaimable_bytes)
