"""The two lines of a recording on standard error: where it is, and at the end the command that judges it."""

from __future__ import annotations

import os
import shlex
import sys

from telemetry.interruption import pass_on
from telemetry.rank import own_rank
from telemetry.thread_line import clean_label


def is_quiet(asked: object) -> bool:
    """Whether they are left out: as asked for, below `foldwatch run`, which has lines of its own, and of all ranks but the first."""
    is_first = own_rank().number in {"", "0"}
    below_runner = os.environ.get("FOLDWATCH_SUPERVISED") == "1"
    return bool(asked) or os.environ.get("FOLDWATCH_QUIET") == "1" or below_runner or not is_first


def shown(path: str) -> str:
    """Return a path as the user's shell knows it: relative to the working directory, if it is below that."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError) as error:  # that directory is gone
        pass_on(error)
        return path
    return path if relative.startswith(os.pardir) else relative


def tell_where(journal: str | None, url: str | None) -> None:
    """Say where the journal and the metrics are. Raises what writing to standard error raises."""
    parts = [f"recording in {journal}"] if journal else []
    parts += [f"metrics at {url}"] if url else []
    _tell("; ".join(parts))


def tell_end(journal: str) -> None:
    """Say how to judge it. Raises what writing to standard error raises."""
    directory = shlex.quote(os.path.dirname(journal) or ".")
    _tell(f"recorded; what grew, and what ended it: foldwatch analyze {directory}")


def _tell(text: str) -> None:
    if sys.stderr is not None:
        # In one write: print() writes the line end by itself, and another process may come in between.
        sys.stderr.write(f"foldwatch: {clean_label(text)}\n")
        sys.stderr.flush()
