"""No figure in the README's text without something behind it.

Every number in what README says is a part of a phrase below. A phrase is made from the code, from a
measurement or from the incident's log, so that it is no longer README's once the figure changes there; a
phrase without a figure from elsewhere says why it needs none.
"""

from __future__ import annotations

import inspect
import json
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
from benchmarks.results import BEGIN, END, RESULTS
from foldwatch.analysis import FOUND
from foldwatch.main import INTERRUPTED
from telemetry import snapshot, used_share
from telemetry.alerts import rules as alert_rules
from telemetry.errors import InputError
from telemetry.kernel import child_maps, child_memory, child_processes, read_budget
from telemetry.metrics.catalog import METRICS
from telemetry.reading import CHILDREN_KEPT
from tests.support.markdown import blocks
from tests.support.paths import GRAFANA, INCIDENT, ROOT
from trainer.agent.room import ADMISSION_SECONDS
from trainer.reproduce import scenarios
from trainer.runner import forecast

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


def readme() -> str:
    """Return README without the table of results, which test_results holds."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    return text[: text.index(BEGIN)] + text[text.index(END) :]


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
    """Write a share as README does."""
    return f"{share * 100:.3g} %"


def phrases() -> Iterator[str]:
    """Give every phrase of README that holds a figure."""
    yield from definitions()
    yield from from_code()
    yield from from_files()
    yield from from_the_incident()
    yield from from_measurements()
    yield from (kind.help for kind in METRICS.values())


def definitions() -> Iterator[str]:
    """Words that are true by what they mean."""
    yield "what is different between two readings"  # a difference has two sides
    yield "Keras 3"  # a name
    yield "Exit 0 is a fold's success"  # as everywhere
    yield "The step into the second fold is warm-up"  # analyzer.growth defines it
    yield "Absent is None, never 0"
    yield "unlimited, invisible and unreadable are three different things"  # they are listed
    yield "Licence: Apache-2.0"


def from_code() -> Iterator[str]:
    """What constants and defaults of the code say."""
    start = inspect.signature(telemetry.start).parameters
    assert start["interval"].default == 1.0
    yield "a timer reads once a second"
    yield f"metrics on {start['address'].default}"
    yield f"keeps to {percent(read_budget.SHARE)} of wall time"
    yield f"a reading has the {WORDS[CHILDREN_KEPT]} that are nearest to a limit of their own"
    of_children = child_processes.SHARE + child_maps.SHARE + child_memory.SHARE
    yield f"the budgets for reading them are {percent(of_children)} of wall time"
    codes = f"0 nothing found; 1 a fold failed; {InputError.exit_code} bad usage or input"
    yield f"{codes}, in one line; {FOUND} growth or a crash found"
    yield f"; {INTERRUPTED} interrupted"
    yield f"Exit code {FOUND} is for growth"
    yield f"at or under {percent(forecast.USABLE)} of every limit"
    yield f"is refused after {ADMISSION_SECONDS:.0f} s"
    near, critical = percent(used_share.NEAR_RATIO), percent(used_share.CRITICAL_RATIO)
    yield f"over {near} (warning) or {critical} (critical) full"
    assert alert_rules.FORECAST_SECONDS == 3600
    yield "will be full within the hour"
    share, laps = percent(verdict.FOLDS.relative), verdict.NEAR_LIMIT_LAPS
    yield f"under {share} a fold and more than {laps} folds from the limit"
    yield f"{share} a fold or more, or {laps} folds or fewer from the limit"
    yield f"or {percent(verdict.CRITICAL_USAGE)} of it is used"
    assert snapshot.LINGER_SECONDS == 60
    yield "Series of an ended fold stop after a minute"


def from_files() -> Iterator[str]:
    """What can be counted in files of this project."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        python = tomllib.load(file)["project"]["requires-python"]
    yield f"Python {python.removeprefix('>=')} or newer"
    with open(os.path.join(ROOT, "demo.sh"), encoding="utf-8") as file:
        folds = re.search(r"--folds (\d+)", file.read())
    assert folds is not None
    yield f"{WORDS[int(folds[1])]} real TensorFlow folds"
    boards = len(os.listdir(os.path.join(GRAFANA, "dashboards")))
    yield f"writes {WORDS[boards]} dashboards"
    making = next(block.text for block in blocks(readme()) if "make demo" in block.text)
    yield f"{WORDS[making.count('make ')].capitalize()} commands"
    with open(os.path.join(ROOT, "docs/why-eagain.md"), encoding="utf-8") as file:
        table = file.read().partition("## The six\n\n|")[2].partition("\n\n")[0]
    limits = WORDS[table.count("\n|") - 1]
    yield f"{limits.capitalize()} different limits produce that one message"
    yield f"one message has {limits} causes"
    yield f"the {limits} limits behind one message"


@cache
def from_the_incident() -> tuple[str, ...]:
    """What the rebuilt log of the incident says to the analyzer."""
    (finding,) = analyze([INCIDENT]).findings
    maps, rss = (finding.growth[name].slope for name in ("maps", "rss_bytes"))
    assert maps is not None
    assert rss is not None
    return (
        f"{maps:.0f} memory maps and {rss / 2**20:.0f} MB stay behind with every fold",
        f"and fold {finding.process.folds[-1]} crashes",
    )


def from_measurements() -> Iterator[str]:
    """What docs/results.json holds of each reproduction."""
    with open(RESULTS, encoding="utf-8") as file:
        runs = json.load(file)["reproduced"]
    (folds,) = {run["isolated"]["folds"] for run in runs}
    assert folds == scenarios.FOLDS
    yield f"die in it for real, {WORDS[folds]} folds in one process"


def test_every_figure_has_something_behind_it() -> None:
    """A figure that is written into README fails until it is founded on something here."""
    known = list(phrases())
    assert [figure for text in said(readme()) for figure in unfounded(text, known)] == []


def test_every_phrase_is_in_the_readme() -> None:
    """Where the code, a measurement or the log has another figure by now, or README dropped it."""
    text = "\n".join(said(readme()))
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
