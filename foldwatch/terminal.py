"""Output of the commands. A closed pipe neither ends a command's work nor changes its exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType


def print_output(content: RenderableType) -> None:
    """Print to standard output; raises OSError for a full disk, and nothing for a closed pipe.

    A character that the terminal's encoding lacks is written as an escape: a label may hold any.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    with _ignoring_closed_pipe():
        if isinstance(content, str):
            print(content, flush=True)
        else:
            console().print(content, markup=False)


def print_json(content: object) -> None:
    """Print ``content`` as JSON, some pieces at a time: whole it would take five times its own memory."""
    with _ignoring_closed_pipe():
        pieces = json.JSONEncoder(indent=2).iterencode(content)
        while some := "".join(islice(pieces, 10_000)):
            sys.stdout.write(some)
        print(flush=True)


@contextlib.contextmanager
def _ignoring_closed_pipe() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        error.filename = error.filename or "standard output"
        raise


def console(*, stderr: bool = False) -> Console:
    """Return the console that lays out tables; loading rich takes longer than most commands."""
    from rich.console import Console  # noqa: PLC0415 - see above

    class Output(Console):
        def on_broken_pipe(self) -> None:
            """Go on silently; rich would end the program."""
            stream = sys.stderr if stderr else sys.stdout
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    return Output(stderr=stderr, highlight=False, emoji=False)


def encoding() -> str:
    """Return the encoding of standard output."""
    return getattr(sys.stdout, "encoding", None) or "ascii"


def columns() -> int:
    """Return the width of standard output."""
    return console().width
