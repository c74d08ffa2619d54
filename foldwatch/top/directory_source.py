"""`DirectorySource`: the runs below a directory, followed as `foldwatch serve` does, without a port."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from telemetry.alerts.engine import AlertEngine
from telemetry.daemon.daemon import Daemon
from telemetry.snapshot import RunKey
from telemetry.web.state_api import one_run, runs_in_short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foldwatch.top.watcher import Wanted
    from telemetry.alerts.alert import Alert
    from telemetry.daemon.history import History
    from telemetry.daemon.live_state import LiveState
    from telemetry.snapshot import ProcessGrowth, Snapshot

JUDGED_SHARE = 0.001
"""Of the time, at most, that runs are being judged."""


class DirectorySource:
    """Follows every run below a directory; alerts are judged here, and told to nobody else."""

    def __init__(self, directory: str) -> None:
        self.name = directory
        self._alerts = AlertEngine()
        self._board = _Board(self._alerts)
        self._daemon = Daemon(
            directory, judge=_judge, judged_share=JUDGED_SHARE, on_publish=self._publish
        )

    @property
    def is_settled(self) -> bool:
        """Whether all that is there was read and judged."""
        return self._daemon.is_settled

    def look(self, wanted: Wanted) -> dict[str, Any]:
        """Return the present state."""
        self._daemon.collect()
        board = cast("LiveState", self._board)
        full = None if wanted is None else one_run(board, RunKey(*wanted))
        return {**runs_in_short(board), "run": full}

    def close(self) -> None:
        """Nothing is held."""

    def _publish(self, snapshots: Sequence[Snapshot]) -> None:
        self._board.snapshots = tuple(snapshots)
        self._board.histories = self._daemon.histories()
        self._alerts.observe(snapshots, time.time(), steady=time.monotonic())


class _Board:
    """What a state is made of, as a `LiveState` has it, without its text for a scrape: that costs more than the rest."""

    def __init__(self, alerts: AlertEngine) -> None:
        self.snapshots: Sequence[Snapshot] = ()
        self.histories: Mapping[RunKey, History] = {}
        self.exposition = _NothingLeftOut()
        self.clock = time.time
        self._engine = alerts

    def alerts(self) -> Sequence[Alert]:
        return self._engine.active


class _NothingLeftOut:
    """Of an exposition that there is none of."""

    left_out: Mapping[RunKey, int] = MappingProxyType({})


def _judge(journals: Sequence[str]) -> tuple[ProcessGrowth, ...]:
    """Judge a run; what that needs is loaded here, in the thread that judges, after the first screen."""
    from trainer.runner.growth_so_far import judge_run  # noqa: PLC0415 - see above

    return judge_run(journals)
