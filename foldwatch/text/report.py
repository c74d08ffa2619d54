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
from rich.table import Table
from rich.text import Text

from analyzer import formatting as fmt
from analyzer.diagnosis.outcome import Outcome
from analyzer.groups import group_findings
from analyzer.growth.verdict import Verdict
from analyzer.reports.headline import earlier_runs_line, headline, is_open, root_cause_line
from analyzer.reports.sparkline import ASCII, BLOCKS, sparkline
from analyzer.result import OverallVerdict
from foldwatch.text.crash import crash_text
from foldwatch.text.detail import SHORT, Detail
from foldwatch.text.indented import Indented
from telemetry.reading_difference import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from analyzer.groups import ProcessGroup
    from analyzer.growth.pool_leaks import PoolLeak
    from analyzer.growth.verdict import Growth
    from analyzer.processes.checkpoints import Checkpoint
    from analyzer.processes.from_log import Source
    from analyzer.result import AnalysisResult, Finding

OVERVIEW_COLUMNS = 90
"""Of the line that says how a process ended."""
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
    detail: Detail = SHORT,
) -> RenderableType:
    """Return what a terminal of ``width`` columns shows: the headline, the parts, the root cause.

    ``middle`` goes in front of the root cause, which is the last line. ``detail`` says how much is shown.
    """
    blocks = BLOCKS if _can_write(encoding) else ASCII
    parts = group_findings(analysis)
    first = headline(analysis, parts)
    shown: list[RenderableType] = [
        Text(
            first,
            style="bold yellow" if is_open(analysis, parts) else COLOURS[analysis.verdict],
        ),
        *_sources(analysis.sources, detail),
        *map(Text, filter(None, [earlier_runs_line(analysis)])),
    ]
    told = sorted(parts, key=lambda part: not part.is_alarming)
    if max(len(parts), len(analysis.sources)) > SHORT.parts:
        shown += _overview(analysis, detail)
    if len(parts) > detail.parts:
        worst = sorted(parts, key=lambda part: part.severity)[: detail.worst]
        told = [part for part in worst if part.is_alarming] or worst[:1]
        shown += _summary(parts, told)
    for part in told:
        shown.append(
            Text(f"\n{f'{part.name}: ' if len(parts) > 1 else ''}{part.title}", style="bold")
        )
        shown += _part(part, width=width, blocks=blocks, detail=detail)
        notable = part.notable
        for finding in notable[: detail.notable]:
            shown += _end(finding, headline=first, detail=detail)
        if (more := len(notable) - detail.notable) > 0:
            shown.append(
                Indented(f"and {more:,} more processes that have remarks (--all shows them)")
            )
    shown += middle
    shown += _remedies(analysis, detail)
    shown.append(Text(f"\n{root_cause_line(analysis, parts)}", style="bold"))
    return Group(*shown)


def _can_write(encoding: str) -> bool:
    try:
        BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _sources(sources: Sequence[Source], detail: Detail) -> Iterator[RenderableType]:
    broken = [source for source in sources if source.skipped]
    shown = sources
    if len(sources) > detail.sources:
        lines, checkpoints = (
            sum(getattr(s, name) for s in sources) for name in ("lines", "checkpoints")
        )
        yield Text(f"{len(sources)} files: {lines:,} lines, {checkpoints:,} samples")
        shown = broken[: detail.sources]
    for source in shown:
        path = fmt.safe(source.path, longest=fmt.LONGEST_LINE)
        if source.earlier:
            count = len(source.earlier)
            path += f" and {count} rotated file{'' if count == 1 else 's'} before it"
        yield Text(f"{path}: {source.lines:,} lines, {source.checkpoints:,} samples")
        if words := fmt.format_words(source.formats):
            yield Indented(words)
        if source.left_out:
            words = f"{source.left_out:,} of them are left out: between the extremes of labels that come over and over"
            yield Indented(words)
        if source.has_merged_labels:
            yield Indented("so many labels that further ones are judged as one of each fold")
        for skipped in source.skipped[: detail.skipped]:
            where = f"line {skipped.line} " if skipped.line else ""
            yield Indented(f"{where}skipped: {fmt.safe(skipped.reason)}")
        if (more := source.skipped_count - min(detail.skipped, len(source.skipped))) > 0:
            yield Indented(f"and {more:,} more skipped (--json lists them)")
    if len(sources) > detail.sources and (more := len(broken) - len(shown)) > 0:
        yield Indented(f"and {more:,} more files with skipped lines (all are in --json)")


def _overview(analysis: AnalysisResult, detail: Detail) -> Iterator[RenderableType]:
    """Count how the processes ended, and give a line for each that did not finish, the worst first."""
    ended = [(f, f.ending) for f in analysis.findings if f.ending and not f.is_superseded]
    counts = Counter(ending.outcome for _, ending in ended)
    words = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    yield Text(f"\n{len(ended)} processes: {words}", style="bold")
    told = [one for one in ended if one[1].outcome != Outcome.FINISHED]
    told.sort(key=lambda one: one[1].outcome.severity)
    names = _short_names({finding.process.source for finding, _ in ended})
    for finding, ending in told[: detail.endings]:
        process = finding.process
        name = names[process.source]
        name += "" if process.rank is None else f", rank {fmt.rank_name(process.rank)}"
        where = f" (line {ending.line})" if ending.line else ""
        reason = fmt.safe(ending.reason, longest=OVERVIEW_COLUMNS)
        yield Indented(
            Text.assemble((fmt.safe(name), "bold"), f": {ending.outcome}: {reason}{where}")
        )
    if (more := len(told) - detail.endings) > 0:
        yield Indented(f"and {more} more (--all shows them)")


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
        yield Indented(Text.assemble((fmt.short_name(name), "bold"), f": {words}"))
    words = "the worst one follows" if len(told) == 1 else f"the worst {len(told)} follow"
    yield Indented(f"{words}; --all shows each")


def _part(
    part: ProcessGroup, *, width: int, blocks: str, detail: Detail
) -> Iterator[RenderableType]:
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
    yield from _children(part, width=width, blocks=blocks, detail=detail)
    left = [left for finding in part.findings for left in finding.pool_leaks]
    for one in left[-detail.leaks :]:
        yield Indented(_left(one))
    if (more := len(left) - detail.leaks) > 0:
        yield Indented(f"and {more} folds before them left threads too")


def _children(
    part: ProcessGroup, *, width: int, blocks: str, detail: Detail
) -> Iterator[RenderableType]:
    for child in part.children[: detail.leaks]:
        yield Text(f"child process {fmt.safe(child.name)}:")
        labelled = partial(_drawn, child.process.checkpoints)
        for axis in (child.growth, child.epochs):
            yield from _growth(axis, labelled, width=width, blocks=blocks)
        known = child.process.readings.known
        yield from _growth(child.over_time, known, width=width, blocks=blocks)
    if (more := len(part.children) - detail.leaks) > 0:
        yield Indented(f"and {more:,} more child processes that grow (--all shows them)")


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
        yield Indented(f"{', '.join(names)}: {reason}")
    for name, found in growth.items():
        for words in fmt.grown_words(found):
            yield Indented(f"{fmt.short_name(name)}: {words}")


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
        yield Indented(Text.assemble(f"{levels}, {slope}: ", verdict))


def _end(finding: Finding, *, headline: str, detail: Detail) -> Iterator[RenderableType]:
    process = finding.process
    for sign in process.recovered.values():
        words = f"line {sign.line} looks like a crash, but the process went on: "
        yield Indented(words + sign.signature)
    if process.handled_exceptions:
        count = process.handled_exceptions
        words = "one traceback" if count == 1 else f"{count} tracebacks"
        yield Indented(f"{words} below which the process went on")
    if finding.truncation is not None:
        words = fmt.safe(finding.truncation.words, longest=999)
        yield Indented(Text.assemble(("ends early: ", "yellow"), words))
    crash = process.crash
    if crash is not None:
        yield from crash_text(finding, crash, headline=headline, detail=detail)
    for note in finding.notes:
        yield Indented(f"note: {fmt.safe(note, longest=999)}")


def _remedies(analysis: AnalysisResult, detail: Detail) -> Iterator[RenderableType]:
    if analysis.remedies:
        yield Text("\nwhat to do", style="bold")
    for remedy in analysis.remedies[: detail.remedies]:
        yield Indented(f"- {remedy.text}")
        if remedy.command is not None:
            yield Indented(Text(fmt.safe(remedy.command, longest=999), style="cyan"), 4)
    if (more := len(analysis.remedies) - detail.remedies) > 0:
        yield Indented(f"and {more} more (--all shows them)")
