"""``foldwatch analyze``: its options; `foldwatch.analysis` does the work, also without typer."""

from __future__ import annotations

from typing import Annotated

import typer

from analyzer.gate.budget import parse_budget
from analyzer.gate.checks import FailOn
from analyzer.logs.scan_options import ScanOptions
from analyzer.logs.user_pattern import DEFAULT_UNIT, UserPattern
from analyzer.signatures.user_table import read_signatures
from foldwatch.analysis import analyze_command, check_writable
from foldwatch.commands.options import Paths
from foldwatch.gate import Gate

app = typer.Typer()

Patterns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REGEX",
        help="Read other lines too (RE2; repeatable): named groups threads, rss, maps, cgroup_pids, "
        "open_fds, descendants, tree_threads, tree_rss, cgroup_memory, gpu_memory; rss_unit, "
        "gpu_memory_unit..., gpu_memory_limit...; fold, folds, epoch, label.",
    ),
]
Unit = Annotated[
    str, typer.Option(metavar="UNIT", help="Of memory that --pattern finds without one.")
]
Signatures = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="A TOML table of failures to know besides the built-in ones."
    ),
]
Budgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="RESOURCE=AMOUNT/UNIT",
        help="Fail if a resource grows by more, as rss=1MB/epoch or maps=50/fold (repeatable).",
    ),
]
FailsOn = Annotated[
    FailOn | None,
    typer.Option(help="Fail on growth from this verdict on.", show_default="growing"),
]
Baseline = Annotated[
    str | None,
    typer.Option(metavar="RUN", help="Fail if a resource does worse than in this log or run."),
]
MarkdownFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write the verdict for an issue or a job summary."),
]
JunitFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write each check as a JUnit test case.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
ShowAll = Annotated[
    bool,
    typer.Option("--all", help="Show every cause with all its evidence, and all lists whole."),
]
HtmlFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write a page that needs nothing else.")
]
PlotFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write a picture: .png, .svg or .pdf.")
]
Compared = Annotated[
    str | None,
    typer.Option(
        metavar="[OTHER]",
        help="Hold PATH against this earlier log or run: did the fix help? Without OTHER, against the run "
        "before it in the same directory. The exit code is PATH's.",
    ),
]
ExitZero = Annotated[
    bool, typer.Option("--exit-zero", help="Exit 0 also where growth or a crash is found.")
]
RequireVerdict = Annotated[
    bool,
    typer.Option(
        "--require-verdict",
        help="Exit 2 if there is no reading and no failure, or too little for a budget.",
    ),
]


@app.command("analyze")
def analyze_options(  # noqa: PLR0913, PLR0917 - one argument for each option
    paths: Paths,
    as_json: AsJson = False,
    show_all: ShowAll = False,
    html: HtmlFile = None,
    plot: PlotFile = None,
    compare: Compared = None,
    pattern: Patterns = None,
    unit: Unit = DEFAULT_UNIT,
    signatures: Signatures = None,
    budget: Budgets = None,
    fail_on: FailsOn = None,
    baseline: Baseline = None,
    markdown: MarkdownFile = None,
    junit: JunitFile = None,
    exit_zero: ExitZero = False,
    require_verdict: RequireVerdict = False,
) -> None:
    """Say what grows per fold, how many folds are left, and which limit ended the run."""
    _check_table_is_kept(signatures, html, plot, markdown, junit)
    code = analyze_command(
        paths,
        as_json=as_json,
        show_all=show_all,
        html=html,
        plot=plot,
        compare=compare,
        options=ScanOptions(
            patterns=[UserPattern(expression, unit=unit) for expression in pattern or ()],
            signatures=() if signatures is None else read_signatures(signatures),
        ),
        exit_zero=exit_zero,
        require_verdict=require_verdict,
        gate=Gate(
            budgets=[*map(parse_budget, budget or ())],
            fail_on=fail_on,
            baseline=baseline,
            markdown=markdown,
            junit=junit,
        ),
    )
    if code:
        raise typer.Exit(code)


def _check_table_is_kept(signatures: str | None, *written: str | None) -> None:
    if signatures is not None:
        for path in filter(None, written):
            check_writable(path, inputs=[signatures])
