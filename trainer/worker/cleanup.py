"""The clean-up after a fold: it releases the Python objects that the fold leaves behind.

In this order: the fold's objects, Keras's global state, the reference cycles that both held, and the gradients
that TensorFlow registered for graphs that are gone. It cannot free the state of TensorFlow's C++ side
(kernels, rendezvous, shared thread pools); only the end of the process does.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.kernel.reader import reader_beside_training
from telemetry.reading_difference import difference
from telemetry.thread_line import MEBIBYTE
from trainer.worker.leak_search import RetainedObject, find_survivors, watch

if TYPE_CHECKING:
    from telemetry.reading import Reading
    from telemetry.reading_difference import Difference

_CUSTOM_GRADIENT = "tensorflow.python.ops.custom_gradient"


@dataclass(frozen=True, slots=True)
class CleanUp:
    """The result of one clean-up: readings before and after, and the objects that are still alive."""

    before: Reading
    after: Reading
    survivors: tuple[RetainedObject, ...]
    gradients_forgotten: int

    @property
    def changed(self) -> Difference:
        """After minus before: freed amounts are negative."""
        return difference(self.before, self.after)

    def facts(self) -> dict[str, Any]:
        """Return it as the facts of a journal's event."""
        return {
            "changed": dict(self.changed.numbers),
            "pools": dict(self.changed.pools),
            "gradients_forgotten": self.gradients_forgotten,
            "survivors": [str(survivor) for survivor in self.survivors],
        }

    def __str__(self) -> str:
        """Return one line, memory in MB of 2**20 bytes."""
        sentence = ", ".join(
            _change(word, getattr(self.before, name), getattr(self.after, name), unit)
            for word, name, unit in (
                ("threads", "threads", 1),
                ("maps", "maps", 1),
                ("rss MB", "rss_bytes", MEBIBYTE),
            )
        )
        alive = "; still alive: ".join(["", "; ".join(map(str, self.survivors))])
        return sentence + (alive if self.survivors else "; nothing of it is alive")


def _change(word: str, before: int | None, after: int | None, unit: int) -> str:
    amounts = ["?" if value is None else f"{round(value / unit):,}" for value in (before, after)]
    return f"{word} {amounts[0]} -> {amounts[1]}"


def clean_up(held: dict[str, object], *, gradients: frozenset[str] | None = None) -> CleanUp:
    """Empty ``held``, clear Keras's session, collect garbage twice, and find the objects still alive.

    Twice, because finalizers of the first pass leave new garbage.

    Args:
        held: The objects that must be gone afterwards, by name; it is emptied.
        gradients: At the end of a fold, the `custom_gradients` of its start: if no object survived, later
            ones are removed.
    """
    reader = reader_beside_training()
    try:
        before = reader.read()
        watched = watch(held)
        held.clear()
        _clear_session()
        gc.collect()
        is_gone = all(reference() is None for reference in watched.values())
        forgotten = _forget(gradients) if gradients is not None and is_gone else 0
        gc.collect()
        return CleanUp(before, reader.read(), find_survivors(watched), forgotten)
    finally:
        reader.close()


def custom_gradients() -> frozenset[str]:
    """Return the names of the custom gradients that graphs traced so far have registered.

    TensorFlow 2.21 registers one under a new name each time that it traces a function decorated with
    ``tf.custom_gradient``, and never takes it out again (tensorflow/python/ops/custom_gradient.py,
    ``_graph_mode_decorator``). Keras 3's optimizers trace one in every train function, strategy or not:
    ``ReplicaContext.all_reduce`` of the gradients. Each keeps the whole graph of its function: 50,000
    Python objects and 30 MB of the reference run's every fold, which ``clear_session`` does not free.
    """
    return frozenset(
        name
        for name, entry in _registry().items()
        if getattr(entry.get("type"), "__module__", "") == _CUSTOM_GRADIENT
    )


def _registry() -> dict[str, Any]:
    """Return TensorFlow's table of gradients; empty if it is not loaded, or has no such table."""
    ops = sys.modules.get("tensorflow.python.framework.ops")
    registry = getattr(getattr(ops, "gradient_registry", None), "_registry", None)
    return registry if isinstance(registry, dict) else {}


def _forget(gradients: frozenset[str]) -> int:
    """Remove the custom gradients that were registered after ``gradients``; return how many."""
    later = custom_gradients() - gradients
    for name in later:
        del _registry()[name]
    return len(later)


def _clear_session() -> None:
    """Clear the state of Keras and TensorFlow, if loaded; this module loads neither."""
    if keras := sys.modules.get("keras"):
        keras.utils.clear_session(
            free_memory=False
        )  # it would only collect garbage, which comes next
    if tf := sys.modules.get("tensorflow"):
        for gpu in tf.config.list_logical_devices("GPU"):
            # The next fold's peak must not include the memory of this one's tensors.
            tf.config.experimental.reset_memory_stats(gpu.name)
