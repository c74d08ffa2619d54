"""Count this process's threads, descriptors and maps, before and after some are made; no other test's are in it."""

from __future__ import annotations

import os
import threading

from telemetry.kernel.procfs import ProcessFiles

THREADS = 20

if __name__ == "__main__":
    files = ProcessFiles(pid=os.getpid())
    files.hold()
    threads, descriptors, maps = files.status().threads, files.open_fds(), files.maps()
    stop = threading.Event()
    workers = [threading.Thread(target=stop.wait) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    pipe = os.pipe()
    assert files.status().threads == (threads or 0) + THREADS
    assert files.open_fds() == descriptors + len(pipe)
    assert files.maps() >= maps + 15
    with open("/proc/self/maps", "rb") as file:
        listed = file.read()
    vsyscall = listed.rstrip(b"\n").endswith(b"[vsyscall]")
    assert abs(files.maps() - (listed.count(b"\n") - vsyscall)) <= 2
    stop.set()
    for worker in workers:
        worker.join()
