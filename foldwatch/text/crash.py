"""A crash as text for a terminal: what was said, the decisive causes, and the others by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from analyzer import formatting as fmt
from analyzer.diagnosis.confidence import Confidence
from analyzer.signatures.signature import NOT_A_LIMIT
from foldwatch.text.indented import Indented

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

    from analyzer.result import Finding
    from analyzer.signatures.search import SignatureMatch
    from foldwatch.text.detail import Detail

_FOUNDED = (Confidence.CERTAIN, Confidence.LIKELY)


def crash_text(
    finding: Finding, crash: SignatureMatch, *, headline: str, detail: Detail
) -> Iterator[RenderableType]:
    """Give the lines about a crash; its message is left to ``headline`` if that holds all of it."""
    process = finding.process
    where = f"line {crash.line}" if crash.line else "in no log"
    whose = f" in fold {process.folds[-1]}" if process.folds else ""
    said = fmt.safe(crash.text, longest=fmt.LONGEST_LINE)
    is_told = said in headline
    yield Text.assemble(
        ("crash", "bold red"), f"{whose} ({crash.signature}), {where}{'' if is_told else ':'}"
    )
    if not is_told:
        yield Indented(said)
    if crash.last_label is not None:
        after = crash.seconds_after_last_sample
        late = "" if after is None else f", {after:,.1f} s earlier"
        yield Indented(f"last reading before it: {fmt.safe(crash.last_label)}{late}")
    if finding.symptom_of is not None:
        yield Indented(f"it follows from: {fmt.safe(finding.symptom_of)}")
    yield from _causes(finding, detail)


def _causes(finding: Finding, detail: Detail) -> Iterator[RenderableType]:
    """Give the causes, the best founded first; those with the same evidence together."""
    least = detail.least
    if not any(cause.confidence in _FOUNDED for cause in finding.causes):
        least = max(least, Confidence.POSSIBLE, key=list(Confidence).index)
    shown: dict[tuple[Confidence, tuple[str, ...]], list[str]] = {}
    named: dict[Confidence, list[str]] = {}
    for cause in finding.causes:
        name = "no resource limit" if cause.cause == NOT_A_LIMIT else cause.cause
        if list(Confidence).index(cause.confidence) <= list(Confidence).index(least):
            shown.setdefault((cause.confidence, cause.evidence), []).append(name)
        else:
            named.setdefault(cause.confidence, []).append(name)
    yield Text("causes, the best founded first:")
    for (confidence, evidence), names in shown.items():
        yield from _cause(confidence, evidence, ", ".join(names), detail)
    if named:
        yield Indented(Text(_others(named), style="dim"))


def _cause(
    confidence: Confidence, evidence: tuple[str, ...], names: str, detail: Detail
) -> Iterator[RenderableType]:
    if not evidence:
        yield Indented(f"{confidence}, with nothing for or against: {names}")
        return
    style = "bold" if confidence in _FOUNDED else ""
    yield Indented(Text(f"{confidence}: {names}", style=style))
    for one in evidence[: detail.evidence]:
        yield Indented(fmt.safe(one, longest=fmt.LONGEST_LINE), 4)
    if (more := len(evidence) - detail.evidence) > 0:
        yield Indented(f"and {more} more (--all shows them)", 4)


def _others(named: Mapping[Confidence, list[str]]) -> str:
    words = (f"{len(names)} {standing} ({', '.join(names)})" for standing, names in named.items())
    return f"also weighed: {'; '.join(words)}; --all shows why"
