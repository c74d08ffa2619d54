"""The calls of a training script: `start`, `checkpoint`, `stage`, `fold`, `event`.

Rule: nothing here raises into a running training, whatever fails; a failure is logged once, by the
logger ``foldwatch``, and counted. Only the construction of an object before the training, such as
``telemetry.keras.Checkpoints(every=0)``, may raise.

Environment, set by the fold runner: FOLDWATCH_RUN_DIR, FOLDWATCH_FOLD, FOLDWATCH_FOLDS, and
FOLDWATCH_SUPERVISED=1 if the runner samples this process from outside, so that it needs no timer.
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
    """Begin to record this process; a second call changes nothing. Never raises.

    Args:
        run_dir: The directory of the journal; FOLDWATCH_RUN_DIR by default. Without either there is no
            journal.
        port: Serve Prometheus metrics at ``http://address:port/metrics``.
        address: The address of that port.
        interval: Seconds between samples without a label. They are taken only if there is a journal or
            a port.
        lines: A text stream or a logger for the ``[THREADS]`` lines; standard output by default.
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
    """Read now, write the ``[THREADS]`` line and the journal record. Never raises.

    Starts recording with the defaults if `start` was not called.

    Args:
        label: The text of the label. Inside `fold` it gets ``Fold K/N`` in front.
        prefix: Whether it does.
        with_map_kinds: Read the kinds of the memory maps too, at twice the cost.

    Returns:
        The reading. A number that could not be read is None, and ``errors`` says why.
    """
    return _started().checkpoint(label, prefix=prefix, with_map_kinds=with_map_kinds)


def event(name: str, **facts: object) -> None:
    """Append an event to the journal, if there is one. Never raises.

    Args:
        name: The event's name.
        **facts: Values that JSON has a form for.
    """
    _started().event(name, facts)


def fold(number: int, *, of: int) -> AbstractContextManager[None]:
    """Give the checkpoints inside the ``with`` block the label prefix ``Fold number/of``.

    Never raises: numbers that make no sense (``fold(5, of=3)``) are logged once, and the prefix is
    written as it was asked for.

    Args:
        number: The fold, from 1 to ``of``.
        of: The number of folds.
    """
    return _started().fold(number, of=of)


class stage(ContextDecorator):  # noqa: N801 - used as a function: a decorator or a with block
    """Take the checkpoints ``before NAME`` and ``after NAME`` around a block or a function.

    The second one is taken also if the block raises, and the exception goes on. It raises nothing of
    its own.

    Args:
        name: The stage's name.
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
