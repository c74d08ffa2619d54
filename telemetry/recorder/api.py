"""What a training script calls: `start`, `checkpoint`, `event`, `fold`.

Owns the one sampler of this process and what the environment says of it. Nothing here raises into
the training, whatever fails.

Environment, set by the fold runner: FOLDWATCH_RUN_DIR, FOLDWATCH_FOLD, FOLDWATCH_FOLDS, and
FOLDWATCH_SUPERVISED=1 where the runner samples this process from outside, so that it needs no timer.
"""

from __future__ import annotations

import os
import threading
from contextlib import ContextDecorator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from telemetry.reading import Reading
    from telemetry.recorder.sampler import Sampler, ThreadLineSink

_sampler: Sampler | None = None
_starting = threading.RLock()


def start(
    *,
    run_dir: str | os.PathLike[str] | None = None,
    port: int | None = None,
    address: str = "127.0.0.1",
    interval: float = 1.0,
    lines: ThreadLineSink = None,
) -> None:
    """Begin to record this process; a second call changes nothing.

    ``run_dir`` (or FOLDWATCH_RUN_DIR) is where the journal goes; without either there is none.
    ``port`` serves Prometheus metrics at http://address:port/metrics. ``interval`` seconds pass
    between samples that have no label; they are taken only where a journal or a port wants them.
    ``lines`` is a text stream or a logger for the ``[THREADS]`` lines, standard output by default.
    Never raises: what fails is logged once and the rest goes on.
    """
    global _sampler  # noqa: PLW0603 - a process has one sampler, as it has one standard output
    with _starting:
        if _sampler is None:
            # Loaded here: importing telemetry costs little, and what recording needs is loaded now,
            # before the training begins, never later.
            from telemetry.recorder.setup import begin  # noqa: PLC0415

            _sampler = begin(run_dir, port, address, interval, lines)
            os.register_at_fork(after_in_child=_after_fork)


def checkpoint(label: str, *, prefix: bool = True, with_map_kinds: bool = False) -> Reading:
    """Read now, write the ``[THREADS]`` line and the journal record, and return the reading.

    Inside `fold` the label gets ``Fold K/N`` in front unless ``prefix`` is false. ``with_map_kinds``
    also says of what kind the memory maps are, at twice the cost. Starts recording with the defaults
    where `start` was not called. Never raises.
    """
    return _started().checkpoint(label, prefix=prefix, with_map_kinds=with_map_kinds)


def event(name: str, **facts: object) -> None:
    """Append an event with its facts (JSON values) to the journal, where there is one. Never raises."""
    _started().event(name, facts)


def fold(number: int, *, of: int) -> AbstractContextManager[None]:
    """Give the checkpoints inside the ``with`` block the label prefix ``Fold number/of``."""
    return _started().fold(number, of=of)


class stage(ContextDecorator):  # noqa: N801 - used as a function: a decorator or a with block
    """Take the checkpoints ``before NAME`` and ``after NAME`` around a block or a function.

    The second one is taken also where the block raises, and the exception goes on.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        checkpoint(f"before {self._name}")

    def __exit__(self, *_: object) -> None:
        checkpoint(f"after {self._name}")


def _started() -> Sampler:
    start()
    assert _sampler is not None  # noqa: S101 - start() has just set it
    return _sampler


def _after_fork() -> None:
    """A forked child reads its own numbers and writes no journal: that one is its parent's."""
    global _starting  # noqa: PLW0603 - a thread that the child does not have may hold it
    _starting = threading.RLock()
    if _sampler is not None:
        _sampler.become_child()
