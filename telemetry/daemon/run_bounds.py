"""How much is kept of one run, of whatever many hosts, ranks, folds and stages its journals tell.

Each member has bounds of its own; these are of all together. They lie above what has room among a run's series.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from telemetry.daemon.run_member import RunMember

FOLDS_OF_RUN = 4_000
CHECKPOINTS_OF_RUN = 10_000
"""More than two for each of FOLDS_OF_RUN."""
LEFT_OUT = f"more than {FOLDS_OF_RUN:,} folds or {CHECKPOINTS_OF_RUN:,} checkpoints: the oldest are left out"


def make_room(own: RunMember, members: Collection[RunMember]) -> bool:
    """Make room for a fold of ``own``, if there is none: that of the member with most folds; return whether."""
    if sum(len(member.folds) for member in members) < FOLDS_OF_RUN:
        return False
    max((own, *members), key=lambda member: len(member.folds)).make_place()
    return True


def thin_checkpoints(members: Collection[RunMember]) -> bool:
    """Leave only the first and the last checkpoint of the folds that are wanted least, if there are too many in all.

    Returns:
        Whether there were.
    """
    many = [
        (member.wanted(fold), number, fold, member)
        for number, member in enumerate(members)
        for fold, fold_snapshot in member.folds.items()
        if len(fold_snapshot.checkpoints) > 2
    ]
    count = sum(len(member.folds[fold].checkpoints) for *_, fold, member in many)
    if count <= CHECKPOINTS_OF_RUN:
        return False
    for _, _, fold, member in sorted(many, key=lambda one: one[:2]):
        if count <= CHECKPOINTS_OF_RUN * 9 // 10:  # so that it is not done at every record
            break
        known = member.folds[fold].checkpoints
        first, *_, last = known
        kept = {stage: known[stage] for stage in (first, last)}
        member.folds[fold] = replace(member.folds[fold], checkpoints=kept)
        count -= len(known) - len(kept)
    return True
