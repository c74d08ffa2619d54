"""The calls of a training script: `start`, `checkpoint`, `stage`, `fold`, `event`, `settle`.

Rule: nothing here raises into a running training, whatever fails; a failure is logged once, by the
logger ``foldwatch``, and counted. Only the construction of an object before the training, such as
``telemetry.keras.Checkpoints(every=0)``, may raise.

FOLDWATCH=off in the environment makes every call do nothing, and load nothing.

Environment, set by the fold runner: FOLDWATCH_RUN_DIR, FOLDWATCH_FOLD, FOLDWATCH_FOLDS, and
FOLDWATCH_SUPERVISED=1 if the runner samples this process from outside, so that it needs no timer.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # no stubs; built in, so that nothing has to be loaded for it
import os
import threading
from typing import TYPE_CHECKING, Any

from telemetry.recorder.block_or_decorator import BlockOrDecorator

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from telemetry.reading import Reading
    from telemetry.recorder.sampler import Sampler, ThreadLineSink
    from telemetry.recorder.setup import Beginning

OFF = "off"
_OF_THE_THREAD_ITSELF = {_signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL}
"""As in own_thread, which is not loaded before recording begins."""
_sampler: Sampler | None = None
_beginning: Beginning | None = None
"""A start that has not come to its end: a signal handler of the training may have raised meanwhile."""
_starting = threading.RLock()
_is_starting = False
_is_off = False
"""Whether this is a child that was forked while its parent loaded the recorder: what is half loaded stays so here."""
_has_warned = False


def start(  # noqa: PLR0913 - each is an option of its own, given by name
    *,
    run_dir: str | os.PathLike[str] | None = None,
    port: int | None = None,
    address: str = "127.0.0.1",
    interval: float = 1.0,
    lines: ThreadLineSink = None,
    attribute: bool = False,
    quiet: bool = False,
) -> None:
    """Begin to record this process; a second call changes nothing. Never raises.

    Args:
        run_dir: The directory of the journal; FOLDWATCH_RUN_DIR by default. Without either there is no
            journal.
        port: Serve Prometheus metrics at ``http://address:port/metrics``. Of several ranks with one run directory that
            are given the same port, the one that has it serves all.
        address: The address of that port.
        interval: Seconds between samples without a label. They are taken only if there is a journal or
            a port.
        lines: A text stream or a logger for the ``[THREADS]`` lines; standard output by default.
        attribute: Follow the calls of this thread, and count inside which of them threads, maps, memory, descriptors and
            child processes grow, at no more than 0.5 % of wall time; it sets Python's profile function.
            FOLDWATCH_ATTRIBUTE=1 in the environment asks for it too. For the journal only.
        quiet: Leave out the line on standard error that says where is recorded, and the one at the end. FOLDWATCH_QUIET=1
            in the environment does so too. Of several ranks the first one alone has them.
    """
    try:
        _sampler_of(
            run_dir=run_dir,
            port=port,
            address=address,
            interval=interval,
            lines=lines,
            attribute=attribute,
            quiet=quiet,
        )
    except Exception as error:  # noqa: BLE001 - see _let_go
        _let_go(error)


def _sampler_of(**asked: Any) -> Sampler | None:
    """Return the sampler of this process, which has one as it has one standard output.

    None if the environment switches recording off, while it is being started (a signal handler may take a checkpoint
    then), and if starting failed; the next call tries again.
    """
    global _sampler, _beginning, _is_starting  # noqa: PLW0603
    if _sampler is not None or _is_off or os.environ.get("FOLDWATCH", "").strip().lower() == OFF:
        return _sampler
    with _starting:
        if _sampler is not None or _is_starting:
            return _sampler
        _is_starting = True
        try:
            _load(asked)
            from telemetry.recorder.asked import Asked  # noqa: PLC0415
            from telemetry.recorder.setup import Beginning  # noqa: PLC0415

            if _beginning is None:
                _beginning = Beginning(Asked(**asked))
            _sampler = _beginning.finish()
        except Exception as error:  # noqa: BLE001 - no descriptor left, a path that raises: the training goes on
            _warn(error)
        finally:
            _is_starting = False
        return _sampler


def present_sampler() -> Sampler | None:
    """Return what records this process, which begins if it has not; None if it cannot. Never raises."""
    try:
        return _sampler_of()
    except Exception as error:  # noqa: BLE001 - see _let_go
        _let_go(error)
        return None


def _load(asked: dict[str, Any]) -> None:
    """Load what recording needs now, before the training begins, never later: importing telemetry costs little.

    Python loses what a signal handler raises while it loads a module: it looks for a file, and takes an OSError for
    none, or ends a lock in a callback. So a signal waits meanwhile, unless it comes by way of another thread.
    """
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())  # a handler may raise in the call below
    try:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals() - _OF_THE_THREAD_ITSELF)
        from telemetry.recorder.setup import load  # noqa: PLC0415

        load(serves=asked.get("port") is not None, attribute=asked.get("attribute") is True)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def _warn(error: Exception) -> None:
    """Log once why recording did not begin; what a signal handler of the training raised goes its way."""
    global _has_warned  # noqa: PLW0603
    _pass_on(error)
    if _has_warned:
        return
    _has_warned = True
    try:
        import logging  # noqa: PLC0415

        words = "foldwatch: nothing is recorded yet: %s: %s; the training goes on"
        logging.getLogger("foldwatch").warning(words, type(error).__name__, error)
    except Exception as failure:  # noqa: BLE001 - a handler of the user's may raise
        _pass_on(failure)


def _pass_on(error: Exception) -> None:
    """Raise ``error`` again if it is the training's; what tells is loaded only now, for switched off nothing is."""
    try:
        from telemetry.interruption import pass_on  # noqa: PLC0415
    except (ImportError, OSError):  # there may be no descriptor left to load it with
        return
    pass_on(error)


def _let_go(error: Exception) -> None:
    """Raise ``error`` again if it is the training's.

    Else it came where nothing more could be done about it: at the end of the stack or of memory, or in a clock that
    the training has replaced.
    """
    try:
        _pass_on(error)
    except RecursionError as another:
        if another is error:
            raise


class _NoReading:
    """What a checkpoint returns where nothing is recorded: every field of a `Reading` is None, or empty."""

    def __getattr__(self, name: str) -> dict[str, object] | None:
        if name.startswith("__"):
            raise AttributeError(name)
        return {} if name in {"errors", "limits", "peaks"} else None


class _NoFold(BlockOrDecorator):
    """What `fold` returns where nothing is recorded."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


def checkpoint(label: str, *, prefix: bool = True, with_map_kinds: bool = False) -> Reading:
    """Read now, write the ``[THREADS]`` line and the journal record. Never raises.

    Starts recording with the defaults if `start` was not called.

    Args:
        label: The text of the label. Inside `fold` it gets ``Fold K/N`` in front.
        prefix: Whether it does.
        with_map_kinds: Read the kinds of the memory maps too, at twice the cost.

    Returns:
        The reading. A number that could not be read is None, and ``errors`` says why. Where nothing is recorded
        (FOLDWATCH=off), every field is None.
    """
    try:
        if (sampler := _sampler_of()) is not None:
            return sampler.checkpoint(label, prefix=prefix, with_map_kinds=with_map_kinds)
    except Exception as error:  # noqa: BLE001 - see _let_go
        _let_go(error)
    return _NoReading()  # type: ignore[return-value] # it has the same fields


def event(name: str, /, **facts: object) -> None:
    """Append an event to the journal, if there is one. Never raises.

    Args:
        name: The event's name.
        **facts: Values that JSON has a form for.
    """
    try:
        if (sampler := _sampler_of()) is not None:
            sampler.event(name, facts)
    except Exception as error:  # noqa: BLE001 - see _let_go
        _let_go(error)


def settle() -> None:
    """Let the C allocator give back what it keeps, and record the memory before and after. Never raises.

    At the end of a fold, after its last checkpoint: it tells memory that is held from memory that malloc keeps. It
    takes some milliseconds, in which other threads wait that allocate; FOLDWATCH_SETTLE=off in the environment makes it
    do nothing.
    """
    if os.environ.get("FOLDWATCH_SETTLE", "").strip().lower() == OFF:
        return
    try:
        if (sampler := _sampler_of()) is not None:
            sampler.attempt("settle", lambda: _settle(sampler))
    except Exception as error:  # noqa: BLE001 - see _let_go
        _let_go(error)


def _settle(sampler: Sampler) -> None:
    from telemetry.recorder.settling import settle as settle_now  # noqa: PLC0415 - it is loaded since the start

    settle_now(sampler)


def fold(number: int, *, of: int) -> AbstractContextManager[None]:
    """Give the checkpoints inside the ``with`` block the label prefix ``Fold number/of``.

    Never raises: numbers that make no sense (``fold(5, of=3)``) are logged once, and the prefix is
    written as it was asked for.

    Args:
        number: The fold, from 1 to ``of``.
        of: The number of folds.
    """
    try:
        if (sampler := _sampler_of()) is not None:
            return sampler.fold(number, of=of)
    except Exception as error:  # noqa: BLE001 - see _let_go
        _let_go(error)
    return _NoFold()


def _stage_label(when: str, name: object) -> str:
    try:
        return f"{when} {name}"
    except Exception as error:  # noqa: BLE001 - a name of the user's own making may raise anything
        _pass_on(error)
        return f"{when} (a name that raises {type(error).__name__})"


class stage(BlockOrDecorator):  # noqa: N801 - used as a function: a decorator or a with block
    """Take the checkpoints ``before NAME`` and ``after NAME`` around a block or a function.

    The second one is taken also if the block raises, and the exception goes on. It raises nothing of
    its own.

    Args:
        name: The stage's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        checkpoint(_stage_label("before", self._name))

    def __exit__(self, *_: object) -> None:
        checkpoint(_stage_label("after", self._name))


def _after_fork() -> None:
    """A forked child reads its own numbers and writes no journal: that one is its parent's."""
    global _starting, _beginning, _is_starting, _is_off  # noqa: PLW0603
    _is_off = _is_off or _is_starting
    _starting, _is_starting = (
        threading.RLock(),
        False,
    )  # a thread that the child does not have may hold it
    _beginning = None
    if _sampler is not None:
        _sampler.become_child()


# At import: a process may be forked while another thread is in its first start().
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
