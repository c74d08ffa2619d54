"""`BoundedStream`: a standard stream that nobody reads holds up nobody who writes to it.

A pipe whose reader has stopped reading (``2>&1 | less``, a supervisor that hangs) makes write(2) wait for good, and Python
goes on waiting after a signal. So room is waited for with a bound, and what finds none is left out, counted and told.

Several processes may write into one pipe, and another may take the room that this one was told of. So the pipe is opened
once more (proc(5), /proc/PID/fd), without waiting for this process alone: O_NONBLOCK on the descriptor that they share
would be all of theirs, and the reader's shell's.
"""

from __future__ import annotations

import os
import select
import stat
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
        self._pipe = _opened_again(stream.fileno())
        self._poll = select.poll()
        self._poll.register(stream.fileno(), select.POLLOUT)

    def write(self, text: str) -> int:
        """Write ``text`` as far as there is room. Raises OSError, and TypeError for bytes, by which streams are told apart."""
        if not isinstance(text, str):
            raise TypeError(f"a text, not {type(text).__name__}")
        with self._lock:
            for start in range(0, len(text), PIECE):
                if not self._has_room() or not self._has_taken(text[start : start + PIECE]):
                    self._left_out += text.count("\n", start)
                    break
        return len(text)

    def release(self) -> None:
        """Give back what it has opened; it can be written to still."""
        with self._lock:
            if self._pipe is not None:
                os.close(self._pipe)
            self._pipe = None

    def _has_taken(self, text: str) -> bool:
        """Write one piece, and what was left out before it; whether another process has not been faster."""
        if self._left_out:
            text = f"\nfoldwatch: nobody read {self._left_out:,} lines here, left out\n{text}"
        if self._pipe is None:
            self._stream.write(text)
            self._stream.flush()
        else:
            self._stream.flush()  # what was written without this object
            piece = text.encode(self._stream.encoding, self._stream.errors or "strict")
            try:
                os.write(self._pipe, piece)  # all of it or nothing: it is less than PIPE_BUF
            except BlockingIOError:
                self._is_full = True
                return False
        self._left_out = 0
        return True

    def _has_room(self) -> bool:
        seconds = 0.0 if self._is_full else PATIENCE_SECONDS
        self._is_full = not self._poll.poll(1000 * seconds)
        return not self._is_full

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _opened_again(descriptor: int) -> int | None:
    """Return another descriptor of a pipe, on which no write waits; None for anything else, or without /proc."""
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return None
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # also where its reader is gone, or it is another user's
        return None


@contextmanager
def bounded_standard_error() -> Iterator[None]:
    """Let nobody wait for a reader of standard error meanwhile. A closed one stays closed."""
    own, bounded = sys.stderr, None
    with suppress(AttributeError, OSError, ValueError):  # it is closed, or no file
        bounded = BoundedStream(own)
        sys.stderr = cast("TextIO", bounded)
    try:
        yield
    finally:
        sys.stderr = own
        if bounded is not None:
            bounded.release()
