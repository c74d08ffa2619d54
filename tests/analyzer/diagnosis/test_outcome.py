"""How a run ended, and what says so, of every kind of record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.groups import group_findings
from analyzer.reports.headline import headline, root_cause_line
from foldwatch.main import main
from telemetry.journal.records import Event
from telemetry.kernel.process_identity import own_identity
from tests.support.builders import exited, header, reading, write_journal, write_json
from tests.support.programs import run_python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analyzer import Analysis
    from telemetry.journal.records import Record
    from telemetry.kernel.process_identity import ProcessIdentity
    from tests.support.programs import CommandOutcome

FOLD = "[THREADS] Fold {}/3 {}: proc=8, cgroup=20/7680, maps=900/65530, rss=700MB\n"
TRACEBACK = """\
Traceback (most recent call last):
  File "/home/a/train.py", line 61, in main
    scores = evaluate(model)
  File "/usr/lib/python3.11/site-packages/lib/metrics.py", line 9, in evaluate
    raise KeyError(name)
{}
"""
NAME_ERROR = TRACEBACK.format("NameError: name 'F' is not defined")
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
EPOCHS = "".join(f"Epoch {n}/9 loss 0.{n}\n" for n in range(1, 5))


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (EPOCHS, "running"),
        (EPOCHS + "Training complete!\n", "finished"),
        (EPOCHS + NAME_ERROR, "crashed"),
        (FOLD.format(1, "START") + NAME_ERROR, "crashed"),
        ("".join(FOLD.format(n, "END") for n in (1, 2, 3)) + NAME_ERROR, "crashed"),
        (EPOCHS + TRACEBACK.format("KeyboardInterrupt"), "stopped"),
        (EPOCHS + "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01 ***\n", "stopped"),
        (EPOCHS + "srun: error: n1: task 0: Exited with exit code 1\n", "crashed"),
        (EPOCHS + "ERROR: the data set is empty\n", "crashed"),
        (EPOCHS + "ERROR: upload of part 7 failed, retrying in 5 s\n", "running"),
        (EPOCHS + "ERROR: the build failed (see DEBUG=1)\n", "crashed"),
        (EPOCHS + "a.csproj(59,5): error : no such target\n", "crashed"),
        (EPOCHS + "Program.cs(3,5): error CS1002: ; expected\n", "crashed"),
        (EPOCHS + "Program.cs(3,5): warning CS0168: e is never used\n", "running"),
        (EPOCHS + "DEBUG poll: error: not ready\n", "running"),
        (EPOCHS + "WARNING: trial 6: error: the value nan is not acceptable\n", "running"),
        (
            EPOCHS + "2026-01-14 INFO request 7: prompt: 'RuntimeError: CUDA error: no kernel'\n",
            "running",
        ),
        (EPOCHS + "Warning  Failed  3s  kubelet  Error: ErrImagePull\n", "crashed"),
        (
            EPOCHS + "[2026-01-14T03:20:41+0000] {subprocess.py:93} INFO - ERROR: no data\n",
            "crashed",
        ),
        (EPOCHS + "wandb: ERROR Error while calling W&B API: internal error\n", "running"),
        (EPOCHS + "MeanAbsoluteError: 0.31\n", "running"),
        (EPOCHS + "dev accuracy: 0.81\n", "finished"),
        (EPOCHS + "ii  libnss3-dev:amd64 2:3.87.1 amd64  Development files\n", "running"),
        (EPOCHS + "ConnectionError: 3 of 3 hosts are gone\n", "crashed"),
        (EPOCHS + NAME_ERROR + EPOCHS, "running"),
        (EPOCHS + OOM + EPOCHS + "Training complete!\n", "finished"),
        ("".join(FOLD.format(n, "END") for n in (1, 2, 3)), "finished"),
    ],
)
def test_a_log_says_how_it_ended(tmp_path: Path, text: str, outcome: str) -> None:
    """By its last words; what it survived is no end."""
    analysis = of_log(tmp_path, text)
    assert analysis.outcome == outcome
    assert analysis.is_alarming == (outcome in {"crashed", "stopped"})


def test_an_exception_is_told_with_the_user_s_own_frame(tmp_path: Path) -> None:
    """Not the library's, and as no limit."""
    analysis = of_log(tmp_path, EPOCHS + NAME_ERROR)
    crash = analysis.findings[0].process.crash
    assert crash is not None
    assert (crash.line, crash.details["frame"]) == (10, "train.py:61 in main")
    parts = group_findings(analysis)
    assert "NameError: name 'F' is not defined" in headline(analysis, parts)
    assert "not a resource limit" in root_cause_line(analysis, parts)


def test_the_exception_that_it_was_raised_from_is_told(tmp_path: Path) -> None:
    """The last one of a chain is the root, and names the one before it."""
    chain = "\nThe above exception was the direct cause of the following exception:\n\n"
    text = NAME_ERROR + chain + TRACEBACK.format("RuntimeError: fold 2 failed")
    crash = of_log(tmp_path, text).findings[0].process.crash
    assert crash is not None
    assert crash.text == "RuntimeError: fold 2 failed"
    assert crash.details["raised_from"] == "NameError: name 'F' is not defined"


@pytest.mark.parametrize(
    ("inner", "outer", "root"),
    [
        (
            "sqlite3.OperationalError: database is locked",
            "optuna.exceptions.StorageInternalError: x",
            0,
        ),
        ("pyarrow.lib.ArrowInvalid: column 3", "datasets.exceptions.DatasetGenerationError: x", 0),
        ("TypeError: unsupported", "torch._inductor.exc.LoweringException: x", 0),
        ("KeyError: 'lr'", "app.errors.ConfigError: no learning rate", 1),
    ],
)
def test_a_storage_or_a_compiler_only_passes_an_exception_on(
    tmp_path: Path, inner: str, outer: str, root: int
) -> None:
    """The one that it was raised from says what failed; of the program's own chain the last one does."""
    chain = "\nThe above exception was the direct cause of the following exception:\n\n"
    text = TRACEBACK.format(inner) + chain + TRACEBACK.format(outer)
    crash = of_log(tmp_path, text).findings[0].process.crash
    assert crash is not None
    assert crash.text == (inner, outer)[root]


@pytest.mark.parametrize(
    ("inner", "outer", "root"),
    [
        ("_queue.Empty", "nbclient.exceptions.DeadKernelError: Kernel died", 1),
        ("_queue.Empty", "RuntimeError: DataLoader worker (pid(s) 42) exited unexpectedly", 1),
        ("EOFError", "concurrent.futures.process.BrokenProcessPool: A process is gone", 1),
        ("ValueError: bad", "concurrent.futures.process.BrokenProcessPool: A process is gone", 0),
        ("asyncio.exceptions.TimeoutError", "app.StoreError: no features", 1),
    ],
)
def test_a_wait_that_came_to_nothing_only_found_the_process_dead(
    tmp_path: Path, inner: str, outer: str, root: int
) -> None:
    """What it waited for had died before; alone it is the failure itself."""
    chain = "\nDuring handling of the above exception, another exception occurred:\n\n"
    text = TRACEBACK.format(inner) + chain + TRACEBACK.format(outer)
    crash = of_log(tmp_path, text).findings[0].process.crash
    assert crash is not None
    assert crash.text == (inner, outer)[root]
    alone = of_log(tmp_path, TRACEBACK.format(inner)).findings[0].process.crash
    assert alone is not None
    assert alone.text == inner


def test_the_last_of_several_attempts_is_judged(tmp_path: Path) -> None:
    """As nohup.out holds them, one below the other; the earlier ones are told as survived."""
    command = "$ python train.py --batch-size {}\n"
    attempt = command.format(64) + EPOCHS + OOM + command.format(8) + EPOCHS
    analysis = of_log(tmp_path, attempt + "Training complete!\n")
    assert analysis.outcome == "finished"
    assert "torch_cuda_oom" in analysis.findings[0].process.recovered
    assert of_log(tmp_path, attempt + OOM).outcome == "crashed"


def test_a_failure_that_its_own_line_says_was_handled_was_survived(tmp_path: Path) -> None:
    """Also in the last line; not if it gave up, nor if the exception left the program."""
    handled = OOM.replace("GiB.", "GiB. Retrying with batch size 8.")
    analysis = of_log(tmp_path, EPOCHS + handled)
    assert analysis.outcome == "running"
    assert "torch_cuda_oom" in analysis.findings[0].process.recovered
    for text in (handled.replace("8.", "8, giving up."), TRACEBACK.format(handled)):
        assert of_log(tmp_path, EPOCHS + text).outcome == "crashed"


STATE = "    State:          Terminated\n      Reason:       Error\n      Exit Code:    137\n"
POD_LOG = "$ kubectl -n ml logs train-0 --tail 3\n"
EVENT = "  Normal   {}     60s   kubelet            {}\n"


@pytest.mark.parametrize(
    ("below", "outcome"),
    [
        (EVENT.format("Scheduled", "Successfully assigned ml/train-0 to node-11"), "crashed"),
        (EVENT.format("Pulled", 'Successfully pulled image "r/fit:1" in 1.2s'), "crashed"),
        (EVENT.format("Completed", "Job completed"), "finished"),
        (POD_LOG + EPOCHS, "crashed"),
        (POD_LOG + "embedding completed\nclustering\n", "crashed"),
        (EPOCHS, "running"),
        ("$ docker-compose exec db df -h /dev/shm\n", "crashed"),
        ("$ docker exec fit free -m\n", "crashed"),
        ("$ bash -c 'ulimit -a'\n", "crashed"),
        ("$ docker exec fit python train.py\n", "running"),
        ("$ bash -c 'ulimit -v 4194304; python train.py'\n", "running"),
    ],
)
def test_what_is_shown_below_the_state_of_a_process_is_no_word_of_its_going_on(
    tmp_path: Path, below: str, outcome: str
) -> None:
    """What a container wrote is older than its state, and who looks around begins no attempt."""
    assert of_log(tmp_path, EPOCHS + STATE + below).outcome == outcome


def test_what_a_container_wrote_that_runs_again_is_newer_than_the_end_of_the_last_one(
    tmp_path: Path,
) -> None:
    """Kubernetes shows both states."""
    again = EPOCHS + "    State:          Running\n" + STATE.replace("    State", "    Last State")
    assert of_log(tmp_path, again + POD_LOG + EPOCHS).outcome == "running"
    assert of_log(tmp_path, again + POD_LOG + "Training complete!\n").outcome == "finished"


@pytest.mark.parametrize(
    ("below", "outcome"),
    [
        (
            "training-toolkit INFO  Done waiting for a return code.\nTraining job failed\n",
            "crashed",
        ),
        ("training-toolkit INFO  Done waiting for a return code.\n", "crashed"),
        ("Training job completed\n", "finished"),
    ],
)
def test_a_launcher_s_last_word_on_a_failed_run_counts(
    tmp_path: Path, below: str, outcome: str
) -> None:
    """That it is done waiting is none."""
    assert of_log(tmp_path, EPOCHS + NAME_ERROR + below).outcome == outcome


@pytest.mark.parametrize(
    "command",
    [
        "$ docker inspect fit | egrep '\"(OOMKilled|ExitCode)\"'",
        "+ grep -c 'CUDA out of memory' train.log",
        "# dmesg -T | rg 'Out of memory: Killed process'",
    ],
)
def test_a_search_for_a_failure_is_none(tmp_path: Path, command: str) -> None:
    """Its answer may be one."""
    assert of_log(tmp_path, f"{EPOCHS}{command}\n").outcome == "running"
    killed = "Out of memory: Killed process 42 (python) total-vm:1kB"
    assert of_log(tmp_path, f"{EPOCHS}{command}\n{killed}\n").outcome == "crashed"


def as_event(event: str, level: str, **fields: object) -> str:
    facts = {"event": event, **fields, "level": level, "timestamp": "2026-01-14T08:00:00Z"}
    return json.dumps(facts) + "\n"


TRIALS = "".join(as_event("trial_done", "info", number=n, value=0.7 + n / 100) for n in range(3))


@pytest.mark.parametrize(
    ("field", "level", "below", "outcome"),
    [
        ("exception", "critical", as_event("exit", "error", code=1), "crashed"),
        ("exc_info", "error", "", "crashed"),
        ("stack_trace", "error", "", "crashed"),
        ("debug_info", "error", "", "crashed"),
        ("exception", "warning", "", "running"),
        ("exception", "error", TRIALS, "running"),
    ],
)
def test_a_traceback_beside_the_message_is_read(
    tmp_path: Path, field: str, level: str, below: str, outcome: str
) -> None:
    """As loggers of JSON write it; a warning with one, and one below which it goes on, are survived."""
    raised = as_event("no info", level, **{field: NAME_ERROR.rstrip()})
    analysis = of_log(tmp_path, TRIALS + raised + below)
    assert analysis.outcome == outcome
    crash = analysis.findings[0].process.crash
    assert (crash.text if crash else None) == (
        "NameError: name 'F' is not defined" if outcome == "crashed" else None
    )


def test_an_exception_that_says_that_its_program_falls_back_was_survived(tmp_path: Path) -> None:
    """If it then writes on."""
    for words, below, outcome in (
        ("gone, falling back to nvml", "[nvml] gpu0 util 0\n", "running"),
        ("gone, falling back to nvml", "", "crashed"),
        ("gone, not falling back to nvml", "[nvml] gpu0 util 0\n", "crashed"),
    ):
        text = EPOCHS + TRACEBACK.format(f"RuntimeError: {words}") + below
        assert of_log(tmp_path, text).outcome == outcome


def test_a_rank_that_died_is_not_survived_by_another(tmp_path: Path) -> None:
    """Who goes on is somebody else."""
    ranks = [f"[rank{rank}]: Epoch {n}/9 loss 0.1\n" for n in range(4) for rank in (0, 1)]
    died = "".join(f"[rank1]: {line}\n" for line in NAME_ERROR.splitlines())
    others = "".join(line for line in ranks if line.startswith("[rank0]"))
    assert of_log(tmp_path, "".join(ranks) + died + others).outcome == "crashed"
    assert of_log(tmp_path, "".join(ranks) + died + "".join(ranks)).outcome == "running"


def test_a_run_s_own_record_says_how_it_ended(tmp_path: Path) -> None:
    """An exit event, an exception that the process recorded, a whole result."""
    start, raised = reading(2, 1.0), {"exception": "KeyError", "message": "'a'", "frame": "t.py:9"}
    records: dict[str, list[Record]] = {
        "running": [start],
        "finished": [start, exited(2.0, exit_code=0)],
        "crashed": [start, exited(2.0)],
        "stopped": [start, exited(2.0, exit_code=143, signal="SIGTERM", by_runner=True)],
    }
    for outcome, written in records.items():
        assert analyze(write_journal(tmp_path / outcome, *written)).outcome == outcome
    event = Event(time=2.0, pid=7, name="raised", facts=raised)
    (found,) = analyze(write_journal(tmp_path / "raised", start, event)).findings
    assert found.ending is not None
    assert (found.ending.outcome, found.ending.reason) == ("crashed", "KeyError: 'a'")
    went_on = write_journal(tmp_path / "went-on", start, event, reading(2, 3.0, stage="END"))
    assert analyze(went_on).outcome == "running"
    write_journal(tmp_path / "done" / "fold-2", *records["stopped"])
    (tmp_path / "done" / "fold-2" / "result.json").write_text(json.dumps({}))
    assert analyze(tmp_path / "done").outcome == "finished"


@pytest.mark.parametrize(
    ("text", "code", "required"),
    [
        (EPOCHS, 0, 2),
        (EPOCHS + "Training complete!\n", 0, 2),
        (EPOCHS + NAME_ERROR, 3, 3),
        (FOLD.format(1, "START"), 0, 0),
    ],
)
def test_exit_codes_follow_from_it(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path, text: str, code: int, required: int
) -> None:
    """And a check that asks for a verdict does not pass on an empty log."""
    path = tmp_path / "a.log"
    path.write_text(text)
    assert foldwatch("analyze", str(path)).code == code
    assert foldwatch("analyze", str(path), "--require-verdict").code == required
    assert foldwatch("analyze", str(path), "--exit-zero").code == 0


@pytest.mark.parametrize(
    "end", ["^C", "^C\n", "^C\r\n", "^CTraceback (most recent call last):\n", "^C^C\n"]
)
@pytest.mark.parametrize("prefix", ["", "[rank0]: "])
def test_the_echo_of_ctrl_c_stopped_the_run(tmp_path: Path, prefix: str, end: str) -> None:
    """Alone at the end of the file, in front of what Python writes, and pressed twice."""
    (tmp_path / "a.log").write_text(f"{prefix}Epoch 1/9 loss 0.4\n{prefix}{end}", newline="")
    (finding,) = analyze(tmp_path / "a.log").findings
    assert finding.ending is not None
    assert finding.ending.outcome == "stopped"


def _identity(identity: ProcessIdentity) -> dict[str, Any]:
    return {
        "boot_id": identity.boot_id,
        "pid_namespace": identity.pid_namespace,
        "start_ticks": identity.start_ticks,
    }


def _first_finding(folder: Path) -> Any:
    return analyze(folder).findings[0]


def _of_records(folder: Path, *records: Record, **identity: Any) -> Any:
    write_journal(folder, header(**identity), *records)
    return _first_finding(folder)


SHUT_DOWN = Event(time=1001.0, pid=7, name="interpreter_ended")


def test_a_record_that_ends_within_a_line_proves_no_crash(tmp_path: Path) -> None:
    """Its process is gone, and its ending may be in the part that is missing."""
    gone = _identity(own_identity()) | {"start_ticks": 1}
    for name, rest in (("whole", ""), ("cut", '{"kind": "checkpoint", "ti')):
        write_journal(tmp_path / name, header(**gone), reading(1))
        with (tmp_path / name / "journal.jsonl").open("a") as file:
            file.write(rest)
        crash = _first_finding(tmp_path / name).process.crash
        assert (crash is None) == bool(rest)


def test_a_process_that_is_gone_without_an_ending_crashed(tmp_path: Path) -> None:
    """On this host only, and by a record that would hold an ordinary ending."""
    gone = _identity(own_identity()) | {"start_ticks": 1}
    crashed = _of_records(tmp_path / "gone", reading(1), **gone)
    assert (crashed.ending.outcome, crashed.process.crash.signature) == ("crashed", "process_gone")
    assert {"cgroup_memory", "host_memory", "not_a_limit"} == {c.cause for c in crashed.causes}
    for name, elsewhere in (
        ("host", {"boot_id": "another"}),
        ("container", {"pid_namespace": 7}),
        ("older", {"pid_namespace": None}),
    ):
        finding = _of_records(tmp_path / name, reading(1), **(gone | elsewhere))
        assert finding.ending.outcome == "running"
        assert finding.process.crash is None


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ([reading(3, stage="END")], "finished"),
        ([reading(2, stage="END"), SHUT_DOWN], "finished"),
        ([reading(3), SHUT_DOWN], "finished"),
        ([reading(stage="load"), SHUT_DOWN], "finished"),
        ([reading(2), exited(exit_code=0)], "finished"),
        ([reading(2), exited(exit_code=-15, by_runner="a timeout")], "stopped"),
        ([reading(2), SHUT_DOWN, exited(exit_code=4)], "crashed"),
    ],
)
def test_a_process_that_is_gone_ended_as_it_recorded(
    tmp_path: Path, records: list[Record], outcome: str
) -> None:
    """Its last fold, its own end in order, and its runner's word count before that it is gone."""
    gone = _identity(own_identity()) | {"start_ticks": 1}
    assert _of_records(tmp_path, *records, **gone).ending.outcome == outcome


def test_what_launched_a_process_speaks_for_all_below_it(tmp_path: Path) -> None:
    """A shell's programs end with it; without its word, that they are gone is proven as ever."""
    launched = _identity(own_identity()) | {"start_ticks": 1, "versions": {}}
    child = reading(1, pid=8, start_ticks=2)
    end = Event(time=2.0, pid=8, name="exited", facts={"exit_code": 0})
    write_journal(tmp_path / "seen", header(**launched), reading(1), child, end)
    outcomes = {f.ending and f.ending.outcome for f in analyze(tmp_path / "seen").findings}
    assert outcomes == {"finished"}
    write_journal(tmp_path / "gone", header(**launched), reading(1))
    assert _first_finding(tmp_path / "gone").ending.outcome == "crashed"


def test_the_header_of_a_process_itself_stays(tmp_path: Path) -> None:
    """Whichever comes first."""
    own = header(argv=("train.py",), versions={"python": "3"})
    launched = header(argv=("sh", "-c", "train.py"), versions={})
    for name, headers in (("own", [own, launched]), ("launched", [launched, own])):
        write_journal(tmp_path / name, headers[0], reading(1, start_ticks=1), headers[1])
        assert _first_finding(tmp_path / name).process.argv == ("train.py",)


def test_a_process_that_is_there_runs(tmp_path: Path) -> None:
    """However long ago it wrote."""
    own = own_identity()
    write_journal(tmp_path, header(**_identity(own) | {"pid": own.pid}), reading(2, pid=own.pid))
    finding = _first_finding(tmp_path)
    assert finding.ending == ("running", f"process {own.pid} runs on this host", None)
    assert finding.truncation.may_go_on
    assert "its process still runs" in finding.truncation.words


def test_a_process_that_runs_is_said_to_run_without_a_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a command that uses no telemetry: what launched it wrote the header."""
    own = own_identity()
    known = _identity(own) | {"pid": own.pid, "versions": {}}
    sample = reading(stage=None, pid=own.pid, start_ticks=own.start_ticks)
    write_journal(tmp_path, header(**known), sample)
    main(["analyze", str(tmp_path)])
    assert capsys.readouterr().out.startswith(f"RUNNING: process {own.pid} runs on this host; no ")


def test_the_recorder_writes_what_tells_its_ends_apart(tmp_path: Path) -> None:
    """Real ones: in order, by exit status, by os._exit, by a signal."""
    begin = (
        "import os, signal, sys, telemetry\ntelemetry.start(run_dir=sys.argv[1])\n"
        "with telemetry.fold(1, of=1):\n    telemetry.checkpoint('START')\n"
    )
    for end, outcome in (
        ("", "finished"),
        ("os._exit(0)", "crashed"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed"),
        ("raise ValueError('x')", "crashed"),
    ):
        folder = tmp_path / (end[:9] or "in order")
        run_python("-c", begin + end, str(folder))
        assert _first_finding(folder).ending.outcome == outcome, end


def _failed(folder: Path, outcome: str, reason: str) -> None:
    write_json(folder / "failure.json", {"outcome": outcome, "reason": reason})


def test_what_the_runner_wrote_of_a_fold_counts(tmp_path: Path) -> None:
    """With a journal and without, and a result before an older failure."""
    (tmp_path / "run.json").write_text("{}")
    for fold, outcome, reason in (
        (1, "timeout", "timeout: it ran for more than 3 s"),
        (2, "no result", "exited with 0 and left no result.json"),
        (3, "refused", "the cgroup has room for 4 more PIDs"),
        (4, "signal", "ended by SIGKILL"),
    ):
        _failed(tmp_path / f"fold-{fold}", outcome, reason)
    write_journal(tmp_path / "fold-1", reading(1), exited(by_runner="a timeout"))
    write_journal(tmp_path / "fold-2", reading(2), exited(exit_code=0))
    write_journal(tmp_path / "fold-4", reading(4), exited(exit_code=0))
    write_json(tmp_path / "fold-4/result.json", {"exit_code": 0})
    endings = {f.process.source.split("/")[-2]: f.ending for f in analyze(tmp_path).findings}
    assert {fold: (e.outcome, e.reason) for fold, e in sorted(endings.items()) if e} == {
        "fold-1": ("stopped", "timeout: it ran for more than 3 s"),
        "fold-2": ("crashed", "exited with 0 and left no result.json"),
        "fold-3": ("stopped", "the cgroup has room for 4 more PIDs"),
        "fold-4": ("finished", "its result is whole"),
    }


def test_a_fold_that_was_over_before_its_first_reading_has_ended(tmp_path: Path) -> None:
    """Its journal has what launched it and how it ended, and nothing between."""
    (tmp_path / "run.json").write_text("{}")
    write_journal(tmp_path / "fold-1", header(), exited(exit_code=0))
    write_json(tmp_path / "fold-1/result.json", {"exit_code": 0})
    analysis = analyze(tmp_path)
    assert [finding.ending for finding in analysis.findings] == [
        ("finished", "its result is whole", None)
    ]
    assert analysis.outcome == "finished"


@pytest.mark.parametrize("content", ["", "[]", '{"outcome": 5, "reason": ["x"]}', "{" * 9999])
def test_a_broken_failure_file_costs_its_words_alone(tmp_path: Path, content: str) -> None:
    """Whoever wrote it."""
    write_journal(tmp_path / "fold-1", reading(1), exited(exit_code=3))
    (tmp_path / "fold-1/failure.json").write_text(content)
    assert analyze(tmp_path).findings[0].ending == ("crashed", "the process exited with 3", None)


@pytest.mark.parametrize(
    "last",
    [
        "ValueError: loss is NaN in epoch 3",
        "ValueError: labels missing for fold 2",
        "FloatingPointError: infinite or NaN at iteration=100!",
        "TrainingError: fold 3 epoch 4: loss diverged",
        "RuntimeError: n_splits=5 is more than the 3 members of a class (fold 3).",
    ],
)
def test_an_exception_that_names_an_epoch_is_no_progress(tmp_path: Path, last: str) -> None:
    """It is the commonest message of a cross-validation."""
    for before in (EPOCHS, FOLD.format(2, "START")):
        assert of_log(tmp_path, before + TRACEBACK.format(last)).outcome == "crashed"


def test_runs_below_one_directory_have_each_its_own_end(tmp_path: Path) -> None:
    """Whatever a later one did; folds of a run, by their names, are of one."""
    gone = _identity(own_identity()) | {"start_ticks": 1}
    write_journal(tmp_path / "a", header(**gone), reading(1))
    write_journal(
        tmp_path / "b",
        header(pid=8),
        *(reading(n, 2000.0 + n, stage="END", pid=8) for n in (1, 2, 3)),
    )
    assert [f.ending and f.ending.outcome for f in analyze(tmp_path).findings] == [
        "crashed",
        "finished",
    ]
    for fold in (1, 2):
        write_journal(tmp_path / f"cv/fold{fold}", reading(fold, stage="END"))
    assert len({f.process.group for f in analyze(tmp_path / "cv").findings}) == 1


def test_every_end_has_its_words(tmp_path: Path, foldwatch: Callable[..., CommandOutcome]) -> None:
    """In text and in HTML: an orderly end before the last fold, a stop without a log, a run that is there."""
    own = own_identity()
    write_journal(tmp_path / "early", header(), reading(2, stage="END"), SHUT_DOWN)
    by_runner = exited(exit_code=-15, by_runner=True)
    write_journal(tmp_path / "stop", header(), reading(2), by_runner)
    identity = _identity(own) | {"pid": own.pid}
    write_journal(tmp_path / "there", header(**identity), reading(2, pid=own.pid))
    for name, words in (
        ("early", "OK"),
        ("stop", "STOPPED in fold 2 of 3"),
        ("there", "RUNNING: its process is there"),
    ):
        outcome = foldwatch("analyze", str(tmp_path / name), "--html", str(tmp_path / "a.html"))
        assert outcome.out.startswith(words), outcome
        assert outcome.code == (3 if name == "stop" else 0)


def test_a_log_that_says_that_it_is_through_is(tmp_path: Path) -> None:
    """Before the last fold that was planned."""
    text = "".join(FOLD.format(n, "END") for n in (1, 2)) + "Training complete\n"
    analysis = of_log(tmp_path, text)
    assert analysis.outcome == "finished"
    assert analysis.findings[0].truncation is None
