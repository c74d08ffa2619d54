"""An analysis as Markdown, for an issue or the summary of a CI job: the verdict, the checks, the cause, the steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from analyzer.gate.checks import CheckOutcome
from analyzer.groups import group_findings
from analyzer.reports.headline import headline, root_cause_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.gate.checks import Check
    from analyzer.groups import ProcessGroup
    from analyzer.result import AnalysisResult

MARKS = {CheckOutcome.PASSED: "pass", CheckOutcome.FAILED: "**FAIL**", CheckOutcome.UNKNOWN: "-"}
MOST_STEPS = 3
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~@])")


def as_markdown(analysis: AnalysisResult, checks: Sequence[Check]) -> str:
    """Return the text; what others wrote is escaped, so that it is neither markup nor a mention."""
    parts = group_findings(analysis)
    lines = [f"### foldwatch: {escaped(headline(analysis, parts))}", ""]
    lines += [*checks_table(checks), "", *_growth(parts)]
    if analysis.is_alarming:
        lines += [_capitalized(escaped(root_cause_line(analysis, parts))), ""]
        for step in analysis.remedies[:MOST_STEPS]:
            lines.append(f"- {escaped(step.text)}")
            if step.command is not None:
                lines.append(
                    f"  `{fmt.safe(step.command, longest=fmt.LONGEST_LINE).replace('`', '')}`"
                )
        lines.append("")
    sources = ", ".join(escaped(one.path) for one in analysis.sources[:MOST_STEPS])
    more = len(analysis.sources) - MOST_STEPS
    lines.append(f"Read: {sources}{f' and {more:,} more' if more > 0 else ''}")
    return "\n".join(lines) + "\n"


def checks_table(checks: Sequence[Check]) -> Iterator[str]:
    """Give the lines of a table with a row for each check."""
    yield "| check | | |"
    yield "|---|---|---|"
    for one in checks:
        yield f"| {escaped(one.name)} | {MARKS[one.outcome]} | {escaped(one.sentence)} |"


def escaped(text: str) -> str:
    """Return what Markdown shows as ``text`` itself, in one line."""
    return _SPECIAL.sub(r"\\\1", fmt.safe(text, longest=fmt.LONGEST_LINE))


def _growth(parts: Sequence[ProcessGroup]) -> Iterator[str]:
    rows = [
        (part, resource, growth)
        for part in parts
        for resource, growth in part.judged.items()
        if growth.slope is not None
    ]
    if not rows:
        return
    yield "| process | resource | verdict | change | 95 % interval | peak | limit |"
    yield "|---|---|---|--:|--:|--:|--:|"
    for part, resource, growth in rows:
        cells = (
            escaped(part.name),
            fmt.short_name(resource),
            growth.verdict,
            f"{fmt.change(resource, growth.slope)} {growth.a_unit}",
            fmt.interval(resource, growth) or "-",
            fmt.amount(resource, growth.peak),
            fmt.of_limit(resource, growth) or "-",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
