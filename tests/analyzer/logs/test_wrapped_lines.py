"""A line that is read by the shape of its prefix is read as it is with all its layers taken off."""

from __future__ import annotations

import io
import random
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.logs.scanner import scan
from analyzer.logs.wrapped_lines import WrappedLines
from tests.support.wrapped_logs import WRAPPERS, content_of

LABELS = ("Fold 1/3 START", "after: fit", "a | b", "Größe 3", 'the "best"', "x [y", "tab\tend", "")
TAILS = (
    "",
    "\r",
    " ",
    ", rank=0",
    ",",
    "x",
    '"}',
    " 35/50 [==>..]",
    "\x1b[0m",
    "\x1b[K",
    " Killed",
)
DRAWN = (
    *[""] * 8,
    "35/500 [====>...] - loss: 0.25",
    "\r 7%|#  |\r 8%|## |",
    "a\b\b",
    "\x1b[2K\r",
    "x\ry\x1b]0;",
    "0:\t",
)


def line_of(numbers: random.Random) -> str:
    values = [str(numbers.randrange(10 ** numbers.randrange(1, 9))) for _ in range(6)]
    if numbers.random() < 0.2:
        values[numbers.randrange(6)] = numbers.choice(["max", "?", ""])
    line = (
        f"[THREADS] {numbers.choice(LABELS)}: proc={values[0]}, cgroup={values[1]}/{values[2]}, "
        f"maps={values[3]}/{values[4]}, rss={values[5]}MB{numbers.choice(TAILS)}"
    )
    line = numbers.choice(DRAWN) + line
    for _ in range(numbers.choice([0, 1, 1, 1, 2])):
        line = numbers.choice(WRAPPERS)(line, numbers)
    return line


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_it_is_read_as_the_layers_are(seed: int) -> None:
    """Labels, tails, redraws and two layers of prefixes, as they come."""
    numbers = random.Random(seed)
    text = "\n".join(line_of(numbers) for _ in range(numbers.randint(1, 40))) + "\n"
    found = scan(io.BytesIO(text.encode()))
    with mock.patch.object(WrappedLines, "read", return_value=None):
        wanted = scan(io.BytesIO(text.encode()))
    assert content_of(found) == content_of(wanted), text
