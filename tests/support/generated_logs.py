"""Logs that no program would write, and what must hold of the reading of any log."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from analyzer.logs.scanner import scan
from analyzer.signatures.search import SIGNATURES
from telemetry.thread_line import MARKER

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

LINE = "[THREADS] Fold 1/3 START: proc=8, cgroup=9/7680, maps=1851/65530, rss=620MB"


def log_of(numbers: random.Random) -> bytes:
    """A few lines of what a log may hold, whole, torn, and in each other."""
    parts: list[Callable[[], str]] = [
        lambda: LINE,
        lambda: LINE[: numbers.randint(1, len(LINE))],
        lambda: LINE[numbers.randint(0, 9) :],
        lambda: numbers.choice(numbers.choice(SIGNATURES).literals),
        lambda: "\x1b[" + numbers.choice(["1m", "0;31m", "K", "]", "0;"]),
        lambda: numbers.choice(["\n", "\n", "\r", "\r\n", "\b", "\0", " ", "{", '"', "\\n", "━"]),
        lambda: chr(numbers.randrange(1, 0xD000)),
        lambda: "2026-11-24T08:15:30.1Z stdout " + numbers.choice(["P ", "F "]),
        lambda: '{"log":"' + numbers.choice(["", LINE, 'x\\n","stream":"stdout"}', LINE + '\\n"}']),
        lambda: numbers.choice(
            ["[rank0]: ", "web-1 | ", "(a pid=1) ", "[1,0]<stderr>:", "10.0.0.1: "]
        ),
        lambda: str(numbers.randrange(10 ** numbers.randint(1, 25))),
        lambda: numbers.choice(
            [": proc=", ", cgroup=", "/max", ", maps=", ", rss=", "MB", "Fold 1/2 "]
        ),
    ]
    text = "".join(numbers.choice(parts)() for _ in range(numbers.randint(1, 14)))
    content = text.encode("utf-8", "surrogatepass")
    if numbers.random() < 0.3:
        at = numbers.randrange(len(content) + 1)
        content = content[:at] + numbers.randbytes(3) + content[at:]
    return content


def check_any_log(content: bytes) -> None:
    """No exception but for nothing to read, and each line with a marker is in a count."""
    part = scan(io.BytesIO(content))
    counted = {*part.line_of, *(skipped.line for skipped in part.skipped)}
    if b'{"log":"' in content or b" stdout " in content:
        return  # the pieces of a line are counted at its end
    for number, line in enumerate(content.split(b"\n"), start=1):
        assert number in counted or MARKER.encode() not in line, content
