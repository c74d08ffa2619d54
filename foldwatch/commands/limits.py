"""``foldwatch limits``: every limit of a process, its use and its headroom."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from foldwatch.terminal import columns, print_json, print_output
from telemetry.formatting import format_amount
from telemetry.kernel.applied_limits import AppliedLimit, binding, read_applied_limits, warnings
from telemetry.limits import LIMITS
from telemetry.reading import Limit, LimitState
from telemetry.thread_line import clean_label

app = typer.Typer()
TABLE_COLUMNS = 66
"""A narrower terminal gets lines: a table would cut its numbers off."""


@app.command()
def limits(
    pid: Annotated[
        int | None, typer.Option(min=1, help="The process to show; this one by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Show every limit of a process, its source, and the one that binds."""
    applied = read_applied_limits(pid=pid)
    tightest = binding(applied)
    texts = warnings(applied, cores=len(os.sched_getaffinity(pid or 0)))
    if as_json:
        content = {
            "schema": 1,
            "binding": tightest.name if tightest else None,
            "ceilings": [limit.as_json() for limit in applied],
            "warnings": texts,
        }
        print_json(content)
        return
    is_wide = columns() >= TABLE_COLUMNS
    print_output(_table(applied, tightest) if is_wide else "\n".join(map(_line, applied)))
    for limit in applied:
        note = f" ({limit.note})" if limit.note else ""
        print_output(clean_label(f"{limit.name}: {limit.scope}, {limit.source}{note}"))
    for text in texts:
        print_output(clean_label(f"warning: {text}"))
    print_output(Text(_binding_line(tightest), style="bold"))


def _table(applied: tuple[AppliedLimit, ...], tightest: AppliedLimit | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for name in ("used", "limit", "headroom", "full"):
        table.add_column(name, justify="right", no_wrap=True)
    for limit in applied:
        usage, ratio = limit.usage, limit.usage.ratio
        is_bytes = LIMITS[limit.name].is_bytes
        table.add_row(
            f"{limit.name} ◀ binds" if limit is tightest else limit.name,
            format_amount(usage.current, is_bytes=is_bytes),
            _limit(usage.limit, is_bytes=is_bytes),
            format_amount(usage.headroom, is_bytes=is_bytes),
            "" if ratio is None else f"{ratio:.1%}",
            style="bold" if limit is tightest else "",
        )
    return table


def _line(limit: AppliedLimit) -> str:
    is_bytes = LIMITS[limit.name].is_bytes
    used = format_amount(limit.usage.current, is_bytes=is_bytes)
    return f"{limit.name}: {used} of {_limit(limit.usage.limit, is_bytes=is_bytes)}"


def _binding_line(limit: AppliedLimit | None) -> str:
    if limit is None:
        return "No limit is known together with its usage."
    is_bytes = LIMITS[limit.name].is_bytes
    headroom = format_amount(limit.usage.headroom, is_bytes=is_bytes)
    return f"{limit.name} binds: {headroom} left of {_limit(limit.usage.limit, is_bytes=is_bytes)}"


def _limit(limit: Limit, *, is_bytes: bool) -> str:
    if isinstance(limit, LimitState):
        return limit.value
    return format_amount(limit, is_bytes=is_bytes)
