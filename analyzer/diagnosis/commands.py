"""The commands of the steps, with what a record knows: the script, its arguments and the number of folds."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from telemetry.late_pattern import late_pattern
from telemetry.masking import is_masked, masked

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN_FOLDS = "foldwatch run --folds N -- COMMAND {fold}"
"""Each fold in a process of its own."""
RUN = "foldwatch run -- COMMAND"
RUN_EPOCHS = r"foldwatch run --checkpoint-pattern 'Epoch (?P<epoch>\d+)' -- COMMAND"
"""With a reading at each line that names an epoch."""
TRAIN = "foldwatch train --isolation process"
_OF_TRAINER = "trainer/worker/__main__.py"
_FOLD = late_pattern(
    r"(?P<name>-{0,2}[\w.-]*fold(?!s)[\w-]*)(?:=(?P<number>\d{1,6}))?", re.IGNORECASE | re.ASCII
)
_SAFE = late_pattern(r"[\w./=:+-]*\{fold\}[\w./=:+-]*", re.ASCII)
"""A word with a fold's place in it that a shell leaves as it is."""
_NO_SCRIPT = late_pattern(r"|-.*|.*\bipykernel(?:_launcher)?\b.*", re.DOTALL)
"""What stands for the script of a program that has none: ``python -c``, a notebook, an interpreter."""
_LAUNCHERS = frozenset(
    {
        "torchrun",
        "torch.distributed.run",
        "torch.distributed.launch",
        "accelerate",
        "deepspeed",
        "horovodrun",
    }
    | {"srun", "mpirun", "mpiexec", "mpiexec.hydra"}
)
"""What starts the ranks of a training: by itself, or as a module of Python's."""
MOST_CHARACTERS = 120
"""Of a command line that is repeated; of a longer one the script is."""


def filled_in(command: str, *, argv: Sequence[str] = (), folds: int | None = None) -> str:
    """Return ``command`` with what is known in place of N and COMMAND.

    Args:
        command: `RUN_FOLDS`, `RUN`, `RUN_EPOCHS`, or any other, which stays as it is.
        argv: What the recorded process was started with; empty where that is not known.
        folds: How many folds its labels plan.
    """
    if command == RUN_FOLDS and argv and argv[0].endswith(_OF_TRAINER):
        return TRAIN
    if command not in {RUN, RUN_FOLDS, RUN_EPOCHS}:
        return command
    command = command.replace("--folds N", f"--folds {folds or 'N'}")
    if not argv or _NO_SCRIPT.fullmatch(argv[0]):
        return command
    if "{fold}" not in command:
        return command.replace("COMMAND", _shown(argv))
    words, of_fold = _with_fold(argv)
    return command.replace("COMMAND {fold}", _shown(words, of_fold))


def starts_ranks(argv: Sequence[str]) -> bool:
    """Whether a command line is a launcher's: ``torchrun``, ``srun``, ``python -m torch.distributed.run``, ..."""
    return any(word.rpartition("/")[2] in _LAUNCHERS for word in (*argv[:1], *argv[2:3]))


def _with_fold(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a command line with ``{fold}`` in place of the fold that it names, or at its end; and those words."""
    words = [*argv]
    for place in range(1, len(words)):
        match = _FOLD.fullmatch(words[place])
        if match is None:
            continue
        if match["number"]:
            words[place] = f"{match['name']}={{fold}}"
            return words, [words[place]]
        if words[place + 1 : place + 2] and words[place + 1].isdecimal():
            words[place + 1] = "{fold}"
            return words, words[place : place + 2]
    return [*words, "--fold", "{fold}"], ["--fold", "{fold}"]


def _shown(words: Sequence[str], of_fold: Sequence[str] = ()) -> str:
    """Return a command line for a shell; one that is long, or holds a secret, without its arguments."""
    python = ["python"] if words[0].endswith(".py") else []
    text = _joined([*python, *words])
    if len(text) <= MOST_CHARACTERS and text.isprintable() and not is_masked(masked(words)):
        return text
    name = words[0].rpartition("/")[2]
    script = name if name.isprintable() and len(name) <= MOST_CHARACTERS // 2 else "SCRIPT"
    return _joined([*python, script, "...", *of_fold])


def _joined(words: Sequence[str]) -> str:
    return " ".join(word if _SAFE.fullmatch(word) else shlex.quote(word) for word in words)
