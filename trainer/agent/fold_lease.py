"""`FoldLease`: the lease of the fold that an agent runs now, or is to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.journal.run_layout import fold_name
from trainer.agent.exit_code import ExitCode
from trainer.run.lease import Lease, LeaseHeldError
from trainer.run.warning import explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.agent.fold_outcome import OutcomeWriter
    from trainer.agent.order import Order
    from trainer.agent.starter import Starter


class FoldLease:
    """Takes and gives back one lease after another; what comes of one that is not to be had is in ``outcomes``."""

    def __init__(
        self,
        order: Order,
        starter: Starter,
        outcomes: OutcomeWriter,
        *,
        is_wanted: Callable[[], bool],
    ) -> None:
        """``is_wanted`` tells whether nobody has asked the agent to end."""
        self._order, self._starter, self._outcomes = order, starter, outcomes
        self._is_wanted = is_wanted
        self.held: Lease | None = None

    @property
    def token(self) -> str:
        """Of the lease that it holds; empty without one."""
        return "" if self.held is None else self.held.token

    def take(self, fold: int) -> bool:
        """Take the fold's lease, also from one that is silent; whether it is held.

        A fold that is finished is not run again by an agent that nobody listens to: a scheduler may repeat it.
        """
        may_be_finished = not self._starter.listens

        def tell(who: str) -> None:
            nonlocal may_be_finished
            may_be_finished = True
            self._starter.log(f"fold {fold}: waits, since {who} runs it")

        try:
            self.held = Lease.take(
                self._order.run_dir,
                fold_name(fold),
                seconds=self._order.lease_seconds,
                is_guarded=self._order.lock is not None,
                patience=2 * self._order.lease_seconds,
                is_wanted=lambda: (
                    self._is_wanted() and not (may_be_finished and self._outcomes.is_finished(fold))
                ),
                on_wait=tell,
            )
        except LeaseHeldError as error:
            self._do_without(fold, error)
        except OSError as error:
            self._outcomes.refuse(fold, "not started", f"cannot be started: {explained(error)}")
        return self.held is not None

    def _do_without(self, fold: int, error: LeaseHeldError) -> None:
        """Say why the fold is not run: it is finished meanwhile, nobody wants it any more, or another one runs it."""
        if self._outcomes.is_finished(fold):
            self._starter.log(f"fold {fold}: finished already")
            self._starter.say("ended", fold=fold)
        elif not self._is_wanted():
            self._outcomes.exit_code = ExitCode.STOPPED
        else:
            self._starter.log(f"fold {fold}: {error} runs it")
            self._outcomes.lose(fold, f"{error} runs it")

    def is_lost(self) -> bool:
        """Whether another one has taken what it held."""
        if self.held is None or self.held.is_present():
            return False
        self._outcomes.lose(self._order.fold, self.held.why_lost)
        return True

    def release(self) -> None:
        """Give back what it holds."""
        if self.held is not None:
            self.held.release()
            self.held = None
