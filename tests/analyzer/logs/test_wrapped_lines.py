"""A line that is read by the shape of its prefix is read as it is with all its layers taken off."""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING, Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.logs.scanner import scan
from analyzer.logs.wrapped_lines import WrappedLines

if TYPE_CHECKING:
    from collections.abc import Callable

    from analyzer.logs.scan_result import ScanResult

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


def stamp(numbers: random.Random) -> str:
    second, part = numbers.randrange(60), numbers.randrange(10**9)
    zone = numbers.choice(["Z", "", "+00:00"])
    return f"2026-{numbers.randint(1, 14):02}-24T08:15:{second:02}.{part:09}{zone}"


def docker(line: str, numbers: random.Random) -> str:
    content = {"log": line + "\n", "stream": "stdout", "time": stamp(numbers)}
    return json.dumps(
        content,
        separators=numbers.choice([(",", ":"), (", ", ": ")]),
        ensure_ascii=numbers.random() < 0.5,
    )


WRAPPERS: tuple[Callable[[str, random.Random], str], ...] = (
    lambda line, _: line,
    docker,
    lambda line, n: f"{stamp(n)} {n.choice(['stdout', 'stderr'])} {n.choice('FFFP')} {line}",
    lambda line, n: f"[pod/train-{n.randrange(20)}/main] {line}",
    lambda line, n: f"web-{n.randrange(20)}  | {line}",
    lambda line, n: f"\x1b[36mweb-{n.randrange(20)}  | \x1b[0m{line}",
    lambda line, n: f"\x1b[3{n.randrange(8)}m(A\x1b[0m pid={n.randrange(20)}) {line}",
    lambda line, _: f"info | {line}",
    lambda line, n: f"Nov 24 08:15:{n.randrange(60):02} node-3 python[{n.randrange(30)}]: {line}",
    lambda line, n: f"<{n.randrange(99)}>1 {stamp(n)} node-3 python {n.randrange(20)} - - {line}",
    lambda line, n: f"[rank{n.randrange(12)}]: {line}",
    lambda line, n: f"[1,{n.randrange(12)}]<stderr>: {line}",
    lambda line, n: f"(train pid={n.randrange(99)}, ip=10.0.0.{n.randrange(9)}) {line}",
    lambda line, n: f"{n.randrange(12)}: {line}",
    lambda line, n: f"{stamp(n)} {line}",
    lambda line, n: f"2026-11-24 08:15:{n.randrange(60):02},123 INFO train: {line}",
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


def content_of(part: ScanResult) -> dict[str, Any]:
    """What the scan found, whatever the order in which it numbered its headings."""
    return {
        "headings": [part.headings[number] for number in part.heading_of],
        "lines": list(part.line_of),
        "columns": {name: list(values) for name, values in part.columns.items()},
        "times": list(part.times),
        "matches": part.matches,
        "skipped": part.skipped,
        "count": part.lines,
    }


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
