"""Standard error that nobody reads holds up nobody, and what is left out is told."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from telemetry import bounded_stream
from telemetry.bounded_stream import BoundedStream, bounded_standard_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """Give a pipe that nobody reads: its end to read from, and a stream into it."""
    monkeypatch.setattr(bounded_stream, "PATIENCE_SECONDS", 0.01)
    read_end, write_end = os.pipe()
    with open(write_end, "w", encoding="utf-8") as stream:
        yield read_end, stream
    os.close(read_end)


def drained(read_end: int) -> str:
    """Return all that is in the pipe."""
    os.set_blocking(read_end, False)
    pieces = []
    try:
        while piece := os.read(read_end, 65536):
            pieces.append(piece)
    except BlockingIOError:
        pass
    return b"".join(pieces).decode()


def test_what_finds_no_room_is_left_out_and_told(pipe: tuple[int, TextIO]) -> None:
    """Once there is room again; what went in is whole."""
    read_end, stream = pipe
    bounded = BoundedStream(stream)
    lines = [f"line {number} {'x' * 100}\n" for number in range(5000)]
    for line in lines:
        assert bounded.write(line) == len(line)
    read = drained(read_end)
    count = read.count("\n")
    assert read == "".join(lines[:count])
    assert 100 < count < 5000
    bounded.write("the end\n")
    said = f"\nfoldwatch: nobody read {5000 - count:,} lines here, left out\nthe end\n"
    assert drained(read_end) == said


def test_another_process_that_takes_the_room_first_holds_nothing_up(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the write the pipe is filled by somebody else: nothing waits, and it is told."""
    read_end, stream = pipe
    bounded = BoundedStream(stream)

    def has_room(_: BoundedStream) -> bool:
        fill(stream)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(BoundedStream, "_has_room", has_room)
        with deadline_seconds(5):
            assert bounded.write("lost\n") == 5
    assert "lost" not in drained(read_end)
    bounded.write("the end\n")
    assert drained(read_end) == "\nfoldwatch: nobody read 1 lines here, left out\nthe end\n"
    bounded.release()
    bounded.write("after it\n")
    assert drained(read_end) == "after it\n"


def fill(stream: TextIO) -> None:
    """Fill the pipe as another process does: through a description of its own, which does not wait."""
    other = os.open(f"/proc/self/fd/{stream.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(other, bytes(4096))
    os.close(other)


@contextmanager
def deadline_seconds(seconds: float) -> Iterator[None]:
    """Fail what waits for longer."""

    def over(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def test_the_descriptor_that_others_share_keeps_waiting(pipe: tuple[int, TextIO]) -> None:
    """O_NONBLOCK would be theirs, too; and what was opened is given back."""
    _, stream = pipe
    before = len(os.listdir("/proc/self/fd"))
    bounded = BoundedStream(stream)
    assert os.get_blocking(stream.fileno())
    bounded.release()
    assert len(os.listdir("/proc/self/fd")) == before


def test_with_a_reader_all_is_as_without(pipe: tuple[int, TextIO]) -> None:
    """A long text is written in pieces, and whole."""
    read_end, stream = pipe
    text = "é" * 30_000 + "\n"
    BoundedStream(stream).write(text)
    assert drained(read_end) == text
    assert BoundedStream(stream).encoding == "utf-8"
    stream_of_bytes: Any = BoundedStream(stream)
    with pytest.raises(TypeError):
        stream_of_bytes.write(b"")


def test_what_is_no_file_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """As standard error is under a test, or where it is closed."""
    own = sys.stderr
    with bounded_standard_error():
        print("told", file=sys.stderr)
    assert sys.stderr is own
    assert capsys.readouterr().err == "told\n"
