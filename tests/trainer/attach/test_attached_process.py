"""A process that runs already is recorded from outside, until it ends; it is only looked at."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from functools import partial
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from analyzer.pipeline import analyze
from telemetry import progress
from telemetry.errors import InputError
from telemetry.journal.run_layout import BLACK_BOX
from telemetry.journal.stall_record import EVENT
from telemetry.kernel.process_handle import ProcessHandle
from telemetry.kernel.procfs import ProcessFiles
from tests.support.processes import tells_endings_of_others
from tests.support.requirements import need
from tests.support.trainings import Training, records
from tests.support.waiting import wait_until
from trainer.attach import output_tails
from trainer.attach.attached_process import MOST_LABELS, AttachedProcess
from trainer.attach.log_labels import LogLabels, label_of_thread_line
from trainer.attach.pace import LONGEST_SECONDS, SHARE, SHORTEST_SECONDS, Pace
from trainer.attach.readings_before import readings_before
from trainer.attach.session import record_until_end
from trainer.attach.target import Target, find_by_name, find_in_cgroup
from trainer.process import stall_watch
from trainer.process.signals import Interruptions
from trainer.process.stall_watch import STACKS
from trainer.run.checkpoint_pattern import CheckpointPattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BY_FOLD = r"fold (?P<fold>\d+)/(?P<folds>\d+): (?P<label>\w+)"


def attached(
    training: Training, directory: Path, label_of: Callable[[str], str | None] | None = None
) -> AttachedProcess:
    """Attach to a training, with labels from its log if ``label_of`` finds some."""
    labels = None if label_of is None else LogLabels(str(training.log), label_of)
    return AttachedProcess(Target(training.pid), str(directory), labels=labels)


def test_its_record_is_one_of_its_own(training: Training, tmp_path: Path) -> None:
    """As if it had recorded itself: who it is, readings, labels with their folds, the end."""
    process = attached(
        training, tmp_path / "run", partial(CheckpointPattern(BY_FOLD).label_of_fold, folds=None)
    )
    for line in ("fold 1/3: start", "nothing", "fold 1/3: end", "fold 2/3: start"):
        training.say(line)
    assert process.take_labels()
    assert process.sample() is not None
    training.exit(0)
    ending = process.finish()
    process.close()
    first, begun, *readings, last = records(tmp_path / "run")
    assert (first["kind"], first["pid"]) == ("header", training.pid)
    assert (first["start_ticks"], first["host"]) == (
        process.target.start_ticks,
        os.uname().nodename,
    )
    assert first["ceilings"]
    assert begun["name"] == "attached"
    assert begun["age_seconds"] >= 0
    assert [(one.get("label"), one.get("fold")) for one in readings] == [
        ("Fold 1/3 start", 1),
        ("Fold 1/3 end", 1),
        ("Fold 2/3 start", 2),
        (None, None),
    ]
    assert all(one["pid"] == training.pid and one["rss_bytes"] > 0 for one in readings)
    assert (last["name"], last["pid"]) == ("exited", training.pid)
    if tells_endings_of_others():
        assert (last["exit_code"], str(ending)) == (0, "exited with 0")


def test_the_signal_that_ends_it_is_told(training: Training, tmp_path: Path) -> None:
    """Also to one that is not its parent."""
    need(tells_endings_of_others(), "Linux 6.15, which tells it to others")
    process = attached(training, tmp_path / "run")
    process.sample()
    training.process.kill()
    training.process.wait()
    assert str(process.finish()) == "was ended by SIGKILL"
    process.close()
    assert records(tmp_path / "run")[-1]["signal"] == "SIGKILL"
    assert analyze([str(tmp_path / "run")]).verdict == "crashed"


@pytest.mark.parametrize("code", [0, 3])
def test_the_last_minute_of_one_that_fails_is_beside_its_journal(
    code: int, training: Training, tmp_path: Path
) -> None:
    """Looks between the readings; of a healthy end there is none."""
    need(tells_endings_of_others(), "Linux 6.15, which tells it to others")
    process = attached(training, tmp_path / "run")
    process.keep_last_minute()
    process.sample()
    training.say("works")
    training.exit(code)
    process.finish()
    process.close()
    assert (tmp_path / "run" / BLACK_BOX).exists() == bool(code)


@pytest.mark.parametrize(
    ("last", "ending"),
    [
        ("Fold 1/1 END", ("finished", "its last fold is through")),
        ("Fold 1/2 END", ("running", "it has ended; how is not known: only its parent was told")),
    ],
)
def test_an_end_that_only_its_parent_was_told_of(
    last: str,
    ending: tuple[str, str],
    training: Training,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before Linux 6.15: no crash is made up, and no exit code."""
    monkeypatch.setattr(ProcessHandle, "exit_code", lambda *_, **__: None)
    process = attached(training, tmp_path / "run", lambda line: line.strip())
    training.say(f"Fold 1/{last[7]} START")
    training.say(last)
    process.take_labels()
    training.exit(1)
    assert "how is not known" in str(process.finish())
    process.close()
    assert "exit_code" not in records(tmp_path / "run")[-1]
    (finding,) = analyze([str(tmp_path / "run")]).findings
    assert finding.process.crash is None
    assert finding.ending is not None
    assert (finding.ending.outcome, finding.ending.reason) == ending


def test_the_end_of_its_output_is_in_the_record(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it said last tells more than its exit code: both are judged together."""
    monkeypatch.setattr(output_tails, "TAIL_BYTES", 100)
    process = attached(training, tmp_path / "run")
    process.sample()
    training.say("a line of long ago" * 10)
    training.say("OSError: [Errno 24] Too many open files: 'data/17.npz'")
    training.exit(1)
    process.finish()
    process.close()
    assert (tmp_path / "run" / "output.log").read_text().splitlines() == [
        "OSError: [Errno 24] Too many open files: 'data/17.npz'"
    ]
    (finding,) = analyze([str(tmp_path / "run")]).findings
    assert finding.causes[0].cause == "open_files"


def test_labels_that_were_there_already_say_where_the_run_is(
    training: Training, tmp_path: Path
) -> None:
    """No reading was taken then; the next label belongs to the fold that they name."""
    training.say("[THREADS] Fold 2/3 START: proc=36, cgroup=506/7680, maps=1850/65530, rss=1200MB")
    process = attached(training, tmp_path / "run", label_of_thread_line)
    training.say("[THREADS] after fit: proc=36, cgroup=506/7680, maps=1850/65530, rss=1200MB")
    process.take_labels()
    process.close()
    _, begun, reading = records(tmp_path / "run")
    assert (begun["labels_before"], begun["last_label"]) == (1, "Fold 2/3 START")
    assert (reading["label"], reading["fold"], reading["folds"]) == ("after fit", 2, 3)
    assert reading["threads"] == 1  # its own, not what the line says


def test_readings_that_its_log_has_already_are_of_its_record(
    training: Training, tmp_path: Path
) -> None:
    """Of the run that the log ends with; they are spread over the life of the process."""
    for run, most in (("earlier", 2), ("own", 4)):
        for fold in range(1, most + 1):
            training.say(
                f"[THREADS] Fold {fold}/9 {run}: proc={30 + fold}, cgroup=50/max, maps={fold}000/65530, rss=900MB"
            )
    target, log = Target(training.pid), str(training.log)
    before = readings_before(target, log)
    assert [(one.fold, one.stage, one.threads, one.maps) for one in before] == [
        (fold, "own", 30 + fold, fold * 1000) for fold in range(1, 5)
    ]
    times = [one.time for one in before]
    assert times == sorted(times)
    assert before[-1].usage("max_map_count").ratio == 4000 / 65530
    labels = LogLabels(log, label_of_thread_line)
    process = AttachedProcess(target, str(tmp_path / "run"), labels=labels, before=before)
    process.sample()
    process.close()
    begun = records(tmp_path / "run")[5]
    assert (begun["name"], begun["readings_before"], begun["labels_before"]) == ("attached", 4, 6)
    (finding,) = analyze([str(tmp_path / "run")]).findings
    assert finding.growth["maps"].verdict.is_alarming


def test_readings_from_before_it_began_are_not_its_own(training: Training) -> None:
    """Another one wrote into its log before it."""
    line = "[THREADS] Fold {}/9 END: proc=3, cgroup=5/max, maps=100/65530, rss=900MB"
    for fold, at in ((1, "2026-01-14T01:00:02Z"), (2, "2199-01-14T01:00:02Z")):
        training.say(f"{at} stdout F {line.format(fold)}")
    (one,) = readings_before(Target(training.pid), str(training.log))
    assert one.fold == 2


def test_the_kernel_s_word_on_it_is_in_the_record(training: Training, tmp_path: Path) -> None:
    """That it was killed for memory, which no counter of a cgroup says of the host's; not what is of others."""
    need(os.access("/dev/kmsg", os.W_OK), "a kernel's log that can be written to")
    process = attached(training, tmp_path / "run")
    process.sample()
    with open("/dev/kmsg", "w", encoding="utf-8") as file:
        file.write(f"Out of memory: Killed process {training.pid} (python) total-vm:1kB")
    with open("/dev/kmsg", "w", encoding="utf-8") as file:
        file.write(f"Out of memory: Killed process {training.pid}1 (other) total-vm:1kB")
    training.process.kill()
    training.process.wait()
    process.finish()
    process.close()
    output = (tmp_path / "run" / "output.log").read_text()
    assert f"Killed process {training.pid} (python)" in output
    assert "(other)" not in output
    (finding,) = analyze([str(tmp_path / "run")]).findings
    assert finding.causes[0].cause == "host_memory"


def test_many_labels_at_once_cost_few_readings(training: Training, tmp_path: Path) -> None:
    """One at each step of a training would cost more than the training."""
    process = attached(training, tmp_path / "run", lambda line: line.strip() or None)
    training.say("\n".join(f"step {number}" for number in range(1000)))
    process.take_labels()
    process.close()
    labels = [one["label"] for one in records(tmp_path / "run")[2:]]
    assert len(labels) == MOST_LABELS
    assert labels[-1] == "step 999"


def test_what_ends_the_record_does_not_end_the_process(training: Training, tmp_path: Path) -> None:
    """Ctrl-C: it runs on, and nothing says that it ended."""
    with Interruptions() as interruptions:
        os.kill(os.getpid(), signal.SIGINT)
        process = attached(training, tmp_path / "run")
        assert record_until_end(process, interruptions, on_record=lambda: None) is None
    assert training.process.poll() is None
    assert records(tmp_path / "run")[-1]["name"] == "detached"
    training.exit(1)
    analysis = analyze([str(tmp_path / "run")])
    assert analysis.verdict != "crashed"  # nobody saw how it ended
    (finding,) = analysis.findings
    assert finding.ending is not None
    assert finding.ending.reason == "its record was ended while it ran on"


def test_the_end_is_noticed_at_once(training: Training, tmp_path: Path) -> None:
    """Whatever the pause until the next reading is."""
    process = attached(training, tmp_path / "run")
    told: list[int] = []

    def on_record() -> None:
        told.append(1)
        if len(told) == 1:
            training.exit(0)

    with Interruptions() as interruptions:
        ending = record_until_end(process, interruptions, on_record=on_record)
    assert ending is not None
    assert records(tmp_path / "run")[-1]["name"] == "exited"


def test_what_may_not_be_read_is_said_once(
    training: Training,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of another user's process; what can be read is recorded."""
    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    monkeypatch.setattr(ProcessFiles, "open_fds", mock.Mock(side_effect=refused))
    process = attached(training, tmp_path / "run")
    process.sample()
    process.sample()
    process.close()
    told = capsys.readouterr().err
    assert told.count("fd cannot be read: not permitted; attach as its user, or as root") == 1
    assert records(tmp_path / "run")[-1]["threads"] == 1


@pytest.mark.parametrize(
    ("pid", "told"), [(2, "kernel"), (2**22 + 1, "there is none"), (None, "has ended")]
)
def test_what_cannot_be_attached_to_is_named(
    pid: int | None, told: str, training: Training
) -> None:
    """A thread of the kernel's, a PID of nobody, a zombie."""
    if pid is None:
        training.process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, training.pid, os.WEXITED | os.WNOWAIT)
        pid = training.pid
    if pid == 2:
        need(os.path.exists("/proc/2"), "the kernel's threads in sight")
    with pytest.raises(InputError, match=told):
        Target(pid)


def test_a_name_must_be_that_of_one_tree(tmp_path: Path) -> None:
    """Of a launcher and what it started the launcher is meant; several are named, to choose from."""
    own = tmp_path.name
    first = Training(tmp_path / "a.log", f"first-{own}")
    second = Training(tmp_path / "b.log", f"second-{own}")
    try:
        assert find_by_name(f"first-{own}") == first.pid
        with pytest.raises(InputError, match="2 processes match") as raised:
            find_by_name(f"(first|second)-{own}")
        assert {str(one.pid) for one in (first, second)} <= set(str(raised.value).split())
        with pytest.raises(InputError, match="no process"):
            find_by_name(f"third-{own}")
    finally:
        first.end()
        second.end()


def test_a_folder_that_is_no_cgroup_is_named(tmp_path: Path) -> None:
    """With what to name instead."""
    with pytest.raises(InputError, match="no cgroup; name its folder below"):
        find_in_cgroup(str(tmp_path))


def test_what_it_costs_keeps_to_its_share_of_the_time() -> None:
    """Dear looks are taken the more seldom, cheap ones once a second; starting is not made up for."""
    now, cost = [0.0], [5.0]
    pace = Pace(clock=lambda: now[0], cost_clock=lambda: cost[0])
    for each, longest in ((0.0005, SHORTEST_SECONDS), (0.003, 5.0), (1.0, LONGEST_SECONDS)):
        pauses = []
        for _ in range(200):
            cost[0] += each
            pauses.append(pace.pause())
            now[0] += pauses[-1]
        assert pauses[-1] <= longest
        assert each / pauses[-1] <= SHARE * 1.01 or pauses[-1] == LONGEST_SECONDS


def test_a_process_without_a_command_line_has_the_name_that_ps_shows() -> None:
    """It was started with none."""
    with subprocess.Popen(
        [""], executable="/bin/cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as nameless:
        target = Target(nameless.pid)
        target.handle.close()
        assert target.command == ("[cat]",)
        nameless.communicate(timeout=20)


def test_what_has_stalled_is_looked_at(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stacks are beside its journal, and it goes on."""
    for module, name in ((stall_watch, "FLOOR_SECONDS"), (progress, "FLOOR_SECONDS")):
        monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(progress, "UNKNOWN_SECONDS", 0.0)
    process = attached(training, tmp_path / "run")

    def is_told() -> bool:
        process.sample()
        return any(one.get("name") == EVENT for one in records(tmp_path / "run"))

    wait_until(is_told, 60, "the look")
    process.close()
    training.say("goes on")
    assert f"thread {training.pid} " in (tmp_path / "run" / STACKS).read_text()
