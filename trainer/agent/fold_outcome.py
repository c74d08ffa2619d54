"""`OutcomeWriter`: writes how a fold ended, judged where it ran: its result, or why it left none."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.file_fault import reason
from telemetry.journal.run_layout import METRICS, RunLayout
from trainer.agent.exit_code import ExitCode
from trainer.agent.metrics_file import read_metrics
from trainer.process.launcher import ExitStatus
from trainer.run.directory import RunDirectory
from trainer.run.fold_result import FoldResult, read_result
from trainer.run.warning import explained, warn
from trainer.run.worker_protocol import metrics_name, result_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.agent.fold_failure import FoldFailure
    from trainer.agent.order import Order
    from trainer.process.fold_process import FoldProcess
    from trainer.run.lease import Lease


class OutcomeWriter:
    """Writes the results and failures of one agent, and tells its starter of them."""

    def __init__(
        self,
        order: Order,
        say: Callable[..., None],
        *,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take whom to tell, and what tells whether nobody has asked to end."""
        self.exit_code = ExitCode.FINISHED
        """What the last outcome is to a scheduler."""
        self._order = order
        self._directory = RunDirectory(order.run_dir)
        self._say, self._is_wanted = say, is_wanted

    def record(
        self, process: FoldProcess, fold: int, status: ExitStatus | None, lease: Lease
    ) -> None:
        """Write how ``fold`` ended, if it is still this agent's to say.

        ``status`` is how the process ended; None if it lives on, to run another fold.
        """
        if not lease.is_present():
            self.lose(fold, lease.why_lost)
            return
        result, end_reason, refused = None, process.end_reason, None
        try:
            keep_metrics(self._directory.fold(fold), lease.token)
            result = result_left(self._order, process, fold, status, token=lease.token)
            if result is not None:
                self._directory.publish(result)
        except OSError as error:
            warn(f"fold {fold}: {explained(error)}")
            result, refused = None, error
            if self._order.is_persistent or earns_result(process, status):
                end_reason = f"no result: its result could not be written: {reason(error)}"
        if result is not None:
            self.exit_code = ExitCode.FINISHED
            self._say("ended", fold=fold)
            return
        failure = why_none(
            process,
            fold,
            status,
            end_reason=end_reason,
            token=lease.token,
            is_wanted=self._is_wanted,
        )
        if lease.is_present():  # it took a while
            self._disown_result(fold, token=lease.token)
            self._write(failure, refused)
        if not lease.is_present():  # this process may have been stopped in between
            self._take_back(fold, token=lease.token)
            self.lose(fold, lease.why_lost)

    def lose(self, fold: int | None, why: str) -> None:
        """Tell that the fold is another one's: nothing of it is written here."""
        self.exit_code = ExitCode.LEASE_LOST
        self._say("refused", fold=fold, outcome="no result", reason=f"its lease was lost: {why}")

    def is_finished(self, fold: int) -> bool:
        """Whether there is a result of the fold that counts, of the same configuration."""
        found = self._directory.result(fold)
        return found is not None and found.config_digest == self._order.config_digest

    def refuse(self, fold: int | None, outcome: str, reason: str) -> None:
        """Write that a fold did not begin, or tell it where a process is for several."""
        from trainer.agent.fold_failure import not_run  # noqa: PLC0415 - see why_none

        self.exit_code = ExitCode.NOT_STARTED
        if fold is None:
            self._say("refused", outcome=outcome, reason=reason)
        elif not self._order.is_ahead:  # else it is tried again when its turn comes
            self._write(not_run(fold, outcome, reason), None)

    def _write(self, failure: FoldFailure, refused: OSError | None) -> None:
        """Write failure.json; on a full disk, which may have ``refused`` a result before, tell what would be in it."""
        self.exit_code = failure.agent_exit_code
        try:
            failure.write(self._directory.fold(failure.fold))
        except OSError as error:
            if refused is None:
                warn(f"fold {failure.fold}: {explained(error)}")
            self._say("unwritten", fold=failure.fold, failure=failure.as_json(), errno=error.errno)
        else:
            self._say("ended", fold=failure.fold, errno=refused and refused.errno)

    def _take_back(self, fold: int, *, token: str) -> None:
        """Remove the failure that was written after another one had taken the lease."""
        from trainer.agent.fold_failure import read_failure  # noqa: PLC0415 - see why_none

        path = self._directory.layout.failure(fold)
        found = read_failure(path)
        if found is not None and found.attempt == token:
            with suppress(OSError):
                os.unlink(path)

    def _disown_result(self, fold: int, *, token: str) -> None:
        """Move away what lies in the place of a result: the fold has left none that counts."""
        try:
            self._directory.disown_result(fold, token=token)
        except OSError as error:
            warn(f"fold {fold}: what lies in its result's place stays: {explained(error)}")


def keep_metrics(fold_dir: str, token: str) -> None:
    """Give the numbers that a command has left their name, also where it has failed. Raises OSError."""
    with suppress(FileNotFoundError):
        os.replace(os.path.join(fold_dir, metrics_name(token)), os.path.join(fold_dir, METRICS))


def result_left(
    order: Order, process: FoldProcess, fold: int, status: ExitStatus | None, *, token: str
) -> FoldResult | None:
    """Return the whole result that a fold has left, or that its command has earned by exit code 0.

    Args:
        order: What was to run.
        process: The one that ran the fold.
        fold: Its number.
        status: How the process ended; None if it lives on, to run another fold.
        token: Of the lease under which it ran.

    Raises:
        OSError: What it has left cannot be put in its place.
    """
    fold_dir = RunLayout(order.run_dir).fold_dir(fold)
    if order.is_persistent:
        found = read_result(os.path.join(fold_dir, result_name(token)))
        is_own = found is not None and found.fold == fold <= found.folds
        return replace(found, attempt=token) if found is not None and is_own else None
    if not earns_result(process, status):
        return None
    return FoldResult(
        fold=fold,
        folds=order.folds,
        config_digest=order.config_digest,
        metrics=read_metrics(os.path.join(fold_dir, METRICS)),
        seconds=time.monotonic() - process.fold_began,
        attempt=token,
    )


def earns_result(process: FoldProcess, status: ExitStatus | None) -> bool:
    """Whether a command has ended by itself, and well: else it has its own reason to have no result."""
    return status is not None and status.exit_code == 0 and process.end_reason is None


def why_none(  # noqa: PLR0913 - each argument is another fact about the end
    process: FoldProcess,
    fold: int,
    status: ExitStatus | None,
    *,
    end_reason: str | None,
    token: str,
    is_wanted: Callable[[], bool],
) -> FoldFailure:
    """Return why a fold left no result; ``end_reason`` is why the process was ended, None if it ended by itself."""
    # Loaded for a failure alone: an agent is to be small, and the analyzer is not.
    from trainer.agent.fold_failure import explain, not_run  # noqa: PLC0415

    try:
        return explain(
            fold,
            status or ExitStatus(0, None),
            fold_dir=process.fold_dir,
            pid=process.pid,
            end_reason=end_reason,
            seconds=time.monotonic() - process.fold_began,
            attempt=token,
            is_wanted=is_wanted,
        )
    except Exception as error:  # noqa: BLE001 - whatever is in its files, it is said that it failed
        reason = f"no result: its files cannot be judged: {type(error).__name__}: {error}"
        return replace(not_run(fold, "no result", reason), attempt=token)
