"""What is certain, likely, possible and ruled out, and why; how a record ends; what then helps."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.frameworks import shows_tensorflow
from analyzer.groups import group_findings
from analyzer.reports.headline import headline, root_cause_line
from analyzer.signatures.search import CAUSES
from telemetry.journal.writer import JournalWriter
from telemetry.reading import Limit, LimitState, Reading
from tests.support.builders import exited, reading, write_journal
from tests.support.paths import INCIDENT, RELEASED

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.api import Analysis
    from analyzer.result import Finding
    from telemetry.journal.records import Event

START = "[THREADS] Fold 1/1 START: proc=8, cgroup=20/7680, maps=900/65530, rss=700MB\n"
THREAD = "RuntimeError: can't start new thread\n"


def sample(at: float, stage: str | None = None, **more: Any) -> Reading:
    """Give a reading of the only fold, far from every limit."""
    limits: dict[str, Limit] = {
        "pids_cgroup": 7680,
        "max_map_count": 65530,
        "cgroup_memory": 200 * 2**20,
        "nproc": 4096,
        "address_space": LimitState.UNLIMITED,
        "data_size": LimitState.UNLIMITED,
        "threads_max": 30000,
    } | more.pop("limits", {})
    known: dict[str, Any] = {
        "start_ticks": 5,
        "threads": 8,
        "maps": 900,
        "cgroup_pids": 20,
        "cgroup": "/sys/fs/cgroup/job",
        "limits": limits,
    }
    return reading(1, at, folds=1, stage=stage, **(known | more))


def run(tmp_path: Path, *records: Reading | Event, log: str = THREAD) -> Finding:
    """Write a run directory of its own with these records and this log, and judge it."""
    place = tmp_path / f"run-{len(os.listdir(tmp_path))}"
    write_journal(place, *records)
    (place / "output.log").write_text(START + log)
    (found,) = analyze([str(place)]).findings
    return found


def logs(tmp_path: Path, *texts: str) -> Analysis:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.log").write_text(text)
    return analyze([str(tmp_path / f"{number}.log") for number in range(len(texts))])


def confidence(found: Finding, cause: str) -> str:
    return next(c.confidence for c in found.causes if c.cause == cause)


def evidence(found: Finding, cause: str) -> str:
    return "; ".join(next(c.evidence for c in found.causes if c.cause == cause))


def test_the_rebuilt_incident_is_told_honestly() -> None:
    """No ceiling was near, the reading is a stage old, two resources grow, none is certain."""
    (found,) = analyze([INCIDENT]).findings
    assert [cause.confidence for cause in found.causes] == ["possible"] * 7 + ["unlikely"] * 2
    assert {cause.cause for cause in found.causes[7:]} == {"max_map_count", "pids_cgroup"}
    assert "memory maps rise by 730 a fold; about 4,050 of 65,530 were to come" in evidence(
        found, "max_map_count"
    )
    notes = " ".join(found.notes)
    assert (
        "no recorded ceiling was near: max_map_count 3,920 of 65,530, pids_cgroup 590 of 7,680"
        in notes
    )
    assert "was not read: the last reading is of a stage before 'after Stage 2 fit'" in notes
    steps = [step.command for step in found.remedies]
    assert "foldwatch run --folds 3 -- COMMAND {fold}" in steps
    assert any(step.command == "foldwatch run -- COMMAND" for step in found.remedies)


def growing(label: str = "", *, crash: str = "") -> str:
    """Five folds in one process whose memory maps and memory rise, with ``label`` and ``crash``."""
    line = "[THREADS] Fold {}/5 START{}: proc=8, cgroup=20/7680, maps={}/65530, rss={}MB\n"
    folds = "".join(line.format(n, label, 900 + 4000 * n, 500 + 300 * n) for n in range(1, 6))
    return folds + crash


@pytest.mark.parametrize(
    "text",
    [
        growing(" after TF import"),
        growing(" in tf.distribute"),
        growing(
            crash="Check failed: ret == 0 (11 vs. 0)Thread x creation via pthread_create() failed.\n"
        ),
        growing(crash="ResourceExhaustedError: OOM when allocating tensor with shape[64,512]\n"),
    ],
)
def test_remedies_of_tensorflow_where_the_record_names_it(text: str, tmp_path: Path) -> None:
    """In a label, or in what ended it."""
    (found,) = logs(tmp_path, text).findings
    commands = [step.command for step in found.remedies]
    assert "foldwatch run --folds 5 -- COMMAND {fold}" in commands
    assert any("tf.data" in step.text for step in found.remedies)


def test_thread_pools_name_tensorflow(tmp_path: Path) -> None:
    """A journal has them."""
    for pools, of_tensorflow in (
        ({"python": 2, "tf_Compute": 8}, True),
        ({"python": 2, "pt_main_thread": 8}, False),
    ):
        readings = [
            replace(sample(n, "START", maps=900 + 4000 * n, pools=pools), fold=n, folds=5)
            for n in range(1, 6)
        ]
        found = run(tmp_path, *readings, log="")
        assert found.remedies[0].command == "foldwatch run --folds 5 -- COMMAND {fold}"
        assert shows_tensorflow(found.process) is of_tensorflow


def test_remedies_for_a_script_without_tensorflow(tmp_path: Path) -> None:
    """What runs any script in folds, and not a word of TensorFlow."""
    crash = "OSError: [Errno 12] Cannot allocate memory\n"
    for text in (growing(), growing(crash=crash), growing(" after tfidf", crash=crash + THREAD)):
        (found,) = logs(tmp_path, text).findings
        commands = [step.command for step in found.remedies]
        assert "foldwatch run --folds 5 -- COMMAND {fold}" in commands
        for step in found.remedies:
            words = f"{step.text} {step.command}"
            assert not any(
                word in words for word in ("foldwatch train", "tf.data", "TF_", "Tensor")
            )


def test_a_counter_that_stayed_rules_out_and_one_that_is_half_seen_does_not(tmp_path: Path) -> None:
    """Read after the death, with every ancestor visible."""
    seen: dict[str, Any] = {
        "cgroup": "/sys/fs/cgroup/job",
        "pids_limit_hits_before": 0,
        "pids_limit_hits": 0,
    }
    before = sample(1, "START", pids_limit_hits=0)
    found = run(tmp_path, before, exited(5.0, **seen, sees_every_pids_level=True))
    assert confidence(found, "pids_cgroup") == "ruled out"
    found = run(tmp_path, before, exited(5.0, **seen, sees_every_pids_level=False))
    assert confidence(found, "pids_cgroup") == "unlikely"  # by the reading alone


def test_an_exit_code_is_a_crash_where_a_counter_rose_that_nothing_outlived(tmp_path: Path) -> None:
    """Without a word in the log; else it is told as no limit, as far as that says, and exit 0 is no crash."""
    rose: dict[str, Any] = {
        "cgroup": "/sys/fs/cgroup/job",
        "pids_limit_hits_before": 0,
        "pids_limit_hits": 50,
    }
    late = sample(4, pids_limit_hits=40)
    found = run(tmp_path, sample(1, "START", pids_limit_hits=0), late, exited(5.0, **rose), log="")
    assert confidence(found, "pids_cgroup") == "certain"
    found = run(tmp_path, late, exited(5.0, **rose), log="")
    assert "pids_limit_hits rose from 0 to 50" in evidence(found, "pids_cgroup")
    early = sample(2, "START", pids_limit_hits=50)
    for last in (exited(60.0, **rose), exited(5.0)):
        found = run(tmp_path, early if last.time > 5 else late, last, log="")
        assert [cause.cause for cause in found.causes] == ["not_a_limit"]
    found = run(tmp_path, late, exited(5.0, **rose | {"exit_code": 0}), log="")
    assert (found.process.crash, found.causes) == (None, ())


def test_a_counter_of_a_cgroup_that_was_never_seen_before_proves_nothing(tmp_path: Path) -> None:
    """It may have stood there before."""
    facts: dict[str, Any] = {
        "cgroup": "/sys/fs/cgroup/other",
        "pids_limit_hits": 3,
        "sees_every_pids_level": True,
    }
    found = run(tmp_path, sample(1, "START", pids_limit_hits=0), exited(5.0, **facts))
    assert confidence(found, "pids_cgroup") == "unlikely"


@pytest.mark.parametrize(
    ("peak", "limit", "cgroup", "host"),
    [
        (200 * 2**20, 200 * 2**20, "certain", "ruled out"),
        (90 * 2**20, 200 * 2**20, "possible", "likely"),
        (None, 200 * 2**20, "likely", "likely"),
        (200 * 2**20, LimitState.UNLIMITED, "likely", "likely"),
    ],
)
def test_a_kill_counts_in_the_cgroup_whatever_memory_ran_out(
    tmp_path: Path, peak: int | None, limit: Limit, cgroup: str, host: str
) -> None:
    """Only a cgroup whose own limit was reached is the cause."""
    facts: dict[str, Any] = {
        "exit_code": 137,
        "signal": "SIGKILL",
        "oom_kills_before": 2,
        "oom_kills": 3,
    }
    if peak is not None:
        facts["cgroup_memory_peak_bytes"] = peak
    first = sample(1, "START", limits={"cgroup_memory": limit}, oom_kills=2)
    found = run(tmp_path, first, exited(5.0, **facts), log="")
    assert (confidence(found, "cgroup_memory"), confidence(found, "host_memory")) == (cgroup, host)


@pytest.mark.parametrize(
    ("used", "standing"), [(63, "likely"), (50, "possible"), (2, "unlikely"), (None, "possible")]
)
def test_the_memory_of_the_host_is_that_of_all_its_processes(
    tmp_path: Path, used: int | None, standing: str
) -> None:
    """Nearly full it is likely, whoever filled it: what this run held stands beside it, as no growth."""
    gib = 2**30
    reading = sample(
        1,
        "START",
        rss_bytes=2 * gib,
        limits={"cgroup_memory": LimitState.UNLIMITED, "host_memory": 64 * gib},
        host_memory_used_bytes=None if used is None else used * gib,
    )
    found = run(tmp_path, reading, log="Killed\n")
    assert confidence(found, "host_memory") == standing
    words = evidence(found, "host_memory")
    assert ("by all processes of the host" in words) == (used is not None)
    assert "rises" not in words


def test_limits_that_are_none_or_do_not_bind_are_ruled_out(tmp_path: Path) -> None:
    """Root is exempt from RLIMIT_NPROC, and there is no RLIMIT_AS."""
    found = run(tmp_path, sample(1, "START", is_exempt_from_nproc=True), exited(5.0))
    assert "root, or a capability" in evidence(found, "nproc")
    assert confidence(found, "nproc") == confidence(found, "address_space") == "ruled out"
    assert confidence(found, "threads_max") == "possible"


def test_an_old_journal_without_the_data_size_rules_nothing_out(tmp_path: Path) -> None:
    """It was not read then; where it was read and there is none, it is no cause."""
    known = sample(1, "START")
    old = replace(known, limits={k: v for k, v in known.limits.items() if k != "data_size"})
    for first, expected in ((old, "possible"), (known, "ruled out")):
        found = run(tmp_path, first, exited(5.0))
        assert confidence(found, "data_size") == expected


def test_the_kernel_names_the_data_size(tmp_path: Path) -> None:
    """Of which process it says with its number."""
    words = "exceed data ulimit 123000. Update limits or use boot option ignore_rlimit_data."
    line = "[8.7] mmap: python ({}): VmData 123456 " + words + "\n"
    for pid, expected in ((7, "certain"), (8, "likely")):
        found = run(
            tmp_path,
            sample(1, "START", limits={"data_size": 123000}),
            exited(5.0),
            log=line.format(pid) + THREAD,
        )
        assert confidence(found, "data_size") == expected
        assert "the kernel says so" in evidence(found, "data_size")


def test_a_counter_that_rose_hours_ago_is_no_proof(tmp_path: Path) -> None:
    """The training went on, as a label shows; so it is what rose since that counts."""
    early = (
        sample(0, "START", pids_limit_hits=0, oom_kills=0),
        sample(100, "warm", pids_limit_hits=3, oom_kills=1),
    )
    flat = sample(4999, pids_limit_hits=3, oom_kills=1)
    found = run(tmp_path, *early, flat, exited(5000))
    assert confidence(found, "pids_cgroup") == "likely"
    assert "rose from 0 to 3 by 'Fold 1/1 warm', 4,900 s before the end" in evidence(
        found, "pids_cgroup"
    )
    killed = exited(5000, exit_code=137, signal="SIGKILL")
    assert confidence(run(tmp_path, *early, flat, killed, log=""), "cgroup_memory") == "likely"
    risen = replace(flat, pids_limit_hits=4)
    assert confidence(run(tmp_path, *early, risen, exited(5000)), "pids_cgroup") == "certain"
    at_failure = sample(4999, "failed", pids_limit_hits=4)
    assert confidence(run(tmp_path, *early, at_failure, exited(5000)), "pids_cgroup") == "certain"


def test_a_use_at_the_limit_is_certain_only_at_the_failure(tmp_path: Path) -> None:
    """Seconds before the end that a runner saw; a minute before it is likely, and no more."""
    full = sample(4.0, "full", maps=65530)
    assert confidence(run(tmp_path, full, exited(5.0)), "max_map_count") == "certain"
    assert confidence(run(tmp_path, full, exited(65.0)), "max_map_count") == "likely"
    assert confidence(run(tmp_path, full), "max_map_count") == "likely"


def test_memory_at_its_limit_is_never_certain(tmp_path: Path) -> None:
    """Page cache fills a memory cgroup as a rule."""
    full = sample(4.0, "full", cgroup_memory_bytes=200 * 2**20)
    found = run(tmp_path, full, exited(5.0, exit_code=137, signal="SIGKILL"), log="")
    assert confidence(found, "cgroup_memory") == "likely"


def test_a_kernel_line_of_another_process_is_likely_and_no_more(tmp_path: Path) -> None:
    """A log may hold yesterday's; a container counts PIDs anew."""
    line = "Memory cgroup out of memory: Killed process {} (python)\n"
    killed = exited(5.0, exit_code=137, signal="SIGKILL")
    for pid, expected in ((7, "certain"), (4242, "likely")):
        found = run(tmp_path, sample(1, "START"), killed, log=line.format(pid))
        assert confidence(found, "cgroup_memory") == expected
    line = "cgroup: fork rejected by pids controller in /{}\n"
    for name, expected in (("job", "certain"), ("else", "likely")):
        found = run(tmp_path, sample(1, "START"), exited(5.0), log=line.format(name) + THREAD)
        assert confidence(found, "pids_cgroup") == expected


KERNEL = (
    "Memory cgroup out of memory: Killed process 999 (nginx) total-vm:1kB\n",
    "Out of memory: Killed process 999 (nginx)\n",
    "cgroup: fork rejected by pids controller in /system.slice/cron.service\n",
)


@pytest.mark.parametrize("line", KERNEL)
@pytest.mark.parametrize("prefix", ["", "Nov 24 08:15:30 host python[12]: "])
def test_a_kernel_line_of_another_process_is_no_crash(
    tmp_path: Path, line: str, prefix: str
) -> None:
    """In the middle of a run, after its last fold, or of one that exits with 0."""
    kernel = f"Nov 24 08:15:30 host kernel: [12.345678] {line}" if prefix else line
    rows = [START, START.replace("START", "AFTER CLEANUP")]
    rows = [prefix + row for row in rows]
    analysis = logs(tmp_path, rows[0] + kernel + rows[1], "".join(rows) + kernel)
    assert [found.process.crash for found in analysis.findings] == [None, None]
    assert not analysis.is_alarming
    found = run(tmp_path, sample(1, "START"), exited(5.0, exit_code=0), log=line)
    assert found.process.crash is None


@pytest.mark.parametrize("line", KERNEL)
def test_a_kernel_line_is_certain_where_it_names_the_process(tmp_path: Path, line: str) -> None:
    """By the PID in front of its lines; one that nobody knows is likely, and never the root."""
    start = f"Nov 24 08:15:30 host python[12]: {START}"
    kernel = f"Nov 24 08:15:31 host kernel: [12.345678] {line}"
    own = kernel.replace("999", "12")
    texts = (start + own, start + kernel + THREAD, START + line + THREAD)
    first, *others = logs(tmp_path, *texts).findings
    has_pid = "999" in line
    assert first.process.pid == 12
    assert first.causes[0].confidence == ("certain" if has_pid else "likely")
    for found in others:
        assert {cause.confidence for cause in found.causes} <= {"likely", "possible", "unlikely"}
        assert found.process.crash is not None
        assert found.process.crash.signature == "python_new_thread"


def test_a_refusal_that_was_survived_still_speaks(tmp_path: Path) -> None:
    """The kernel logs a cgroup's first refusal only; the one that kills is not logged."""
    line = "cgroup: fork rejected by pids controller in /job\n"
    log = line + START.replace("START", "after fit") + THREAD
    assert (
        confidence(run(tmp_path, sample(1, "START"), exited(5.0), log=log), "pids_cgroup")
        == "likely"
    )


def test_openblas_prints_a_limit_that_does_not_bind(tmp_path: Path) -> None:
    """-1 and a million are none; a small one stays possible, and the contradiction is named."""
    line = "OpenBLAS blas_thread_init: RLIMIT_NPROC {} current, {} max\n"
    failed = "OpenBLAS blas_thread_init: pthread_create failed for thread 9 of 64: Erreur\n"
    for soft, expected in ((-1, "ruled out"), (2067053, "ruled out"), (4096, "possible")):
        (found,) = logs(tmp_path, START + failed + line.format(soft, soft)).findings
        assert confidence(found, "nproc") == expected
        assert any("also where it does not bind" in note for note in found.notes)


def test_fork_refused_as_well_means_tasks(tmp_path: Path) -> None:
    """A want of memory or maps gives fork ENOMEM."""
    (found,) = logs(tmp_path, START + THREAD + "-bash: fork: retry: No child processes\n").findings
    for cause in ("max_map_count", "address_space", "data_size", "cgroup_memory", "host_memory"):
        assert confidence(found, cause) == "ruled out"
    assert confidence(found, "threads_max") == "possible"


CHILD = "[INFO/Process-2] child process calling self.run()\n"
BOOTED = (
    "[2026-01-14 03:12:44 +0000] [7] [INFO] Booting worker with pid: 9\n",
    "INFO:     Started child process [9]\n",
)


def test_a_process_that_starts_beside_no_refused_thread_says_nothing(tmp_path: Path) -> None:
    """Before the refusal, or where another fork was refused, or once a process had ended.

    A server's master starts a worker in the place of one that died, which gave its tasks back.
    """
    refused = "-bash: fork: retry: No child processes\n"
    ended = "[INFO/Process-1] process exiting with exitcode 1\n"
    for text in (
        CHILD + THREAD,
        THREAD + CHILD + refused,
        THREAD + ended + CHILD,
        THREAD + BOOTED[0],
        THREAD + BOOTED[1],
    ):
        (found,) = logs(tmp_path, START + text).findings
        assert confidence(found, "threads_max") == "possible"
        assert confidence(found, "address_space") in {"possible", "ruled out"}
        assert not any("fork works" in note for note in found.notes)
    assert logs(tmp_path, START + CHILD).verdict == "ok"


def test_a_thread_that_fails_where_fork_works_means_memory_or_maps(tmp_path: Path) -> None:
    """What counts tasks would refuse both; a limit that is far away is unlikely all the same."""
    (found,) = logs(tmp_path, START + THREAD + CHILD).findings
    for cause in ("address_space", "data_size", "cgroup_memory", "host_memory"):
        assert confidence(found, cause) == "likely"
    for cause in ("nproc", "threads_max", "pid_max"):
        assert confidence(found, cause) == "possible"
    assert any("fork works" in note for note in found.notes)


def test_memory_that_cannot_be_given_back_speaks_for_the_map_count(tmp_path: Path) -> None:
    """Unmapping a part splits a mapping in two."""
    text = (
        START
        + THREAD
        + "LLVM ERROR: releaseMappedMemory failed with error: Cannot allocate memory\n"
    )
    (found,) = logs(tmp_path, text).findings
    assert (found.causes[0].cause, found.causes[0].confidence) == ("max_map_count", "likely")


def test_a_forecast_counts_with_its_numbers(tmp_path: Path) -> None:
    """The peak of the fold before, and a step more, would fill the limit."""
    line = "[THREADS] Fold {}/9 {}: proc=8, cgroup=9/7680, maps={}/65530, rss=700MB\n"
    text = "".join(
        line.format(fold, stage, 15000 * fold + more)
        for fold in (1, 2, 3, 4)
        for stage, more in (("START", 0), ("after fit", 800))
    ).rsplit("[THREADS]", 1)[0]
    (found,) = logs(tmp_path, text + THREAD).findings
    assert confidence(found, "max_map_count") == "likely"
    assert "about 60,800 of 65,530 were to come" in evidence(found, "max_map_count")


def test_a_summary_follows_from_another_rank_s_failure(tmp_path: Path) -> None:
    """The watchdog's timeout is a symptom where another process of the run failed first."""
    (tmp_path / "run.json").write_text("{}")
    for rank, line in enumerate(("Watchdog caught collective operation timeout\n", THREAD)):
        folder = tmp_path / f"fold-{rank + 1}"
        folder.mkdir()
        writer = JournalWriter(str(folder / "journal.jsonl"))
        writer.write(replace(sample(1, "START"), pid=40 + rank, fold=rank + 1))
        writer.close()
        (folder / "output.log").write_text(START + line)
    analysis = analyze([str(tmp_path)])
    first, second = analysis.findings
    assert first.symptom_of is not None
    assert first.symptom_of.startswith("python_new_thread")
    assert second.symptom_of is None
    assert analysis.first_failure is second
    assert analyze([RELEASED]).first_failure is None


def test_what_is_written_by_a_process_that_exits_with_0_is_no_crash(tmp_path: Path) -> None:
    """It was handled, whatever it was."""
    found = run(tmp_path, sample(1, "START"), exited(5.0, exit_code=0))
    assert found.process.crash is None
    assert list(found.process.recovered) == ["python_new_thread"]


MENTIONS = (
    "retrying after torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB; 16 -> 8",
    "Tip: ulimit -n 65536 against 'Too many open files'",
    "Received 15 death signal, shutting down workers",
    "hint: RuntimeError: can't start new thread means a limit on tasks",
)


@pytest.mark.parametrize("mention", MENTIONS)
def test_a_mention_below_the_last_fold_is_no_crash(tmp_path: Path, mention: str) -> None:
    """The log goes on. A traceback, a log that ends there, a message of an abort and a fold are one."""
    closing = START + START.replace("START", "AFTER CLEANUP")
    calm = logs(tmp_path, f"{closing}{mention}\nmean accuracy 0.93\ndone.\n")
    assert calm.findings[0].process.crash is None
    assert not calm.is_alarming
    traceback = "Traceback (most recent call last):\n"
    abort = "F env.cc:74] Check failed: ret == 0 (11 vs. 0)Thread tf_ creation via pthread_create() failed.\n"
    for text in (
        f"{closing}{traceback}{mention}\n",
        f"{closing}{mention}\n",
        f"{closing}{abort}Aborted (core dumped)\n",
        f"{START}{mention}\n",
    ):
        assert logs(tmp_path, text).findings[0].process.crash is not None


def test_a_run_that_a_scheduler_ended_was_stopped(tmp_path: Path) -> None:
    """By its time limit, which is told; where a thread failed before, it crashed."""
    line = (
        "slurmstepd: error: *** STEP 7.0 ON node1 CANCELLED AT 2026-01-14 DUE TO TIME LIMIT ***\n"
    )
    analysis = logs(tmp_path, START + line)
    assert (analysis.outcome, analysis.verdict) == ("stopped", "stopped")
    assert analysis.findings[0].causes[0].cause == "time_limit"
    assert analysis.is_alarming
    assert logs(tmp_path, START + THREAD + line).outcome == "crashed"


def test_libgcc_s_means_a_want_of_descriptors_first(tmp_path: Path) -> None:
    """It could not be opened; a want of maps is possible as well."""
    line = "libgcc_s.so.1 must be installed for pthread_exit to work\n"
    (found,) = logs(tmp_path, START + line).findings
    assert (found.causes[0].cause, found.causes[0].confidence) == ("open_files", "likely")


def test_workers_killed_as_the_run_ends_are_no_crash(tmp_path: Path) -> None:
    """After the last fold; in the middle of one they are."""
    killed = "RuntimeError: DataLoader worker (pid 42) is killed by signal: Killed.\n"
    closing = START.replace("START", "AFTER CLEANUP")
    through, within = logs(tmp_path, START + closing + killed, START + killed).findings
    assert through.process.crash is None
    assert within.process.crash is not None


TWO = "".join(
    START.replace("Fold 1/1 START", f"Fold {fold}/3 {stage}")
    for fold in (1, 2)
    for stage in ("START", "after model creation", "after fit")
)


@pytest.mark.parametrize("cut", [4, 5])
def test_a_log_that_simply_stops_is_said_to_have_stopped(tmp_path: Path, cut: int) -> None:
    """In the middle of a fold, by what an earlier fold went on to; no crash, and no exit code 3."""
    lines = TWO.splitlines(keepends=True)
    analysis = logs(tmp_path, "".join(lines[:cut]))
    (found,) = analysis.findings
    assert found.truncation is not None
    assert "fold 2 of 3" in found.truncation.where
    assert found.truncation.may_go_on
    assert analysis.verdict == "ok"
    os.utime(tmp_path / "0.log", (0, time.time() - 7300))
    (found,) = analyze([str(tmp_path / "0.log")]).findings
    assert found.truncation is not None
    assert "2 hours" in found.truncation.words


def test_what_is_through_or_between_folds_has_not_stopped(tmp_path: Path) -> None:
    """Nor has a process whose end was seen, nor one of which nobody knows how a fold goes on."""
    one = START.replace("START", "after model creation")
    closing = START.replace("START", "AFTER CLEANUP")
    no_fold = START.replace("Fold 1/1 START", "step")
    through = TWO + "".join(
        START.replace("Fold 1/1 START", f"Fold 3/3 {stage}") for stage in ("START", "after fit")
    )
    from_0 = through.replace("Fold 1/", "Fold 0/").replace("Fold 2/", "Fold 1/")
    from_0 = from_0.replace("Fold 3/", "Fold 2/")
    epochs = "".join(START.replace("START", f"epoch {n}/3") for n in (0, 1, 2))
    for text in (through, from_0, epochs, START + closing, one, no_fold, START + THREAD):
        (found,) = logs(tmp_path, text).findings
        assert found.truncation is None, text
    assert run(tmp_path, sample(1, "START"), exited(5.0, exit_code=0), log="").truncation is None
    assert [found.truncation for found in analyze([RELEASED]).findings] == [None]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (START.replace("1/1 START", "1/3 AFTER CLEANUP"), "after fold 1 of 3"),
        (TWO[: TWO.index("[THREADS] Fold 1/3 after fit")], "in the middle of fold 1 of 3"),
        (TWO, "after fold 2 of 3"),
        (TWO + TWO[: TWO.index("[THREADS] Fold 1/3 after fit")].replace("1/3", "3/3"), "3 of 3"),
        ("".join(START.replace("START", f"epoch {n}/9") for n in (1, 2)), "epoch 2 of 9 in fold 1"),
        (START.replace("Fold 1/1 START", "Epoch 37/100"), "at epoch 37 of 100"),
        (START.replace("Fold 1/1 START", "before fit"), "at 'before fit'"),
    ],
)
def test_a_record_that_ends_before_all_that_was_planned_has_stopped(
    tmp_path: Path, text: str, where: str
) -> None:
    """Inside the first fold, between two, in the last one, at an epoch; said on top, and last."""
    analysis = logs(tmp_path, text)
    (found,) = analysis.findings
    assert found.truncation is not None
    assert where in found.truncation.where
    assert found.truncation.may_go_on
    assert analysis.verdict == "ok"
    assert not analysis.is_alarming
    parts = group_findings(analysis)
    assert analysis.outcome == "running"
    assert headline(analysis, parts).startswith(
        f"NO ENDING RECORDED: the record ends {found.truncation.where}, and it runs on"
    )
    assert root_cause_line(analysis, parts).startswith("root cause: not known; the record stops")


def test_folds_that_other_logs_go_on_with_have_not_stopped(tmp_path: Path) -> None:
    """A log for each fold; the last of them is missing, so that one alone ends too early."""
    folds = [
        "".join(START.replace("1/1 START", f"{fold}/4 {s}") for s in ("START", "AFTER CLEANUP"))
        for fold in (1, 2, 3)
    ]
    stops = [found.truncation for found in logs(tmp_path, *folds).findings]
    assert stops[:2] == [None, None]
    assert stops[2] is not None
    assert stops[2].where == "after fold 3 of 4"


def test_a_process_of_a_run_that_stops_is_compared_with_the_others(tmp_path: Path) -> None:
    """One process per fold: the others closed their folds with another stage."""
    for fold, stages in (
        (1, ("START", "after fit")),
        (2, ("START", "after model")),
        (3, ("START", "after fit")),
    ):
        folder = tmp_path / f"fold-{fold}"
        folder.mkdir()
        writer = JournalWriter(str(folder / "journal.jsonl"))
        for at, stage in enumerate(stages):
            writer.write(
                replace(sample(at, stage), pid=fold, fold=fold, label=f"Fold {fold}/2 {stage}")
            )
        if fold == 1:
            writer.write(replace(exited(5.0, exit_code=0), pid=1))
        writer.close()
    first, second, third = analyze([str(tmp_path)]).findings
    assert first.truncation is None
    assert second.truncation is not None
    assert third.truncation is None


@pytest.mark.parametrize("has_tensorflow", [True, False])
def test_every_cause_has_a_remedy_and_no_step_comes_twice(
    tmp_path: Path, *, has_tensorflow: bool
) -> None:
    """Two or three steps each, all but for what is no limit."""
    from analyzer.diagnosis.causes import Cause
    from analyzer.diagnosis.remedies import MOST, remedies

    for cause in CAUSES:
        for name in list(Confidence):
            steps = remedies({}, {}, {}, [Cause(cause, name, ())], has_tensorflow=has_tensorflow)
            assert len(steps) == len({step.text for step in steps}) <= MOST + 1
            if name in {"certain", "likely"} and cause not in {"not_a_limit", "interrupted"}:
                assert any(step.target == cause for step in steps)
    assert analyze([RELEASED]).remedies == ()
    (found,) = logs(tmp_path, START + THREAD).findings
    words = " ".join(f"{step.text} {step.command}" for step in found.remedies)
    assert "OMP_NUM_THREADS" in words
    assert "pids.max" in words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "runtime: failed to create new OS thread (have 15 already; errno=11)",
            "it counts its own",
        ),
        ("error: clone(2) failure; 28 (No space left on device)", "a want of PIDs and not of disk"),
        ("libgcc_s.so.1 must be installed for pthread_exit to work", "installed as a rule"),
        ("DataLoader worker (pid 4) is killed by signal: Bus error.", "a mapped data file"),
        ("RuntimeError: Background workers died.\n" + THREAD, "the message before it counts"),
    ],
)
def test_hints_that_mislead_are_named(tmp_path: Path, line: str, words: str) -> None:
    """A library's own advice, against what the text really means."""
    (found,) = logs(tmp_path, START + line + "\n").findings
    assert any(words in note for note in found.notes), found.notes
