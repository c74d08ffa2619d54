"""The lines that are asked about are all that match, whatever stands around them."""

from __future__ import annotations

import io
import random
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.logs.pattern_search import required_text
from analyzer.logs.scan_options import ScanOptions
from analyzer.logs.scanner import scan
from analyzer.logs.user_pattern import UserPattern
from telemetry.errors import InputError
from tests.support.wrapped_logs import WRAPPERS, content_of

ATOMS = (
    *["ab", "7a b", "xx", "a"],
    *["a", "b", "7", " ", ".", r"\d", r"\S", r"\W", r"\w", "[^a]", "[ab7]", "[^]x]", r"[\d.]"],
    *["^", "$", r"\b", r"\B", r"\A", r"\z", "(?:a|^)", "(?:b|$)", "[[:alpha:]]", r"\t", '"', "é"],
)
QUANTIFIERS = ("", "", "", "*", "+", "?", "{2}", "{1,3}", "+?")
CHARACTERS = (*"ab7 .x", "é", "€", "\t", '"', "\\", "\r", "\b", "\x1b[1m", "\udc80")


def expression_of(numbers: random.Random) -> str:
    parts = [
        numbers.choice(ATOMS) + numbers.choice(QUANTIFIERS) for _ in range(numbers.randint(1, 5))
    ]
    parts.insert(numbers.randrange(len(parts) + 1), r"(?P<threads>\d+)")
    return numbers.choice(["", "", "", "(?i)", "(?s)"]) + "".join(parts)


def text_of(numbers: random.Random) -> bytes:
    lines = []
    for _ in range(numbers.randint(1, 12)):
        line = "".join(numbers.choice(CHARACTERS) for _ in range(numbers.randrange(14)))
        lines.append(numbers.choice(WRAPPERS)(line, numbers))
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def read(text: bytes, pattern: UserPattern) -> dict[str, Any]:
    return content_of(scan(io.BytesIO(text), options=ScanOptions([pattern])))


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=200)
def test_no_line_that_matches_is_passed_over(seed: int) -> None:
    """Any expression, any text: as if every line were asked about."""
    numbers = random.Random(seed)
    try:
        pattern = UserPattern(expression_of(numbers))
    except InputError:  # "**", for example
        return
    for _ in range(8):
        text = text_of(numbers)
        found = read(text, pattern)
        with mock.patch("analyzer.logs.pattern_search.required_text", return_value=None):
            assert found == read(text, pattern), (pattern.expression, text)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (r"^RSS: (?P<rss>\d+) MiB$", "RSS: "),
        (r"\bmem\.use[d]? = +(?P<rss>\d)", "mem.use"),
        (r"rss(?: now)?=(?P<rss>\d+)k?B", "rss"),
        (r"usage/of <b>RSS(?P<rss>\d+)", "usage"),
        (r"heap{2,3}x(?P<rss>\d+)", "hea"),
        (r"(?P<rss>\d+)\x41\d\10", None),
        (r"a|b(?P<rss>\d+)", None),
        (r"(?i)rss (?P<rss>\d+)", None),
        (r"\Qa.b\E(?P<rss>\d)", None),
        (r"\Q)\E(?:ab)?(?P<rss>\d)", None),
    ],
)
def test_the_text_that_every_match_holds(expression: str, wanted: str | None) -> None:
    """Outside of groups, choices and what may be absent."""
    assert required_text(expression) == (None if wanted is None else wanted.encode())
