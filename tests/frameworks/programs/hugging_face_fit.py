"""Trains with Transformers's Trainer: ``raise`` fails, ``cut`` stops in the second epoch by ``max_steps``."""

from __future__ import annotations

import sys

import torch
from transformers import Trainer, TrainingArguments

import telemetry

telemetry.start(run_dir="run")


class Model(torch.nn.Module):
    """One layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, inputs, labels):
        """Fail if that is wanted."""
        if "raise" in sys.argv:
            raise MemoryError
        return {"loss": (self.layer(inputs) - labels).pow(2).mean()}


rows = [{"inputs": torch.randn(4), "labels": torch.randn(1)} for _ in range(32)]
steps = 6 if "cut" in sys.argv else -1
arguments = TrainingArguments(
    "out", num_train_epochs=3, max_steps=steps, save_strategy="no", report_to="none", use_cpu=True
)
trainer = Trainer(
    model=Model(),
    args=arguments,
    train_dataset=rows,
    callbacks=[telemetry.callbacks.transformers(every=2)],
)
with telemetry.stage("fit"):
    trainer.train()
