"""``foldwatch limits``: every limit of a process, its use and its headroom."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from foldwatch.terminal import columns, print_json, print_output
from telemetry.errors import InputError
from telemetry.formatting import format_amount
from telemetry.holders import COUNTED, Holders
from telemetry.kernel.applied_limits import AppliedLimit, binding, read_applied_limits, warnings
from telemetry.kernel.holders import read_holders
from telemetry.kernel.reader import Reader
from telemetry.limits import LIMITS
from telemetry.reading import Limit, LimitState
from telemetry.thread_line import clean_label
from telemetry.used_share import NEAR_RATIO, used_ratio

app = typer.Typer()
LONGEST_SECONDS = 10.0
"""Of looking at every process."""
_OF_ALL_TASKS = ("threads_max", "pid_max")
TABLE_COLUMNS = 66
"""A narrower terminal gets lines: a table would cut its numbers off."""


@app.command()
def limits(
    pid: Annotated[
        int | None, typer.Option(min=1, help="The process to show; this one by default.")
    ] = None,
    who: Annotated[
        bool, typer.Option("--who", help="Say as well who holds each limit that is shared.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Show every limit of a process, its source, and the one that binds."""
    applied = read_applied_limits(pid=pid)
    tightest = binding(applied)
    texts = warnings(applied, cores=len(os.sched_getaffinity(pid or 0)))
    holders = _holders(pid) if who else []
    if as_json:
        content = {
            "schema": 1,
            "binding": tightest.name if tightest else None,
            "ceilings": [limit.as_json() for limit in applied],
            "warnings": texts,
        }
        if who:
            content["holders"] = [_as_json(one) for one in holders]
        print_json(content)
        return
    is_wide = columns() >= TABLE_COLUMNS
    print_output(_table(applied, tightest) if is_wide else "\n".join(map(_line, applied)))
    for limit in applied:
        note = f" ({limit.note})" if limit.note else ""
        print_output(clean_label(f"{limit.name}: {limit.scope}, {limit.source}{note}"))
    for text in texts:
        print_output(clean_label(f"warning: {text}"))
    for one in holders:
        print_output(clean_label(one.sentence))
        if advice := _advice(one):
            print_output(f"  {clean_label(advice)}")
    print_output(Text(_binding_line(tightest), style="bold"))


def _holders(pid: int | None) -> list[Holders]:
    """Read who holds the limits that are shared; of two that count the same tasks, the fuller one."""
    reader = Reader(pid=pid)
    try:
        reading = reader.read()
        ratios = {name: used_ratio(reading, name) for name in COUNTED}
        emptier = min(_OF_ALL_TASKS, key=lambda name: ratios[name] or 0.0)
        wanted = [name for name in COUNTED if ratios[name] is not None and name != emptier]
        return read_holders(reading, wanted, within_seconds=LONGEST_SECONDS)
    except OSError as error:
        raise InputError(f"who holds the limits cannot be read: {error}") from error
    finally:
        reader.close()


def _advice(holders: Holders) -> str | None:
    """Return what to do about the largest holder, where the limit is near."""
    return holders.advice if holders.used > NEAR_RATIO * holders.most else None


def _as_json(holders: Holders) -> dict[str, Any]:
    told = {"sentence": holders.sentence, "advice": _advice(holders)}
    return {"time": holders.time, **holders.facts(), **told}


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
