"""Tracebacks as logs hold them: under a logger's prefix, between the lines of others, in one line."""

from __future__ import annotations

import pytest

from analyzer.signatures.tracebacks import read_traceback

PLAIN = [
    "Traceback (most recent call last):",
    '  File "train.py", line 3, in main',
    "    load(path)",
    '  File "/venv/lib/python3.11/site-packages/lib/io.py", line 9, in load',
    "    raise FileNotFoundError(path)",
    "          ~~~~~~~~~~~~~~~~~^^^^^^",
    "FileNotFoundError: weights.pt",
]


@pytest.mark.parametrize(
    ("lines", "text", "below", "frame"),
    [
        (PLAIN, "FileNotFoundError: weights.pt", 6, "train.py:3 in main"),
        ([*PLAIN[:-1], "AssertionError"], "AssertionError", 6, "train.py:3 in main"),
        ([*PLAIN[:-1], "own.errors.Odd: x"], "own.errors.Odd: x", 6, "train.py:3 in main"),
        (
            [
                f"[2026-01-0{n}, 10:00:1{n}] {{a.py:{n}}} INFO - {line}"
                for n, line in enumerate(PLAIN)
            ],
            "FileNotFoundError: weights.pt",
            6,
            "train.py:3 in main",
        ),
        (
            ["  50%|##  | 1/2 [00:01<00:01]" + PLAIN[0], *PLAIN[1:]],
            PLAIN[-1],
            6,
            "train.py:3 in main",
        ),
        ([*PLAIN[:3], "Epoch 3 of somebody else", *PLAIN[3:]], PLAIN[-1], 7, "train.py:3 in main"),
        (
            [
                "12:01:02 ╭───── Traceback (most recent call last) ─────╮",
                "12:01:02 │ /srv/fit/data.py:112 in collate             │",
                "12:01:02 │ ❱ 112 │   return torch.stack(rows)           │",
                "12:01:02 │ /venv/site-packages/torch/stack.py:9 in     │",
                "12:01:02 │ stack                                       │",
                "12:01:02 ╰─────────────────────────────────────────────╯",
                "12:01:02 RuntimeError: stack expects equal sizes",
            ],
            "RuntimeError: stack expects equal sizes",
            6,
            "data.py:112 in collate",
        ),
        (["\\n".join(PLAIN)], PLAIN[-1], 0, "train.py:3 in main"),
        (
            [
                "  + Exception Group Traceback (most recent call last):",
                '  |   File "a.py", line 2, in run',
                "  |     work()",
                "  | ExceptionGroup: two failed (2 sub-exceptions)",
            ],
            "ExceptionGroup: two failed (2 sub-exceptions)",
            3,
            "a.py:2 in run",
        ),
    ],
)
def test_its_exception_is_found(lines: list[str], text: str, below: int, frame: str) -> None:
    """With the innermost frame of the user's own code."""
    found = read_traceback(lines)
    assert found is not None
    assert (found.text, found.lines_below, found.frame) == (text, below, frame)


@pytest.mark.parametrize(
    "lines",
    [
        PLAIN[:-1],
        PLAIN[:1],
        [*PLAIN[:1], *(f"line {n} of somebody else" for n in range(100))],
        [*PLAIN, "", "  warnings.warn(some_fits_failed, FitFailedWarning)"],
    ],
)
def test_one_that_is_cut_off_or_told_by_a_warning_has_none(lines: list[str]) -> None:
    """Nothing is made up."""
    assert read_traceback(lines) is None


def test_a_chain_is_told() -> None:
    """By the words between its tracebacks."""
    words = "During handling of the above exception, another exception occurred:"
    found = read_traceback([*PLAIN, "", words, "", *PLAIN])
    assert found is not None
    assert found.is_chained
