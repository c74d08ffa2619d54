"""``make results``: the results page, from the measurements and nothing else.

Reads reproduced.json with its pictures, and bench.json; keeps both, with the machine, in docs/results.json, from which
docs/results.md is made. A test makes it again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import defaultdict
from typing import Any

from benchmarks.reproduce import RECORD, SCENARIOS, picture
from telemetry.thread_line import MEBIBYTE
from tests.support.paths import ROOT

RESULTS = os.path.join(ROOT, "docs", "results.json")
PAGE = os.path.join(ROOT, "docs", "results.md")
BENCH = "bench.json"
SEPARATOR = "\n\n"
MADE = (
    "Made by `make results` from the measurements; a test compares this page with"
    " `docs/results.json`."
)
MITIGATIONS = (
    "The reference run with remedies switched off (`foldwatch train --without`): what is there at the"
    " end of its first and of its last fold."
)
SECONDS = (
    "A run of both: {:.0f} to {:.0f} s. Processes, cgroups and temporary files left behind: {}."
)
TWICE = (
    "Each scenario trains the reference run's folds twice: in one process until a real limit ends"
    " it, then each fold in a process of its own."
)


def main() -> int:
    """Write both; print which input is missing."""
    results = {}
    for name, path in (("reproduced", RECORD), ("bench", BENCH)):
        try:
            with open(path, encoding="utf-8") as file:
                results[name] = json.load(file)
        except OSError as error:
            print(f"{path}: {error.strerror}; make results measures first", file=sys.stderr)
            return 2
    for name in {run["scenario"] for run in results["reproduced"]}:
        shutil.copyfile(picture(name), os.path.join(ROOT, "docs", picture(name)))
    _write(RESULTS, json.dumps(results, indent=1) + "\n")
    _write(PAGE, page(results))
    return 0


def table(results: dict[str, Any]) -> str:
    """Return the reproductions as a Markdown table, a row for each scenario."""
    lines = [
        "| `foldwatch reproduce` | dies of | its last words | cause named | alert before | isolated |",
        "|---|---|---|---|---|---|",
    ]
    by_scenario: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in results["reproduced"]:
        by_scenario[run["scenario"]].append(run)
    lines += [_row(name, by_scenario[name]) for name in SCENARIOS if name in by_scenario]
    return "\n".join(lines) + "\n"


def _row(name: str, runs: list[dict[str, Any]]) -> str:
    of = len(runs)
    crashes = sum(run["crash"]["fold"] is not None for run in runs)
    certain = sum((run["cause"], run["standing"]) == (run["ceiling"], "certain") for run in runs)
    leads = [run["alert"]["seconds_before_the_crash"] for run in runs if run["alert"]]
    lead = (
        f"{len(leads)} of {of}, {min(leads):.0f} to {max(leads):.0f} s" if leads else f"0 of {of}"
    )
    complete = sum(len(run["isolated"]["finished"]) == run["isolated"]["folds"] for run in runs)
    message = runs[0]["crash"]["message"]
    words = "none: SIGKILL" if message is None else f"`{message[message.find('Check failed') :]}`"
    return (
        f"| {name} | {runs[0]['ceiling']}, {crashes} of {of} | {words} | {certain} of {of} |"
        f" {lead} | {complete} of {of} complete |"
    )


def page(results: dict[str, Any]) -> str:
    """Return the results page."""
    runs = results["reproduced"]
    seconds = sorted(run["seconds"] for run in runs)
    left = sum(len(run["left"]) for run in runs)
    limits = {run["scenario"]: run["limit"] for run in runs}
    blocks = [
        "# Results",
        MADE,
        "## The crash, in miniature",
        TWICE,
        table(results).rstrip(),
        "\n".join(f"- {name}: {limit}" for name, limit in limits.items()),
        *(f"![{name}: before and after]({picture(name)})" for name in limits),
        SECONDS.format(seconds[0], seconds[-1], left),
        _machine(runs[0]["machine"]),
    ]
    bench = results["bench"]
    blocks += [
        "## The remedies, one by one",
        MITIGATIONS,
        _remedies(**bench["remedies"]),
        "## What it costs, and how often it is wrong",
        _machine(bench["machine"]),
    ]
    for topic, figures in bench["topics"].items():
        blocks += [f"### {topic}", _bench(figures)]
    return SEPARATOR.join(blocks) + "\n"


def _machine(facts: dict[str, Any]) -> str:
    return f"Measured on: {', '.join(f'{name} {value}' for name, value in facts.items())}."


def _remedies(runs: list[dict[str, Any]], imports: dict[str, Any]) -> str:
    lines = [
        "| without | threads | maps | RSS, MB | RSS a fold, MB | verdict on RSS |",
        "|---|---|---|---|---|---|",
    ]
    for run in runs:
        first_to_last = [
            f"{values[0] / unit:,.0f} to {values[-1] / unit:,.0f}"
            for name, unit in (("threads", 1), ("maps", 1), ("rss_bytes", MEBIBYTE))
            for values in [run["at_end"][name]]
        ]
        slope, verdict = run["per_fold"]["rss_bytes"], run["verdicts"]["rss_bytes"]
        words = "" if slope is None else f"{slope / MEBIBYTE:+.1f}"
        cells = [", ".join(run["without"]) or "nothing", *first_to_last, words, verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + (
        "\n\nThreads of one process with NumPy, scikit-learn and TensorFlow in use:"
        f" {imports['capped'][1]} with the caps, {imports['uncapped'][1]} without on"
        f" {imports['cores']} cores, {imports['uncapped_on_64'][1]} as the libraries take on 64 cores."
    )


def _bench(figures: list[dict[str, Any]]) -> str:
    lines = ["| what | measured | may be |", "|---|---|---|"]
    return "\n".join([*lines, *("| {what} | {measured} | {may_be} |".format(**f) for f in figures)])


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main())
