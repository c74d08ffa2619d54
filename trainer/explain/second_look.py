"""`look_again`: runs one fold again under memray, and keeps what it allocated and did not free."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from telemetry.errors import FoldsFailedError
from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.private_files import make_folder
from telemetry.journal.run_layout import EXPLAINED, EXPLAINED_JSON, fold_name
from telemetry.masking import child_environment
from trainer.explain.held import HeldMemory, Records
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.explain.plan import LookPlan

LARGEST_SEEN = 4096
SHOWN_BYTES = 4000
_SEEN = {"seconds": typed.seconds, "untracked": typed.seconds}


@dataclass(frozen=True, slots=True)
class Explained:
    """What a second look found."""

    held: HeldMemory
    seconds: float
    """Between the two labels."""
    untracked_seconds: float | None
    """Of a fold that was not tracked, or as recorded; None where that is not known."""
    folder: str
    """Where explained.json and flamegraph.html are."""


def look_again(plan: LookPlan, path: str, *, on_read: Callable[[], None]) -> Explained:
    """Run the plan's program for the run in ``path``; nothing is left of it but ``explained/fold-K``.

    ``on_read`` is called when the program has run, and its records are to be read.

    Raises:
        FoldsFailedError: The program failed, or never came to the labels.
        OSError: Nothing can be written there.
    """
    work = tempfile.mkdtemp(prefix=".explain-", dir=path)
    try:
        records, seen = os.path.join(work, "records.bin"), os.path.join(work, "seen.json")
        code = _run(plan, work, records=records, seen=seen)
        try:
            with open_regular(seen) as file:
                seen_for = typed.fields_of(typed.load(file.read(LARGEST_SEEN)), _SEEN)
            seconds = seen_for["seconds"]
        except (OSError, ValueError, KeyError):
            raise FoldsFailedError(
                f"fold {plan.fold} cannot be looked into: the program ended (exit code {code}) before its labels came:"
                f" {_last_words(work)}"
            ) from None
        on_read()
        found = Records(records, is_marked=not plan.folds)
        held = found.held()
        result = os.path.join(work, "result")
        make_folder(result)
        with open(os.path.join(result, "flamegraph.html"), "w", encoding="utf-8") as file:
            file.write(found.flame_graph(f"Held by fold {plan.fold} of {os.path.basename(path)}"))
        with open(os.path.join(result, EXPLAINED_JSON), "w", encoding="utf-8") as file:
            json.dump(_as_json(plan, held, seconds), file, indent=2)
        untracked = seen_for.get("untracked", plan.recorded_seconds)
        return Explained(held, seconds, untracked, _published(result, path, plan.fold))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(plan: LookPlan, work: str, *, records: str, seen: str) -> int:
    """Run the program to its end, or to the second label; with Ctrl-C nothing of it is left."""
    task, run_dir = os.path.join(work, "plan.json"), os.path.join(work, "run")
    make_folder(run_dir)
    with open(task, "w", encoding="utf-8") as file:
        content = {"begin": plan.begin, "end": plan.end, "records": records, "seen": seen}
        json.dump(content | {"folds": plan.folds, "run_dir": run_dir}, file)
    ours = {"FOLDWATCH_SETTLE": "off", "FOLDWATCH_METRICS": os.path.join(work, "metrics.json")}
    environment = plan.environment | child_environment() | ours
    if plan.config is not None:
        RunDirectory(run_dir).write_config(plan.config)
    with open(os.path.join(work, "output.log"), "wb") as output:
        process = subprocess.Popen(
            [*plan.interpreter, "-m", "trainer.explain.tracked", task, *plan.program],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _last_words(work: str) -> str:
    try:
        with open(os.path.join(work, "output.log"), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - SHOWN_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError as error:
        return error.strerror or str(error)
    return lines[-1] if lines else "it printed nothing"


def _as_json(plan: LookPlan, held: HeldMemory, seconds: float) -> dict[str, object]:
    return {
        "schema": 1,
        "fold": plan.fold,
        "window": plan.words,
        "seconds": seconds,
        "bytes": held.bytes,
        "allocations": held.allocations,
        "held": [asdict(row) for row in held.rows],
    }


def _published(result: str, path: str, fold: int) -> str:
    """Put the result in its place, in place of an earlier one."""
    target = os.path.join(path, EXPLAINED, fold_name(fold))
    make_folder(os.path.dirname(target))
    shutil.rmtree(target, ignore_errors=True)
    os.rename(result, target)
    return target
