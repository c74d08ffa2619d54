"""Trains with Lightning; ``raise`` fails in the third epoch, ``other`` takes the package's other name."""

from __future__ import annotations

import pickle
import sys

if "other" in sys.argv:
    import pytorch_lightning as pl
else:
    import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

import telemetry

telemetry.start(run_dir="run")


class Model(pl.LightningModule):
    """One layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, _):
        """Fail if that is wanted."""
        if "raise" in sys.argv and self.current_epoch == 2:
            raise RuntimeError("can't start new thread")
        return self.layer(batch[0]).pow(2).mean()

    def validation_step(self, batch, _):
        """Show that validation comes first."""
        if batch[0] is not None and self.current_epoch == 0 and not self.trainer.sanity_checking:
            telemetry.checkpoint("validated")

    def configure_optimizers(self):
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


rows = DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=8)
callback = pickle.loads(pickle.dumps(telemetry.callbacks.lightning(every=2)))  # noqa: S301 - as ddp_spawn does
trainer = pl.Trainer(
    max_epochs=3,
    callbacks=[callback],
    logger=False,
    enable_progress_bar=False,
    enable_checkpointing=True,
    default_root_dir="checkpoints",
)
trainer.fit(Model(), rows, rows)
