"""A pattern that is compiled late finds what it finds else; one that is rare is not asked in vain."""

from __future__ import annotations

import re

import pytest

from telemetry.late_pattern import RarePattern, late_pattern


def test_it_finds_what_a_compiled_one_finds() -> None:
    """In text and in bytes, with flags, asked in several ways."""
    late, compiled = (
        make(r"^b(\d)", re.MULTILINE | re.IGNORECASE) for make in (late_pattern, re.compile)
    )
    for text in ("", "a\nB1", "b2b3"):
        assert [*map(str, late.finditer(text))] == [*map(str, compiled.finditer(text))]
        assert late.sub(r"<\1>", text) == compiled.sub(r"<\1>", text)
    found = late_pattern(rb"\d+").search(b"a12")
    assert found is not None
    assert found[0] == b"12"
    assert late.flags & re.IGNORECASE


def test_a_broken_one_is_refused_once_it_is_asked() -> None:
    """As `re.compile` refuses it."""
    with pytest.raises(re.error):
        late_pattern("(").search("")


def test_what_a_rare_one_looks_for_first() -> None:
    """Literals, in lower case where case is ignored, or a sign."""
    assert [m[0] for m in RarePattern(r"^a\d", "a").finditer("a1\nb\na2")] == ["a1", "a2"]
    assert [m[0] for m in RarePattern(r"^a\d", "x").finditer("a1\nb\na2")] == []
    assert [m[0] for m in RarePattern(r"a\d", "a", flags=re.IGNORECASE).finditer("A1")] == ["A1"]
    assert [m[0] for m in RarePattern(r"^\d%", sign=r"\d%").finditer("1\n2%")] == ["2%"]
