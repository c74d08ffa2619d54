"""From bytes to the lines that matter."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer import log_text
from analyzer.log_text import LineSearch, strip_escapes

NEEDLE = b"[THREADS]"


def found(content: bytes) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in LineSearch(io.BytesIO(content), [NEEDLE])]


def naive(content: bytes) -> list[tuple[int, str]]:
    """What a loop over every line would find."""
    return [
        (number, part.decode("utf-8", "replace"))
        for number, line in enumerate(content.split(b"\n"), start=1)
        for part in line.split(b"\r")
        if NEEDLE in part
    ]


@given(
    st.lists(st.sampled_from([NEEDLE, b"\n", b"\r", b"\r\n", b"a", b"\xff", b"bar", b" "])),
    st.integers(1, 40),
)
def test_the_search_finds_what_a_loop_over_lines_finds(parts: list[bytes], block: int) -> None:
    """For any mixture of line ends, and wherever the blocks are cut, as long as a line fits one."""
    content = b"".join(parts)
    lines = content.replace(b"\r", b"\n").split(b"\n")
    block = max(block, *(len(line) + 2 for line in content.split(b"\n")), len(max(lines, key=len)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_text, "BLOCK_BYTES", block)
        assert found(content) == naive(content)


def test_a_line_behind_a_progress_bar_is_found_alone() -> None:
    """The bar ends in a carriage return."""
    content = b"Epoch 1\n 1/23 [>..]\r 23/23 [==]\r[THREADS] a\r\nmore\n[THREADS] b"
    search = LineSearch(io.BytesIO(content), [NEEDLE])
    lines = list(search)
    assert [(line.number, line.text, line.is_whole) for line in lines] == [
        (2, "[THREADS] a", True),
        (4, "[THREADS] b", False),
    ]
    assert search.lines == 4


def test_a_line_without_an_end_costs_bounded_memory() -> None:
    """100 MB of progress bar without one newline, and of zeros without one line end at all."""

    class Endless(io.RawIOBase):
        def __init__(self, part: bytes) -> None:
            self.left, self.part = 100, part * (2**20 // len(part))

        def read(self, _size: int = -1) -> bytes:
            self.left -= 1
            return self.part if self.left >= 0 else b""

    import tracemalloc

    for part in (b"23/23 [==]\r" * 5000 + b"[THREADS] a\r", b"\0"):
        tracemalloc.start()
        count = len(list(LineSearch(cast("BinaryIO", Endless(part)), [NEEDLE])))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count > 1000 or part == b"\0"
        assert peak < 20 * 2**20


def test_escapes_are_removed() -> None:
    """Colours, cursor movement, window titles."""
    assert (
        strip_escapes("\x1b[1m\x1b[32m[THREADS]\x1b[0m a\x1b]0;title\x07b\x1b[2K") == "[THREADS] ab"
    )
