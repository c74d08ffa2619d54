"""The last word of an engine on a run: that it is through, that a part of it is, or that it only shuts down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis

TASK = "24/05/11 01:02:18 INFO TaskSetManager: Finished task {}.0 in stage 7.0 (TID 31) in 407 ms on h (executor 1) ({}/60)\n"
LOST = "24/05/11 01:24:40 ERROR TaskSchedulerImpl: Lost executor 3 on 10.0.0.7: Command exited with code 137\n"
JOB = "24/05/11 01:31:20 INFO DAGScheduler: Job 6 finished: count at Fit.scala:1100, took 388.1 s\n"
SPARK_STOPS = (
    "24/05/11 01:31:28 INFO SparkContext: Invoking stop() from shutdown hook\n"
    "24/05/11 01:31:29 INFO SparkContext: Successfully stopped SparkContext\n"
    "24/05/11 01:31:29 INFO ShutdownHookManager: Shutdown hook called\n"
)
TASKS = TASK.format(1, 1) + TASK.format(2, 2)
MAPPED = (
    "INFO mapreduce.Job:  map 45% reduce 0%\n"
    "[2024-05-11 01:02:29.9]Container killed on request. Exit code is 143\n"
    "INFO mapreduce.Job:  map 77% reduce 12%\nINFO mapreduce.Job:  map 100% reduce 100%\n"
)
FLINK = (
    "INFO Driver [] - Container killed on request. Exit code is 143\n"
    "INFO ExecutionGraph [] - Map (3/8) (a2) switched from RUNNING to FINISHED.\n"
)
FAILED = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    fit(steps=20)\nValueError: no\n'


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (TASKS + LOST + JOB + SPARK_STOPS, "finished"),
        (TASKS + JOB + SPARK_STOPS, "finished"),
        (TASKS + LOST + TASKS, "running"),
        (TASKS + LOST + SPARK_STOPS, "crashed"),
        (TASKS + JOB + FAILED + SPARK_STOPS, "crashed"),
        (TASKS + "ERROR ApplicationMaster: RECEIVED SIGNAL TERM\n" + SPARK_STOPS, "stopped"),
        (
            f"{TASKS}{JOB}ERROR CoarseGrainedExecutorBackend: RECEIVED SIGNAL TERM\n{SPARK_STOPS}",
            "finished",
        ),
        (
            f"{TASKS}{LOST}INFO ApplicationMaster: Final app status: SUCCEEDED, exitCode: 0\n",
            "finished",
        ),
        (f"{MAPPED}INFO mapreduce.Job: Job job_17_0009 completed successfully\n", "finished"),
        (f"{MAPPED}INFO mapreduce.Job: Job job_17_0009 failed with state FAILED\n", "crashed"),
        (
            "INFO ExecutionGraph [] - Job fit (77) switched from state FAILING to FAILED.\n",
            "crashed",
        ),
        (
            f"{FLINK}INFO ExecutionGraph [] - Job fit (77) switched from state RUNNING to FINISHED.\n",
            "finished",
        ),
        (FLINK, "running"),
        ("epoch 1 loss 0.4\n[pool] 19 of 64 shards done\n", "running"),
        ("epoch 1 loss 0.4\n[pool] 64 of 64 shards done\n", "finished"),
    ],
)
def test_an_engine_says_how_a_run_ended(tmp_path: Path, text: str, outcome: str) -> None:
    """Of a job it does; of a task, and as it shuts down below a failure, it does not."""
    assert of_log(tmp_path, text).outcome == outcome
