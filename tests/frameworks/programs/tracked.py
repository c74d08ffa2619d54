"""Logs to MLflow and W&B at once: ``raise`` fails, ``gone`` has no server, ``late`` ends without a block."""

from __future__ import annotations

import json
import sys
import time

import mlflow
import wandb

import foldwatch

WHERE = "http://127.0.0.1:9" if "gone" in sys.argv else "sqlite:///mlflow.db"
mlflow.set_tracking_uri("sqlite:///mlflow.db")
run, open_run = (
    wandb.init(project="p", mode="offline", settings={"silent": True}),
    mlflow.start_run(),
)
mlflow.set_tracking_uri(WHERE)
with open("run_id", "w", encoding="utf-8") as file:
    file.write(open_run.info.run_id)


def train() -> None:
    """Take two labels for each step of the training's own."""
    for epoch in range(1, 6):
        foldwatch.checkpoint(f"epoch {epoch}")
        foldwatch.checkpoint("saved")
        run.log({"loss": 1 / epoch}, step=epoch)
    if "raise" in sys.argv:
        raise MemoryError("of the training")


began = time.monotonic()
if "late" in sys.argv:
    foldwatch.track("run")
    train()
else:
    with foldwatch.track("run"):
        train()
        spent = time.monotonic() - began
    told = {"tags": run.tags, "verdict": run.summary["foldwatch/verdict"], "step": run.step}
    print(json.dumps(told | {"seconds": spent}))
