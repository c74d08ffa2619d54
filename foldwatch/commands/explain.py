"""``foldwatch explain``: one fold again under memray, and what it allocated and did not free."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

from foldwatch.commands.options import ExplainedFold, ExplainedRun, RepeatedCommand
from foldwatch.terminal import print_output
from foldwatch.text.explained import explained_text
from telemetry.errors import MissingExtraError
from trainer.explain.plan import make_plan
from trainer.explain.second_look import look_again
from trainer.run.warning import warn

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer()


@app.command()
def explain(
    run: ExplainedRun,
    fold: ExplainedFold = None,
    command: RepeatedCommand = None,
) -> None:
    """Run one fold again under memray, and name the lines that allocated what it did not free."""
    if find_spec("memray") is None:
        raise MissingExtraError("memray is missing", extra="explain")
    repeated: Sequence[str] = command or ()
    plan = make_plan(run, fold=fold, command=repeated)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was begun is removed
    warn(f"fold {plan.fold} runs again under memray, which may take several times as long")
    explained = look_again(plan, run, on_read=lambda: warn("it has run; its records are read"))
    for part in explained_text(explained, plan):
        print_output(part)
