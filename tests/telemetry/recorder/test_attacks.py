"""The training is never harmed, whatever it does: real processes, each with one thing that trainings do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event
from telemetry.reading import Reading
from tests.support.paths import ROOT
from tests.support.programs import CommandOutcome, run_python

if TYPE_CHECKING:
    from pathlib import Path

SILENT = ("-W", "error", "-m", "tests.scripts.recorder_attacks")


def run_case(case: str, *arguments: str, folder: Path | None = None) -> CommandOutcome:
    environment = {} if folder is None else {"FOLDWATCH_RUN_DIR": str(folder)}
    outcome = run_python(*SILENT, case, *arguments, environment=environment, seconds=180)
    assert outcome.code == 0, outcome
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize("milliseconds", [0, 1, 2, 5, 10, 20, 40])
def test_a_child_that_is_forked_during_the_start_does_not_hang(milliseconds: int) -> None:
    """Its parent's other thread holds locks that nobody in the child will release."""
    outcome = run_case("fork_during_start", str(milliseconds))
    assert outcome.err.splitlines()[-1] == "returned"


def test_no_file_of_the_training_is_written_or_closed(tmp_path: Path) -> None:
    """After every descriptor was closed and its number given to a file of the training's own."""
    outcome = run_case("close_descriptors", str(tmp_path / "own"), folder=tmp_path)
    assert "its descriptor was closed by the program" in outcome.err
    records = JournalFollower(str(tmp_path / "journal.jsonl")).finish()
    labels = [record.label for record in records if isinstance(record, Reading) and record.label]
    assert labels == ["before", *(f"after {number}" for number in range(20)), "whole"]


@pytest.mark.parametrize(("case", "count"), [("folds_in_threads", 24), ("folds_in_tasks", 10)])
def test_each_thread_and_task_is_in_its_own_fold(case: str, count: int) -> None:
    """No label names another's; outside of folds none does."""
    labels = run_case(case).out.splitlines()
    assert len(labels) == count
    for label in labels:
        assert re.match(r"\[THREADS\] (?:Fold (\d)/\d in \1: |alone: )", label), label


def test_a_thread_is_in_the_fold_that_it_was_started_in(tmp_path: Path) -> None:
    """Also one that such a thread starts; but in none once that fold is left and several others are open."""
    code = (
        "import sys, threading, telemetry\n"
        "telemetry.start(run_dir=sys.argv[1], interval=1000)\n"
        "def run(work, *arguments):\n"
        "    thread = threading.Thread(target=work, args=arguments)\n"
        "    thread.start()\n"
        "    return thread\n"
        "def below(name):\n"
        "    telemetry.checkpoint(name)\n"
        "    run(telemetry.checkpoint, f'{name} below').join()\n"
        "all_open, leave = threading.Barrier(3), threading.Event()\n"
        "def fold(number):\n"
        "    with telemetry.fold(number, of=3):\n"
        "        all_open.wait()\n"
        "        run(below, f'of {number}').join()\n"
        "        if number == 3:\n"
        "            late.append(run(lambda: (leave.wait(), telemetry.checkpoint('late'))))\n"
        "            return\n"
        "        leave.wait()\n"
        "        late[0].join()\n"
        "late = []\n"
        "threads = [run(fold, number) for number in (1, 2, 3)]\n"
        "threads[2].join()\n"
        "leave.set()\n"
        "for thread in threads: thread.join()\n"
    )
    outcome = run_python("-c", code, str(tmp_path / "run"))
    assert outcome.code == 0, outcome.err
    follower = JournalFollower(str(tmp_path / "run" / "journal.jsonl"))
    labelled = {r.label: r.fold for r in follower.finish() if isinstance(r, Reading) and r.label}
    assert labelled == {
        f"Fold {number}/3 of {number}{below}": number
        for number in (1, 2, 3)
        for below in ("", " below")
    } | {"late": None}


def test_a_thread_of_a_pool_is_in_no_fold_while_several_are_open(tmp_path: Path) -> None:
    """It does the work of all of them, whichever had it started."""
    code = (
        "import sys, threading, telemetry\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from multiprocessing.pool import ThreadPool\n"
        "telemetry.start(run_dir=sys.argv[1], interval=1000)\n"
        "pool, other, all_open = ThreadPoolExecutor(1), ThreadPool(1), threading.Barrier(3)\n"
        "def fold(number):\n"
        "    with telemetry.fold(number, of=3):\n"
        "        all_open.wait()\n"
        "        pool.submit(telemetry.checkpoint, f'of {number}').result()\n"
        "        other.apply(telemetry.checkpoint, (f'other of {number}',))\n"
        "        all_open.wait()\n"
        "threads = [threading.Thread(target=fold, args=(number,)) for number in (1, 2, 3)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "with telemetry.fold(2, of=3): pool.submit(telemetry.checkpoint, 'alone').result()\n"
    )
    outcome = run_python("-c", code, str(tmp_path))
    assert outcome.code == 0, outcome.err
    records = JournalFollower(str(tmp_path / "journal.jsonl")).finish()
    labels = {record.label for record in records if isinstance(record, Reading) and record.label}
    inside = {f"{name}of {number}" for name in ("", "other ") for number in (1, 2, 3)}
    assert labels == {*inside, "Fold 2/3 alone"}


@pytest.mark.parametrize("method", ["__eq__", "__format__", "__hash__", "__len__", "__getitem__"])
def test_a_text_that_raises_costs_nothing(method: str, tmp_path: Path) -> None:
    """Of a class that redefines what a text does, as a label, a name, and the number of a fold."""
    code = (
        "import sys, telemetry\n"
        "def refuse(*_): raise RuntimeError('no text')\n"
        "Text = type('Text', (str,), {'__hash__': str.__hash__, sys.argv[2]: refuse})\n"
        "Named = type('Named', (), {'__str__': lambda _: Text('1')})\n"
        "telemetry.start(run_dir=sys.argv[1], interval=1000)\n"
        "telemetry.checkpoint(Text('a'))\n"
        "with telemetry.fold(Named(), of=Named()), telemetry.fold(Text('2'), of=Text('3')):\n"
        "    telemetry.checkpoint(Named())\n"
        "telemetry.event(Named(), value=Named())\n"
    )
    outcome = run_python("-c", code, str(tmp_path), method)
    assert outcome.code == 0, outcome.err
    records = JournalFollower(str(tmp_path / "journal.jsonl")).finish()
    labels = [record.label for record in records if isinstance(record, Reading)]
    assert labels == ["a", "Fold 2/3 1"]
    assert [r.facts for r in records if isinstance(r, Event) and r.facts] == [{"value": "1"}]


def test_an_exception_of_any_class_goes_its_way_and_is_recorded(tmp_path: Path) -> None:
    """One that refuses attributes, as a frozen dataclass does, and whose message raises."""
    code = (
        "import sys, telemetry\n"
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\n"
        "class Frozen(Exception):\n"
        "    code: int\n"
        "class Mute(Exception):\n"
        "    def __str__(self): raise RuntimeError('no words')\n"
        "class Sink:\n"
        "    def write(self, text): raise Mute()\n"
        "    def flush(self): pass\n"
        "telemetry.start(run_dir=sys.argv[1], interval=1000, lines=Sink())\n"
        "telemetry.checkpoint('goes on')\n"
        "for error in (Frozen(3), Mute()):\n"
        "    try:\n"
        "        with telemetry.fold(1, of=2): raise error\n"
        "    except BaseException as seen:\n"
        "        print(seen is error)\n"
    )
    outcome = run_python("-c", code, str(tmp_path))
    assert outcome.code == 0, outcome.err
    assert outcome.out.split() == ["True", "True"]
    records = JournalFollower(str(tmp_path / "journal.jsonl")).finish()
    raised = [
        record.facts["exception"]
        for record in records
        if isinstance(record, Event) and record.name == "raised"
    ]
    assert raised == ["Frozen", "Mute"]


def test_a_switch_without_a_truth_costs_nothing(tmp_path: Path) -> None:
    """Such as an array of several elements; it counts as given."""
    code = (
        "import telemetry\n"
        "class Several:\n"
        "    def __bool__(self): raise ValueError('ambiguous')\n"
        "with telemetry.fold(1, of=2):\n"
        "    reading = telemetry.checkpoint('a', prefix=Several(), with_map_kinds=Several())\n"
        "    assert reading.map_kinds, reading.errors\n"
    )
    outcome = run_python("-c", code, environment={"FOLDWATCH_RUN_DIR": str(tmp_path)})
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("[THREADS] Fold 1/2 a: ")


def test_a_stage_whose_name_raises_costs_its_name(tmp_path: Path) -> None:
    """It goes on."""
    code = (
        "import telemetry\n"
        "class Name:\n"
        "    def __str__(self): raise RuntimeError\n"
        "with telemetry.stage(Name()): print('inside')\n"
    )
    outcome = run_python("-c", code, environment={"FOLDWATCH_RUN_DIR": str(tmp_path)})
    assert (outcome.code, "inside" in outcome.out) == (0, True), outcome.err


def test_what_a_signal_handler_raises_in_a_stage_s_name_goes_its_way(tmp_path: Path) -> None:
    """The name is made by the user's own code, which a deadline may interrupt."""
    code = (
        "import signal, telemetry\n"
        "class Deadline(Exception): pass\n"
        "def over(*_): raise Deadline\n"
        "signal.signal(signal.SIGUSR1, over)\n"
        "class Name:\n"
        "    def __str__(self): signal.raise_signal(signal.SIGUSR1)\n"
        "try:\n"
        "    with telemetry.stage(Name()): pass\n"
        "except Deadline: print('it came')\n"
    )
    outcome = run_python("-c", code, environment={"FOLDWATCH_RUN_DIR": str(tmp_path)})
    assert (outcome.code, "it came" in outcome.out) == (0, True), outcome.err


def do_not_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start further processes without coverage."""
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.slow
def test_what_the_training_s_signal_handlers_raise_goes_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline of the training's, 200 times in the middle of a checkpoint."""
    do_not_measure(monkeypatch)  # coverage keeps its lock if an exception comes from nowhere
    outcome = run_case("handler_raises", folder=tmp_path)
    assert outcome.err == "200 of 200\n"
    follower = JournalFollower(str(tmp_path / "journal.jsonl"))
    follower.finish()
    assert len(follower.skipped) <= 200  # a record may be torn, and the next one is whole


def test_a_start_that_fails_is_told_and_tried_again() -> None:
    """Without a descriptor, with a path that raises, and beside a handler that takes checkpoints."""
    outcome = run_case("starts_that_fail")
    assert outcome.err.count("the training goes on") == 1
    assert "[THREADS] alive: proc=" in outcome.out


def test_odd_values_become_readable_and_that_is_said(tmp_path: Path) -> None:
    """Nothing is written that a reader refuses."""
    outcome = run_case("odd_values", folder=tmp_path)
    assert outcome.err.count("training goes on") == 3
    follower = JournalFollower(str(tmp_path / "journal.jsonl"))
    records = follower.finish()
    assert follower.skipped == []
    events = [record for record in records if isinstance(record, Event)]
    facts = dict(events[0].facts)
    assert facts.pop("model").startswith("<class 'object'>")
    assert facts == {"loss": "nan", "steps": 1e30, "curve": "[1.0, inf]"}
    assert [len(event.name) for event in events[:2]] == [5, 4096]
    labels = [record.label for record in records if isinstance(record, Reading) and record.label]
    assert [len(label) for label in labels] == [
        4099,
        len("Fold (a label that raises ValueError)/3 huge fold"),
    ]


def test_switched_off_nothing_is_loaded_or_written(tmp_path: Path) -> None:
    """Every call returns, and a checkpoint's fields are None."""
    code = (
        "import sys, telemetry\n"
        "telemetry.start(run_dir=sys.argv[1], port=0)\n"
        "with telemetry.fold(1, of=2), telemetry.stage('s'):\n"
        "    assert telemetry.checkpoint('a').rss_bytes is None\n"
        "telemetry.event('e', a=1, name='b')\n"
        "@telemetry.fold(1, of=2)\n"
        "def train(): return telemetry.checkpoint('b')\n"
        "read = train()\n"
        "assert not read.errors and 'a' not in read.limits and read.peaks.get('a') is None\n"
        "print(sorted(m for m in sys.modules if m.startswith('telemetry')), file=sys.stderr)\n"
    )
    outcome = run_python("-c", code, str(tmp_path / "run"), environment={"FOLDWATCH": " off "})
    assert (outcome.code, outcome.out) == (0, "")
    loaded = [
        f"telemetry{name}"
        for name in ("", *(f".recorder{m}" for m in ("", ".api", ".block_or_decorator")))
    ]
    assert outcome.err == f"{loaded}\n"
    assert not (tmp_path / "run").exists()


def test_a_pipe_is_no_journal_and_nothing_waits_for_its_reader(tmp_path: Path) -> None:
    """Nor is a folder; a folder that was changed since is no other place."""
    os.mkfifo(tmp_path / "journal.jsonl")
    code = "import telemetry\ntelemetry.checkpoint('a')\nprint('alive')\n"
    outcome = run_python("-c", code, environment={"FOLDWATCH_RUN_DIR": str(tmp_path)}, seconds=60)
    assert outcome.out.splitlines()[-1] == "alive"
    assert "not a regular file" in outcome.err


def test_a_slow_standard_output_stops_its_own_thread_alone(tmp_path: Path) -> None:
    """The other threads' checkpoints and the timer go on while one waits for a full pipe."""
    code = (
        "import json, sys, threading, time, telemetry\n"
        "telemetry.start(run_dir=sys.argv[1], interval=0.05)\n"
        "telemetry.checkpoint('first')\n"
        "def fill():\n"
        "    while True: telemetry.checkpoint('x' * 4000)\n"
        "threading.Thread(target=fill, daemon=True).start()\n"
        "sys.stdin.readline()\n"
        "sampler = telemetry.recorder.api._sampler\n"
        "before = sampler.latest.time\n"
        "while sampler.latest.time < before + 0.2: time.sleep(0.01)\n"
        "print(json.dumps('timer goes on'), file=sys.stderr, flush=True)\n"
        "import os; os._exit(0)\n"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        timer = threading.Timer(120, process.kill)
        timer.start()
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert json.loads(process.stderr.readline()) == "timer goes on"
        timer.cancel()


@pytest.mark.slow
def test_at_the_end_of_the_stack_every_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a call of telemetry's own has room; recording goes on afterwards, and begins there too."""
    do_not_measure(monkeypatch)  # coverage's own calls have no room there
    code = (
        "import os, sys, telemetry\n"
        "def at_depth(depth, call):\n"
        "    if depth: at_depth(depth - 1, call)\n"
        "    else: call()\n"
        "def everywhere(call):\n"
        "    for room in range(5, 60):\n"
        "        at_depth(sys.getrecursionlimit() - room - 10, call)\n"
        "everywhere(telemetry.checkpoint.__get__('x'))\n"
        "telemetry.start(run_dir=sys.argv[1], lines=open(os.devnull, 'w'), interval=1000)\n"
        "everywhere(telemetry.checkpoint.__get__('x'))\n"
        "everywhere(telemetry.event.__get__('x'))\n"
        "everywhere(telemetry.settle)\n"
        "print(telemetry.checkpoint('whole').maps > 0)\n"
    )
    outcome = run_python("-c", code, str(tmp_path))
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, "True"), outcome


def test_a_clock_that_raises_costs_nothing(tmp_path: Path) -> None:
    """One that the training has put in the place of Python's."""
    code = (
        "import sys, time, telemetry\n"
        "telemetry.start(run_dir=sys.argv[1], interval=1000)\n"
        "own = time.time\n"
        "def broken(): raise OverflowError\n"
        "time.time = time.monotonic = broken\n"
        "telemetry.checkpoint('x')\n"
        "telemetry.event('x')\n"
        "with telemetry.fold(1, of=2): telemetry.settle()\n"
        "time.time = own\n"
    )
    outcome = run_python("-c", code, str(tmp_path))
    assert outcome.code == 0, outcome
