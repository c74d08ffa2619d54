"""Logs of runs as people bring them: what ended each, what it may have been, and what to do.

``tests/reported_logs/reported`` is rebuilt from public reports, with what an expert reads from each; ``healthy``,
``recovered`` and ``died`` were written from the names of the families or from such reports, by somebody who had
not seen the signatures. ``good`` are the causes that may be named.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.diagnosis.confidence import Confidence
from analyzer.signatures import search
from tests.support.paths import TESTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analyzer.result import AnalysisResult, Finding

LOGS = os.path.join(TESTS, "reported_logs")
FOUNDED = {Confidence.CERTAIN, Confidence.LIKELY}
HARDLY = {Confidence.RULED_OUT, Confidence.UNLIKELY}
READ_DIFFERENTLY = {
    "a14_cudf_pool_exceeded": "another line of the same message",
    "a25_trtexec_build": "an earlier line of the same failure",
    "a28_cudnn_alloc_failed_tf": "the exception that follows from that line",
    "b09_tcmalloc_large_alloc": "a person pressed Ctrl-C before the allocation failed",
    "e52_papermill_dead_kernel": "another line of the same message",
    "e55_kernel_memcg": "another line of the same kill",
    "e64_r_julia_halted": "R's summary instead of the error above it",
}
"""Of those that died: read, but by another line than the one that was asked for, and why."""


def expected(kind: str) -> dict[str, Mapping[str, Any]]:
    with open(os.path.join(LOGS, kind, "expect.json"), encoding="utf-8") as file:
        cases: dict[str, Mapping[str, Any]] = json.load(file)
    return cases


REPORTED, DIED = expected("reported"), expected("died")
CALM = [(kind, name) for kind in ("healthy", "recovered") for name in expected(kind)]
SEEN_AS_A_CRASH = {"dataset_forum_titles_topic_model"}
"""Data that quotes an error word for word, at the start of a log that goes on otherwise."""


def read(kind: str, name: str) -> AnalysisResult:
    return analyze(os.path.join(LOGS, kind, f"{name.removesuffix('.log')}.log"))


def root_line(found: Finding | None) -> str:
    """Return what is said of the root, and the line of the log that it points to."""
    crash = None if found is None else found.process.crash
    if found is None or crash is None:
        return ""
    with open(found.process.source, encoding="utf-8", errors="replace") as file:
        lines = file.read().split("\n")
    return f"{crash.text}\n{lines[(crash.line or 0) - 1]}".lower()


def primary(analysis: AnalysisResult) -> list[Finding]:
    crashed = [found for found in analysis.findings if found.process.crash]
    return [found for found in crashed if found.symptom_of is None] or crashed


def outcomes(case: Mapping[str, Any]) -> list[str]:
    wanted = case["outcome"]
    return wanted if isinstance(wanted, list) else [wanted]


@pytest.mark.parametrize("name", REPORTED)
def test_a_reported_log_is_read_as_an_expert_reads_it(name: str) -> None:
    """Its outcome, its root, the causes that remain, and those that must not be named."""
    case, analysis = REPORTED[name], read("reported", name)
    assert str(analysis.outcome).replace("running", "stopped") in outcomes(case)
    crashed = analysis.outcome == "crashed"
    root = analysis.first_failure if crashed else None
    if case["root_contains"]:
        assert any(words.lower() in root_line(root) for words in case["root_contains"])
    causes = {} if root is None else {cause.cause: cause.confidence for cause in root.causes}
    left = [cause for cause, confidence in causes.items() if confidence is not Confidence.RULED_OUT]
    assert set(case["must_be_candidate"]) <= set(left)
    assert not set(case["ruled_out_or_absent"]) & set(left)
    best = [cause for cause in left if causes[cause] in FOUNDED][:1]
    tops = best or ["none", *(left if len(left) == 1 else [])]
    assert set(tops) & set(case["top"])
    founded = {
        cause.cause
        for found in (primary(analysis) if crashed else ())
        for cause in found.causes
        if cause.confidence in FOUNDED
    }
    assert not founded & set(case["never"])


@pytest.mark.parametrize("name", [name for name in REPORTED if REPORTED[name]["advice_contains"]])
def test_a_reported_log_gets_the_steps_that_help(name: str) -> None:
    """One of the words of each list that the case asks for."""
    steps = read("reported", name).remedies
    told = " ".join(f"{step.text} {step.command or ''}" for step in steps).lower()
    for words in REPORTED[name]["advice_contains"]:
        assert any(word.lower() in told for word in words), words


@pytest.mark.parametrize(
    ("kind", "name"), [case for case in CALM if case[1] not in SEEN_AS_A_CRASH]
)
def test_what_goes_on_or_ends_well_is_no_crash(kind: str, name: str) -> None:
    """Healthy logs that look bad, and failures of every family that the run survived."""
    analysis = read(kind, name)
    assert analysis.outcome in {"finished", "running"}
    assert not any(found.process.crash for found in analysis.findings if not found.is_superseded)


@pytest.mark.parametrize("name", DIED)
def test_a_run_that_died_has_a_root(name: str) -> None:
    """Also in words that the author of a signature had not seen; never a cause that is wrong."""
    case, analysis = DIED[name], read("died", name)
    assert analysis.outcome in outcomes(case)
    root = analysis.first_failure
    assert root is not None
    if name.removesuffix(".log") not in READ_DIFFERENTLY:
        assert any(words.lower() in root_line(root) for words in case["root_contains"])
        left = {cause.cause for cause in root.causes if cause.confidence not in HARDLY}
        assert not case["good"] or left & set(case["good"])
    named = {cause.cause for cause in root.causes if cause.confidence in FOUNDED}
    assert named <= set(case["good"])


def signatures_that_count() -> Iterator[tuple[str, str]]:
    for name, case in REPORTED.items():
        if case["root_contains"]:
            found = read("reported", name).first_failure
            if found is not None and found.process.crash is not None:
                yield name, found.process.crash.signature


@pytest.mark.slow
def test_a_failure_without_its_signature_is_still_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The signature of each root is taken out of the table, one after another."""
    whole = search.SIGNATURES
    for name, signature in [*signatures_that_count()]:
        less = tuple(one for one in whole if one.name != signature)
        monkeypatch.setattr(search, "SIGNATURES", less)
        assert read("reported", name).outcome in outcomes(REPORTED[name]), (name, signature)
