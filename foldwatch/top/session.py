"""`show`: what ``foldwatch top`` does: a live screen in a terminal, or else one table.

No module is loaded that a first screen does without: the half of its second that is not Textual's is all there is.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from telemetry.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from foldwatch.top.watcher import StateSource

SETTLE_PAUSE = 0.05
SETTLE_SECONDS = 5.0
"""For which a table that is printed once waits for all to be read and judged."""


def show(
    watched: str,
    *,
    once: bool = False,
    user: str | None = None,
    password_file: str | None = None,
    token_file: str | None = None,
) -> None:
    """Show what ``watched`` names until the user quits, or once.

    Args:
        watched: A directory, the address of a page, or a PID.
        once: Whether one table is wanted, also in a terminal.
        user: Name for the page.
        password_file: File of its password.
        token_file: File of its token.

    Raises:
        InputError: It names none of these, or cannot be read.
        MissingExtraError: The extra ``top`` is not installed.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # what was begun is removed
    gc.disable()  # what is loaded stays: to look through it again and again takes a tenth of the start
    source = _source(watched, user, password_file, token_file)
    try:
        if once or not _is_interactive():
            _print_once(source)
        else:
            _show_live(source)
    finally:
        source.close()


def _source(
    watched: str, user: str | None, password_file: str | None, token_file: str | None
) -> StateSource:
    """Return where states come from: an address, a process, or a directory. Raises InputError."""
    if "://" in watched:
        from foldwatch.credentials import authorization  # noqa: PLC0415 - each takes a while to load
        from foldwatch.top.page_source import PageSource  # noqa: PLC0415 - see above

        return PageSource(watched, headers=authorization(user, password_file, token_file))
    if os.path.isdir(watched):
        from foldwatch.top.directory_source import DirectorySource  # noqa: PLC0415 - see above

        return DirectorySource(watched)
    if watched.isascii() and watched.isdecimal() and len(watched) < 10:
        from foldwatch.top.process_source import process_source  # noqa: PLC0415 - see above

        return process_source(int(watched))
    raise InputError(
        f"{watched}: no directory, no PID and no address of a page (http://...); name the directory that the runs are in"
    )


def _is_interactive() -> bool:
    """Whether there is a terminal on both sides that can place its cursor."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return is_terminal and os.environ.get("TERM", "dumb") not in {"", "dumb", "unknown"}


def _print_once(source: StateSource) -> None:
    """Print one table of all that is there. Raises InputError: nothing can be read."""
    until = time.monotonic() + SETTLE_SECONDS
    try:
        state = source.look(None)
        while not getattr(source, "is_settled", True) and time.monotonic() < until:
            time.sleep(SETTLE_PAUSE)
            state = source.look(None)
    except OSError as error:
        raise InputError(str(error)) from error
    from foldwatch.terminal import columns, print_output  # noqa: PLC0415 - not for the live screen
    from foldwatch.top.fields import Fields  # noqa: PLC0415 - see above
    from foldwatch.top.once import table_lines  # noqa: PLC0415 - see above

    width = columns() if sys.stdout.isatty() else None
    print_output("\n".join(table_lines(Fields(state), width)))


def _show_live(source: StateSource) -> None:
    """Show it until the user quits. Raises MissingExtraError: the extra ``top`` is not installed."""
    try:
        from foldwatch.top.app import TopApp  # noqa: PLC0415 - an extra that may be missing
    except ImportError as error:
        raise MissingExtraError(f"{error.name} is missing", extra="top") from error
    gc.freeze()
    gc.enable()
    TopApp(source, has_blocks=sys.stdout.encoding.lower().replace("-", "") == "utf8").run()
