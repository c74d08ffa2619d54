"""`Training`: trains folds one after another in a process, whatever the model.

In this order: the model's module (and TensorFlow with it), the devices, then fold by fold.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import telemetry
from telemetry.errors import InputError
from telemetry.journal.private_files import make_folder
from trainer.worker.data_digest import data_digest
from trainer.worker.devices import Devices
from trainer.worker.fold import Fold
from trainer.worker.model_loader import load_function

if TYPE_CHECKING:
    from trainer.run.config import RunConfig


class Training:
    """The model of a run, loaded. Invariant: until the first `train` no device is touched."""

    def __init__(self, config: RunConfig, *, devices: Devices | None = None) -> None:
        """Import the model's module, and TensorFlow if it uses that.

        ``devices`` are those of another training in this process, which has its devices once.

        Raises:
            InputError: There is no such model.
            Exception: Any that the module raises; no fold has begun yet.
        """
        telemetry.checkpoint("before TF import")
        self._function = load_function(config.model)
        telemetry.checkpoint("after TF import")
        self.data_digest = data_digest(config.model, folds=config.folds, seed=config.seed)
        """Of the data and its split. Taken now, since the source may be edited later."""
        self._config = config
        self.devices = devices or Devices(config.device_mode)
        self._kept: list[dict[str, object]] = []
        """The objects of each fold if clean-up is switched off, kept as by a script's own lists."""

    def train(self, number: int, folder: str) -> dict[str, float]:
        """Train fold ``number`` with its files in ``folder``; return its metrics.

        Raises:
            InputError: The function returns no metrics.
            Exception: Any that the function raises.
        """
        if "tensorflow" in sys.modules:
            with suppress(InputError):  # raised again if the function uses the strategy
                _ = self.devices.strategy  # before the fold's own labels
        make_folder(folder)
        fold = self._fold(number, folder)
        with telemetry.fold(number, of=self._config.folds):
            fold.checkpoint("START")
            _seed_generators(fold.seed)
            metrics = self._metrics(self._function(fold))
            if fold.clean_up() is None:
                self._kept.append(fold.held.objects)
            fold.checkpoint("AFTER CLEANUP")
            if "settle" not in self._config.without:
                telemetry.settle()
        return metrics

    def _fold(self, number: int, folder: str) -> Fold:
        return Fold(
            number=number,
            folds=self._config.folds,
            epochs=self._config.epochs,
            seed=self._config.seed + number,
            split_seed=self._config.seed,
            folder=folder,
            devices=self.devices,
            without=frozenset(self._config.without),
        )

    def _metrics(self, returned: object) -> dict[str, float]:
        try:
            if not isinstance(returned, Mapping) or not returned:
                raise TypeError  # noqa: TRY301 - one message for every return value that is not metrics
            return {str(name): float(value) for name, value in returned.items()}
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{self._config.model} returned {returned!r:.80}; return metrics: a dict of numbers"
            ) from error


def _seed_generators(seed: int) -> None:
    """Seed the random generators of the libraries that the model has loaded."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(seed)
        return
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed)
