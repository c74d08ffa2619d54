"""The step that helps against the growth of a child process: whoever began it can end it in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.diagnosis.commands import RUN_FOLDS, filled_in, starts_ranks
from analyzer.diagnosis.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.growth.child_growth import ChildGrowth

_STEPS = {
    "DataLoader worker": "let the DataLoader's workers end with each epoch (persistent_workers=False)",
    "loky worker": "end joblib's workers after each fold (joblib.externals.loky.get_reusable_executor().shutdown())",
    "Ray worker": "let a Ray worker end after some tasks (max_calls of ray.remote), or an actor after some calls",
    "multiprocessing worker": "let a pool's workers end after some tasks (maxtasksperchild)",
    "forked worker": "let a pool's workers end after some tasks (maxtasksperchild)",
    "forkserver's worker": "let a pool's workers end after some tasks (maxtasksperchild)",
}
_OF_A_RANK = (
    "start torchrun anew for each fold, and from a checkpoint of the model within a long one"
)
_ELSE = "end and restart it before it is full"
_RECORD = "telemetry.start(run_dir=..., attribute=True) in its own program tells in which function"


def child_remedies(
    children: Sequence[ChildGrowth], *, argv: Sequence[str] = (), folds: int | None = None
) -> Iterator[Remedy]:
    """Give a step for each role that grows, the worst first.

    Args:
        children: Those that grow.
        argv: What the process was started with that began them; empty where that is not known.
        folds: How many folds its labels plan.
    """
    anew = filled_in(RUN_FOLDS, argv=argv, folds=folds) if starts_ranks(argv) else None
    told: set[str] = set()
    for child in children:
        step = (
            _OF_A_RANK if child.role.startswith("torchrun rank") else _STEPS.get(child.role, _ELSE)
        )
        if step in told:
            continue
        told.add(step)
        resource = next(name for axis in child.axes for name in axis)
        text = f"{step}: what {child.name} keeps ends with it; {_RECORD}"
        yield Remedy(resource, text, anew if step == _OF_A_RANK else None)
