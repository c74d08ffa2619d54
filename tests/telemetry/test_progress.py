"""When something moves, and from when on a stage has stalled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from telemetry.progress import (
    FLOOR_SECONDS,
    GAP_SECONDS,
    NO_PROGRESS,
    UNKNOWN_SECONDS,
    StageProgress,
)
from telemetry.reading import GpuUsage, Reading
from tests.support.builders import NOW, reading

if TYPE_CHECKING:
    from collections.abc import Iterable

IDLE: dict[str, Any] = {
    "start_ticks": 1,
    "state": "S",
    "cpu_seconds": 5.0,
    "tree_cpu_seconds": 9.0,
    "tree_io_bytes": 10**8,
    "main_thread_waits": 100,
    "output_time": NOW,
}


def sample(seconds: float, **values: Any) -> Reading:
    """Give a sample of an idle process, but for ``values``."""
    return reading(1, NOW + seconds, stage=None, **(IDLE | values))


def after(readings: Iterable[Reading], progress: StageProgress = NO_PROGRESS) -> StageProgress:
    for one in readings:
        progress = progress.after(one)
    return progress


def stage(name: str, seconds: int, begin: float = 0.0, **values: Any) -> list[Reading]:
    """Give a label and a sample each second until ``seconds`` are over."""
    label = reading(1, NOW + begin, stage=name, **IDLE)
    return [label, *(sample(begin + n, **values) for n in range(1, seconds))]


def test_what_does_not_move_is_quiet_since_its_label() -> None:
    """A second for each second."""
    assert after(stage("START", 31)).quiet_seconds == 30


@pytest.mark.parametrize(
    "last",
    [
        {"cpu_seconds": 5.2},
        {"tree_cpu_seconds": 9.2},
        {"tree_cpu_seconds": 3.0},
        {"tree_io_bytes": 10**8 + 2**20},
        {"output_time": NOW + 29},
        {"state": "R"},
        {"state": "D", "main_thread_waits": 101},
        {"start_ticks": 2},
        {"pid": 8},
        {"gpus": (GpuUsage(gpu="0", utilization_ratio=0.4),)},
        {"gpus": (GpuUsage(gpu="0", utilization_ratio=0.4, process_used_bytes=1),)},
    ],
    ids=", ".join,
)
def test_each_sign_of_life_is_a_move(last: dict[str, Any]) -> None:
    """Of the process, or of one below it; one that ended took its CPU time along."""
    assert after([*stage("START", 30), sample(30, **last)]).quiet_seconds == 0


@pytest.mark.parametrize(
    "last",
    [
        {"cpu_seconds": 5.05},
        {"tree_io_bytes": 10**8 + 2**16},
        {"output_time": None},
        {"state": "D"},
        {"state": "T"},
        {"main_thread_waits": 120},
        {"cpu_seconds": None, "tree_cpu_seconds": None, "tree_io_bytes": None},
        {
            "gpus": (
                GpuUsage(gpu="0", utilization_ratio=0.0, process_used_bytes=1),
                GpuUsage(gpu="1", utilization_ratio=0.9),
            )
        },
    ],
    ids=", ".join,
)
def test_what_recording_and_heartbeats_use_is_no_move(last: dict[str, Any]) -> None:
    """Nor is what others do on another GPU, nor what was not read."""
    assert after([*stage("START", 30), sample(30, **last)]).quiet_seconds == 30


def test_a_little_work_in_each_second_adds_up_to_none() -> None:
    """Half a percent of a core, for as long as it likes."""
    idle = [sample(n, cpu_seconds=5 + n * 0.005) for n in range(1, 200)]
    assert after([*stage("START", 1), *idle]).quiet_seconds == 199


def test_the_time_of_a_gap_hardly_counts() -> None:
    """The machine slept, or its clock was set."""
    gap = after([*stage("START", 30), sample(3600)]).quiet_seconds
    assert gap == 29 + GAP_SECONDS
    assert after([*stage("START", 30), sample(-3600)]).quiet_seconds == 29


def test_a_stage_stalls_after_twice_the_longest_that_it_took() -> None:
    """In this fold, whichever epoch it was, or in another one."""
    epochs = [*stage("epoch 1", 40), *stage("epoch 2", 70, 40), *stage("epoch 3", 10, 110)]
    found = after(epochs)
    assert (found.usual_seconds(), found.stalls_after()) == (70, 140)
    fresh = after(stage("epoch 1", 10))
    assert fresh.stalls_after([found]) == 140
    assert fresh.stalls_after() == UNKNOWN_SECONDS


def test_a_short_stage_has_a_floor_and_one_of_hours_no_more_than_its_longest_quiet() -> None:
    """Hours of work do not excuse an hour of nothing; hours of nothing do."""
    short = after([*stage("START", 5), *stage("END", 5, 5), *stage("START", 5, 10)])
    assert short.stalls_after() == FLOOR_SECONDS
    busy = StageProgress(stage="fit", longest={"fit": 9000.0}, quietest={"fit": 20.0})
    assert busy.stalls_after() == UNKNOWN_SECONDS
    waits = StageProgress(stage="fit", longest={"fit": 9000.0}, quietest={"fit": 8000.0})
    assert waits.stalls_after() == 16000


def test_labels_alone_tell_how_long_stages_took() -> None:
    """Of a fold that ran before, of which nobody followed the samples."""
    labels = [sample(0), reading(1, NOW + 20, stage="START"), reading(1, NOW + 620, stage="END")]
    assert StageProgress.by_labels(labels).longest == {"": 20, "START": 600}


def test_what_is_kept_is_bounded() -> None:
    """Any number of stages and processes may be written of."""
    stages = [reading(1, NOW + n, stage="s" * (n + 1), pid=n) for n in range(200)]
    found = after(stages)
    assert len(found.longest) <= 50
    assert len(found.seen) <= 8
