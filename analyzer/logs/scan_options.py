"""What a caller asks of the reading of logs beyond what is read of every one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.logs.user_pattern import UserPattern
    from analyzer.signatures.signature import Signature


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """A user's own expressions: for readings, and for what ends a run."""

    patterns: Sequence[UserPattern] = ()
    signatures: Sequence[Signature] = ()


PLAIN = ScanOptions()
