"""``foldwatch run``: anybody's command, once for each fold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from foldwatch.main import main
from telemetry.errors import InputError
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event
from telemetry.reading import Reading
from tests.support.paths import ROOT, TESTS
from tests.support.processes import tells_endings_of_others
from tests.support.programs import run_foldwatch
from trainer.agent.metrics_file import read_metrics
from trainer.process.output_follower import OutputFollower, printable
from trainer.run.checkpoint_pattern import CheckpointPattern
from trainer.run.fold_result import FoldResult, summarize
from trainer.runner.command_job import fill_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.programs import CommandOutcome


UNTIL_READ = os.path.join(TESTS, "scripts", "epochs_until_read.py")
LAUNCHER = os.path.join(TESTS, "scripts", "waiting_launcher.py")


def python(place: str, code: str, *options: str) -> CommandOutcome:
    """Run Python ``code`` as each fold; its argument is the fold."""
    command = [sys.executable, "-c", code, "{fold}"]
    return run_foldwatch("run", *options, "--output", place, "--", *command)


def test_braces_are_filled_in_and_other_braces_stay() -> None:
    """In every argument, as often as they come."""
    filled = fill_in(["a-{fold}", "{folds}/{fold}{fold}", "{x} {}"], fold=2, folds=3)
    assert filled == ["a-2", "3/22", "{x} {}"]


@pytest.mark.slow
def test_output_is_kept_byte_for_byte_and_shown_with_its_fold(tmp_path: Path) -> None:
    """Colours, a bar that is redrawn, bytes that are no text, a time that is no emoji, a last line without an end."""
    place = str(tmp_path / "run")
    raw = b"\x1b[31mred\x1b[0m\n  indented\rbar 1\rbar 2\r\n\xff\xfe\x07bell\n12:100:30 [i]last"
    outcome = python(place, f"import sys; sys.stdout.buffer.write({raw!r})", "--folds", "2")
    assert outcome.code == 0, outcome.err
    for fold in ("1", "2"):
        with open(os.path.join(place, f"fold-{fold}", "output.log"), "rb") as file:
            assert file.read() == raw
        lines = [line for line in outcome.err.splitlines() if line.startswith(f"fold {fold} | ")]
        assert lines[0] == f"fold {fold} | red"
        assert lines[-1] == f"fold {fold} | 12:100:30 [i]last"
        assert "\x1b" not in "".join(lines)
        assert "\x07" not in "".join(lines)


@pytest.mark.slow
def test_an_uninstrumented_script_gets_labels_and_a_verdict(tmp_path: Path) -> None:
    """A reading in full at each line that matches, taken while that epoch runs."""
    place = str(tmp_path / "run")
    options = ("--folds", "3", "--checkpoint-pattern", r"Epoch (?P<epoch>\d+)/", "--output", place)
    outcome = run_foldwatch("run", *options, "--", sys.executable, UNTIL_READ)
    assert outcome.code == 0, outcome.err
    for fold in (1, 2, 3):
        path = os.path.join(place, f"fold-{fold}", "journal.jsonl")
        readings = [r for r in JournalFollower(path).finish() if isinstance(r, Reading)]
        labelled = [r for r in readings if r.label]
        assert [r.label for r in labelled] == [f"Fold {fold}/3 epoch {n}" for n in (1, 2, 3)]
        assert [r.threads for r in labelled] == [2, 3, 4]  # read before the next epoch began
        assert all((r.maps or 0) > 20 for r in labelled)
    analysis = analyze([place])
    assert analysis.verdict == "ok"
    # The kernel merges maps that happen to lie side by side: their number differs by a tenth.
    assert analysis.findings[0].growth["threads"].verdict == "stable"


@pytest.mark.slow
def test_a_command_that_uses_telemetry_writes_the_same_journal(tmp_path: Path) -> None:
    """The fold's environment is all that it needs; both writers' records are whole."""
    place = str(tmp_path / "run")
    code = (
        "import os, time, telemetry\n"
        "fold = os.environ['FOLDWATCH_FOLD']\n"
        "journal = os.path.join(os.environ['FOLDWATCH_RUN_DIR'], f'fold-{fold}', 'journal.jsonl')\n"
        "with telemetry.fold(int(fold), of=int(os.environ['FOLDWATCH_FOLDS'])):\n"
        "    telemetry.checkpoint('START')\n"
        '    while \'"kind":"sample"\' not in open(journal).read(): time.sleep(0.01)\n'
    )
    assert python(place, code, "--folds", "2").code == 0
    follower = JournalFollower(os.path.join(place, "fold-2", "journal.jsonl"))
    readings = [r for r in follower.finish() if isinstance(r, Reading)]
    assert follower.skipped == []
    assert [r.label for r in readings if r.label] == ["Fold 2/2 START"]
    assert len([r for r in readings if not r.label]) >= 1
    assert len({(r.pid, r.start_ticks) for r in readings}) == 1


@pytest.mark.slow
def test_success_is_exit_0_and_metrics_are_the_commands_own(tmp_path: Path) -> None:
    """result.json is the runner's; a command that leaves metrics.json has them in the aggregate."""
    place = str(tmp_path / "run")
    code = (
        "import os, sys\n"
        "open(os.environ['FOLDWATCH_METRICS'], 'w').write('{\"score\": 0.%s}' % sys.argv[1])\n"
        "sys.exit(7 if sys.argv[1] == '3' else 0)\n"
    )
    outcome = python(place, code, "--folds", "3")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == (
        "foldwatch: fold 3: exited with 7; last line: it wrote nothing"
    )
    with open(os.path.join(place, "summary.json"), encoding="utf-8") as file:
        summary = json.load(file)
    assert (summary["folds_finished"], summary["folds_missing"]) == ([1, 2], [3])
    assert summary["metrics"]["score"]["mean"] == pytest.approx(0.15)
    assert "averages cover 2 of 3 folds (missing: 3)" in outcome.out


@pytest.mark.slow
def test_nan_in_one_fold_is_told_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    """The folds are finished; the mean is over the numbers that there are."""
    place = str(tmp_path / "run")
    code = (
        "import os, sys\n"
        "value = 'NaN' if sys.argv[1] == '2' else '0.5'\n"
        "open(os.environ['FOLDWATCH_METRICS'], 'w').write('{\"score\": %s}' % value)\n"
    )
    for mode in ("fresh", "auto"):
        outcome = python(place, code, "--folds", "2", "--resume-mode", mode)
        assert outcome.code == 0, outcome.err
        assert "score: not finite in fold 2, which its average leaves out" in outcome.out


@pytest.mark.parametrize(
    ("text", "metrics", "said"),
    [
        ("", {}, "cannot be read: Expecting value"),
        ("{", {}, "cannot be read: "),
        ("[1]", {}, "not an object of numbers, ignored"),
        ("3", {}, "not an object of numbers, ignored"),
        ('{"a": "b"}', {}, "not numbers, ignored: a"),
        ('{"a": 1, "b\\u001b": null, "c": "d", "e": 2.5}', {"a": 1, "e": 2.5}, "ignored: b , c"),
        (f'{{"a": 1, "b": 1{"0" * 400}}}', {"a": 1}, "not numbers, ignored: b"),
        pytest.param('{"a": 1' + " " * 2**20 + "}", {}, "cannot be read: ", id="too long"),
        (f'{{"a": 1, "{"b" * 900_000}": 2}}', {"a": 1}, f"not numbers, ignored: {'b' * 100}"),
    ],
)
def test_metrics_that_are_none_are_told_and_the_numbers_beside_them_kept(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    metrics: dict[str, float],
    said: str,
) -> None:
    """They do not make the fold a failure; no file at all is nothing to tell."""
    (tmp_path / "metrics.json").write_text(text)
    assert read_metrics(str(tmp_path / "metrics.json")) == metrics
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"foldwatch: {tmp_path / 'metrics.json'}: ")
    assert said in line
    assert read_metrics(str(tmp_path / "absent.json")) == {}
    assert not capsys.readouterr().err


@pytest.mark.parametrize("kind", ["a pipe", "an endless device", "a folder"])
def test_what_is_no_file_in_the_metrics_place_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Nobody waits for a pipe's writer, nor for a device's end."""
    path = tmp_path / "metrics.json"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "an endless device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert read_metrics(str(path)) == {}
    assert f"{path}: cannot be read: " in capsys.readouterr().err


def test_half_a_character_in_a_metric_s_name_breaks_no_summary(tmp_path: Path) -> None:
    """JSON may hold one, which no file can."""
    (tmp_path / "metrics.json").write_text('{"\\ud800": 1}')
    metrics = read_metrics(str(tmp_path / "metrics.json"))
    result = FoldResult(fold=1, folds=1, config_digest="", metrics=metrics, seconds=1.0)
    summarize(1, [result]).write(str(tmp_path))
    assert (tmp_path / "summary.csv").read_text() == "fold,?,seconds\n1,1.0,1.0\n"


@pytest.mark.slow
def test_a_script_that_changes_its_folder_still_finds_the_run(tmp_path: Path) -> None:
    """Where --output is a relative path, as the default is."""
    place = os.path.relpath(tmp_path / "run", ROOT)
    code = (
        "import os, telemetry\n"
        "os.chdir('/')\n"
        "telemetry.start()\n"
        "telemetry.checkpoint('here')\n"
        "open(os.environ['FOLDWATCH_METRICS'], 'w').write('{\"score\": 2}')\n"
    )
    outcome = python(place, f"import sys; sys.path.insert(0, {ROOT!r})\n{code}")
    assert outcome.code == 0, outcome.err
    assert "score 2.0000" in outcome.err
    journal = JournalFollower(str(tmp_path / "run" / "fold-1" / "journal.jsonl"))
    assert "here" in {r.label for r in journal.finish() if isinstance(r, Reading)}


@pytest.mark.slow
def test_resume_is_by_the_command_line(tmp_path: Path) -> None:
    """The same line skips what is finished; another one runs it again and says why."""
    place = str(tmp_path / "run")
    assert python(place, "1", "--folds", "2").code == 0
    again = python(place, "1", "--folds", "2", "--resume-mode", "auto")
    assert again.err.splitlines()[:2] == [
        "fold 1: skipped (result already complete)",
        "fold 2: skipped (result already complete)",
    ]
    other = python(place, "2", "--folds", "2", "--resume-mode", "auto")
    assert "fold 1: runs again (its result has another configuration)" in other.err
    one = python(place, "2", "--folds", "2", "--fold", "2")
    assert "fold 2 finished" in one.err
    assert "fold 1 finished" not in one.err
    assert "mean of 2 of 2" in one.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--", "no-such-program"), "run: no such program: no-such-program"),
        (("--", f"{sys.executable} train.py"), "train.py'; write it without the quotes"),
        (("--", os.path.join(ROOT, "README.md")), "README.md is not executable; chmod +x"),
        (("--fold", "2", "--", "true"), "--fold 2: there are folds 1 to 1, as --folds says"),
        (("--fold", "3", "--folds", "2", "--", "true"), "--fold 3: there are folds 1 to 2"),
        (("--memory", "lots", "--", "true"), "'lots': not a size; write 512M or 8G"),
        (("--checkpoint-pattern", "(", "--", "true"), "--checkpoint-pattern '(': missing ): ("),
        (("--folds", "0", "--", "true"), "Invalid value for '--folds'"),
        ((), "Missing argument 'COMMAND"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    """Nothing is begun."""
    assert main(["run", "--output", str(tmp_path / "run"), *options]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert words in error
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize(
    ("expression", "line", "label"),
    [
        (r"Epoch (?P<epoch>\d+)/", "Epoch 3/10", "epoch 3"),
        (r"Epoch (?P<epoch>\d+)/", "\x1b[1mEpoch 3/10", "epoch 3"),
        (r"Epoch (?P<epoch>\d+)/", "epoch three", None),
        (r"phase (?P<label>\w+) (?P<step>\d+)", "phase fit 7", "fit step 7"),
        (r"saved .*", "saved  model", "saved model"),
        (r"(?P<a>x)|(?P<b>y)", "y", "b y"),
        (r"\[THREADS\]", "[THREADS]", "(THREADS)"),
    ],
)
def test_labels_of_a_pattern(expression: str, line: str, label: str | None) -> None:
    """Named groups by name and value; hostile text cannot pretend to be a line of ours."""
    assert CheckpointPattern(expression).label(line) == label


def test_no_line_makes_a_pattern_slow() -> None:
    """RE2 has no catastrophe; a broken expression is told in one line."""
    began = time.process_time()
    assert CheckpointPattern("(a+)+$").label("a" * 10_000 + "b") is None
    assert time.process_time() - began < 5
    with pytest.raises(InputError, match="--checkpoint-pattern"):
        CheckpointPattern("(?P<a")


def test_lines_come_whole_however_they_are_written(tmp_path: Path) -> None:
    """A bar's redraws are lines; CR LF cut in two is one end; a huge line keeps its tail."""
    path = tmp_path / "output.log"
    path.write_bytes(b"of a former run\n")
    output = OutputFollower(str(path))
    seen = []
    with path.open("ab", buffering=0) as file:
        for piece in (b"a", b"b\nbar 1\rbar 2\r", b"\nc\r\nd", b"x" * 50_000, b"\nend"):
            file.write(piece)
            seen += output.poll()
    seen += output.finish()
    texts = [line.text for line in seen]
    assert texts[:4] == ["ab", "bar 1", "bar 2", "c"]
    assert set(texts[4]) == {"x"}
    assert texts[5] == "end"
    assert [line.is_redraw for line in seen] == [False, True, False, False, False, False]
    assert printable("a\x1b]0;title\x07b\tc\x00") == "ab      c"


@pytest.mark.slow
def test_behind_a_shell_the_program_that_works_is_read(tmp_path: Path) -> None:
    """Sh waits and grows by nothing; its child's numbers and its child's end are what counts."""
    place = str(tmp_path / "run")
    command = [
        "sh",
        "-c",
        f"EPOCHS=1 HELD_BYTES=50000000 {sys.executable} {UNTIL_READ}; echo the end",
    ]
    options = ("--checkpoint-pattern", r"Epoch 1\b", "--output", place)
    outcome = run_foldwatch("run", *options, "--", *command)
    assert outcome.code == 0, outcome.err
    records = JournalFollower(os.path.join(place, "fold-1", "journal.jsonl")).finish()
    labelled = [r for r in records if isinstance(r, Reading) and r.label]
    assert [r.label for r in labelled] == ["Fold 1/1 Epoch 1"]
    assert (labelled[0].rss_bytes or 0) > 50_000_000
    assert records[-1].pid == labelled[0].pid


@pytest.mark.slow
def test_how_a_program_behind_a_shell_ended_is_recorded(tmp_path: Path) -> None:
    """Where the kernel tells it to others than the parent; the exit code of the fold is the shell's."""
    place = str(tmp_path / "run")
    code = f"import os; exec(open({UNTIL_READ!r}).read()); os.abort()"
    command = ["sh", "-c", f'EPOCHS=1 HELD_BYTES=50000000 {sys.executable} -c "{code}" || true']
    options = ("--checkpoint-pattern", r"Epoch 1\b", "--output", place)
    outcome = run_foldwatch("run", *options, "--", *command)
    assert outcome.code == 0, outcome.err
    last = JournalFollower(os.path.join(place, "fold-1", "journal.jsonl")).finish()[-1]
    assert isinstance(last, Event)
    assert last.facts["exit_code"] == 0
    assert last.facts.get("program_exit_code") == (134 if tells_endings_of_others() else None)


@pytest.mark.slow
def test_a_long_last_line_is_told_in_short(tmp_path: Path) -> None:
    """All of it was shown when it came, and is in failure.json."""
    place = str(tmp_path / "run")
    outcome = python(place, "import sys; print('x' * 9000); sys.exit(3)")
    told = [line for line in outcome.err.splitlines() if "last line: xxx" in line]
    assert told
    assert max(line.count("x") for line in told) < 400
    assert max(map(len, told)) < 1000  # an alert has the command that goes on as well
    with open(os.path.join(place, "fold-1", "failure.json"), encoding="utf-8") as file:
        assert json.load(file)["stderr_tail"] == ["x" * 9000]


@pytest.mark.slow
def test_the_end_is_that_of_the_program_that_worked(tmp_path: Path) -> None:
    """Though whoever waited for it goes on, and is read last."""
    place = str(tmp_path / "run")
    command = [sys.executable, LAUNCHER, sys.executable, UNTIL_READ]
    options = ("--checkpoint-pattern", r"Epoch 1\b", "--output", place)
    environment = {"EPOCHS": "1", "HELD_BYTES": "90000000"}
    outcome = run_foldwatch("run", *options, "--", *command, environment=environment)
    assert outcome.code == 0, outcome.err
    records = JournalFollower(os.path.join(place, "fold-1", "journal.jsonl")).finish()
    readings = [record for record in records if isinstance(record, Reading)]
    (labelled,) = [reading for reading in readings if reading.label]
    assert readings[-1].pid != labelled.pid == records[-1].pid


@pytest.mark.slow
def test_output_faster_than_it_can_be_shown_holds_nobody_up(tmp_path: Path) -> None:
    """All of it is in the file; of what is shown the end is there."""
    place = str(tmp_path / "run")
    code = "print(('x' * 99 + chr(10)) * 500_000 + 'the end')"
    outcome = python(place, code)
    assert outcome.code == 0
    assert os.path.getsize(os.path.join(place, "fold-1", "output.log")) == 100 * 500_000 + 8
    assert "fold 1 | the end" in outcome.err
    assert len(outcome.err) < 20_000_000


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_no_run(tmp_path: Path) -> None:
    """As ``foldwatch run ... 2>&1 | head -1`` has it: all folds are run, and it is no failure."""
    command = [sys.executable, "-m", "foldwatch", "run", "--folds", "3", "--output", str(tmp_path)]
    with subprocess.Popen(
        [*command, "--", "sh", "-c", "echo a; sleep 0.3; echo b"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"fold 1 | a\n"
        process.stdout.close()
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["folds_finished"] == [1, 2, 3]
