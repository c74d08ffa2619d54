"""How long before a pids limit is hit each way of alerting says so: slow, medium and fast leaks.

A real process leaks threads in a real pids cgroup; the shipped rules and configuration run in a real
Prometheus and Alertmanager that post to a webhook here. Time is scaled (tests/support/alert_stack.py); the
lead is printed in unscaled seconds. Needs root.
"""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from dataclasses import asdict
from pathlib import Path

from tests.scripts.leak import LIMIT, measure

LEAKS = {"fast": (120.0, 8.0), "medium": (600.0, 15.0), "slow": (3600.0, 60.0)}
"""Seconds from 40 of 400 PIDs to the limit, and how many times as fast time runs here."""


def main() -> None:
    """Print one object for each leak."""
    top = "/sys/fs/cgroup/pids" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup"
    for name, (fill_seconds, scale) in LEAKS.items():
        cgroup = os.path.join(top, f"foldwatch-lead-{uuid.uuid4().hex[:8]}")
        os.mkdir(cgroup)
        try:
            with open(os.path.join(cgroup, "pids.max"), "w", encoding="ascii") as file:
                file.write(str(LIMIT))
            with tempfile.TemporaryDirectory() as folder:
                told = measure(Path(folder), cgroup, fill_seconds=fill_seconds, scale=scale)
        finally:
            os.rmdir(cgroup)
        content = {"leak": name, "fills_in_seconds": fill_seconds, "scale": scale, **asdict(told)}
        print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
