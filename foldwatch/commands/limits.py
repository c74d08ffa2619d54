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
        int | None, typer.Option(min=1, help="The process to ask about; this one by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Show every ceiling, where it was read, and which one binds."""
    ceilings = read_applied_limits(pid=pid)
    tightest = binding(ceilings)
    bites = warnings(ceilings, cores=len(os.sched_getaffinity(pid or 0)))
    if as_json:
        content = {
            "schema": 1,
            "binding": tightest.name if tightest else None,
            "ceilings": [ceiling.as_json() for ceiling in ceilings],
            "warnings": bites,
        }
        print_json(content)
        return
    is_wide = columns() >= TABLE_COLUMNS
    print_output(_table(ceilings, tightest) if is_wide else "\n".join(map(_line, ceilings)))
    for ceiling in ceilings:
        where = f"{ceiling.name}: {ceiling.scope}, {ceiling.source}"
        note = f" ({ceiling.note})" if ceiling.note else ""
        print_output(clean_label(where + note))
    for bite in bites:
        print_output(clean_label(f"warning: {bite}"))
    print_output(Text(_binding_line(tightest), style="bold"))


def _table(ceilings: tuple[AppliedLimit, ...], tightest: AppliedLimit | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("ceiling", no_wrap=True)
    for name in ("used", "limit", "headroom", "full"):
        table.add_column(name, justify="right", no_wrap=True)
    for ceiling in ceilings:
        usage, ratio = ceiling.usage, ceiling.usage.ratio
        is_bytes = LIMITS[ceiling.name].is_bytes
        table.add_row(
            f"{ceiling.name} ◀ binds" if ceiling is tightest else ceiling.name,
            format_amount(usage.current, is_bytes=is_bytes),
            _limit(usage.limit, is_bytes=is_bytes),
            format_amount(usage.headroom, is_bytes=is_bytes),
            "" if ratio is None else f"{ratio:.1%}",
            style="bold" if ceiling is tightest else "",
        )
    return table


def _line(ceiling: AppliedLimit) -> str:
    is_bytes = LIMITS[ceiling.name].is_bytes
    used = format_amount(ceiling.usage.current, is_bytes=is_bytes)
    return f"{ceiling.name}: {used} of {_limit(ceiling.usage.limit, is_bytes=is_bytes)}"


def _binding_line(ceiling: AppliedLimit | None) -> str:
    if ceiling is None:
        return "No ceiling is known with both its usage and its limit."
    is_bytes = LIMITS[ceiling.name].is_bytes
    headroom = format_amount(ceiling.usage.headroom, is_bytes=is_bytes)
    return (
        f"{ceiling.name} binds: {headroom} left of {_limit(ceiling.usage.limit, is_bytes=is_bytes)}"
    )


def _limit(limit: Limit, *, is_bytes: bool) -> str:
    if isinstance(limit, LimitState):
        return limit.value
    return format_amount(limit, is_bytes=is_bytes)
