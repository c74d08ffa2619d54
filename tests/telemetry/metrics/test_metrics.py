"""The metrics: names, types, states of a limit, and what an ended fold still shows."""

from __future__ import annotations

import io
import math
import os
import re
import socket
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from telemetry.daemon.live_state import LiveState
from telemetry.kernel.reader import Reader
from telemetry.metrics import series_budget
from telemetry.metrics.answers import MOST_CLIENTS
from telemetry.metrics.catalog import METRICS
from telemetry.metrics.collector import registry
from telemetry.metrics.samples import fold_samples, samples
from telemetry.metrics.series_budget import SERIES_PER_RUN
from telemetry.metrics.server import serve
from telemetry.reading import GpuUsage, Reading
from telemetry.recorder.sampler import Sampler
from telemetry.recorder.setup import process_snapshot
from telemetry.snapshot import (
    LINGER_SECONDS,
    FoldSnapshot,
    FoldState,
    GrowthSnapshot,
    Snapshot,
)
from telemetry.web.state_api import state
from tests.support.builders import (
    HOSTILE_LABEL,
    NOW,
    child,
    full_reading,
    full_snapshot,
    snapshot,
    with_records,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.metrics.samples import MetricSample
    from telemetry.snapshot import RunKey


def values(taken: Snapshot, *, now: float = 0.0) -> dict[str, float]:
    return {f"{s.name}{list(s.labels[4:])}": s.value for s in samples(taken, now=now)}


def test_a_scrape_passes_promtool(promtool: str) -> None:
    """Names, units, help texts and types are as Prometheus wants them."""
    text = generate_latest(registry(full_snapshot))
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")


def test_every_metric_of_the_table_is_rendered_with_its_type() -> None:
    """And nothing that is not in the table."""
    families = {
        f.name: f
        for f in text_string_to_metric_families(generate_latest(registry(full_snapshot)).decode())
    }
    names = {f.name + ("_total" if f.type == "counter" else ""): f.type for f in families.values()}
    assert names == {name: kind.type for name, kind in METRICS.items()}


def test_the_states_of_a_limit_are_different() -> None:
    """Unlimited is +Inf, invisible and unreadable are absent, a measured 0 is 0."""
    found = values(full_snapshot())
    assert found["foldwatch_ceiling_limit['pids_cgroup']"] == math.inf
    assert found["foldwatch_ceiling_limit['max_map_count']"] == 65530
    assert "foldwatch_ceiling_limit['cgroup_memory']" not in found
    assert "foldwatch_ceiling_limit['open_files']" not in found
    assert "foldwatch_ceiling_usage_ratio['pids_cgroup']" not in found
    assert found["foldwatch_ceiling_usage['pids_cgroup']"] == 0
    assert found["foldwatch_cgroup_pids[]"] == 0


def test_an_absent_value_is_not_exported() -> None:
    """None is no sample, never 0."""
    part = FoldSnapshot(fold=1).with_record(Reading(time=1.0, pid=1))
    names = {sample.name for sample in samples(snapshot(part), now=0.0)}
    assert names == {
        "foldwatch_build_info",
        "foldwatch_run_info",
        "foldwatch_run_state",
        "foldwatch_folds",
        "foldwatch_last_sample_timestamp_seconds",
        "foldwatch_quiet_seconds",
        "foldwatch_stalled_after_seconds",
    }


def test_a_hostile_label_stays_inside_its_quotes() -> None:
    """A stage cannot add a series."""
    text = generate_latest(registry(full_snapshot)).decode()
    assert not re.search(r"^foldwatch_threads 666", text, re.MULTILINE)
    stages = {
        sample.labels["stage"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "stage" in sample.labels
    }
    assert stages == {"START", HOSTILE_LABEL}


def test_an_ended_fold_keeps_its_result_and_loses_its_live_series() -> None:
    """After a minute."""
    part = FoldSnapshot(fold=1, state=FoldState.FAILED, exit_code=134, seconds=5.0, ended_at=1000.0)
    taken = snapshot(part.with_record(full_reading("START")))
    soon, late = (values(taken, now=1000.0 + LINGER_SECONDS + after) for after in (-1, 1))
    assert "foldwatch_threads[]" in soon
    assert "foldwatch_threads[]" not in late
    assert late["foldwatch_fold_exit_code[]"] == 134
    assert late["foldwatch_fold_state['failed']"] == 1
    assert late["foldwatch_fold_state['running']"] == 0


def test_stages_are_bounded() -> None:
    """200 of them; a label per step must not flood Prometheus."""
    part = with_records(FoldSnapshot(fold=1), (full_reading(f"step {n}") for n in range(500)))
    stages = [
        s for s in samples(snapshot(part), now=0.0) if s.name == "foldwatch_checkpoint_threads"
    ]
    assert len(stages) == 200


def test_a_fold_of_many_stages_shows_its_present_one() -> None:
    """After 200 of them too; when it began, and its threads at first, are still known."""
    board = LiveState()
    steps = (
        replace(full_reading(f"step {n}"), time=float(n), pools={"tf_Compute": 8 + n})
        for n in range(500)
    )
    board.publish([snapshot(with_records(FoldSnapshot(fold=1), steps))])
    run = state(board, None)["run"]
    assert (run["parts"][0]["stage"], run["parts"][0]["began_at"]) == ("step 499", 0.0)
    assert run["pools"] == [{"pool": "tf_Compute", "threads": 507, "at_first": 8}]


@pytest.mark.slow
def test_a_process_of_many_stages_exports_its_present_one() -> None:
    """As it is served from inside the process; a stage that comes again is not the oldest."""
    sampler = Sampler(reader=Reader(), lines=io.StringIO())
    for number in range(250):
        sampler.checkpoint("often")
        sampler.checkpoint(f"step {number}")
    stages = list(process_snapshot(sampler).folds[0].checkpoints)
    assert (len(stages), stages[-2:]) == (200, ["often", "step 249"])


def exposed(*snapshots: Snapshot) -> tuple[list[str], LiveState]:
    """Publish, and return the series of folds."""
    board = LiveState(clock=lambda: NOW)
    board.publish(snapshots)
    lines = board.exposition.text(is_open_metrics=False).decode().splitlines()
    return [line for line in lines if 'fold="' in line and 'fold=""' not in line], board


def test_an_ordinary_run_has_all_its_series() -> None:
    """A thousand folds that wait, and one that has everything."""
    waiting = tuple(FoldSnapshot(fold=n, state=FoldState.WAITING) for n in range(2, 1000))
    shown, board = exposed(replace(full_snapshot(), folds=full_snapshot().folds[:1] + waiting))
    assert board.exposition.left_out == {}
    assert len(shown) > 998 * len(FoldState)


def test_beyond_a_number_the_oldest_finished_folds_lose_their_series_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those that wait before them, the running one never; it is counted, in the log and on the page."""
    stages = {f"s{n}": full_reading(f"s{n}", time=NOW, pid=1) for n in range(100)}
    folds = [
        *(
            FoldSnapshot(
                fold=n, state=FoldState.FINISHED, ended_at=NOW - n / 100, checkpoints=stages
            )
            for n in range(1, 100)
        ),
        FoldSnapshot(
            fold=100,
            state=FoldState.RUNNING,
            latest=full_reading("x", time=NOW),
            checkpoints=stages,
        ),
        FoldSnapshot(fold=101, state=FoldState.WAITING),
    ]
    shown, board = exposed(snapshot(*folds))
    assert len(shown) <= SERIES_PER_RUN
    kept = {int(re.findall(r'fold="(\d+)"', line)[0]) for line in shown}
    last = max(kept - {100})
    assert kept == {*range(1, last + 1), 100}
    assert 1 < last < 99
    (left_out,) = board.exposition.left_out.values()
    assert state(board, None)["run"]["series_left_out"] == left_out > 1000
    assert f"{left_out} are left out" in caplog.text
    board.publish(board.snapshots)
    assert len(caplog.records) == 1


@pytest.mark.slow
def test_the_state_of_a_large_run_is_bounded() -> None:
    """The folds that run and those that ended last, and the latest checkpoints; what is left out is counted."""
    stages = {f"step {n}": full_reading(f"step {n}", time=NOW + n) for n in range(50)}
    folds = [
        FoldSnapshot(
            fold=n,
            state=FoldState.RUNNING if n == 1 else FoldState.FINISHED,
            latest=full_reading("x", time=NOW + n),
            ended_at=None if n == 1 else NOW + n,
            checkpoints=stages,
        )
        for n in range(1, 401)
    ]
    run = state(exposed(snapshot(*folds))[1], None)["run"]
    assert [part["fold"] for part in run["parts"]] == [1, *range(302, 401)]
    assert run["parts_left_out"] == 300
    assert len(run["checkpoints"]) == 2000
    assert run["checkpoints_left_out"] == 100 * 50 - 2000
    assert len(run["curves"]) <= 100
    assert run["present"] == 1


def test_however_many_runs_lose_series_the_log_says_it_in_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once: one that loses some again, because another had to make place meanwhile, is not new."""
    monkeypatch.setattr(series_budget, "SERIES_IN_ALL", len(FoldState))
    waiting = FoldSnapshot(fold=1, state=FoldState.WAITING)
    runs = [
        replace(snapshot(waiting), run=f"run {n}", rank=rank) for n in range(100) for rank in "01"
    ]
    _, board = exposed(*runs)
    for some in (runs[::-1], runs[:-1], runs):
        board.publish(some)
    assert [record.getMessage() for record in caplog.records] == [
        "foldwatch: 100 runs have too many series, the first of them 'run 0': 1393 are left out"
    ]


def test_a_run_that_says_it_was_read_in_the_future_takes_no_other_s_series(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the folds that run, each run's first has its series before any run's second, and a small one before a large."""
    monkeypatch.setattr(series_budget, "SERIES_IN_ALL", 1000)
    late = full_reading("x", time=NOW + 1e9)
    greedy = [FoldSnapshot(fold=n, state=FoldState.RUNNING, latest=late) for n in range(9)]
    hostile = [replace(snapshot(*greedy), run=f"hostile {n}") for n in range(9)]
    good = replace(full_snapshot(), run="good")
    shown, _ = exposed(*hostile, good)
    alone, _ = exposed(good)
    running = [line for line in alone if 'fold="1"' in line]
    assert {*running} <= {*shown}


@pytest.mark.slow
def test_all_runs_together_have_a_number_of_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories that hold nothing but a plan of 10,000 folds, beside one run that runs."""
    monkeypatch.setattr(series_budget, "SERIES_IN_ALL", 30_000)
    waiting = tuple(FoldSnapshot(fold=n, state=FoldState.WAITING) for n in range(1, 10_001))
    plans = [replace(snapshot(*waiting), run=f"plan {n}") for n in range(5)]
    shown, _ = exposed(*plans, full_snapshot())
    alone, _ = exposed(full_snapshot())
    assert len(shown) <= 30_000
    assert {*alone} <= {*shown}


def test_failures_of_a_source_are_counted() -> None:
    """One per reading that had it."""
    assert values(full_snapshot())["foldwatch_sample_errors_total['fd']"] == 2


def test_the_state_says_which_child_binds() -> None:
    """Where it is nearer to its own limit than the process to any; each has a row, and all have one."""
    board = LiveState()
    full = child(maps=60_000, pss_bytes=7)
    latest = full_reading(children=(full, child(5, "forked worker", open_fds=None)))
    board.publish([snapshot(FoldSnapshot(fold=1, latest=latest))])
    run = state(board, None)["run"]
    assert run["binding"] == {
        "child": "DataLoader worker pid 812",
        "ceiling": "max_map_count",
        "column": "maps",
        "current": 60_000,
        "limit": 65_530,
        "ratio": 60_000 / 65_530,
        "judged": 60_000 / 65_530,
    }
    assert [one["child"] for one in run["children"]] == [full.name, "forked worker pid 5"]
    assert (run["children"][0]["pss_bytes"], run["children"][1]["open_fds"]) == (7, None)
    assert run["tree"]["tree_pss_bytes"] == 2**30
    board.publish([snapshot(FoldSnapshot(fold=1, latest=replace(latest, maps=61_000)))])
    assert "child" not in state(board, None)["run"]["binding"]


def test_the_growth_of_a_child_is_no_series_of_the_process() -> None:
    """Both have a resource of that name."""
    own, of_child = (
        GrowthSnapshot(resource="maps", verdict="growing", reason="", per_fold=rate, child=whose)
        for rate, whose in ((1.0, ""), (9.0, "torchrun rank 1 pid 5"))
    )
    taken = samples(snapshot(growth=(of_child, own)), now=0.0)
    assert [one.value for one in taken if one.name == "foldwatch_growth_per_fold"] == [1.0]


def test_two_children_of_one_name_are_one_series() -> None:
    """A PID that was reused within a moment, or a record of a careless hand; the nearer one counts."""
    twice = (child(maps=800), child(maps=700, start_ticks=9), child(813, open_fds=None))
    part = FoldSnapshot(fold=1).with_record(full_reading(children=twice))
    told = [one for one in samples(snapshot(part), now=0.0) if "_child_" in one.name]
    assert [(s.labels[-1], s.value) for s in told if s.name == "foldwatch_child_memory_maps"] == [
        ("DataLoader worker pid 812", 800),
        ("DataLoader worker pid 813", 900),
    ]
    assert [s.labels[-2:] for s in told if s.name == "foldwatch_child_ceiling_usage_ratio"] == [
        ("DataLoader worker pid 812", "max_map_count"),
        ("DataLoader worker pid 812", "open_files"),
        ("DataLoader worker pid 813", "max_map_count"),
    ]


def test_two_gpus_of_one_name_are_one_series() -> None:
    """The first one's: an exposition may hold a series once, and Prometheus takes the first."""
    twice = (GpuUsage(gpu="0", used_bytes=1), GpuUsage(gpu="0", used_bytes=2))
    part = FoldSnapshot(fold=1).with_record(full_reading(gpus=twice))
    used = [
        (one.labels[-1], one.value)
        for one in samples(snapshot(part), now=0.0)
        if one.name == "foldwatch_gpu_memory_used_bytes"
    ]
    assert used == [("0", 1)]


def test_a_defect_in_rendering_a_run_costs_that_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The other's series are all there, and a metric, the log and the page say why its own are not."""

    def defective(one: FoldSnapshot, key: RunKey, *, is_live: bool) -> Iterator[MetricSample]:
        if key.run == "bad":
            raise KeyError("a defect")
        return fold_samples(one, key, is_live=is_live)

    monkeypatch.setattr("telemetry.metrics.exposition.fold_samples", defective)
    shown, board = exposed(replace(full_snapshot(), run="bad"), full_snapshot())
    assert {*exposed(full_snapshot())[0]} == {*shown}
    text = board.exposition.text(is_open_metrics=False).decode()
    assert re.search(r'^foldwatch_run_unreadable\{run="bad",.*a defect', text, re.MULTILINE)
    assert "run 'bad' cannot be rendered" in caplog.text


def test_clients_that_say_nothing_or_never_end_keep_nobody_waiting() -> None:
    """More than there is room for; the next one is answered, and rubbish is not."""
    port = serve(full_snapshot, port=0)
    address = f"http://127.0.0.1:{port}/metrics"
    heads = [
        b"",
        b"GET /metr",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n",
        b"\0\r\n\r\n",
        b"x" * 99_999,
    ]
    held = []
    for head in heads * (MOST_CLIENTS // 4):
        client = socket.create_connection(("127.0.0.1", port))
        held.append(client)
        with suppress(OSError):
            client.sendall(head)
    for _ in range(3):
        with urllib.request.urlopen(address, timeout=4) as answer:
            assert answer.status == 200
    for client in held:
        client.close()


def test_a_version_of_openmetrics_that_is_none_gets_plain_text() -> None:
    """Not an error of the training's."""
    port = serve(full_snapshot, port=0)
    accept = {"Accept": "application/openmetrics-text;version=x"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=accept)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert b"foldwatch_threads" in answer.read()


def test_what_utf_8_has_no_bytes_for_is_replaced() -> None:
    """A label with a file name of another encoding, and a rank; the port goes on with every other series."""
    stage, rank = os.fsdecode(b"na\xefve.npz"), os.fsdecode(b"r\xe9")
    taken = snapshot(FoldSnapshot(fold=1, checkpoints={stage: full_reading()}), rank=rank)
    port = serve(lambda: taken, port=0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert re.search(
        r'^foldwatch_checkpoint_threads\{.*rank="r\?".*stage="na\?ve.npz"\} ', text, re.MULTILINE
    )


@pytest.mark.parametrize("name", ["\u00b2", "\u0663", "x", "-1", ""])
def test_a_fold_of_the_environment_that_is_no_number_is_none(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its characters may be digits of some kind."""
    monkeypatch.setenv("FOLDWATCH_FOLD", name)
    assert [fold.fold for fold in process_snapshot(Sampler(reader=Reader())).folds] == [None]


@pytest.mark.parametrize("kind", [ValueError, AttributeError])
def test_a_scrape_that_cannot_be_rendered_is_answered_and_logged_once(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """The next one that can be is answered as ever."""
    found: list[Snapshot] = []

    def take() -> Snapshot:
        if not found:
            raise kind("of the snapshot")
        return found[0]

    found.append(full_snapshot())
    port = serve(take, port=0)
    found.clear()
    address = f"http://127.0.0.1:{port}/metrics"
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError, match="500"):
            urllib.request.urlopen(address, timeout=10)
    found.append(full_snapshot())
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.status == 200
    assert [record.getMessage() for record in caplog.records] == [
        f"foldwatch: /metrics cannot be rendered: {kind.__name__}: of the snapshot; it is answered with 500"
    ]


def test_a_port_in_use_is_an_oserror() -> None:
    """For the caller to tell."""
    port = serve(full_snapshot, port=0)
    with pytest.raises(OSError, match="in use"):
        serve(full_snapshot, port=port)
