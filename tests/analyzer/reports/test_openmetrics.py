"""`foldwatch export`: promtool makes blocks of it, and a real Prometheus answers from them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from analyzer.reports.openmetrics import Export, collect, write
from telemetry.errors import InputError
from telemetry.journal.writer import JournalWriter
from telemetry.metrics.catalog import METRICS
from telemetry.reading import STAGES_KEPT, LimitState, Reading
from tests.support.builders import child, exited, header, reading, write_journal
from tests.support.paths import INCIDENT, RELEASED
from tests.support.requirements import need
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prometheus_client.core import Metric

    from tests.support.programs import CommandOutcome

BEGAN = 1_768_352_400.0
"""2026-01-14T01:00:00Z"""
GROWTH = "foldwatch_growth_per_fold"
HOSTILE = 'a"} 1\nfoldwatch_threads 666\n\\ \u202e'


def after(seconds: float, threads: int | None, stage: str | None = None, **more: Any) -> Reading:
    """Give a reading of fold 1, so long after the beginning."""
    known: dict[str, Any] = {
        "start_ticks": 5,
        "threads": threads,
        "cgroup_pids": 20,
        "limits": {"pids_cgroup": LimitState.UNLIMITED, "max_map_count": 65530},
    }
    return reading(1, BEGAN + seconds, stage=stage, **(known | more))


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Give a run's directory: a header, labelled readings, samples between them, an end."""
    folder = tmp_path / "run-a"
    write_journal(
        folder / "fold-1",
        header("trainer-1", time=BEGAN, start_ticks=5, argv=("python",)),
        after(0, 30, "START", maps=1000, pids_limit_hits=0, pools={"tf_Compute": 8}),
        after(1, 31),
        after(2, 400, pids_limit_hits=3),
        after(3, 36, HOSTILE, maps=1100),
        exited(BEGAN + 4, exit_code=134),
    )
    (folder / "run.json").write_text("{}")
    return str(folder)


def text(export: Export) -> str:
    return "".join(export.lines())


def parsed(content: str) -> list[Metric]:
    return list(text_string_to_metric_families(content))  # type: ignore[no-untyped-call] # has no types


def values(export: Export, name: str) -> list[tuple[float, float]]:
    ((_, series),) = export.families[name].items()
    return list(zip(series.times, series.values, strict=True))


def test_a_journal_gives_its_samples_with_their_times(run: str) -> None:
    """Also what came between labels; what a cheap sample left out is the last known value."""
    export = collect([run], step=60)
    assert (export.readings, export.skipped, export.made_times) == (4, 0, 0)
    start = BEGAN * 1000
    assert values(export, "foldwatch_threads") == [
        (start, 30),
        (start + 1000, 31),
        (start + 2000, 400),
        (start + 3000, 36),
    ]
    assert [v for _, v in values(export, "foldwatch_memory_maps")] == [1000, 1000, 1000, 1100]
    assert values(export, "foldwatch_fold_exit_code") == [(start + 4000, 134)]
    ((labels, _),) = export.families["foldwatch_threads"].items()
    assert labels == ("run-a", "trainer-1", "1", "")


def test_the_text_is_openmetrics(run: str) -> None:
    """By prometheus-client's own strict parser: grouped, ordered, escaped, ended."""
    content = text(collect([run], step=60))
    families = parsed(content)
    assert content.endswith("\n# EOF\n")
    names = [family.name for family in families]
    assert names == sorted(names)
    for family in families:
        for sample in family.samples:
            assert sample.name in METRICS
            assert sample.timestamp is not None
    (threads,) = (f for f in families if f.name == "foldwatch_checkpoint_threads")
    assert {sample.labels["stage"] for sample in threads.samples} == {
        "START",
        'a"} 1 foldwatch_threads 666 \\',
    }
    limits = next(f for f in families if f.name == "foldwatch_ceiling_limit")
    by_ceiling = {sample.labels["ceiling"]: sample.value for sample in limits.samples}
    assert by_ceiling == {"pids_cgroup": float("inf"), "max_map_count": 65530}


def test_a_text_log_has_no_times_and_none_are_guessed(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """Without --start it is refused; with it the command says that times were made."""
    with pytest.raises(InputError, match="a text log has no times"):
        collect([INCIDENT], step=60)
    path = tmp_path / "a.om"
    outcome = foldwatch(
        *("export", INCIDENT, "--openmetrics", str(path), "--start", "2026-01-14T01:00:00Z"),
        *("--step", "30"),
    )
    assert (outcome.code, outcome.out) == (0, "")
    assert "45 of them had no time and were put 30 s apart" in outcome.err
    assert os.listdir(tmp_path) == ["a.om"]
    (family,) = (
        family for family in parsed(path.read_text()) if family.name == "foldwatch_threads"
    )
    times = sorted(float(str(sample.timestamp)) for sample in family.samples)
    assert (times[0], times[-1], len(times)) == (BEGAN, BEGAN + 44 * 30, 45)


def test_what_a_run_grew_by_is_told_at_its_end() -> None:
    """Of each rank, as analyze judges it; the labels are those of the live metric."""
    export = collect([INCIDENT], start=BEGAN, step=30)
    growth = {labels[4]: series for labels, series in export.families[GROWTH].items()}
    assert growth["maps"].values[0] == pytest.approx(730, rel=0.02)
    assert list(growth["maps"].times) == [round((BEGAN + 44 * 30) * 1000)]
    assert export.families["foldwatch_folds_to_limit"]


@pytest.mark.parametrize("rank", ["0", "1"])
def test_what_one_rank_grew_by_is_not_the_other_s(rank: str, tmp_path: Path) -> None:
    """They are told apart by their label."""
    for number in ("0", "1"):
        pid = 100 + int(number)
        write_journal(
            tmp_path / f"rank-{number}",
            header("gpu-07", time=BEGAN, start_ticks=5, pid=pid, rank=number),
            *(
                reading(
                    fold,
                    BEGAN + fold,
                    stage="END",
                    start_ticks=5,
                    pid=pid,
                    maps=1000 + fold * 700 * int(number),
                )
                for fold in range(1, 6)
            ),
        )
    export = collect([str(tmp_path)], step=60)
    of_rank = {
        labels[4]: series.values[0]
        for labels, series in export.families[GROWTH].items()
        if labels[3] == rank
    }
    assert of_rank["maps"] == pytest.approx(700 * int(rank))


def test_the_times_of_a_runtime_are_those_of_the_readings(tmp_path: Path) -> None:
    """What a container's log is wrapped in dates it."""
    line = "[THREADS] Fold 1/1 START: proc=8, cgroup=9/7680, maps=9/65530, rss=1MB"
    (tmp_path / "a.log").write_text(f"2026-01-14T01:00:02.500Z stdout F {line}\n")
    export = collect([str(tmp_path)], step=60)
    assert export.made_times == 0
    assert "} 8 1768352402.500\n" in "".join(export.lines())


def test_no_two_values_of_one_millisecond(tmp_path: Path) -> None:
    """The later one stays, and the other is counted; time that went back is put in order."""
    path = tmp_path / "journal.jsonl"
    writer = JournalWriter(str(path))
    for record in (after(5, 1), after(0, 2), after(5.0001, 3)):
        writer.write(record)
    writer.close()
    export = collect([str(path)], step=60)
    lines = [line for line in text(export).splitlines() if line.startswith("foldwatch_threads{")]
    assert [line.split("} ")[1] for line in lines] == ["2 1768352400.000", "3 1768352405.000"]
    assert export.repeated > 0


def test_stages_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    """A label that counts upwards must not make a series each."""
    path = tmp_path / "journal.jsonl"
    writer = JournalWriter(str(path))
    for number in range(STAGES_KEPT + 5):
        writer.write(after(number, 1, f"step {number}"))
    writer.write(after(999, 1, "step 0"))
    writer.close()
    export = collect([str(path)], step=60)
    assert len(export.families["foldwatch_checkpoint_threads"]) == STAGES_KEPT
    assert export.stages_left_out == 5


def test_runs_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    """Their series would run into each other."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(RELEASED, tmp_path / folder / "x.log")
    paths = [str(tmp_path / folder / "x.log") for folder in ("a", "b")]
    runs = {labels[0] for labels in collect(paths, start=0, step=1).families["foldwatch_threads"]}
    assert runs == set(paths)


def test_of_a_directory_the_others_are_exported(run: str, tmp_path: Path) -> None:
    """One with a log that has no times, and one whose journal cannot be read; both are named as left out."""
    place = tmp_path / "runs"
    shutil.copytree(run, place / "good")
    (place / "a.log").write_text("[THREADS] a: proc=9, cgroup=9/99, maps=9/65530, rss=9MB\n")
    (place / "full").mkdir()
    (place / "full" / "journal.jsonl").symlink_to("/proc/self/mem")
    export = collect([str(place)], step=60.0)
    assert export.readings == collect([run], step=60.0).readings
    assert len(export.refused) == 2
    assert all(str(place) in reason for reason in export.refused)


def test_bad_input(tmp_path: Path) -> None:
    """Nothing to export, nowhere to write: one line each, and no half file."""
    (tmp_path / "a.log").write_text("Epoch 1\n")
    with pytest.raises(InputError, match=r"a\.log: no reading to export"):
        collect([str(tmp_path / "a.log")], start=0, step=1)
    with pytest.raises(InputError, match="cannot be written"):
        write(collect([RELEASED], start=0, step=1), str(tmp_path / "none" / "x.om"))
    full = tmp_path / "full"
    full.mkdir()
    (full / "x.om").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write(collect([RELEASED], start=0, step=1), str(full / "x.om"))
    assert os.listdir(full) == ["x.om"]


def test_prometheus_answers_from_its_blocks(run: str, tmp_path: Path, promtool: str) -> None:
    """Blocks by promtool, a query to a real server: the peak between two labels is there."""
    server = shutil.which("prometheus")
    need(server, "prometheus (Debian's package prometheus)")
    assert server is not None
    write(collect([run], step=60), str(tmp_path / "run.om"))
    blocks = tmp_path / "blocks"
    made = subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "run.om"), blocks],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    (tmp_path / "p.yml").write_text("global: {}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = subprocess.Popen(
        [
            server,
            f"--config.file={tmp_path / 'p.yml'}",
            f"--storage.tsdb.path={blocks}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={address}",
            "--log.level=error",
        ]
    )
    try:
        query = 'max_over_time(foldwatch_threads{run="run-a",fold="1"}[10s])'
        assert _ask(address, query, at=BEGAN + 3) == ["400"]
        exit_code = 'foldwatch_fold_exit_code{host="trainer-1"}'
        assert _ask(address, exit_code, at=BEGAN + 5) == ["134"]
        stages = "count(foldwatch_checkpoint_threads)"
        assert _ask(address, stages, at=BEGAN + 5) == ["2"]
    finally:
        started.terminate()
        started.wait(timeout=20)


def _ask(address: str, query: str, *, at: float) -> list[str]:
    url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": query, "time": at})

    def answer() -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                content: dict[str, Any] = json.load(response)
        except (urllib.error.URLError, ConnectionError):
            return None
        return content

    content = wait_until(answer, 30, "Prometheus")
    return [result["value"][1] for result in content["data"]["result"]]


def test_ranks_and_children_have_series_of_their_own(tmp_path: Path) -> None:
    """Of one journal: a rank by its header, a child by its role and PID."""
    write_journal(
        tmp_path / "run",
        header("node", "0", pid=7, start_ticks=5),
        header("node", "1", pid=8, start_ticks=6),
        after(0, 30, children=(child(812, maps=900), child(813))),
        after(0, 31, pid=8, start_ticks=6),
        after(1, 30, children=(child(812, maps=950),)),
    )
    found = collect([str(tmp_path / "run")], step=60)
    assert {labels[3] for labels in found.families["foldwatch_threads"]} == {"0", "1"}
    maps = {labels[4]: one for labels, one in found.families["foldwatch_child_memory_maps"].items()}
    assert maps.keys() == {f"DataLoader worker pid {pid}" for pid in (812, 813)}
    assert [*maps["DataLoader worker pid 812"].values] == [900, 950]
