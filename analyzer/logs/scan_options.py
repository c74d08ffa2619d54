"""What a caller asks of the reading of logs beyond what is read of every one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.logs.label_budget import MOST_LABELS
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.logs.user_pattern import UserPattern
    from analyzer.signatures.signature import Signature


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What is read of a log: by a user's own expressions, for readings and for what ends a run, and how much is kept.

    Raises:
        InputError: The patterns name places only.
    """

    patterns: Sequence[UserPattern] = ()
    signatures: Sequence[Signature] = ()
    keeps_all: bool = False
    """Whether every reading is wanted, however many there are; else see `thinning`."""
    most_labels: int = MOST_LABELS
    """Of one stretch of a log; see `label_budget`."""

    def __post_init__(self) -> None:
        if self.patterns and not any(pattern.has_values for pattern in self.patterns):
            raise InputError(
                "--pattern: none names a value, only where values belong; add one with "
                "(?P<rss>...), (?P<gpu_memory>...) or another"
            )


PLAIN = ScanOptions()
