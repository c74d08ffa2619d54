"""An `Analysis` as text for a terminal and as JSON for programs.

Owns the words and the JSON schema. It must not judge. Labels and log lines are untrusted: what could
steer a terminal is taken out of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from telemetry.comparison import named
from telemetry.thread_log import MEBIBYTE, clean_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.analysis import Analysis, Finding
    from analyzer.attribution import LeftBehind
    from analyzer.growth import Growth
    from analyzer.log_table import Process, Source
    from analyzer.signatures import Crash

SCHEMA = 1
SKIPPED_SHOWN = 3
TABLE_COLUMNS = 78
"""A narrower terminal gets lines: a table would cut its numbers off."""
_COLOURS = {
    "stable": "green",
    "warm-up": "green",
    "slow": "yellow",
    "growing": "red",
    "critical": "bold red",
    "inconclusive": "dim",
    "ok": "green",
    "crashed": "bold red",
    "no samples": "yellow",
}


def as_json(analysis: Analysis) -> dict[str, Any]:
    """Return the JSON object of schema 1; absent values are null."""
    return {
        "schema": SCHEMA,
        "sources": [_source_json(source) for source in analysis.sources],
        "processes": [_finding_json(finding) for finding in analysis.findings],
        "verdict": analysis.verdict,
    }


def _source_json(source: Source) -> dict[str, Any]:
    return {
        "path": source.path,
        "lines": source.lines,
        "samples": source.samples,
        "skipped": [{"line": line.line, "reason": line.reason} for line in source.skipped],
        "more_skipped": source.more_skipped,
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    process = finding.process
    return {
        "source": process.source,
        "pid": process.pid,
        "rank": process.rank,
        "folds": process.folds,
        "folds_planned": process.folds_planned,
        "resources": {name: _growth_json(growth) for name, growth in finding.growth.items()},
        "left_behind": [
            {"fold": left.fold, "stage": left.stage, "pools": dict(left.pools)}
            for left in finding.left
        ],
        "crash": None if process.crash is None else _crash_json(process.crash),
        "causes": [
            {"cause": cause.cause, "standing": cause.standing, "evidence": list(cause.evidence)}
            for cause in finding.causes
        ],
    }


def _growth_json(growth: Growth) -> dict[str, Any]:
    return {
        "verdict": growth.verdict,
        "per_fold": growth.per_fold,
        "per_fold_low": growth.per_fold_low,
        "per_fold_high": growth.per_fold_high,
        "first": growth.first,
        "last": growth.last,
        "peak": growth.peak,
        "limit": growth.limit,
        "folds_to_limit": growth.folds_to_limit,
        "reason": growth.reason,
    }


def _crash_json(crash: Crash) -> dict[str, Any]:
    return {
        "signature": crash.signature,
        "line": crash.line,
        "text": crash.text,
        "thread": crash.thread,
        "errno": crash.errno,
        "signal": crash.signal,
        "last_label": crash.last_label,
        "seconds_after_last_sample": crash.seconds_after_last_sample,
    }


def as_text(analysis: Analysis, *, width: int) -> RenderableType:
    """Return what a terminal of ``width`` columns shows, the overall verdict as its last line."""
    parts: list[RenderableType] = []
    for source in analysis.sources:
        parts += _source_text(source)
    seen: set[str] = set()
    for finding in analysis.findings:
        if finding.is_isolated and finding.process.folds:
            if finding.process.group not in seen:
                seen.add(finding.process.group)
                parts += _isolated_text(analysis, finding, width)
            parts += _crash_text(finding)
        elif finding.process.samples or finding.process.signs:
            parts += _finding_text(finding, width)
    verdict = analysis.verdict
    parts.append(Text.assemble("\nverdict: ", (verdict, _COLOURS[verdict])))
    return Group(*parts)


def _source_text(source: Source) -> list[RenderableType]:
    path = clean_label(source.path)
    parts: list[RenderableType] = [
        Text(f"{path}: {source.lines:,} lines, {source.samples:,} samples", style="bold")
    ]
    parts += [
        Text(f"  line {skipped.line} skipped: {clean_label(skipped.reason)}")
        for skipped in source.skipped[:SKIPPED_SHOWN]
    ]
    if (more := len(source.skipped) + source.more_skipped - SKIPPED_SHOWN) > 0:
        parts.append(Text(f"  and {more:,} more skipped (--json lists them)"))
    return parts


def _finding_text(finding: Finding, width: int) -> list[RenderableType]:
    process = finding.process
    pid = "" if process.pid is None else f" {process.pid}"
    return [
        Text(f"\nprocess{pid}: {_folds_words(process)}"),
        *_growth_text(finding.growth, width),
        *(Padding(_left_text(left), (0, 0, 0, 1), expand=False) for left in finding.left),
        *_crash_text(finding),
    ]


def _isolated_text(analysis: Analysis, first: Finding, width: int) -> list[RenderableType]:
    group = [
        f for f in analysis.findings if f.process.group == first.process.group and f.process.folds
    ]
    planned = first.process.folds_planned
    folds = sorted({fold for finding in group for fold in finding.process.folds})
    growth = {
        name: replace(
            judged,
            last=group[-1].growth[name].last,
            peak=max((p for f in group if (p := f.growth[name].peak) is not None), default=None),
        )
        for name, judged in first.growth.items()
    }
    names = ", ".join(map(str, folds))
    return [
        Text(f"\n{len(group)} processes, one fold each: folds {names} of {planned or '?'}"),
        *_growth_text(growth, width),
    ]


def _left_text(left: LeftBehind) -> Text:
    pools = clean_label(named(left.pools))
    return Text(f"fold {left.fold} left {pools} threads (at {clean_label(left.stage)!r})")


def _folds_words(process: Process) -> str:
    if not process.folds:
        return "no fold named"
    return f"folds {', '.join(map(str, process.folds))} of {process.folds_planned or '?'}"


def _growth_text(growth: Mapping[str, Growth], width: int) -> list[RenderableType]:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("resource", no_wrap=True)
    for name in ("first", "last", "peak", "limit", "per fold"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for name, found in growth.items():
        is_bytes = name.endswith("_bytes")
        table.add_row(
            name.removesuffix("_bytes"),
            *(
                _number(value, is_bytes=is_bytes)
                for value in (found.first, found.last, found.peak, found.limit)
            ),
            _slope(found, is_bytes=is_bytes),
            Text(found.verdict, style=_COLOURS[found.verdict]),
        )
    reasons: dict[str, list[str]] = {}
    for name, found in growth.items():
        reasons.setdefault(found.reason, []).append(name.removesuffix("_bytes"))
    lines = [Text(f"{', '.join(names)}: {reason}") for reason, names in reasons.items()]
    rows: list[RenderableType] = [table] if width >= TABLE_COLUMNS else _growth_lines(growth)
    return [*rows, *(Padding(line, (0, 0, 0, 1), expand=False) for line in lines)]


def _growth_lines(growth: Mapping[str, Growth]) -> list[RenderableType]:
    """Say in lines what the table says, for a terminal too narrow for it."""
    lines: list[RenderableType] = []
    for name, found in growth.items():
        first, last, peak, limit = (
            _number(value, is_bytes=name.endswith("_bytes"))
            for value in (found.first, found.last, found.peak, found.limit)
        )
        slope = _slope(found, is_bytes=name.endswith("_bytes"))
        words = f" {first} to {last}, peak {peak} of {limit}, {slope} a fold: "
        verdict = (found.verdict, _COLOURS[found.verdict])
        lines.append(Text.assemble((name.removesuffix("_bytes"), "bold"), words, verdict))
    return lines


def _slope(growth: Growth, *, is_bytes: bool) -> str:
    if growth.per_fold is None:
        return "-"
    value = growth.per_fold / MEBIBYTE if is_bytes else growth.per_fold
    number = f"{value:+,.1f}".removesuffix(".0") if round(value, 1) else "0"
    return f"{number} MB" if is_bytes else number


def _number(value: int | None, *, is_bytes: bool) -> str:
    if value is None:
        return "-"
    return f"{value / MEBIBYTE:,.0f} MB" if is_bytes else f"{value:,}"


def _crash_text(finding: Finding) -> list[RenderableType]:
    crash = finding.process.crash
    if crash is None:
        return [
            Text(f"line {sign.line} looks like a crash, but the process went on: {sign.signature}")
            for sign in finding.process.survived.values()
        ]
    where = f"line {crash.line}" if crash.line else "as the runner saw it"
    folds = finding.process.folds
    whose = f" in fold {folds[-1]}" if folds else ""
    parts: list[RenderableType] = [
        Text.assemble(("crash", "bold red"), f"{whose} ({crash.signature}), {where}:"),
        Padding(Text(clean_label(crash.text)), (0, 0, 0, 2), expand=False),
    ]
    if crash.last_label is not None:
        parts.append(Text(f"  last label before it: {clean_label(crash.last_label)}"))
    parts.append(Text("causes:"))
    for cause in finding.causes:
        if cause.evidence:
            evidence = Text(clean_label("; ".join(cause.evidence)))
            heading = Text(f"{cause.standing}: {cause.cause}", style="bold")
            parts += [
                Padding(heading, (0, 0, 0, 2), expand=False),
                Padding(evidence, (0, 0, 0, 4), expand=False),
            ]
    if unrecorded := [cause.cause for cause in finding.causes if not cause.evidence]:
        words = f"possible, but not recorded here: {', '.join(unrecorded)}"
        parts.append(Padding(Text(words), (0, 0, 0, 2), expand=False))
    if not any(cause.standing == "certain" for cause in finding.causes):
        words = "  none is certain: the message is the same for all of them"
        parts.append(Text(words, style="dim"))
    return parts
