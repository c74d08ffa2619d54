"""The options that several commands share: their names, their help and the bounds of their values."""

from __future__ import annotations

import enum
from typing import Annotated, TypeAlias

import typer

from telemetry.journal.private_files import GROUP_READABLE
from telemetry.journal.run_layout import MOST_FOLDS
from telemetry.journal.typed import MOST_SECONDS
from trainer.run.config import MITIGATIONS

AlertCommand: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="FOLDWATCH_ALERT_COMMAND",
        metavar="COMMAND",
        help="Run this command for each alert, with the alert as JSON on its standard input.",
    ),
]
AlertWebhooks: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--alert-webhook",
        envvar="FOLDWATCH_ALERT_WEBHOOK",
        metavar="URL",
        help="POST each alert to this URL, in the format of Alertmanager's webhooks; may be repeated.",
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
AlertHold: TypeAlias = Annotated[
    float,
    typer.Option(
        "--alert-hold",
        envvar="FOLDWATCH_ALERT_HOLD",
        min=0,
        max=MOST_SECONDS / 3600,
        metavar="HOURS",
        help="Keep an alert firing for so long after the run died of it, unless the fold runs again.",
    ),
]

Otlp: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--otlp",
        envvar="FOLDWATCH_OTLP",
        metavar="URL|env",
        help="Push metrics and log records to this OpenTelemetry receiver (OTLP over HTTP); env: to that of OTEL_EXPORTER_OTLP_ENDPOINT.",
    ),
]


class ResumeMode(enum.StrEnum):
    """How finished folds of an earlier run are treated."""

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
    """The resource that the one process exhausts."""

    pids = "pids"
    maps = "maps"
    memory = "memory"
    incident = "incident"


Only: TypeAlias = Annotated[int | None, typer.Option("--fold", help="Run only this fold.")]
Resume: TypeAlias = Annotated[
    ResumeMode,
    typer.Option(
        "--resume-mode",
        "--resume_mode",
        help="auto skips finished folds; fresh runs every fold again.",
    ),
]
Output: TypeAlias = Annotated[str, typer.Option(metavar="DIR", help="The run directory.")]
GroupReadable: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--group-readable",
        envvar=GROUP_READABLE,
        help="Let the group read the run directory; else only its owner can.",
    ),
]
Quiet: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quiet",
        envvar="FOLDWATCH_QUIET",
        help="Do not say where it is recorded, nor at the end what the record shows.",
    ),
]
Port: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Serve /metrics and a live page on 127.0.0.1 during the run."
    ),
]
Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=MOST_SECONDS,
        metavar="SECONDS",
        help="Kill a fold that runs longer and mark it failed.",
    ),
]
Retries: TypeAlias = Annotated[int, typer.Option(min=0, help="Number of retries of a failed fold.")]
Parallel: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Number of folds to run in parallel.")
]
Gpus: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Give each fold K GPUs of its own (CUDA_VISIBLE_DEVICES; {gpu} in a command).",
    ),
]
Caps: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto",
        help="Cap thread pools at N threads, or at the cores of each fold; else they stay as they are.",
    ),
]
Attribute: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--attribute",
        help="Tell in which function threads, maps and memory grow, at no more than 0.5 % of the time; with the extra explain "
        "also which library starts threads: a process that keeps them is stopped once for a second or two.",
    ),
]
StopOnFailure: TypeAlias = Annotated[
    bool, typer.Option("--stop-on-failure", help="Start no further fold after one has failed.")
]
CgroupPids: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Limit on processes and threads per fold (creates one cgroup per fold).",
    ),
]
Memory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE", help="Memory limit per fold, e.g. 8G (creates one cgroup per fold)."
    ),
]
Paths: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...", help="Logs, journals, run directories, or - for standard input."
    ),
]
Model: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="package.module:function that trains a fold; by default the reference pipeline.",
        show_default=False,
    ),
]
Folds: TypeAlias = Annotated[
    int, typer.Option(max=MOST_FOLDS, help="Number of folds of the cross-validation, 2 or more.")
]
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
        " auto: one as long as the next fold is forecast to fit."
    ),
]
Epochs: TypeAlias = Annotated[int, typer.Option(help="Number of epochs of each stage of a fold.")]
Without: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help=f"Comma-separated mitigations to disable, for comparison: {','.join(MITIGATIONS)}.",
    ),
]
ExplainedRun: TypeAlias = Annotated[
    str, typer.Argument(metavar="RUN", help="Directory of a run.", show_default=False)
]
ExplainedFold: TypeAlias = Annotated[
    int | None,
    typer.Option("--fold", min=1, help="Fold to look at; by default the second one."),
]
RepeatedCommand: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[-- COMMAND]...",
        help="Command to run; by default the recorded one.",
        show_default=False,
    ),
]
FoldCommand: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="COMMAND",
        help="Command of one fold; {fold} and {folds} are replaced.",
        show_default=False,
    ),
]
Times: TypeAlias = Annotated[
    int,
    typer.Option(min=1, max=MOST_FOLDS, help="Number of runs of the command, as folds 1 to N."),
]
LabelPattern: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Take a checkpoint at each output line that matches; named groups make the label.",
    ),
]
AttachedPid: TypeAlias = Annotated[
    int | None, typer.Argument(metavar="PID", min=1, help="The process.", show_default=False)
]
AttachedName: TypeAlias = Annotated[
    str | None,
    typer.Option("--name", metavar="REGEX", help="The process whose command line matches."),
]
AttachedCgroup: TypeAlias = Annotated[
    str | None,
    typer.Option("--cgroup", metavar="PATH", help="The first process of a cgroup: a container's."),
]
AttachOutput: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", help="The run directory; by default foldwatch-PID.", show_default=False
    ),
]
AttachLog: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="The log that it writes, for labels; by default the file that its output goes to.",
    ),
]
FromStart: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--start",
        help="Take the [THREADS] lines that are in its log already into the record: growth is judged from its start.",
    ),
]
PlannedFolds: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_FOLDS,
        help="Number of folds, where the pattern has a group fold and none called folds.",
    ),
]
Scenario: TypeAlias = Annotated[
    ReproduceScenario,
    typer.Argument(
        metavar="SCENARIO",
        help=f"The limit to crash at: {', '.join(ReproduceScenario)}.",
        show_default=False,
    ),
]
ReproduceOutput: TypeAlias = Annotated[
    str,
    typer.Option(metavar="DIR", help="Directory for both runs, reproduce.json and two pictures."),
]
Directory: TypeAlias = Annotated[
    str, typer.Argument(metavar="DIR", help="The directory with the runs.")
]
Watched: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="[DIR|URL|PID]",
        help="A run's directory or one with runs, the address of a page, or a running process.",
    ),
]
Once: TypeAlias = Annotated[
    bool, typer.Option("--once", help="Print one table and end, as without a terminal.")
]
PageUser: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--user", help="Name for the page; the password: --password-file or $FOLDWATCH_PASSWORD."
    ),
]
Watch: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Also record every process whose command line matches, each in a directory below DIR.",
    ),
]
Address: TypeAlias = Annotated[str, typer.Option(help="Address to listen on.")]
ServePort: TypeAlias = Annotated[
    int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")
]
User: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Require this name and a password: --password-file or $FOLDWATCH_PASSWORD."),
]
PasswordFile: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE", help="File whose first line is the password.")
]
TokenFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="File whose first line is a bearer token; or $FOLDWATCH_TOKEN."
    ),
]
TlsCert: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE", help="Serve HTTPS with this certificate (PEM) ...")
]
TlsKey: TypeAlias = Annotated[str | None, typer.Option(metavar="FILE", help="... and its key.")]
AllowAnonymous: TypeAlias = Annotated[
    bool, typer.Option("--allow-anonymous", help="Allow unauthenticated access.")
]
TextfileOutput: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Also write the metrics to FILE.prom, for node_exporter."),
]
FileSd: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write FILE.json with the target, for Prometheus's file_sd."),
]
