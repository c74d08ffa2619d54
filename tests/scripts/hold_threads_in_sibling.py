"""Hold thirty threads, and run a training in another cgroup meanwhile.

``python -m tests.scripts.hold_threads_in_sibling CGROUP_PROCS``
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

CHECKPOINT = "import telemetry; telemetry.checkpoint('a')"

if __name__ == "__main__":
    stop = threading.Event()
    for _ in range(30):
        threading.Thread(target=stop.wait, daemon=True).start()
    code = f"open({sys.argv[1]!r}, 'w').write('0'); {CHECKPOINT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    print(done)
    sys.stdout.flush()
    os._exit(0)
