"""Callbacks that label a training: a checkpoint for each epoch or trial, and one on an exception.

``telemetry.keras.Checkpoints`` is Keras's. No module here imports a framework at the top: a function imports the one that
it is named after, which the caller has loaded. Lightning accepts only instances of its own class, so each callback is
derived from the framework's class when it is made.
"""

from __future__ import annotations

import math
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from telemetry.interruption import class_name
from telemetry.recorder.api import checkpoint, settle

if TYPE_CHECKING:
    from collections.abc import Callable


class EpochLabels:
    """Takes the checkpoint ``epoch E`` at the end of every ``every``-th epoch and of the last one."""

    def __init__(self, *, every: int = 1, settle_every: int = 0) -> None:
        if every < 1:
            raise ValueError(f"every={every}: a checkpoint every 1 or more epochs")
        if settle_every < 0:
            raise ValueError(f"settle_every={settle_every}: 0, or every 1 or more epochs")
        super().__init__()
        self._every, self._settle_every = every, settle_every

    def _end_epoch(self, number: int, *, is_last: bool) -> None:
        if is_last or number % self._every == 0:
            checkpoint(f"epoch {number}")
        if self._settle_every and number % self._settle_every == 0:
            settle()


class LightningHooks(EpochLabels):
    """The hooks of Lightning's callback."""

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        """Lightning counts epochs from 0, and has validated by now."""
        number = trainer.current_epoch + 1
        self._end_epoch(number, is_last=number == trainer.max_epochs)

    def on_exception(self, _trainer: Any, _module: Any, exception: BaseException) -> None:
        """Take the numbers while everything that the training holds is still there."""
        checkpoint(f"exception {class_name(exception)}")

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return partial(lightning, every=self._every, settle_every=self._settle_every), ()


class TransformersHooks(EpochLabels):
    """The hooks of Transformers's callback, which has none for an exception."""

    def on_epoch_end(self, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
        """``state.epoch`` is a fraction if the last epoch is cut short by ``max_steps``."""
        number = math.ceil((state.epoch or 0) - 1e-6)
        is_last = number >= state.num_train_epochs or state.global_step >= state.max_steps
        self._end_epoch(number, is_last=is_last)

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return partial(transformers, every=self._every, settle_every=self._settle_every), ()


class TrialLabels:
    """Optuna calls it with each trial that has ended."""

    def __init__(self, *, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"every={every}: a checkpoint every 1 or more trials")
        self._every = every

    def __call__(self, _study: Any, trial: Any) -> None:
        """Take the checkpoint; Optuna counts trials from 0."""
        if trial.state.name == "FAIL":
            checkpoint(f"trial {trial.number} failed")
        elif (trial.number + 1) % self._every == 0:
            checkpoint(f"trial {trial.number}")


def lightning(*, every: int = 1, settle_every: int = 0) -> Any:
    """Return a callback for Lightning: ``Trainer(callbacks=[telemetry.callbacks.lightning()])``.

    It takes a checkpoint ``epoch E`` after the validation of each epoch, and ``exception NAME`` if the training raises.

    Args:
        every: The number of epochs from one checkpoint to the next, at least 1. The last epoch always has one.
        settle_every: The number of epochs from one `telemetry.settle` to the next; 0: none.

    Returns:
        A ``Callback`` of ``lightning.pytorch`` or ``pytorch_lightning``, or of both if both are loaded.

    Raises:
        ImportError: Lightning is not installed.
        ValueError: ``every`` is under 1, or ``settle_every`` under 0.
    """
    cls = _derived(LightningHooks, "Callback", "lightning.pytorch", "pytorch_lightning")
    return cls(every=every, settle_every=settle_every)


def transformers(*, every: int = 1, settle_every: int = 0) -> Any:
    """Return a callback for Hugging Face: ``Trainer(..., callbacks=[telemetry.callbacks.transformers()])``.

    It takes a checkpoint ``epoch E`` at the end of each epoch. Transformers has no hook for an exception: put
    ``with telemetry.stage("fit"):`` around ``trainer.train()`` to have a checkpoint then, too.

    Args:
        every: The number of epochs from one checkpoint to the next, at least 1. The last epoch always has one.
        settle_every: The number of epochs from one `telemetry.settle` to the next; 0: none.

    Returns:
        A ``transformers.TrainerCallback``.

    Raises:
        ImportError: Transformers is not installed.
        ValueError: ``every`` is under 1, or ``settle_every`` under 0.
    """
    cls = _derived(TransformersHooks, "TrainerCallback", "transformers")
    return cls(every=every, settle_every=settle_every)


def optuna(*, every: int = 1) -> Callable[[Any, Any], None]:
    """Return a callback for Optuna: ``study.optimize(objective, callbacks=[telemetry.callbacks.optuna()])``.

    It takes a checkpoint ``trial N`` after each trial, and ``trial N failed`` after one that failed and that ``catch=``
    lets pass. Growth is judged from trial to trial as it is from epoch to epoch.

    Args:
        every: The number of trials from one checkpoint to the next, at least 1.

    Raises:
        ValueError: ``every`` is under 1.
    """
    return TrialLabels(every=every)


def _derived(hooks: type, base: str, *modules: str) -> type:
    """Return a class of the hooks and of the framework's class, in each of ``modules`` that is loaded."""
    loaded = [sys.modules[name] for name in modules if name in sys.modules]
    bases = [getattr(module, base) for module in loaded or [import_module(modules[0])]]
    return type("Checkpoints", (hooks, *bases), {"__doc__": hooks.__doc__})
