"""From bytes to blocks, lines and redraws, and to the columns of a part."""

from __future__ import annotations

import io
import random
import tracemalloc
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.logs import blocks
from analyzer.logs.blocks import Blocks, redraws, strip_escapes
from analyzer.logs.literal_search import LiteralSearch
from analyzer.logs.scan_result import SKIPPED_KEPT
from analyzer.logs.scanner import SCANNED_LITERALS, scan
from analyzer.processes.from_log import read_log
from telemetry.reading import LimitState, Usage
from telemetry.thread_line import MARKER, ThreadLine, format_line, parse_line
from tests.support.generated_logs import LINE, check_any_log, log_of

if TYPE_CHECKING:
    from typing import BinaryIO


def lines_found(content: bytes) -> list[tuple[int, str]]:
    """What is taken or refused, by line."""
    (source,) = read_log("x", io.BytesIO(content)).sources
    part = scan(io.BytesIO(content))
    taken = [(line, "taken") for line in part.line_of]
    assert len(taken) == source.checkpoints
    return sorted(taken + [(skipped.line, "refused") for skipped in source.skipped])


def naive(content: bytes) -> list[tuple[int, str]]:
    """What a loop over every line takes and refuses."""
    found = []
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), start=1):
        for drawn in redraws(line):
            for part in drawn.split(MARKER)[1:]:
                try:
                    parse_line(MARKER + part)
                except ValueError:
                    found.append((number, "refused"))
                else:
                    found.append((number, "taken"))
    return sorted(found)


PIECES = [
    LINE,
    LINE[:40],
    MARKER,
    "\n",
    "\n",
    "\r",
    "\r\n",
    "\b\b",
    "a",
    "é",
    " 23/23 ━━━ 0s ",
    ", x=1",
]


@given(st.lists(st.sampled_from(PIECES), min_size=1), st.integers(0, 300))
def test_the_search_finds_what_a_loop_over_lines_finds(parts: list[str], more: int) -> None:
    """For any mixture of line ends, and wherever the blocks are cut, as long as a line fits one."""
    content = "".join(parts).encode() + b"\n"
    longest = max(len(line) for line in content.split(b"\n")) + 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", longest + more)
        assert lines_found(content) == naive(content)


counts = st.none() | st.integers(0, 10**12)
usages = st.builds(Usage, counts, st.integers(1, 10**12) | st.just(LimitState.UNLIMITED))


@given(
    st.text(
        alphabet=st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1
    ).filter(lambda label: MARKER not in label),
    counts,
    usages,
    usages,
    st.integers(0, 10**6),
)
def test_a_line_taken_by_its_bytes_says_what_the_grammar_says(
    label: str, threads: int | None, cgroup: Usage, maps: Usage, megabytes: int
) -> None:
    """The fast way and `parse_line` agree on whatever `format_line` writes."""
    written = format_line(
        ThreadLine(
            label=label, threads=threads, cgroup=cgroup, maps=maps, rss_bytes=megabytes * 2**20
        )
    )
    (process,) = read_log("x", io.BytesIO(f"{written}\n".encode())).processes
    (sample,) = process.checkpoints
    parsed = parse_line(written)
    assert parsed.maps is not None
    assert (sample.label.text, sample.values["threads"]) == (parsed.label, parsed.threads)
    assert sample.values["cgroup_pids"] == parsed.cgroup.current
    assert sample.limits == {"cgroup_pids": parsed.cgroup.limit, "maps": parsed.maps.limit}
    assert (sample.values["maps"], sample.values["rss_bytes"]) == (
        parsed.maps.current,
        parsed.rss_bytes,
    )


def test_a_line_behind_a_progress_bar_is_found_alone() -> None:
    """The bar ends in a carriage return, or in backspaces; the last line has no end."""
    content = f"Epoch 1\n 1/23 [>..]\r23/23 [==]\b\b\b{LINE}\r\nmore\n{LINE}"
    part = scan(io.BytesIO(content.encode()))
    assert (list(part.line_of), part.lines) == ([2, 4], 4)


class Endless(io.RawIOBase):
    """``megabytes`` of one part over and over."""

    def __init__(self, part: bytes, megabytes: int) -> None:
        self.left, self.part = megabytes, (part * (2**20 // len(part) + 1))[: 2**20]

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override] # all that is asked
        self.left -= 1
        size = min(len(buffer), 2**20) if self.left >= 0 else 0
        buffer[:size] = self.part[:size]
        return size


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        b"23/23 [==]\r" * 5000 + LINE.encode() + b"\r",
        b"\0",
        b"x",
        b"[THREADS]",
        b"[THREADS] " + b" " * 5000 + b": proc=",
        b'{"log":"[THREADS] ',
        b"can't start new thread ",
    ],
)
def test_a_line_without_an_end_costs_bounded_memory(part: bytes) -> None:
    """3 MB, six blocks, without a newline: bars, zeros, markers, a trap for backtracking."""
    tracemalloc.start()
    stream = cast("BinaryIO", Endless(part, 3))
    found = scan(stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 2**20, peak
    assert found.lines == 1
    assert len(found.skipped) <= SKIPPED_KEPT
    if part.startswith(b"[THREADS]["):
        assert len(found.skipped) + found.more_skipped > 3 * 10**5


def test_a_line_longer_than_a_block_is_not_counted_twice() -> None:
    """What stands where a block is cut is read once, whole."""
    content = (LINE + " ").encode() * 20_000
    found = scan(io.BytesIO(content))
    assert len(content) > 2 * blocks.BLOCK_BYTES
    assert (len(found.line_of), len(found.skipped)) == (20_000, 0)


def test_line_numbers_count_newlines_where_lines_are_short_and_long() -> None:
    """Both ways to count, and the change from one to the other."""
    numbers = random.Random(1)
    lines, marked = [], []
    for number in range(1, 60_001):
        if numbers.random() < 0.01:
            marked.append(number)
            lines.append(LINE)
        else:
            lines.append("x" * numbers.choice([0, 3, 9, 2000 if number > 40_000 else 30]))
    part = scan(io.BytesIO("\n".join(lines).encode()))
    assert (list(part.line_of), part.lines) == (marked, 60_000)
    assert sum(1 for _ in Blocks(io.BytesIO("\n".join(lines).encode()))) > 10


def test_escapes_are_removed() -> None:
    """Colours, cursor movement, window titles."""
    assert (
        strip_escapes("\x1b[1m\x1b[32m[THREADS]\x1b[0m a\x1b]0;title\x07b\x1b[2K") == "[THREADS] ab"
    )


def test_a_marker_hidden_in_a_window_title_is_counted() -> None:
    """It is no reading, but it is not dropped in silence."""
    assert lines_found(f"\x1b]0;{LINE}\x07\nx\n".encode()) == [(1, "refused")]


def test_every_hit_of_every_literal_is_given_in_order() -> None:
    """Those that overlap as well, in any kind of buffer."""
    search = LiteralSearch([b"ab", b"abc", b"bca", b"ab"])
    for content in (b"xabcab", bytearray(b"xabcab"), memoryview(b"xabcab")):
        assert search.starts(content) == [1, 1, 2, 4]
    assert search.starts(b"") == []


@given(
    st.lists(st.text("aA-", min_size=1, max_size=20).map(str.encode), min_size=1, max_size=6),
    st.text("aA-", max_size=120).map(str.encode),
)
def test_literals_longer_than_what_is_searched_for_are_told_apart(
    literals: list[bytes], content: bytes
) -> None:
    """Those that share a piece, and those that the start or the end of the block cuts."""
    expected = [
        at
        for literal in dict.fromkeys(literals)
        for at in range(len(content))
        if content.startswith(literal, at)
    ]
    assert LiteralSearch(literals).starts(content) == sorted(expected)


@given(st.integers(0, 2**32))
def test_no_literal_of_the_table_is_missed(seed: int) -> None:
    """Wherever it stands, and whatever stands around it."""
    numbers = random.Random(seed)
    literal = numbers.choice(SCANNED_LITERALS)
    before, behind = (numbers.randbytes(numbers.randrange(80)) for _ in range(2))
    assert len(before) in LiteralSearch(SCANNED_LITERALS).starts(before + literal + behind)


TENSORFLOW = (
    "2026-01-14 03:12:44.918273: F tensorflow/tsl/platform/default/env.cc:74] Check failed: "
    "ret == 0 (11 vs. 0)Thread tf_Compute creation via pthread_create() failed."
)
BROKEN = {
    TENSORFLOW: "tensorflow_pthread_create",
    "OpenBLAS blas_thread_init: pthread_create failed for thread 40 of 64: Resource temporarily "
    "unavailable": "openblas_pthread_create",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
    "capacity of 79.1 GiB": "torch_cuda_oom",
    "RuntimeError: DataLoader worker (pid 42) is killed by signal: Bus error. It is possible that "
    "dataloader's workers are out of shared memory.": "dataloader_bus_error",
}


@pytest.mark.parametrize("width", [40, 60, 72, 80])
@pytest.mark.parametrize("message", BROKEN)
def test_a_message_that_a_narrow_terminal_broke_is_read(message: str, width: int) -> None:
    """As one sign, of the same kind, whichever literal was broken; also where a block ends in it."""
    lines = [message[at : at + width] for at in range(0, len(message), width)]
    text = "\n".join(["a" * 9, *lines, "b" * 9]) + "\n"
    cut = blocks.BLOCK_BYTES - width // 2
    for before in (0, cut) if message == TENSORFLOW and width > 60 else (0,):
        content = (b"x" * 99 + b"\n") * (before // 100) + text.encode()
        (process,) = read_log("x", io.BytesIO(content)).processes
        assert list(process.matches) == [BROKEN[message]]


def test_lines_that_are_no_broken_message_stay_apart() -> None:
    """A line with a sign of its own, and lines that one was not broken into."""
    text = f"Check failed: ret == 0\nRuntimeError: can't start new thread\n{LINE}\n"
    (process,) = read_log("x", io.BytesIO(text.encode())).processes
    assert [sign.line for sign in process.recovered.values()] == [2]
    assert len(process.checkpoints) == 1
    apart = "x" * 50 + " DataLoader worker is killed by signal"
    for text in (
        f"{apart}\n\n: Bus error\n",
        f"{apart} a\n{apart}\n: Bus error",
        f"{apart}\n{'y' * 99} us error",
    ):
        (process,) = read_log("x", io.BytesIO(text.encode())).processes
        assert not process.matches


@pytest.mark.slow
def test_any_bytes_are_read_and_every_refused_line_is_counted() -> None:
    """10,000 generated logs; a million of them under benchmarks."""
    numbers = random.Random(4)
    for _ in range(10_000):
        check_any_log(log_of(numbers))
