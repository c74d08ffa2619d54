"""Run every benchmark in a process of its own, print the tables, write bench.json.

Each figure is a ratio or a difference measured in one run, beside what it may be; a figure that is
over is marked and makes the exit code 1. One without a bound is there for comparison.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from trainer.reproduce.report import machine

LEAST_LEAD: dict[str, dict[str, float | None]] = {
    "fast": {"engine": 1.0, "prometheus": None},  # faster than Prometheus looks
    "medium": {"engine": 60.0, "prometheus": 60.0},
    "slow": {"engine": 600.0, "prometheus": 600.0},
}


ROOM_OVER_GREP = {2: 2.5, 3: 3.5}
"""By major version of Keras: in its third one's bars nothing stops grep, which then only copies."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    value: float | None
    """None where what was waited for did not happen."""
    unit: str
    bound: float | None
    """None for a figure that is there for comparison."""
    is_floor: bool = False
    """Whether the bound is the least that it may be, rather than the most."""

    @property
    def holds(self) -> bool:
        """Whether the bound is kept."""
        if self.bound is None:
            return True
        if self.value is None:
            return False
        return self.value >= self.bound if self.is_floor else self.value <= self.bound

    @property
    def measured(self) -> str:
        """Return the value in words."""
        return "never" if self.value is None else f"{self.value:.2f} {self.unit}".strip()

    @property
    def may_be(self) -> str:
        """Return the bound in words; empty where there is none."""
        if self.bound is None:
            return ""
        return f"{'≥' if self.is_floor else '≤'} {self.bound:g} {self.unit}".strip()


def run(module: str) -> list[dict[str, Any]]:
    """Run one benchmark and return the objects that it prints."""
    print(f"measuring {module} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]


def recording_figures() -> list[Figure]:
    """Measure what a recorded training pays."""
    found = []
    for point in run("checkpoint_cost"):
        at = f"with {point['maps']:,} maps"
        bare = point["checkpoint"] / point["bare"]
        faster = point["psutil"] / point["checkpoint"]
        found.append(Figure(f"checkpoint() over bare reads {at}", bare, "x", 1.3))
        found.append(Figure(f"psutil over checkpoint() {at}", faster, "x", 20, is_floor=True))
        for name in ("process_exporter", "process_exporter_without_smaps"):
            if name in point:
                what = f"a scrape of {name.replace('_', ' ').replace(' ', '-', 1)} over checkpoint() {at}"
                found.append(Figure(what, point[name] / point["checkpoint"], "x", None))
        waits = (point["beside_a_busy_thread"] - point["checkpoint"]) / point["switch_seconds"]
        what = f"switch intervals that a busy thread costs checkpoint() {at}"
        # One a call, as os.read costs it, would be 150 here and 1,600 at 60,000 maps.
        found.append(Figure(what, waits, "", 20))
    (training,) = run("training_overhead")
    found.append(
        Figure(
            "an epoch with timer and checkpoint over without", training["overhead"] * 100, "%", 0.5
        )
    )
    (tree,) = run("descendants_cost")
    what = f"wall time that {tree['processes']} descendants cost their recorded parent"
    found.append(Figure(what, tree["share"] * 100, "%", 0.3))
    (box,) = run("black_box_cost")
    at = f"at {box['maps']:,} maps"
    found += [
        Figure(f"of a core for the black box {at}", box["cpu_share"] * 100, "%", 0.3),
        Figure(f"of the time of a lock of the training {at}", box["lock_share"] * 100, "%", 1.0),
    ]
    (loading,) = run("import_cost")
    found.append(Figure("import telemetry", loading["milliseconds"], "ms", 25))
    found.append(Figure("import foldwatch", loading["foldwatch_milliseconds"], "ms", 25))
    found.append(Figure("import telemetry", loading["megabytes"], "MB", 5))
    return found


def verdict_figures() -> list[Figure]:
    """Measure how often a verdict is wrong."""
    found = []
    for rate in run("growth_rates"):
        wrong = max(rate["wrong"], rate.get("wrong_near_limit", 0)) * 100
        kind = "missed" if rate["grows"] else "false alarms"
        found.append(Figure(f"{kind}: {rate['kind']}", wrong, "%", rate["may_be"] * 100))
    return found


def kill_figures() -> list[Figure]:
    """Measure what kill -9 loses."""
    found = []
    (kills,) = run("kills")
    found.append(
        Figure(
            f"checkpoints lost of {kills['returned']:,} at {kills['kills']} kill -9",
            kills["lost"],
            "",
            0,
        )
    )
    found.append(Figure("unreadable journals", kills["unreadable"], "", 0))
    for tally in run("kills_of_runs"):
        at = f"at {tally['kills']} kill -9 of the {tally['victim']}"
        for what, words in RUN_KILLS.items():
            found.append(Figure(f"{words} {at}", tally[what], "", 0))
    return found


def remedy_figures(runs: list[dict[str, Any]], imports: dict[str, Any]) -> list[Figure]:
    """Return what two remedies are worth, of what ``remedies`` measured."""
    cleaned, kept = (
        next(run["per_fold"]["rss_bytes"] for run in runs if run["without"] == names)
        for names in (["isolation"], ["isolation", "cleanup"])
    )
    capped, uncapped = imports["capped"][1], imports["uncapped_on_64"][1]
    kinds = "rss per fold in one process, with clean-up over without"
    caps = "threads of 64 cores' libraries in use, caps over none"
    return [
        Figure(kinds, cleaned / kept, "x", 0.25),
        Figure(caps, capped / uncapped, "x", 0.2),
    ]


def remedy_table(runs: list[dict[str, Any]], imports: dict[str, Any]) -> Table:
    """Put the folds of each run side by side: what was there after each fold's end."""
    table = Table("without", "after each fold's end", "a fold", "verdict", box=None)
    for one in runs:
        for name, unit in (("threads", 1), ("maps", 1), ("rss_bytes", 2**20)):
            what = ", ".join(one["without"]) or "(nothing)"
            values = " ".join(f"{value / unit:,.0f}" for value in one["at_end"][name])
            slope = one["per_fold"][name]
            table.add_row(
                what if name == "threads" else "",
                f"{'rss MB' if unit > 1 else name} {values}",
                "" if slope is None else f"{slope / unit:+.1f}",
                one["verdicts"][name],
            )
    for mode, counts in imports.items():
        if mode != "cores":
            words = f"threads {counts[0]} after the imports, {counts[1]} in use"
            table.add_row(
                f"(imports on {imports['cores']} cores, {mode.replace('_', ' ')})", words, "", ""
            )
    return table


RUN_KILLS = {
    "orphans": "processes alive 2 s later",
    "repeated": "finished folds repeated",
    "lost": "results lost or torn",
    "other_aggregates": "aggregates unlike the undisturbed run's",
}


def isolation_figures() -> list[Figure]:
    """Measure what a fresh process for each fold costs, and that each one starts alike."""
    found = []
    for point in run("isolation"):
        what = f"folds of {point['fold_seconds']:.0f} s"
        # A short fold has less to share the start of a process with.
        bound = 1.10 if point["fold_seconds"] >= 60 else None
        found.append(Figure(f"isolated over one process, {what}", point["ratio"], "x", bound))
        for name in ("maps", "rss"):
            spread = point[f"{name}_spread"] * 100
            found.append(Figure(f"{name} at START between {what}", spread, "%", 2.0))
    return found


def daemon_figures() -> list[Figure]:
    """Measure what the daemon costs whoever scrapes it."""
    found = []
    for point in run("daemon_cost"):
        of = point["of"]
        found += [
            Figure(f"scrape, p99, {of}", point["scrape_p99_ms"], "ms", 10),
            Figure(f"one collection, median, {of}", point["collection_p50_ms"], "ms", 50),
            Figure(f"failed of 200 scrapes at once, {of}", point["failed_of_200_at_once"], "", 0),
        ]
    return found


def reading_figures() -> list[Figure]:
    """Measure how logs are read."""
    found = []
    *points, several = run("reading_speed")
    for keras in (2, 3):
        of = f"bars of Keras {keras}"
        sizes = [point for point in points if point["bars_of_keras"] == keras]
        for point in sizes:
            if (gibibytes := point["bytes"] / 2**30) >= 1:
                ratio = point["analyze"] / point["grep"]
                what = f"analyze --json over grep -cF, {gibibytes:g} GiB, {of}"
                found.append(Figure(what, ratio, "x", ROOM_OVER_GREP[keras]))
        first, last = sizes[0], sizes[-1]
        grown = (last["analyze"] / first["analyze"]) / (last["bytes"] / first["bytes"])
        what = f"time per byte of the biggest log over the smallest, {of}"
        found.append(Figure(what, grown, "x", 1.1))
    found.append(Figure("cores busy with four logs", several["cores_busy"], "", 1.3, is_floor=True))
    found.append(Figure("memory at peak, all processes", several["megabytes"], "MB", 300))
    (million,) = run("a_million_logs")
    what = f"of {million['logs']:,} generated logs broke the parser"
    found.append(Figure(what, million["failed"], "", 0))
    return found


def wrapped_figures() -> list[Figure]:
    """Measure how logs are read that something wrapped, without and with a user's pattern."""
    found = []
    for point in run("wrapped_speed"):
        over = f"over grep -cF, 512 MB, {point['wrapping']}"
        found += [
            Figure(f"analyze --json {over}", point["analyze"] / point["grep"], "x", 3.5),
            Figure(f"analyze --pattern {over}", point["pattern"] / point["grep"], "x", 5.0),
        ]
    return found


def alert_figures() -> list[Figure]:
    """Measure how long before a limit is hit somebody is told, by each way of alerting."""
    if os.geteuid():  # it needs a cgroup of its own
        return []
    found = []
    for leak in run("lead_times"):
        minutes = leak["fills_in_seconds"] / 60
        for way, least in LEAST_LEAD[leak["leak"]].items():
            who = {"engine": "foldwatch", "prometheus": "Prometheus"}[way]
            what = f"told before the limit, a leak that fills it in {minutes:g} min, by {who}"
            found.append(Figure(what, leak[way]["lead_seconds"], "s", least, is_floor=True))
    return found


TOPICS = {
    "Recording": recording_figures,
    "Verdicts": verdict_figures,
    "Reading logs": reading_figures,
    "Reading wrapped logs": wrapped_figures,
    "Isolation": isolation_figures,
    "Alerts": alert_figures,
    "The daemon": daemon_figures,
    "kill -9": kill_figures,
}


def main() -> int:
    """Print the tables, write bench.json."""
    *runs, imports = run("remedies")
    topics: dict[str, list[Figure]] = {"Remedies": remedy_figures(runs, imports)}
    topics |= {name: measure() for name, measure in TOPICS.items()}
    console = Console(width=110, highlight=False)
    console.print(remedy_table(runs, imports))
    for name, found in topics.items():
        console.print(figure_table(name, found))
    with open("bench.json", "w", encoding="utf-8") as file:
        measured = {
            name: [
                {"what": figure.what, "measured": figure.measured, "may_be": figure.may_be}
                for figure in found
            ]
            for name, found in topics.items()
        }
        remedies = {"runs": runs, "imports": imports}
        json.dump({"machine": machine(), "topics": measured, "remedies": remedies}, file, indent=1)
    return 0 if all(figure.holds for found in topics.values() for figure in found) else 1


def figure_table(name: str, found: list[Figure]) -> Table:
    """Put the figures below each other, each beside its bound."""
    table = Table(name, "measured", "may be", "", box=None)
    for figure in found:
        table.add_row(figure.what, figure.measured, figure.may_be, "" if figure.holds else "OVER")
    return table


if __name__ == "__main__":
    sys.exit(main())
