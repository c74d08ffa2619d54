"""What a fold leaves behind in Python, given back at its end.

Owns the order: the fold's objects first, then Keras's global state, then the cycles that both held,
then the gradients that TensorFlow remembers of graphs that are gone. It cannot free what TensorFlow's
C++ side keeps (kernels, rendezvous, shared thread pools); only the end of the process does. It must
not know what the objects are.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.kernel.reader import Reader
from telemetry.reading_difference import difference
from telemetry.thread_line import MEBIBYTE
from trainer.worker.leak_search import RetainedObject, find_survivors, watch

if TYPE_CHECKING:
    from telemetry.reading import Reading
    from telemetry.reading_difference import Difference

_CUSTOM_GRADIENT = "tensorflow.python.ops.custom_gradient"


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What one clean-up came to: readings around it, and what outlived it."""

    before: Reading
    after: Reading
    survivors: tuple[RetainedObject, ...]
    gradients_forgotten: int

    @property
    def changed(self) -> Difference:
        """After minus before: what was freed is negative."""
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
        """Say it in one line, memory in MB of 2**20 bytes."""
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
    words = ["?" if value is None else f"{round(value / unit):,}" for value in (before, after)]
    return f"{word} {words[0]} -> {words[1]}"


def clean_up(held: dict[str, object], *, gradients: frozenset[str] | None = None) -> CleanUp:
    """Empty ``held``, clear Keras's session, collect twice, and say what came of it.

    Twice, because finalizers of the first pass leave new garbage. Of ``held`` nothing may be alive
    afterwards; what is, is named with its holder. At the end of a fold ``gradients`` are those that
    were `custom_gradients` at its start: where nothing survived, later ones are forgotten.
    """
    reader = Reader()
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
    """TensorFlow's table of gradients; empty where it is not loaded, or keeps it another way."""
    ops = sys.modules.get("tensorflow.python.framework.ops")
    found = getattr(getattr(ops, "gradient_registry", None), "_registry", None)
    return found if isinstance(found, dict) else {}


def _forget(gradients: frozenset[str]) -> int:
    """Take out the custom gradients that came after ``gradients``; return how many."""
    later = custom_gradients() - gradients
    for name in later:
        del _registry()[name]
    return len(later)


def _clear_session() -> None:
    """Clear what a fold's process has loaded; this module loads neither."""
    if keras := sys.modules.get("keras"):
        keras.utils.clear_session(free_memory=False)  # it would only collect, which comes next
    if tf := sys.modules.get("tensorflow"):
        for gpu in tf.config.list_logical_devices("GPU"):
            # What its tensors took is free again for the next fold; the peak must be that fold's own.
            tf.config.experimental.reset_memory_stats(gpu.name)
