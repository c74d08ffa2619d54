"""The configuration of a run: everything that its results depend on, and its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TypeAlias

REFERENCE = "trainer.reference:train"
"""The model that is trained by default."""
PIPELINE_VERSION = 2
"""Raised when the reference pipeline changes what a fold computes, so old results are not mixed in."""
MITIGATIONS = ("caps", "bounds", "cleanup", "settle", "isolation")
"""The measures against growth; ``--without`` switches them off, to show the effect of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that a fold's result depends on."""

    folds: int
    epochs: int
    device_mode: str
    seed: int = 7
    model: str = REFERENCE
    """``package.module:function``, the function that trains a fold."""
    without: tuple[str, ...] = ()
    """Names of MITIGATIONS that are switched off."""
    pipeline: str = f"reference {PIPELINE_VERSION}"

    def digest(self) -> str:
        """A hash that two configurations share only if their results may be averaged."""
        return _digest(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandConfig:
    """The configuration of a run of any command: its line, before ``{fold}`` is filled in."""

    folds: int
    command: tuple[str, ...]

    def digest(self) -> str:
        """A hash that two command lines share only if they are the same."""
        return _digest(self)


Config: TypeAlias = RunConfig | CommandConfig


def _digest(config: Config) -> str:
    text = json.dumps(asdict(config), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
