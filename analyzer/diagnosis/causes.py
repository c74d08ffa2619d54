"""Which limit ended the run: every candidate with its standing and its evidence.

Owns the weighing; `evidence` owns the numbers.

    certain    the evidence names the limit: a kernel line about this process, a counter that rose since
               the last label that the training went on from, or a use at the limit itself, by the
               process or one of its children, in a reading at the failure (within AT_FAILURE_SECONDS of
               the end that a runner saw; `child_evidence` says what a child's may be). Never from a
               message alone, nor from a reading in a log alone
    likely     the text speaks for it, or 90 % of the limit were used, or would be at the peak forecast,
               or the stage that was to come took in an earlier fold what was left of it
    possible   the sign can have it and nothing speaks for or against it
    unlikely   reaching the limit would have taken a jump far beyond any step of this run
    ruled out  the evidence excludes it: no such limit, root is exempt, no counter rose up to a reading
               after the death with every level visible, or fork was refused for a want of tasks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analyzer.diagnosis import evidence, held, plausibility
from analyzer.diagnosis.burst_evidence import burst_evidence
from analyzer.diagnosis.child_evidence import child_evidence
from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.evidence import Evidence
from analyzer.diagnosis.text_evidence import device_evidence, place_evidence, text_evidence
from analyzer.signatures.general import IN_WORDS
from analyzer.signatures.servers import BOOTSTRAP_CHECK
from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.growth.verdict import Growth
    from analyzer.processes.from_log import Process
    from analyzer.signatures.search import SignatureMatch


EVENT_LINES = 200
"""Signs that stand no further apart are of one event."""


class Cause(NamedTuple):
    """One candidate: a name of signatures.CAUSES, its standing, and why, in words and numbers.

    Without evidence nothing was recorded that could tell, and it stays possible.
    """

    cause: str
    confidence: Confidence
    evidence: tuple[str, ...]


def diagnose(process: Process, growth: Mapping[str, Growth] | None = None) -> list[Cause]:
    """Weigh every cause that the signs of ``process`` can have; the best first, none without a sign.

    Signs that follow from others count only where there are no others.
    """
    growth = growth or {}
    matches = event_signs(process)
    candidates = dict.fromkeys(cause for sign in matches for cause in sign.causes)
    sure = [s for s in matches if not s.names_its_cause or process.is_named_by(s)]
    excluded = _excluded(sure)
    causes = [_weigh(cause, process, growth, excluded.get(cause)) for cause in candidates]
    causes = _with_last_one(causes)
    certain = {cause.cause for cause in causes if cause.confidence == Confidence.CERTAIN}
    order = {cause: _rank(cause, process, growth) for cause in candidates}
    return sorted(
        (_beside(cause, certain) for cause in causes),
        key=lambda cause: (list(Confidence).index(cause.confidence), order[cause.cause]),
    )


def event_signs(process: Process) -> list[SignatureMatch]:
    """Return the signs of the one event that ended it, the root first.

    Of those that say the same the first counts. What follows from another says nothing beside it, and
    what only says that something failed says nothing beside what says what.
    """
    root = process.crash
    if root is None:
        return []
    alike = [
        sign
        for sign in process.signs
        if (sign.is_secondary, sign.is_generic, sign.stops)
        == (root.is_secondary, root.is_generic, root.stops)
        and sign is not root
        and not sign.signature.endswith(IN_WORDS)
    ]
    if root.is_generic:
        return [root]
    near = [
        sign
        for sign in alike
        if sign.line is None or root.line is None or abs(sign.line - root.line) <= EVENT_LINES
    ]
    return [root, *near]


def _excluded(signs: list[SignatureMatch]) -> dict[str, Evidence]:
    """Return the causes that one of the signs of an event cannot have, each with which one that is.

    Of the checks that a server makes before it starts each names a limit of its own: they exclude nothing.
    """
    left = {*signs[0].causes} if signs else set()
    excluded: dict[str, Evidence] = {}
    for sign in signs:
        if sign.signature.startswith(BOOTSTRAP_CHECK):
            continue
        both = left & {*sign.causes}
        by = sign if both else signs[0]
        where = f"line {by.line}" if by.line else "the end"
        words = f"{where} ({by.signature}) excludes it"
        for cause in dict.fromkeys((*left, *sign.causes)):
            if cause not in (both or left):
                excluded.setdefault(cause, Evidence(Confidence.RULED_OUT, words))
        left = both or left
    return excluded


def _weigh(
    cause: str, process: Process, growth: Mapping[str, Growth], excluded: Evidence | None
) -> Cause:
    """Take the strongest word on ``cause``; the others stand beside it."""
    words: list[Evidence] = [
        *filter(None, [excluded, burst_evidence(cause, process)]),
        *evidence.kernel_evidence(cause, process),
        *evidence.counter_evidence(cause, process),
        *text_evidence(cause, process),
        *place_evidence(cause, process),
        *device_evidence(cause, process),
        *evidence.limit_evidence(cause, process),
        *plausibility.printed_evidence(cause, process),
        *held.holder_evidence(cause, process),
    ]
    child, usage = child_evidence(cause, process), evidence.usage_evidence(cause, process)
    words += [one for one in (child, None if child else usage) if one is not None]
    rise = evidence.rise_evidence(cause, process, growth)
    if rise is not None:
        words.append(rise)
    step = plausibility.step_evidence(cause, process)
    if step is not None and child is None:  # a child's steps are not those of the process
        words.append(step)
    standings = [word.confidence for word in words]
    for confidence in (
        Confidence.CERTAIN,
        Confidence.RULED_OUT,
        Confidence.LIKELY,
        Confidence.UNLIKELY,
    ):
        if confidence in standings:
            told = [word.text for word in words if word.confidence == confidence]
            told += [word.text for word in words if word.confidence != confidence]
            return Cause(cause, confidence, tuple(told))
    return Cause(cause, Confidence.POSSIBLE, tuple(word.text for word in words))


def _with_last_one(causes: list[Cause]) -> list[Cause]:
    """Make the only cause that nothing rules out likely; it alone is left."""
    left = [cause for cause in causes if cause.confidence != Confidence.RULED_OUT]
    if len(left) != 1 or len(causes) == 1 or left[0].confidence != Confidence.POSSIBLE:
        return causes
    words = "every other cause of such an end is ruled out"
    last = Cause(left[0].cause, Confidence.LIKELY, (words, *left[0].evidence))
    return [last if cause is left[0] else cause for cause in causes]


def _beside(cause: Cause, certain: set[str]) -> Cause:
    """Lower what only the text speaks for where the evidence names another limit."""
    if not certain or cause.confidence != Confidence.LIKELY:
        return cause
    words = f"the evidence names {', '.join(sorted(certain))}"
    return Cause(cause.cause, Confidence.POSSIBLE, (words, *cause.evidence))


def _rank(cause: str, process: Process, growth: Mapping[str, Growth]) -> tuple[bool, float]:
    """Order within one standing: what rises first, then what was fuller."""
    resource = LIMITS[cause].resource if cause in LIMITS else None
    rises = resource is not None and resource in growth and growth[resource].verdict.is_alarming
    usage = evidence.peak_usage(cause, process)
    return not rises, -((usage.ratio if usage else None) or 0.0)
