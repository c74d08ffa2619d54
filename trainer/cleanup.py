"""What a fold leaves behind in Python, given back at its end.

Owns the order: the fold's objects first, then Keras's global state, then the cycles that both held.
It cannot free what TensorFlow's C++ side keeps (kernels, rendezvous, shared thread pools); only the
end of the process does. It must not know what the objects are.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from telemetry.comparison import difference
from telemetry.reader import Reader
from telemetry.thread_log import MEBIBYTE
from trainer.survivors import Survivor, find_survivors, watch

if TYPE_CHECKING:
    from telemetry.comparison import Difference
    from telemetry.reading import Reading


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What one clean-up came to: readings around it, and what outlived it."""

    before: Reading
    after: Reading
    survivors: tuple[Survivor, ...]

    @property
    def changed(self) -> Difference:
        """After minus before: what was freed is negative."""
        return difference(self.before, self.after)

    def facts(self) -> dict[str, Any]:
        """Return it as the facts of a journal's event."""
        return {
            "changed": dict(self.changed.numbers),
            "pools": dict(self.changed.pools),
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


def clean_up(held: dict[str, object]) -> CleanUp:
    """Empty ``held``, clear Keras's session, collect twice, and say what came of it.

    Twice, because finalizers of the first pass leave new garbage. Of ``held`` nothing may be alive
    afterwards; what is, is named with its holder.
    """
    reader = Reader()
    try:
        before = reader.read()
        watched = watch(held)
        held.clear()
        _clear_session()
        gc.collect()
        gc.collect()
        return CleanUp(before, reader.read(), find_survivors(watched))
    finally:
        reader.close()


def _clear_session() -> None:
    """Clear what a fold's process has loaded; this module loads neither."""
    if keras := sys.modules.get("keras"):
        keras.utils.clear_session(free_memory=True)
    if tf := sys.modules.get("tensorflow"):
        for gpu in tf.config.list_logical_devices("GPU"):
            # What its tensors took is free again for the next fold; the peak must be that fold's own.
            tf.config.experimental.reset_memory_stats(gpu.name)
