"""The checks of a gate as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from analyzer import formatting as fmt
from analyzer.gate.checks import CheckOutcome
from foldwatch.text.indented import Indented

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.gate.checks import Check

COLOURS = {
    CheckOutcome.PASSED: "green",
    CheckOutcome.FAILED: "bold red",
    CheckOutcome.UNKNOWN: "yellow",
}


def checks_text(checks: Sequence[Check]) -> Group:
    """Return a line for each check, those that failed last, where a reader looks first."""
    order = (CheckOutcome.PASSED, CheckOutcome.UNKNOWN, CheckOutcome.FAILED)
    lines = [
        Indented(
            Text.assemble(
                (one.outcome, COLOURS[one.outcome]),
                f" {fmt.safe(one.name)}: {fmt.safe(one.sentence, longest=fmt.LONGEST_LINE)}",
            )
        )
        for one in sorted(checks, key=lambda one: order.index(one.outcome))
    ]
    return Group(Text("\nchecks", style="bold"), *lines)
