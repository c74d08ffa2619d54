"""What a run is: its configuration, its directory, and which of its folds are to do.

Owns run.json, the layout of a run directory, and what ``--resume-mode`` does to one. Nothing is ever
deleted: what a run replaces is moved into ``previous-N/``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TypeAlias

REFERENCE = "trainer.reference:train"
"""The model that is trained by default."""
PIPELINE_VERSION = 2
"""Raised when the reference pipeline changes what a fold computes, so old results are not mixed in."""
MITIGATIONS = ("caps", "bounds", "cleanup", "isolation")
"""What keeps a run from growing; ``--without`` switches it off, to show what it is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that a fold's result depends on."""

    folds: int
    epochs: int
    device_mode: str
    seed: int = 7
    model: str = REFERENCE
    """``package.module:function``: what trains a fold."""
    without: tuple[str, ...] = ()
    """Names of REMEDIES that are switched off."""
    pipeline: str = f"reference {PIPELINE_VERSION}"

    def digest(self) -> str:
        """A hash that two configurations share only if their results may be averaged."""
        return _digest(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandConfig:
    """What is known of a run of somebody's command: its line, before ``{fold}`` is filled in."""

    folds: int
    command: tuple[str, ...]

    def digest(self) -> str:
        """A hash that two command lines share only if they are the same."""
        return _digest(self)


Config: TypeAlias = RunConfig | CommandConfig


def _digest(config: Config) -> str:
    text = json.dumps(asdict(config), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
