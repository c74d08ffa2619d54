"""`Sampler`: takes readings of this process at labels and on a timer, and hands them to the sinks.

After construction no method raises, and `begin_timer` alone starts a thread: the training must not be harmed.
"""

from __future__ import annotations

import logging
import operator
import os
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from telemetry.interruption import class_name, message_of, pass_on
from telemetry.journal import typed
from telemetry.journal.records import Event
from telemetry.kernel.reader import reader_beside_training
from telemetry.reading import PEAKS, Reading, latest_known, with_stage
from telemetry.recorder.last_words import ATTRIBUTED, RAISED, record_once
from telemetry.recorder.open_folds import FoldBlock, OpenFold, OpenFolds
from telemetry.recorder.sample_timer import SampleTimer
from telemetry.recorder.watched_sample import WatchedSample
from telemetry.thread_line import Label, format_line, parse_label, thread_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.journal.records import Record
    from telemetry.journal.writer import JournalWriter
    from telemetry.kernel.reader import Reader
    from telemetry.recorder.attributed import CodeAtWork

ThreadLineSink: TypeAlias = TextIO | logging.Logger | None
"""Where ``[THREADS]`` lines go: a text stream, a logger (at INFO), or None for sys.stdout."""

LONGEST_LABEL = 4096
"""Characters of a label, and of an event's name."""

logger = logging.getLogger("foldwatch")


def _check_fold(number: object, of: object) -> None:
    """Raise ValueError if it is no fold of so many; whole numbers of NumPy count as well."""
    try:
        is_fold = 1 <= operator.index(number) <= operator.index(of)  # type: ignore[arg-type] # TypeError says that it is none
    except TypeError as error:
        pass_on(error)
        is_fold = False
    if not is_fold:
        raise ValueError(f"fold({number!r:.40}, of={of!r:.40}): these numbers make no sense")


def _as_text(label: object) -> str:
    try:
        return str.__str__(str(label))  # not a text of a class that redefines what a text does
    except Exception as error:  # noqa: BLE001 - a label of the user's own making may raise anything
        pass_on(error)
        return f"(a label that raises {class_name(error)})"


def readable(value: object) -> object:
    """Return ``value`` where JSON has a form for it; else a number that it stands for, or its text, cut."""
    forms: tuple[Callable[[Any], object], ...] = (lambda own: own, operator.index, float)
    for form in forms:
        try:
            return typed.plain("", form(value))
        except Exception as error:  # noqa: BLE001 - a value of the user's own type may raise anything
            pass_on(error)
    return _as_text(value)[:LONGEST_LABEL]


def is_true(value: object, failed: Callable[[str], None]) -> bool:
    """Return the truth of a switch; what has none, such as an array, is told to ``failed`` and counts as given."""
    try:
        return bool(value)
    except Exception as error:  # noqa: BLE001 - a value of the user's own type may raise anything
        pass_on(error)
        failed(f"{class_name(error)}: {message_of(error)}")
        return True


def _write_line(sink: ThreadLineSink, reading: Reading, *, rank: str) -> None:
    line = format_line(thread_line(reading, rank=rank))
    if isinstance(sink, logging.Logger):
        sink.info("%s", line)
        return
    stream = sys.stdout if sink is None else sink
    stream.flush()
    try:
        stream.write(line + "\n")
    except UnicodeEncodeError as error:
        pass_on(error)
        stream.write(line.encode("ascii", "backslashreplace").decode() + "\n")
    stream.flush()


class Sampler:
    """Takes readings through ``reader`` for one process.

    Invariant: each failure of a source or a sink costs its own part only, is counted by its name, and logged once.
    """

    def __init__(
        self,
        *,
        reader: Reader,
        journal: JournalWriter | None = None,
        lines: ThreadLineSink = None,
        line_rank: str = "",
    ) -> None:
        self.latest: Reading | None = None
        self.checkpoints: dict[str, Reading] = {}
        """The last reading of each stage, for the metrics; at most STAGES_KEPT."""
        self.error_counts: dict[str, int] = {}
        """How often each source or sink failed."""
        self._reader, self.journal = reader, journal
        self._write_line = partial(_write_line, lines, rank=line_rank)
        self._peaks: dict[str, int] = {}
        self._previous: Label | None = None
        self._folds, self._owner = OpenFolds(), os.getpid()
        # Reentrant: a signal handler may take a checkpoint while one is being taken.
        self._lock = threading.RLock()
        self._timer: SampleTimer | None = None
        self.listeners: list[Callable[[Reading], object]] = []  # must not block
        self.code: CodeAtWork | None = None
        """Follows the calls inside which something grows, if that is asked for."""

    def hold(self) -> None:
        """Open what will be read, while descriptors and memory are still to be had."""
        self.attempt("hold", self._reader.hold)

    def begin_timer(self, interval_seconds: float) -> None:
        """Take a sample every so many seconds from now on. A call that was interrupted may be made again."""
        if self._timer is None:
            watched = WatchedSample(self.sample, self.record, self.attempt, self._look)
            self._timer = SampleTimer(watched.take, interval_seconds, self.record_failure)
        self._timer.begin()

    def checkpoint(
        self, text: str, *, prefix: bool = True, with_map_kinds: bool = False
    ) -> Reading:
        """Read now under a label, write the line and the record, and return the reading.

        The reading carries the peaks since the label before it, and starts them anew. Inside `fold` the label gets
        its ``Fold K/N`` in front, unless it has one or ``prefix`` is false. When this returns, the kernel has the record.
        """
        text = self._label_text(text)
        with_maps = is_true(with_map_kinds, partial(self.record_failure, "map_kinds"))
        is_wanted = is_true(prefix, partial(self.record_failure, "prefix"))
        fold = self._folds.present if is_wanted else None
        if fold and not parse_label(text).names_fold:
            text = f"Fold {fold.number}/{fold.of} {text}"
        with self._lock:
            # Of several open folds none is the one before: this thread may have been started in any of them.
            is_of_none = self._folds.are_several or self._folds.is_past
            before = None if is_of_none else self._previous
            label = parse_label(text, previous=before)
            self._previous = label
            reading = self._take(label, with_map_kinds=with_maps)
            self._peaks = {}
            self.record(reading)
            self.checkpoints = with_stage(self.checkpoints, label.stage, reading)
        # Without the lock: a slow standard output must not stop the other threads and the timer.
        self.attempt("line", lambda: self._write_line(reading))
        self.attempt("listener", lambda: [tell(reading) for tell in tuple(self.listeners)])
        if (code := self.code) is not None:
            self.attempt("attribution", code.go_on)
        return reading

    def sample(
        self, *, before: Reading | None = None, holds_back: Callable[[Reading], bool] | None = None
    ) -> Reading:
        """Read now without a label, in the fold that runs; write it, unless it is held back, with what ``before`` has more."""
        with self._lock:
            reading = latest_known(before, self._take(None))
            if holds_back is None or not holds_back(reading):
                self.record(reading)
            return reading

    def event(self, name: str, facts: Mapping[str, object]) -> None:
        """Append an event to the journal, if there is one; what JSON has no form for, such as NaN, is written as text."""
        try:
            known = {typed.text("", key): typed.plain(key, value) for key, value in facts.items()}
        except Exception as error:  # noqa: BLE001 - a value of the user's own type may raise anything
            pass_on(error)
            self.record_failure("event", f"{message_of(error)}; it is written as text")
            known = {_as_text(key)[:LONGEST_LABEL]: readable(value) for key, value in facts.items()}
        own_name = _as_text(name)[:LONGEST_LABEL]
        self.record(Event(time=time.time(), pid=os.getpid(), name=own_name, facts=known))

    def record_raised(self, error: BaseException) -> None:
        """Append an exception that ends a fold or the process, once on its way up."""
        record_once(error, partial(self.event, RAISED))

    def record(self, record: Record) -> None:
        """Append ``record`` to the journal, if there is one and it is this process's own."""
        journal = self.journal
        if journal is not None and os.getpid() == self._owner:
            self.attempt("journal", lambda: journal.write(record))

    def fold(self, number: int, *, of: int) -> FoldBlock:
        """Put ``Fold number/of`` in front of the labels of the checkpoints inside."""
        self.attempt("fold", lambda: _check_fold(number, of))
        opened = OpenFold(_as_text(number), _as_text(of))
        return FoldBlock(self._folds, opened, self._note_end_of_fold)

    def _note_end_of_fold(self, error: BaseException | None) -> None:
        self.record_attributed()
        if error is not None:
            self.attempt("exception", partial(self.record_raised, error))

    def record_attributed(self) -> None:
        """Append inside which calls something has grown so far, if they are followed."""
        if (code := self.code) is not None:
            self.attempt("attribution", lambda: self.event(ATTRIBUTED, code.facts()))

    def stop(self) -> None:
        """End the timer; checkpoints go on working."""
        if self._timer is not None:
            self._timer.stop()

    def record_failure(self, source: str, why: str) -> None:
        """Count a failure of ``source`` and log the first one of each."""
        self.error_counts[source] = self.error_counts.get(source, 0) + 1
        if self.error_counts[source] == 1:
            words = "foldwatch: %s failed: %s; training goes on, later failures are counted only"
            try:
                logger.warning(words, source, why)
            except Exception as error:  # noqa: BLE001 - a handler of the user's may raise
                pass_on(error)

    def become_child(self) -> None:
        """Go on in a forked child: own numbers, no journal, no timer, no lock a lost thread holds."""
        self._lock, self._reader = threading.RLock(), reader_beside_training()
        self.journal = self._timer = self.code = None

    def _look(self) -> None:
        self._reader.children.look()

    def _take(self, label: Label | None, *, with_map_kinds: bool = False) -> Reading:
        belongs_to = label or self._fold_of_a_sample()
        read = self._read(in_full=label is not None, with_map_kinds=with_map_kinds)
        for name in PEAKS:
            value: int | None = getattr(read, name)
            if value is not None:
                self._peaks[name] = max(value, self._peaks.get(name, value))
        reading = replace(
            read,
            peaks=dict(self._peaks) if label else {},
            label=label.text if label else None,
            stage=label.stage if label else None,
            fold=belongs_to.fold if belongs_to else None,
            folds=belongs_to.folds if belongs_to else None,
        )
        self.latest = latest_known(self.latest, reading)
        return reading

    def _label_text(self, label: object) -> str:
        text = _as_text(label)
        if len(text) <= LONGEST_LABEL:
            return text
        self.record_failure(
            "label", f"longer than {LONGEST_LABEL} characters; the rest is left out"
        )
        return f"{text[:LONGEST_LABEL]}..."

    def _fold_of_a_sample(self) -> Label | None:
        """Return the label that names the fold of a sample: the open fold's, else the last one that was taken."""
        if self._folds.are_several:
            return None
        fold = self._folds.only
        return self._previous if fold is None else parse_label(f"Fold {fold.number}/{fold.of} ")

    def _read(self, *, in_full: bool, with_map_kinds: bool) -> Reading:
        try:
            if self._reader.is_lost:  # code that becomes a daemon closes every descriptor
                self._reader = reader_beside_training()
            reading = self._reader.read(in_full=in_full, with_map_kinds=with_map_kinds)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with telemetry, the training goes on
            pass_on(error)
            why = f"{class_name(error)}: {message_of(error)}"
            reading = Reading(time=time.time(), pid=os.getpid(), errors={"reader": why})
        for source, why in reading.errors.items():
            self.record_failure(source, why)
        return reading

    def attempt(self, sink: str, write: Callable[[], object]) -> None:
        """Call ``write``; what it raises is counted as a failure of ``sink`` and goes no further.

        What a signal handler of the training raises meanwhile goes its way.
        """
        try:
            write()
        except Exception as error:  # noqa: BLE001 - a stream or logger of the user's may raise anything, and telemetry must not harm the training
            pass_on(error)
            self.record_failure(sink, message_of(error) or class_name(error))
