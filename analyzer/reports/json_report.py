"""An analysis as JSON for programs; SCHEMA rises with every change that breaks a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyzer.processes.settled import tree_memory

if TYPE_CHECKING:
    from analyzer.comparison import Change, Comparison
    from analyzer.growth.child_growth import ChildGrowth
    from analyzer.growth.verdict import Growth
    from analyzer.processes.black_box import LastMinute
    from analyzer.processes.from_log import Source
    from analyzer.result import AnalysisResult, EarlierRun, Finding
    from analyzer.signatures.search import SignatureMatch

SCHEMA = 1


def as_json(analysis: AnalysisResult) -> dict[str, Any]:
    """Return the JSON object of schema 1; absent values are null."""
    return {
        "schema": SCHEMA,
        "sources": [_source_json(source) for source in analysis.sources],
        "processes": [_finding_json(finding) for finding in analysis.findings],
        "verdict": analysis.verdict,
        "outcome": analysis.outcome,
        "earlier_runs": [_earlier_json(run) for run in analysis.earlier_runs],
    }


def _earlier_json(run: EarlierRun) -> dict[str, Any]:
    return {
        "path": run.path,
        "directory": run.directory,
        "seconds_before": run.seconds_before,
        "outcome": run.outcome,
    }


def _source_json(source: Source) -> dict[str, Any]:
    return {
        "path": source.path,
        "earlier": list(source.earlier),
        "lines": source.lines,
        "samples": source.checkpoints,
        "samples_left_out": source.left_out,
        "labels_merged": source.has_merged_labels,
        "formats": [
            {
                "format": found.format.name,
                "resource": found.format.resource,
                "kind": found.format.kind,
                "readings": found.readings,
                "used": found.is_used,
            }
            for found in source.formats
        ],
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
        "resources": {name: growth_json(growth) for name, growth in finding.growth.items()},
        "epochs": {name: growth_json(growth) for name, growth in finding.epochs.items()},
        "over_time": {name: growth_json(growth) for name, growth in finding.over_time.items()},
        "children": [_child_json(child) for child in finding.children],
        "left_behind": [
            {"fold": left.fold, "stage": left.stage, "pools": dict(left.pools)}
            for left in finding.pool_leaks
        ],
        "tree_memory": tree_memory(process.settled) or None,
        "outcome": None if finding.ending is None else finding.ending.outcome,
        "ending": None if finding.ending is None else finding.ending._asdict(),
        "crash": None if process.crash is None else _crash_json(process.crash),
        "causes": [
            {"cause": cause.cause, "standing": cause.confidence, "evidence": list(cause.evidence)}
            for cause in finding.causes
        ],
        "black_box": None if process.black_box is None else _box_json(process.black_box),
        "symptom_of": finding.symptom_of,
        "survived": [_crash_json(sign) for sign in process.recovered.values()],
        "stopped": None if finding.truncation is None else finding.truncation.words,
        "notes": list(finding.notes),
        "remedies": [
            {"target": remedy.target, "text": remedy.text, "command": remedy.command}
            for remedy in finding.remedies
        ],
    }


def _box_json(box: LastMinute) -> dict[str, Any]:
    return {
        "readings": len(box.readings),
        "seconds": box.readings[-1].time - box.readings[0].time,
        "bursts": [one._asdict() | {"per_second": one.per_second} for one in box.bursts()],
    }


def _child_json(child: ChildGrowth) -> dict[str, Any]:
    return {
        "role": child.role,
        "pid": child.process.pid,
        "resources": {name: growth_json(growth) for name, growth in child.growth.items()},
        "epochs": {name: growth_json(growth) for name, growth in child.epochs.items()},
        "over_time": {name: growth_json(growth) for name, growth in child.over_time.items()},
    }


def growth_json(growth: Growth) -> dict[str, Any]:
    """Return one resource's growth; absent values are null."""
    return {
        "verdict": growth.verdict,
        "unit": growth.unit,
        "per_fold": growth.slope,
        "per_fold_low": growth.slope_low,
        "per_fold_high": growth.slope_high,
        "first": growth.first,
        "last": growth.last,
        "peak": growth.peak,
        "limit": growth.limit,
        "folds_to_limit": growth.folds_to_limit,
        "reason": growth.reason,
        "nature": None if growth.nature is None else growth.nature.nature,
        "nature_reason": None if growth.nature is None else growth.nature.reason,
        "growth_of": [part._asdict() for part in growth.grown],
    }


def _crash_json(crash: SignatureMatch) -> dict[str, Any]:
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


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return what ``compared_with`` holds: the earlier side, and what changed by resource."""
    return {
        "sources": [_source_json(source) for source in comparison.before.sources],
        "verdict": comparison.before.verdict,
        "sentence": comparison.sentence,
        "resources": {name: _change_json(change) for name, change in comparison.changes.items()},
        "children": [
            {"role": role, "resource": name, **_change_json(change)}
            for (role, name), change in comparison.children.items()
        ],
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "outcome": change.outcome,
        "reason": change.reason,
        "before": None if change.before is None else growth_json(change.before),
        "after": None if change.after is None else growth_json(change.after),
    }
