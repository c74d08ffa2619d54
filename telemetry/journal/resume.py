"""`resume_command`: the command line that goes on with a run where it ended, from its run.json."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from telemetry.masking import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.journal.run_layout import RunLayout

LONGEST = 500
"""Characters; a longer command is of more words than anybody types."""
_TRAIN_OPTIONS = {"folds": "--folds", "epochs": "--epochs", "device_mode": "--device-mode"}


def resume_command(layout: RunLayout) -> str:
    """Return it, with its secrets masked; empty for a run without a runner, or with a command too long to show."""
    words = _words(layout.configured())
    if not words:
        return ""
    options = ["--resume-mode", "auto", "--output", layout.path]
    line = shlex.join(masked(["foldwatch", words[0], *options, *words[1:]]))
    return line if len(line) <= LONGEST else ""


def _words(config: Mapping[str, object]) -> list[str]:
    """Return the command, its options and arguments, from a configuration, which is untrusted."""
    command, model = config.get("command"), config.get("model")
    if isinstance(command, list) and command:
        return ["run", "--folds", str(config.get("folds")), "--", *map(str, command)]
    if not isinstance(model, str):
        return []
    words = ["train", model]
    for name, option in _TRAIN_OPTIONS.items():
        if name in config:
            words += [option, str(config[name])]
    without = config.get("without")
    if isinstance(without, list) and without:
        words += ["--without", ",".join(map(str, without))]
    return words
