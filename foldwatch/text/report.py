"""An analysis as text for a terminal: what happened first, why last.

Labels and log lines are untrusted: whatever could steer a terminal is removed.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analyzer import formatting as fmt
from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.outcome import Outcome
from analyzer.groups import group_findings
from analyzer.growth.verdict import Verdict
from analyzer.reports.headline import earlier_runs_line, headline, is_open, root_cause_line
from analyzer.reports.sparkline import ASCII, BLOCKS, sparkline
from analyzer.result import OverallVerdict
from analyzer.signatures.signature import NOT_A_LIMIT
from telemetry.reading_difference import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from analyzer.groups import ProcessGroup
    from analyzer.growth.pool_leaks import PoolLeak
    from analyzer.growth.verdict import Growth
    from analyzer.processes.checkpoints import Checkpoint
    from analyzer.processes.from_log import Source
    from analyzer.result import AnalysisResult, Finding
    from analyzer.signatures.search import SignatureMatch

SKIPPED_SHOWN = 3
SOURCES_SHOWN = 6
PARTS_SHOWN = 4
"""More processes than this are summed up; the worst of them are shown in full."""
WORST_SHOWN = 2
LEFT_SHOWN = 5
OVERVIEW_LINES = 20
OVERVIEW_COLUMNS = 90
"""Of the line that says how a process ended."""
REMEDIES_SHOWN = 8
TABLE_COLUMNS = 78
"""A narrower terminal gets lines: a table would cut its numbers off."""
COLOURS = {
    Verdict.STABLE: "green",
    Verdict.WARM_UP: "green",
    Verdict.SLOW: "yellow",
    Verdict.GROWING: "red",
    Verdict.CRITICAL: "bold red",
    Verdict.INCONCLUSIVE: "dim",
    OverallVerdict.OK: "bold green",
    OverallVerdict.CRASHED: "bold red",
    OverallVerdict.STOPPED: "bold yellow",
    OverallVerdict.NO_SAMPLES: "yellow",
}


def as_text(
    analysis: AnalysisResult,
    *,
    width: int,
    encoding: str = "utf-8",
    middle: Sequence[RenderableType] = (),
) -> RenderableType:
    """Return what a terminal of ``width`` columns shows: the headline, the parts, the root cause.

    ``middle`` goes in front of the root cause, which is the last line.
    """
    blocks = BLOCKS if _can_write(encoding) else ASCII
    parts = group_findings(analysis)
    shown: list[RenderableType] = [
        Text(
            headline(analysis, parts),
            style="bold yellow" if is_open(analysis, parts) else COLOURS[analysis.verdict],
        ),
        *_sources(analysis.sources),
        *map(Text, filter(None, [earlier_runs_line(analysis)])),
    ]
    told = parts
    if max(len(parts), len(analysis.sources)) > PARTS_SHOWN:
        shown += _overview(analysis)
    if len(parts) > PARTS_SHOWN:
        worst = sorted(parts, key=lambda part: part.severity)[:WORST_SHOWN]
        told = [part for part in worst if part.is_alarming] or worst[:1]
        shown += _summary(parts, told)
    for part in told:
        shown += _part(part, name=part.name if len(parts) > 1 else "", width=width, blocks=blocks)
    shown += middle
    shown += _remedies(analysis)
    shown.append(Text(f"\n{root_cause_line(analysis, parts)}", style="bold"))
    return Group(*shown)


def _can_write(encoding: str) -> bool:
    try:
        BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _indented(words: str | Text, columns: int = 1) -> RenderableType:
    return Padding(
        words if isinstance(words, Text) else Text(words), (0, 0, 0, columns), expand=False
    )


def _sources(sources: Sequence[Source]) -> Iterator[RenderableType]:
    broken = [source for source in sources if source.skipped]
    shown = sources
    if len(sources) > SOURCES_SHOWN:
        lines, checkpoints = (
            sum(getattr(s, name) for s in sources) for name in ("lines", "checkpoints")
        )
        yield Text(f"{len(sources)} files: {lines:,} lines, {checkpoints:,} samples")
        shown = broken[:SOURCES_SHOWN]
    for source in shown:
        path = fmt.safe(source.path, longest=fmt.LONGEST_LINE)
        if source.earlier:
            count = len(source.earlier)
            path += f" and {count} rotated file{'' if count == 1 else 's'} before it"
        yield Text(f"{path}: {source.lines:,} lines, {source.checkpoints:,} samples")
        if words := fmt.format_words(source.formats):
            yield _indented(words)
        for skipped in source.skipped[:SKIPPED_SHOWN]:
            yield _indented(f"line {skipped.line} skipped: {fmt.safe(skipped.reason)}")
        if (more := source.skipped_count - SKIPPED_SHOWN) > 0:
            yield _indented(f"and {more:,} more skipped (--json lists them)")
    if len(sources) > SOURCES_SHOWN and (more := len(broken) - len(shown)) > 0:
        yield _indented(f"and {more:,} more files with skipped lines (all are in --json)")


def _overview(analysis: AnalysisResult) -> Iterator[RenderableType]:
    """Count how the processes ended, and give a line for each that did not finish, the worst first."""
    ended = [(f, f.ending) for f in analysis.findings if f.ending and not f.is_superseded]
    counts = Counter(ending.outcome for _, ending in ended)
    words = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    yield Text(f"\n{len(ended)} processes: {words}", style="bold")
    told = [one for one in ended if one[1].outcome != Outcome.FINISHED]
    told.sort(key=lambda one: one[1].outcome.severity)
    names = _short_names({finding.process.source for finding, _ in ended})
    for finding, ending in told[:OVERVIEW_LINES]:
        process = finding.process
        name = names[process.source]
        name += "" if process.rank is None else f", rank {process.rank}"
        where = f" (line {ending.line})" if ending.line else ""
        reason = fmt.safe(ending.reason, longest=OVERVIEW_COLUMNS)
        yield _indented(
            Text.assemble((fmt.safe(name), "bold"), f": {ending.outcome}: {reason}{where}")
        )
    if (more := len(told) - OVERVIEW_LINES) > 0:
        yield _indented(f"and {more} more (all are in --json)")


def _short_names(paths: Iterable[str]) -> dict[str, str]:
    """Name files by their last part, or by what tells them apart where two have the same one."""
    names = {path: os.path.basename(path) for path in paths}
    if len({*names.values()}) == len(names):
        return names
    top = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in names])
    return {path: os.path.relpath(path, top) for path in names}


def _summary(
    parts: Sequence[ProcessGroup], told: Sequence[ProcessGroup]
) -> Iterator[RenderableType]:
    """Sum up many processes: per resource the range of their peaks and how many had which verdict."""
    for name in parts[0].growth:
        found = [part.growth[name] for part in parts if name in part.growth]
        peaks = sorted(growth.peak for growth in found if growth.peak is not None)
        counts = Counter(growth.verdict for growth in found)
        verdicts = ", ".join(f"{counts[v]} {v}" for v in Verdict if counts[v])
        if not peaks:
            continue
        low, middle, high = (fmt.amount(name, peaks[i]) for i in (0, len(peaks) // 2, -1))
        words = f"peaks {low} to {high}, median {middle}; {verdicts}"
        yield _indented(Text.assemble((fmt.short_name(name), "bold"), f": {words}"))
    words = "the worst one follows" if len(told) == 1 else f"the worst {len(told)} follow"
    yield _indented(f"{words}; all are in --json")


def _part(part: ProcessGroup, *, name: str, width: int, blocks: str) -> Iterator[RenderableType]:
    title = f"{name}: {part.title}" if name else part.title
    yield Text(f"\n{title}", style="bold")
    drawn = partial(_drawn, part.checkpoints)
    if not part.over_time or any(growth.peak is not None for growth in part.by_fold.values()):
        yield from _growth(part.by_fold, drawn, width=width, blocks=blocks)
    if any(growth.slope is not None for growth in part.epochs.values()):
        yield Text("per epoch:")
        yield from _growth(part.epochs, drawn, width=width, blocks=blocks)
    if part.over_time:
        yield Text("over time, where neither folds nor epochs tell:")
        known = part.first.process.readings.known
        yield from _growth(part.over_time, known, width=width, blocks=blocks)
    left = [left for finding in part.findings for left in finding.pool_leaks]
    for one in left[-LEFT_SHOWN:]:
        yield _indented(_left(one))
    if (more := len(left) - LEFT_SHOWN) > 0:
        yield _indented(f"and {more} folds before them left threads too")
    for finding in part.findings:
        yield from _end(finding)


def _left(left: PoolLeak) -> str:
    pools = fmt.safe(named(left.pools), longest=fmt.LONGEST_LINE)
    return f"fold {left.fold} left {pools} threads (at {fmt.safe(left.stage)!r})"


def _growth(
    growth: Mapping[str, Growth],
    drawn: Callable[[str], Sequence[int | None]],
    *,
    width: int,
    blocks: str,
) -> Iterator[RenderableType]:
    """Show ``growth`` with what is ``drawn`` of each resource."""
    recorded = {name: found for name, found in growth.items() if found.peak is not None}
    if width >= TABLE_COLUMNS and recorded:
        yield _table(recorded, drawn, width=width, blocks=blocks)
    else:
        yield from _lines(recorded, drawn, width=width, blocks=blocks)
    reasons: dict[str, list[str]] = {}
    for name, found in growth.items() if recorded else ():
        reasons.setdefault(found.reason, []).append(fmt.short_name(name))
    for reason, names in reasons.items():
        yield _indented(f"{', '.join(names)}: {reason}")


def _drawn(checkpoints: Sequence[Checkpoint], name: str) -> list[int | None]:
    """Return the values inside folds, if there are any: those before the first fold would flatten them."""
    inside = [checkpoint for checkpoint in checkpoints if checkpoint.label.fold is not None]
    return [checkpoint.values.get(name) for checkpoint in inside or checkpoints]


def _table(
    growth: Mapping[str, Growth],
    drawn: Callable[[str], Sequence[int | None]],
    *,
    width: int,
    blocks: str,
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column("resource", no_wrap=True)
    table.add_column("trend", no_wrap=True)
    table.add_column("peak", justify="right", no_wrap=True)
    unit = next(iter(growth.values())).unit
    table.add_column(f"per {unit}", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    trend = min(40, max(16, width - 62))
    for name, found in growth.items():
        slope = [fmt.slope(name, found, unit), fmt.interval(name, found)]
        values = drawn(name)
        table.add_row(
            fmt.short_name(name),
            f"{sparkline(values, width=trend, characters=blocks)}\n{_levels(name, values)}",
            "\n".join(filter(None, (fmt.amount(name, found.peak), fmt.of_limit(name, found)))),
            "\n".join(filter(None, slope)),
            Text(found.verdict, style=COLOURS[found.verdict]),
        )
    return table


def _levels(name: str, values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    first = fmt.amount(name, known[0]).removesuffix(fmt.unit(name))
    return f"{first} to {fmt.amount(name, known[-1])}"


def _lines(
    growth: Mapping[str, Growth],
    drawn: Callable[[str], Sequence[int | None]],
    *,
    width: int,
    blocks: str,
) -> Iterator[RenderableType]:
    """Say in lines what the table says, for a terminal too narrow for it."""
    for name, found in growth.items():
        values = drawn(name)
        trend = sparkline(values, width=min(24, width - 12), characters=blocks)
        verdict = (found.verdict, COLOURS[found.verdict])
        yield Text.assemble((f"{fmt.short_name(name):11} ", "bold"), trend)
        limit = fmt.of_limit(name, found)
        slope = f"{fmt.change(name, found.slope)} {found.a_unit}"
        if spread := fmt.interval(name, found):
            slope += f" ({spread})"
        levels = f"{_levels(name, values)}, peak {fmt.amount(name, found.peak)}"
        if limit:
            levels += f" ({limit})"
        yield _indented(Text.assemble(f"{levels}, {slope}: ", verdict))


def _end(finding: Finding) -> Iterator[RenderableType]:
    process = finding.process
    for sign in process.recovered.values():
        words = f"line {sign.line} looks like a crash, but the process went on: "
        yield _indented(words + sign.signature)
    if process.handled_exceptions:
        count = process.handled_exceptions
        words = "one traceback" if count == 1 else f"{count} tracebacks"
        yield _indented(f"{words} below which the process went on")
    if finding.truncation is not None:
        words = fmt.safe(finding.truncation.words, longest=999)
        yield _indented(Text.assemble(("ends early: ", "yellow"), words))
    crash = process.crash
    if crash is not None:
        yield from _crash(finding, crash)
    for note in finding.notes:
        yield _indented(f"note: {fmt.safe(note, longest=999)}")


def _crash(finding: Finding, crash: SignatureMatch) -> Iterator[RenderableType]:
    process = finding.process
    where = f"line {crash.line}" if crash.line else "in no log"
    whose = f" in fold {process.folds[-1]}" if process.folds else ""
    yield Text.assemble(("crash", "bold red"), f"{whose} ({crash.signature}), {where}:")
    yield _indented(fmt.safe(crash.text, longest=fmt.LONGEST_LINE), 2)
    if crash.last_label is not None:
        after = crash.seconds_after_last_sample
        late = "" if after is None else f", {after:,.1f} s earlier"
        yield _indented(f"last reading before it: {fmt.safe(crash.last_label)}{late}", 2)
    if finding.symptom_of is not None:
        yield _indented(f"it follows from: {fmt.safe(finding.symptom_of)}", 2)
    yield from _causes(finding)


def _causes(finding: Finding) -> Iterator[RenderableType]:
    """Give the causes, the best founded first; those with the same evidence together."""
    yield Text("causes, the best founded first:")
    alike: dict[tuple[Confidence, tuple[str, ...]], list[str]] = {}
    for cause in finding.causes:
        name = "no resource limit" if cause.cause == NOT_A_LIMIT else cause.cause
        alike.setdefault((cause.confidence, cause.evidence), []).append(name)
    for (confidence, evidence), names in alike.items():
        words = ", ".join(names)
        if not evidence:
            yield _indented(f"{confidence}, with nothing for or against: {words}", 2)
            continue
        style = "bold" if confidence in {Confidence.CERTAIN, Confidence.LIKELY} else ""
        yield _indented(Text(f"{confidence}: {words}", style=style), 2)
        for one in evidence:
            yield _indented(fmt.safe(one, longest=fmt.LONGEST_LINE), 4)
    left = [
        c for c in finding.causes if c.confidence not in {Confidence.RULED_OUT, Confidence.UNLIKELY}
    ]
    if len(left) > 1 and not any(c.confidence == Confidence.CERTAIN for c in left):
        words = "none is certain: the message is the same for all of them"
        yield _indented(Text(words, style="dim"), 2)


def _remedies(analysis: AnalysisResult) -> Iterator[RenderableType]:
    if analysis.remedies:
        yield Text("\nwhat to do", style="bold")
    for remedy in analysis.remedies[:REMEDIES_SHOWN]:
        yield _indented(f"- {remedy.text}")
        if remedy.command is not None:
            yield _indented(Text(fmt.safe(remedy.command, longest=999), style="cyan"), 4)
    if (more := len(analysis.remedies) - REMEDIES_SHOWN) > 0:
        yield _indented(f"and {more} more (all are in --json)")
