"""`BoundedStream`: a standard stream that nobody reads holds up nobody who writes to it.

A pipe whose reader has stopped reading (``2>&1 | less``, a supervisor that hangs) makes write(2) wait for good, and Python
goes on waiting after a signal. So room is waited for with a bound, and what finds none is left out, counted and told.
"""

from __future__ import annotations

import select
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

PATIENCE_SECONDS = 1.0
"""For the first write that finds no room; the next ones do not wait until there is some again."""
PIECE = 400
"""Characters: less than PIPE_BUF (4096) bytes, which a pipe with room takes at once (pipe(7), poll(2)), also as escapes."""


class BoundedStream:
    """Writes to a stream, or leaves out what does not go into it; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._is_full, self._left_out = False, 0
        """Since the last piece that was written: whether another found no room, and how many lines were in those."""
        self._poll = select.poll()
        self._poll.register(stream.fileno(), select.POLLOUT)

    def write(self, text: str) -> int:
        """Write ``text`` as far as there is room. Raises OSError, and TypeError for bytes, by which streams are told apart."""
        if not isinstance(text, str):
            raise TypeError(f"a text, not {type(text).__name__}")
        with self._lock:
            for start in range(0, len(text), PIECE):
                if not self._has_room():
                    self._left_out += text.count("\n", start)
                    break
                self._write_now(text[start : start + PIECE])
        return len(text)

    def _write_now(self, text: str) -> None:
        if self._left_out:
            text = f"\nfoldwatch: nobody read {self._left_out:,} lines here, left out\n{text}"
            self._left_out = 0
        self._stream.write(text)
        self._stream.flush()

    def _has_room(self) -> bool:
        seconds = 0.0 if self._is_full else PATIENCE_SECONDS
        self._is_full = not self._poll.poll(1000 * seconds)
        return not self._is_full

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def bounded_standard_error() -> Iterator[None]:
    """Let nobody wait for a reader of standard error meanwhile. A closed one stays closed."""
    own = sys.stderr
    with suppress(AttributeError, OSError, ValueError):  # it is closed, or no file
        sys.stderr = cast("TextIO", BoundedStream(own))
    try:
        yield
    finally:
        sys.stderr = own
