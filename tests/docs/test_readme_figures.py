"""No figure in the README or on the page of verdicts without something behind it.

Every number in their text is part of a phrase below. A phrase is made from the code, from a measurement or from the
incident's log, so a test fails once the figure changes there; a phrase without such a figure states why it needs none.
"""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from functools import cache
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

import telemetry
from analyzer import analyze
from analyzer.growth import verdict
from foldwatch.analysis import FOUND
from telemetry.kernel import read_budget
from tests.support.paths import INCIDENT, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = (
    *(
        "no",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
    ),
    *("twelve", "dozen", "hundred", "thousand", "million", "half", "twice"),
)
UNITS = r"(?:milli|micro)?seconds?|minutes?|hours?|days?|(?:[kKMG]i?B|bytes?)\b|percent|times"
FIGURE = re.compile(
    r"(?<![\w.])\d[\d.,]*(?<![.,])(?!\w)"
    rf"|\b(?:{'|'.join(WORDS[2:])})\b"
    rf"|\b(?:a|an|the|each|every|one|no|some|few|several) (?:{UNITS})\b"
    r"|\b(?:little|cheap\w*|negligible|hardly|almost|nearly|fast(?:er)?|quick\w*)\b",
    re.IGNORECASE,
)
"""A number, a word for one, and words in place of a measurement."""


PAGES = ("README.md", "docs/verdicts.md")


def pages() -> str:
    """Return both pages."""
    texts = []
    for page in PAGES:
        with open(os.path.join(ROOT, page), encoding="utf-8") as file:
            texts.append(file.read())
    return "\n".join(texts)


def said(markdown: str) -> Iterator[str]:
    """Give what a page says, a paragraph, cell or comment each: no code, picture or address."""
    for token in MarkdownIt().enable("table").parse(markdown):
        if token.type in {"fence", "code_block"}:
            yield from re.findall(r" # *(.+)", token.content)
        elif token.type == "inline":
            parts = (
                {"text": part.content, "softbreak": " ", "code_inline": "`"}.get(part.type, "")
                for part in token.children or ()
            )
            yield "".join(parts)


def unfounded(text: str, phrases: list[str]) -> list[str]:
    """Return every figure of ``text``, with its surroundings, that is in no phrase."""
    founded = [match.span() for phrase in phrases for match in re.finditer(re.escape(phrase), text)]
    return [
        text[max(0, match.start() - 30) : match.end() + 30]
        for match in FIGURE.finditer(text)
        if not any(begin <= match.start() and match.end() <= end for begin, end in founded)
    ]


def percent(share: float) -> str:
    """Write a share as the pages do."""
    return f"{share * 100:.3g}%"


def phrases() -> Iterator[str]:
    """Give every phrase that holds a figure."""
    yield from definitions()
    yield from from_code()
    yield from from_files()
    yield from from_the_incident()


def definitions() -> Iterator[str]:
    """Phrases that are true by definition."""
    yield "The step into the second fold is warm-up"  # analyzer.growth defines it
    yield "A difference between two processes is not growth"  # so few have one
    yield "Licence: Apache-2.0"
    yield "in about ten minutes"  # the tutorial's promise; its longest wait is the live run


def from_code() -> Iterator[str]:
    """Phrases with constants and defaults of the code."""
    start = inspect.signature(telemetry.start).parameters
    yield f"metrics on {start['address'].default}"
    yield f"are limited to {percent(read_budget.SHARE)} of wall time"
    yield f"Exit code {FOUND} means growth or a crash"
    yield f"Exit code {FOUND} stands for growth"
    share, laps = percent(verdict.FOLDS.relative), verdict.NEAR_LIMIT_LAPS
    yield f"under {share} a fold and more than {laps} folds from the limit"
    yield f"{share} a fold or more, or {laps} folds or fewer from the limit"
    yield f"or {percent(verdict.CRITICAL_USAGE)} of it is used"


def from_files() -> Iterator[str]:
    """Phrases with numbers that can be counted in files of this project."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        python = tomllib.load(file)["project"]["requires-python"]
    yield f"Python {python.removeprefix('>=')} or newer"
    with open(os.path.join(ROOT, "demo.sh"), encoding="utf-8") as file:
        folds = re.search(r"--folds (\d+)", file.read())
    assert folds is not None
    yield f"trains {WORDS[int(folds[1])]} real folds"
    _, _, commands = pages().partition("commands\n")
    paragraphs = re.findall(r"^\*\*.+\.\*\*", commands.partition("\n## ")[0], re.MULTILINE)
    yield f"{WORDS[len(paragraphs)].capitalize()} commands"
    with open(os.path.join(ROOT, "docs/why-eagain.md"), encoding="utf-8") as file:
        table = file.read().partition("## The six\n\n|")[2].partition("\n\n")[0]
    limits = WORDS[table.count("\n|") - 1]
    yield f"{limits.capitalize()} different limits produce this one message"
    yield f"one message has {limits} causes"
    yield f"the {limits} limits behind one message"


@cache
def from_the_incident() -> tuple[str, ...]:
    """Phrases with figures that the analyzer finds in the rebuilt log of the incident."""
    (finding,) = analyze([INCIDENT]).findings
    maps, rss = (finding.growth[name].slope for name in ("maps", "rss_bytes"))
    assert maps is not None
    assert rss is not None
    return (
        f"{maps:.0f} memory maps and {rss / 2**20:.0f} MB stayed behind with every fold",
        f"and fold {finding.process.folds[-1]} crashed",
    )


def test_every_figure_has_something_behind_it() -> None:
    """A figure that is added to a page fails until a phrase here founds it."""
    known = list(phrases())
    assert [figure for text in said(pages()) for figure in unfounded(text, known)] == []


def test_every_phrase_is_in_the_pages() -> None:
    """Fails if the code or the log has another figure by now, or if the page dropped the phrase."""
    text = "\n".join(said(pages()))
    assert [phrase for phrase in phrases() if phrase not in text and FIGURE.search(phrase)] == []


FIGURES = {
    "It takes about eight minutes.": "eight",
    "It costs 0.1 % of the time.": "0.1",
    "A reading takes 10 µs, in a log of 1,000,000 lines.": "10 1,000,000",
    "Ready after a minute, or half an hour.": "a minute half an hour",
    "Isolation costs little.": "little",
    "It is fast: nearly nothing.": "fast nearly",
    "Of `7` folds ![8](a9.png) [the last](https://10.example) is v2.": "",
    "    make demo  # takes 5 minutes": "5",
    "| one | of |\n|---|---|\n| a | 9 MB |": "9",
}


@pytest.mark.parametrize("text", FIGURES)
def test_a_figure_is_found(text: str) -> None:
    """In words as well, and in the comments of code; what is code, a picture or a link is none."""
    found = [match[0] for part in said(text) for match in FIGURE.finditer(part)]
    assert " ".join(found) == FIGURES[text]
