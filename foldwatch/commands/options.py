"""The options that several commands share: their names, their help and the bounds of their values."""

from __future__ import annotations

import enum
from typing import Annotated, TypeAlias

import typer

from trainer.run.config import MITIGATIONS

AlertCommand: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="FOLDWATCH_ALERT_COMMAND",
        metavar="COMMAND",
        help="Run this for each alert, with the alert as JSON on its standard input.",
    ),
]
AlertWebhook: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="FOLDWATCH_ALERT_WEBHOOK",
        metavar="URL",
        help="POST each alert there, in the format of Alertmanager's webhooks.",
    ),
]
AlertmanagerUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--alertmanager",
        envvar="FOLDWATCH_ALERTMANAGER",
        metavar="URL",
        help="Send alerts to this Alertmanager.",
    ),
]


class ResumeMode(enum.StrEnum):
    """What happens to folds that are finished."""

    fresh = "fresh"
    auto = "auto"


class DeviceMode(enum.StrEnum):
    """Which devices the strategy mirrors over."""

    cpu = "cpu"
    single = "single"
    multi = "multi"


class Isolation(enum.StrEnum):
    """How folds are spread over processes."""

    process = "process"
    none = "none"
    auto = "auto"


class ReproduceScenario(enum.StrEnum):
    """What ends the one process."""

    pids = "pids"
    maps = "maps"
    memory = "memory"
    incident = "incident"


Only: TypeAlias = Annotated[int | None, typer.Option("--fold", help="Run this fold only.")]
Resume: TypeAlias = Annotated[
    ResumeMode,
    typer.Option(
        "--resume-mode", "--resume_mode", help="auto skips finished folds; fresh runs all again."
    ),
]
Output: TypeAlias = Annotated[str, typer.Option(metavar="DIR", help="The run directory.")]
Port: TypeAlias = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Serve /metrics and a page on 127.0.0.1 meanwhile."),
]
Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option(min=0.001, metavar="SECONDS", help="End a fold that takes longer; it failed."),
]
Retries: TypeAlias = Annotated[int, typer.Option(min=0, help="Run a failed fold again, so often.")]
Parallel: TypeAlias = Annotated[int, typer.Option(min=1, help="So many folds at the same time.")]
StopOnFailure: TypeAlias = Annotated[
    bool, typer.Option("--stop-on-failure", help="Start no further fold after one has failed.")
]
CgroupPids: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="A cgroup for each fold: at most N processes and threads."
    ),
]
Memory: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="A cgroup for each fold: at most so much memory, as 8G."),
]
Paths: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="PATH...", help="Logs, journals, run directories, or - for input."),
]
Model: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="package.module:function, what trains a fold; by default the reference pipeline.",
        show_default=False,
    ),
]
Folds: TypeAlias = Annotated[int, typer.Option(help="Folds of the cross-validation, 2 or more.")]
Device: TypeAlias = Annotated[
    DeviceMode,
    typer.Option(
        "--device-mode", "--device_mode", help="multi: every GPU, or logical CPU devices."
    ),
]
FoldIsolation: TypeAlias = Annotated[
    Isolation,
    typer.Option(
        help="process: one per fold; none: one for all, so growth shows;"
        " auto: one for as long as the forecast says that the next fold fits."
    ),
]
Epochs: TypeAlias = Annotated[int, typer.Option(help="Epochs of each stage of a fold.")]
Without: TypeAlias = Annotated[
    str, typer.Option(metavar="NAMES", help=f"Switch off, to see: {','.join(MITIGATIONS)}.")
]
FoldCommand: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="COMMAND",
        help="The command of one fold; {fold} and {folds} are filled in.",
        show_default=False,
    ),
]
Times: TypeAlias = Annotated[int, typer.Option(min=1, help="How many times, as folds 1 to N.")]
LabelPattern: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Read at each line of output that matches; named groups make the label.",
    ),
]
Scenario: TypeAlias = Annotated[
    ReproduceScenario,
    typer.Argument(
        metavar="SCENARIO",
        help=f"Which limit it dies of: {', '.join(ReproduceScenario)}.",
        show_default=False,
    ),
]
ReproduceOutput: TypeAlias = Annotated[
    str, typer.Option(metavar="DIR", help="For both runs, reproduce.json and two pictures.")
]
