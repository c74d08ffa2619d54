"""`AttemptPool`: the live attempts of a run: submitted, reused, started ahead, dismissed."""

from __future__ import annotations

import selectors
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.journal.run_layout import fold_name
from telemetry.reading import Reading
from trainer.agent.room import ADMISSION_SECONDS
from trainer.run.lease import remove_leases
from trainer.run.own_folder import open_to_owner
from trainer.run.warning import explained
from trainer.runner.attempt import Attempt
from trainer.runner.forecast import shortage_for_next_fold
from trainer.runner.needs import Needs

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence

    from telemetry.journal.records import Record
    from trainer.run.directory import RunDirectory
    from trainer.run.job import RunOptions
    from trainer.runner.engine import Engine
    from trainer.runner.gpus import GpuPool
    from trainer.runner.observer import RunObserver
    from trainer.runner.orders import Orders
    from trainer.runner.run_state import RunState

LAST_STAGES = frozenset({"after Stage 2 fit"})
LEAD_SECONDS = 10.0
"""Before a fold's end, estimated by the length of the one before: enough to import TensorFlow."""


class FoldNotStartedError(Exception):
    """No agent could be had for a fold; ``outcome`` is that of its failure.json."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


class AttemptPool:
    """The live attempts of a run. Close it with nothing left in it."""

    def __init__(  # noqa: PLR0913 - what to run, how, and who watches
        self,
        directory: RunDirectory,
        orders: Orders,
        options: RunOptions,
        observer: RunObserver,
        *,
        engine: Engine,
        gpus: GpuPool | None = None,
        admission_seconds: float = ADMISSION_SECONDS,
    ) -> None:
        self._directory, self._orders, self._options = directory, orders, options
        self._observer = observer
        self._engine = engine
        self._gpus = gpus
        self._attempts: list[Attempt] = []
        self._needs = Needs()
        self._admission_seconds = admission_seconds
        self._waits_since: float | None = None
        self._announced: set[int] = set()
        self._messages: set[str] = set()
        self._prestarted: set[int] = set()
        self._typical_seconds: float | None = None

    def __iter__(self) -> Iterator[Attempt]:
        """Iterate over a copy: an attempt that ended is removed meanwhile."""
        return iter(list(self._attempts))

    def __len__(self) -> int:
        """Return the number of live attempts."""
        return len(self._attempts)

    @property
    def busy(self) -> int:
        """How many attempts run a fold now, or wait for room for it."""
        return sum(attempt.fold is not None for attempt in self._attempts)

    def start(self, fold: int, *, has_next: bool) -> bool:
        """Let an attempt run ``fold``; whether one does, or the fold must wait.

        Raises:
            FoldNotStartedError: No agent could be started.
        """
        if any(attempt.waits_for for attempt in self._attempts):
            return False  # there is no room for another one
        for attempt in self._attempts:
            if attempt.fold is None and not attempt.is_dismissed:
                if attempt.reserved_for == fold or self._can_reuse(attempt, fold):
                    if attempt.order.fold is None:
                        remove_leases(self._directory.path, fold_name(fold))
                    attempt.give(fold)
                    return True
                if not self._options.is_isolated:
                    return False
        if not self._options.is_isolated and self._attempts:
            return False  # the one that is recycled must be gone
        fresh = self._submit(fold, need=self._needs.of_a_fold, has_next=has_next)
        if fresh is not None and not self._options.is_isolated:
            remove_leases(self._directory.path, fold_name(fold))
            fresh.give(fold)
        return fresh is not None

    def start_ahead(self, fold: int, state: RunState) -> None:
        """Start the next worker while a fold is in its last stage, if both fit; else it starts when its turn comes."""
        if fold in self._prestarted or not any(self._is_late(a, state) for a in self._attempts):
            return
        self._prestarted.add(fold)  # tried once, even if it fails
        with suppress(FoldNotStartedError):
            self._submit(fold, need=self._needs.of_waiting, is_ahead=True, has_next=False)

    def wait(self, wakes: socket.socket, *, seconds: float) -> None:
        """Wait until an agent says something, ``wakes`` becomes readable, or ``seconds`` are over."""
        with (
            selectors.PollSelector() as selector
        ):  # it takes no descriptor, of which there may be none left
            selector.register(wakes, selectors.EVENT_READ)
            for attempt in self._attempts:
                selector.register(attempt.socket, selectors.EVENT_READ)
            selector.select(seconds)

    def end(self, reason: str, *, at_once: bool) -> None:
        """End every attempt, as `Attempt.end` does."""
        for attempt in self._attempts:
            attempt.end(reason, at_once=at_once)

    def dismiss_idle(self) -> None:
        """Dismiss every process without a fold."""
        for attempt in self._attempts:
            if attempt.fold is None and not attempt.is_dismissed:
                attempt.dismiss()

    def refuse_waiting(self) -> None:
        """Announce what waits for room, and refuse it once nothing else lives that could free some."""
        waiting = [attempt for attempt in self._attempts if attempt.waits_for]
        if not waiting:
            self._waits_since = None
            return
        self._waits_since = self._waits_since or time.monotonic()
        for attempt in waiting:
            if attempt.fold is not None and attempt.fold not in self._announced:
                self._announced.add(attempt.fold)
                self._observer.on_message(
                    f"fold {attempt.fold}: waiting for headroom; {attempt.waits_for}"
                )
        is_over = time.monotonic() - self._waits_since > self._admission_seconds
        if is_over and len(waiting) == len(self._attempts):
            for attempt in waiting:
                attempt.refuse()

    def show_output(self, attempt: Attempt, *, is_over: bool = False) -> None:
        """Show the lines that its fold wrote since; the last one needs no line end if it ``is_over``."""
        lines = attempt.lines(is_over=is_over)
        if attempt.fold is not None:
            for line in lines:
                self._observer.on_output(attempt.fold, line)

    def pass_on_messages(self, attempt: Attempt) -> None:
        """Tell what its agent has to say; the same of several agents once."""
        for text in attempt.messages:
            if text not in self._messages:
                self._messages.add(text)
                self._observer.on_message(text)
        attempt.messages.clear()

    def note_records(self, records: Sequence[Record]) -> None:
        """Note from a worker's journal what a loaded worker needs."""
        for record in records:
            if isinstance(record, Reading):
                self._needs.note_checkpoint(record)

    def note_finished(self, peaks: Mapping[int, Mapping[str, int]], *, seconds: float) -> None:
        """Note what a finished fold has needed: ``peaks`` by the folds of its process."""
        self._typical_seconds = seconds
        self._needs.note_fold(next(iter(peaks.values()), {}))

    def remove(self, attempt: Attempt) -> set[int]:
        """Forget an attempt whose agent has ended; return the agents that live."""
        self._attempts.remove(attempt)
        self._give_back(attempt.gpus)
        pids = {other.pid for other in self._attempts if other.pid is not None}
        return pids | self._engine.agents_ahead

    def close(self) -> None:
        """Close the descriptors, and leave the cgroups as they were."""
        self._engine.close()

    def _can_reuse(self, attempt: Attempt, fold: int) -> bool:
        """Whether the process takes this fold too; else recycle it and report why."""
        if self._options.is_isolated:
            return False
        if self._options.isolation == "none" or not attempt.peaks:
            return True
        shortage = shortage_for_next_fold(list(attempt.peaks.values()), attempt.limits)
        if shortage is None:
            return True
        self._observer.on_message(f"fold {fold}: in a fresh process; in the one before, {shortage}")
        attempt.dismiss(why=str(shortage), fold=fold)
        return False

    def _submit(
        self, fold: int, *, need: Mapping[str, int], has_next: bool, is_ahead: bool = False
    ) -> Attempt | None:
        """Give an agent its order; None where no GPU is free for it."""
        gpus = () if self._gpus is None else self._gpus.take()
        if gpus is None:
            return None
        open_to_owner(self._directory.path)  # the fold before may have closed it
        order = self._orders.order(fold, need=need, is_ahead=is_ahead, gpus=gpus)
        if order.fold is not None:
            remove_leases(self._directory.path, fold_name(fold))
        try:
            agent = self._engine.submit(order, has_next=has_next)
        except OSError as error:
            self._give_back(gpus)
            raise FoldNotStartedError(
                "not started", f"cannot be started: {explained(error)}"
            ) from error
        if gpus:
            self._observer.on_message(f"fold {fold}: GPU {', '.join(gpus)}")
        shows = self._options.shows_output
        self._attempts.append(Attempt(agent, order, self._directory, shows_output=shows, gpus=gpus))
        return self._attempts[-1]

    def _give_back(self, gpus: tuple[str, ...]) -> None:
        if self._gpus is not None:
            self._gpus.give_back(gpus)

    def _is_late(self, attempt: Attempt, state: RunState) -> bool:
        if attempt.fold is None:
            return False
        stages = state[attempt.fold].checkpoints.keys()
        expected = self._typical_seconds
        seconds = time.monotonic() - attempt.fold_began
        return bool(LAST_STAGES & stages) or (
            expected is not None and seconds > expected - LEAD_SECONDS
        )
