"""Lines as runtimes, collectors and launchers wrap them, and what a scan of them found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from analyzer.logs.scan_result import ScanResult


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
