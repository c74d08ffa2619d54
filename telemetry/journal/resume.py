"""`resume_command`: the command line that goes on with a run where it ended, from its run.json."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from telemetry.masking import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 500
"""Characters; a longer command is of more words than anybody types."""
_TRAIN_OPTIONS = {"folds": "--folds", "epochs": "--epochs", "device_mode": "--device-mode"}


def resume_command(directory: str, config: Mapping[str, object]) -> str:
    """Return it for the run in ``directory``, with its secrets masked; empty for one without a runner, or too long to show.

    Args:
        directory: Absolute.
        config: What run.json holds, which is untrusted; empty for none.
    """
    words = _words(config)
    if not words:
        return ""
    options = ["--resume-mode", "auto", "--output", directory]
    line = shlex.join(masked(["foldwatch", words[0], *options, *words[1:]]))
    return line if len(line) <= LONGEST else ""


def _words(config: Mapping[str, object]) -> list[str]:
    """Return the command, its options and arguments."""
    command, model = config.get("command"), config.get("model")
    if isinstance(command, (list, tuple)) and command:
        return ["run", "--folds", str(config.get("folds")), "--", *map(str, command)]
    if not isinstance(model, str):
        return []
    words = ["train", model]
    for name, option in _TRAIN_OPTIONS.items():
        if name in config:
            words += [option, str(config[name])]
    without = config.get("without")
    if isinstance(without, (list, tuple)) and without:
        words += ["--without", ",".join(map(str, without))]
    return words
