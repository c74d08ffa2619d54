"""`exporting_fold`: OpenTelemetry export by an agent that nobody listens to; else who has started it exports the run."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.alerts.engine import AlertEngine
from telemetry.daemon.run_follower import RunFollower
from telemetry.errors import InputError
from telemetry.journal.run_layout import RunLayout
from telemetry.otlp.export import exporting
from trainer.run.warning import warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.otlp.export import OtlpExport
    from telemetry.snapshot import Snapshot
    from trainer.agent.order import Order

VARIABLE = "FOLDWATCH_OTLP"
LOOK_SECONDS = 1.0
"""Between two looks into the fold's journal, and at most for one."""


@contextmanager
def exporting_fold(order: Order) -> Iterator[None]:
    """Export the fold of ``order`` if the environment says so; what cannot be used there costs the export, not the fold."""
    with ExitStack() as until_the_end:
        try:
            if option := os.environ.get(VARIABLE):
                export = until_the_end.enter_context(exporting(option))
                until_the_end.callback(_FoldLook(order, export).close)
        except InputError as error:
            warn(f"{VARIABLE}: {error}")
        yield


class _FoldLook:
    """Follows the journal of one fold in a thread, for an export and its alerts."""

    def __init__(self, order: Order, export: OtlpExport) -> None:
        self._fold, self._layout = order.fold, RunLayout(order.run_dir)
        self._follower: RunFollower | None = None
        self._engine = AlertEngine(export.alert)
        self._snapshots: tuple[Snapshot, ...] = ()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="foldwatch-look", daemon=True)
        export.watch(lambda: self._snapshots)
        with suppress(RuntimeError):  # no thread to be had: the fold goes on without
            self._thread.start()

    def close(self) -> None:
        """Look once more, for LOOK_SECONDS at most."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join(LOOK_SECONDS)

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            self._look()
        self._look()
        self._engine.close(time.time())

    def _look(self) -> None:
        journal = self._layout.journal(self._fold)
        if self._follower is None and os.path.exists(journal):
            self._follower = RunFollower(self._layout.path, self._layout.name, [journal])
        if self._follower is not None:
            now = time.time()
            self._follower.collect(until=time.monotonic() + LOOK_SECONDS, now=now)
            self._snapshots = tuple(map(self._own, self._follower.snapshots))
            self._engine.observe(self._snapshots, now, steady=time.monotonic())

    def _own(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot without the folds that other agents run, who export them."""
        own = tuple(one for one in snapshot.folds if one.fold == self._fold)
        return replace(snapshot, folds=own, fold_count=None)
