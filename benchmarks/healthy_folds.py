"""Whether healthy folds raise an alert: the reference pipeline in all its forms, with each remedy switched off over two folds.

``python -m benchmarks.healthy_folds 200 SEED`` prints an object per run and the sums. What grows without a remedy is no
false alarm where it is really there: each fold has a process of its own here, so that nothing does.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
from typing import Any

from trainer.run.config import MITIGATIONS

FOLDS = 2
FORMS = {
    "--device-mode": ("cpu", "single", "multi"),
    "--epochs": ("1", "2", "3"),
    "--parallel": ("1", "2"),
    "--cgroup-pids": (None, "2000"),
    "--memory": (None, "4G"),
}
SWITCHED_OFF = (
    None,
    *(one for one in MITIGATIONS if one != "isolation"),
    ",".join(one for one in MITIGATIONS if one != "isolation"),
)


def main() -> int:
    """Run until so many folds are over; 1 if an alert came or a fold failed."""
    wanted, seed = int(sys.argv[1]), int(sys.argv[2])
    chance, folds, alerts, failed = random.Random(seed), 0, 0, 0
    while folds < wanted:
        for without in SWITCHED_OFF:
            found = run_once(
                without, {name: chance.choice(values) for name, values in FORMS.items()}
            )
            print(json.dumps(found), flush=True)
            folds, alerts = folds + FOLDS, alerts + len(found["alerts"])
            failed += found["exit_code"] != 0
    print(json.dumps({"seed": seed, "folds": folds, "alerts": alerts, "runs_failed": failed}))
    return int(alerts > 0 or failed > 0)


def run_once(without: str | None, form: dict[str, str | None]) -> dict[str, Any]:
    """Train two folds, and return what was told of them."""
    options = [word for name, value in form.items() if value for word in (name, value)]
    if without:
        options += ["--without", without]
    with tempfile.TemporaryDirectory() as place:
        told = os.path.join(place, "alerts")
        command = [sys.executable, "-m", "foldwatch", "train", "--folds", str(FOLDS)]
        command += ["--output", os.path.join(place, "run"), *options]
        command += ["--alert-command", shlex.join(("tee", "--append", told))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = open(told, encoding="utf-8").read() if os.path.exists(told) else ""  # noqa: SIM115
    alerts = [json.loads(line) for line in lines.replace("}{", "}\n{").splitlines() if line]
    return {
        "without": without,
        "options": options,
        "exit_code": done.returncode,
        "verdict": done.stdout.strip().splitlines()[-1:],
        "alerts": [one["commonLabels"] for one in alerts],
    }


if __name__ == "__main__":
    sys.exit(main())
