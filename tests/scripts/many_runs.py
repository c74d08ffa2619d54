"""Write runs to look at the page with: ``python -m tests.scripts.many_runs DIR runs 60`` or ``... DIR ranks 64``.

Look within two minutes, before all of them are stale: ``foldwatch serve DIR``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.support.many_runs import write_ranks, write_runs

if __name__ == "__main__":
    folder, kind, number = sys.argv[1:]
    write = {"runs": write_runs, "ranks": write_ranks}[kind]
    write(Path(folder), int(number), time.time())
