"""No alert over a full healthy training, by either way, under ceilings that it comes near to."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.alert_stack import receiver, stack
from tests.support.paths import ROOT
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cgroups import RealCgroup

SCALE = 15.0
PIDS = 100
"""A fold of the reference run takes 50 to 70 of them here: over half, where forecasts begin."""


def test_no_alert_over_a_full_healthy_training(pids_cgroup: RealCgroup, tmp_path: Path) -> None:
    """Real TensorFlow, Prometheus and Alertmanager; to the rules each second is a quarter minute."""
    pids_cgroup.limit(PIDS)
    port = free_port()
    join = 'echo $$ >"$0/cgroup.procs"; exec "$@"'
    command = [sys.executable, "-m", "foldwatch", "train", "--epochs", "1", "--port", str(port)]
    command += ["--output", str(tmp_path / "run")]
    with (
        receiver() as hook,
        stack(tmp_path, targets=f"127.0.0.1:{port}", webhook=hook.url, scale=SCALE) as servers,
    ):
        done = subprocess.run(
            ["sh", "-c", join, pids_cgroup.folder, *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        fullest = servers.query("max(max_over_time(foldwatch:ceiling_used:ratio[1h]))")
        fired = servers.query('last_over_time(ALERTS{alertstate="firing"}[1h])')
    assert done.returncode == 0, done.stderr
    assert "mean of 3 of 3" in done.stdout
    assert float(fullest[0]["value"][1]) > 0.4
    assert fired == []
    assert hook.received == []
    assert "foldwatch alert" not in done.stderr
