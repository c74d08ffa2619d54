"""A model of anybody's own: its name, its data's digest, its split, and the documented example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.util import spec_from_file_location
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from telemetry.errors import InputError
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event
from tests.support.paths import ROOT
from tests.support.programs import run_foldwatch
from tests.support.waiting import wait_for_end, wait_until
from trainer.run.config import REFERENCE
from trainer.run.thread_caps import THREAD_CAPS
from trainer.worker import fold as fold_module
from trainer.worker.data_digest import data_digest, printed_digest
from trainer.worker.devices import Devices
from trainer.worker.fold import Fold
from trainer.worker.model_loader import check_name, load_function, load_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.machinery import ModuleSpec
    from pathlib import Path

    from tests.support.programs import CommandOutcome


@pytest.fixture(autouse=True)
def no_module_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take what a test imports out again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in {name for name in sys.modules if name.startswith("own_")} - before:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["", "a", "a.b", "a:", ":b", "a:b:c", "a-b:c", "../a:b", "1a:b"])
def test_what_is_no_name_is_told_how_to_write_one(name: str) -> None:
    """One line, before anything is imported or moved aside."""
    with pytest.raises(InputError, match=r"write package\.module:function"):
        check_name(name)


def test_a_name_is_checked_without_importing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner must not load what the fold's process loads."""
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text("raise SystemError('imported')\n")
    monkeypatch.chdir(tmp_path)
    check_name("own_package.model:train")
    check_name(REFERENCE)
    assert "own_package" not in sys.modules
    with pytest.raises(InputError, match=r"no module own_package\.net in "):
        check_name("own_package.net:train")
    with pytest.raises(InputError, match="no module own_packages in "):
        load_module("own_packages.model:train")


def test_a_package_that_only_a_finder_knows_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an editable install is: on no path, and found in any folder."""
    package = tmp_path / "elsewhere"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemError('imported')\n")
    (package / "model.py").write_text("")

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> ModuleSpec | None:
            return (
                spec_from_file_location(name, package / "__init__.py") if name == "own_e" else None
            )

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    check_name("own_e:train")
    check_name("own_e.model:train")
    with pytest.raises(InputError, match=r"no module own_e\.net "):
        check_name("own_e.net:train")


def test_a_module_that_lacks_something_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing function is bad input; a missing import inside it is its own error."""
    (tmp_path / "own_first.py").write_text("train = 3\n")
    (tmp_path / "own_second.py").write_text("import own_missing\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="own_first has no function train"):
        load_function("own_first:train")
    with pytest.raises(ModuleNotFoundError, match="own_missing"):
        load_function("own_second:train")


def test_the_digest_changes_with_data_folds_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a module says of its data; its source where it says nothing."""
    (tmp_path / "own_said.py").write_text("def data_digest(): return NAME\nNAME = 'a'\n")
    (tmp_path / "own_silent.py").write_text("def train(fold): ...\n")
    monkeypatch.chdir(tmp_path)
    first = data_digest("own_said:train", folds=3, seed=7)
    assert data_digest("own_said:train", folds=3, seed=7) == first
    load_module("own_said:train").NAME = "b"  # type: ignore[attr-defined] # it is in the file
    others = {
        data_digest("own_said:train", folds=3, seed=7),
        data_digest("own_said:train", folds=4, seed=7),
        data_digest("own_said:train", folds=3, seed=8),
        data_digest("own_silent:train", folds=3, seed=7),
    }
    assert len(others | {first}) == 5


@pytest.mark.slow
def test_a_source_that_is_edited_while_a_fold_trains_is_other_code(tmp_path: Path) -> None:
    """The result is of the source that was loaded, so a resumed run does not take it."""
    source = tmp_path / "own_edited.py"
    source.write_text(
        "def train(fold):\n"
        "    with open(__file__, 'a') as file: file.write('# edited\\n')\n"
        "    return {'score': 1.0}\n"
    )
    options = ["--folds", "2", "--isolation", "none", "--output", str(tmp_path / "run")]
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    assert run_foldwatch("train", "own_edited:train", *options, environment=environment).code == 0
    options += ["--resume-mode", "auto"]
    again = run_foldwatch("train", "own_edited:train", *options, environment=environment)
    assert again.code == 0, again.err
    for fold in (1, 2):
        assert f"fold {fold}: runs again (its result has other data" in again.err


@pytest.mark.slow
def test_the_reference_data_s_digest_needs_no_tensorflow() -> None:
    """A probe of a second, not of five."""
    code = (
        "import sys; from trainer.worker.data_digest import data_digest;"
        f"print(data_digest({REFERENCE!r}, folds=3, seed=7), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    digest, is_loaded = done.stdout.split()
    assert (len(digest), is_loaded) == (16, b"False")
    command = [sys.executable, "-m", "trainer.worker.data_digest", REFERENCE, "3", "7"]
    output = subprocess.check_output([*command, str(os.getpid())], cwd=ROOT, text=True)
    assert printed_digest(output) == digest.decode()


@pytest.mark.slow
def test_the_process_that_hashes_the_data_dies_with_the_runner(tmp_path: Path) -> None:
    """However long it takes; what its module prints, at exit too, is not taken for the hash."""
    (tmp_path / "own_slow.py").write_text(
        "import atexit, os, time\n"
        "def train(fold):\n    return {'score': 1}\n"
        "def data_digest():\n"
        "    atexit.register(print, 'bye')\n"
        "    print('hashing', end='')\n"
        "    if os.path.exists(mark := os.environ['MARK']):\n"
        "        open(mark, 'w').write(str(os.getpid()))\n"
        "        time.sleep(60)\n"
        "    return 'same'\n"
    )
    mark = tmp_path / "mark"
    command = [sys.executable, "-m", "foldwatch", "train", "own_slow:train", "--folds", "2"]
    command += ["--isolation", "none", "--output", str(tmp_path / "run"), "--resume-mode", "auto"]
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "MARK": str(mark)}
    options: dict[str, Any] = {"cwd": ROOT, "env": os.environ | environment}
    for words in (b"fold 2 finished", b"reading the hash of the data of own_slow:train"):
        done = subprocess.run(command, capture_output=True, check=True, **options)
        assert words in done.stderr
    assert b"fold 2: skipped" in done.stderr
    mark.touch()
    runner = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)

    def is_hashing() -> bool:
        assert runner.poll() is None
        return bool(mark.read_text())

    wait_until(is_hashing, 60, "the process that hashes")
    runner.kill()
    runner.wait()
    wait_for_end(int(mark.read_text()))


def fold(number: int, folds: int = 3) -> Fold:
    return Fold(
        number=number,
        folds=folds,
        epochs=1,
        seed=number,
        split_seed=7,
        folder="",
        devices=Devices("cpu"),
    )


@pytest.mark.parametrize("labels", [20, list("aaaaaabbbbbbbbccc"), np.arange(30) % 4])
def test_every_sample_is_tested_once(labels: int | list[str]) -> None:
    """And never in the fold that trains on it."""
    count = labels if isinstance(labels, int) else len(labels)
    tested = []
    for number in (1, 2, 3):
        train, test = fold(number).split(labels)
        assert sorted([*train, *test]) == list(range(count))
        tested += list(test)
    assert sorted(tested) == list(range(count))


def test_folds_have_the_same_share_of_each_class() -> None:
    """One of three rare samples each."""
    labels = ["common"] * 27 + ["rare"] * 3
    for number in (1, 2, 3):
        _, test = fold(number).split(labels)
        assert [labels[row] for row in test].count("rare") == 1


@pytest.mark.tensorflow
def test_the_documented_model_trains(tmp_path: Path) -> None:
    """The example in `trainer.worker.fold` runs as it stands, over two folds in one process, and cleans up."""
    text = fold_module.__doc__ or ""
    code = textwrap.dedent(text.split(":\n\n", 1)[1])
    assert len(code.splitlines()) <= 30
    (tmp_path / "own_wine.py").write_text(code)
    place = str(tmp_path / "run")
    options = ["--isolation", "none", "--folds", "2", "--epochs", "3", "--output", place]
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    outcome = run_foldwatch("train", "own_wine:train", *options, environment=environment)
    assert outcome.code == 0, outcome.err
    with open(os.path.join(place, "summary.json"), encoding="utf-8") as file:
        summary = json.load(file)
    assert summary["metrics"]["accuracy"]["mean"] > 0.8
    records = JournalFollower(os.path.join(place, "journal.jsonl")).finish()
    ends = [r for r in records if isinstance(r, Event) and r.name == "cleanup"]
    assert [end.facts["fold"] for end in ends] == [1, 2]
    assert [end.facts["survivors"] for end in ends] == [[], []]


def test_a_report_that_cannot_be_written_costs_no_fold() -> None:
    """Standard output on a full disk, and a type with an escape sequence for a name."""
    code = (
        "import sys; from trainer.worker.devices import Devices; from trainer.worker.fold import Fold\n"
        "fold = Fold(number=1, folds=2, epochs=1, seed=1, split_seed=1, folder='',"
        " devices=Devices('cpu'))\n"
        "thing = type('a\\x1b[31m\\nb', (), {})()\n"
        "fold.hold(thing=thing)\n"
        "print(len(fold.clean_up().survivors), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.stderr.startswith(b"1\n"), done.stderr
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert printed.startswith(b"clean-up of fold 1/2: threads ")
    assert (printed.count(b"\n"), b"\x1b" in printed) == (1, False)


@pytest.mark.slow
@pytest.mark.parametrize(("without", "count"), [("", 3), ("caps,isolation", 0)])
def test_caps_are_set_before_the_model_s_module_loads(
    tmp_path: Path, without: str, count: int
) -> None:
    """And switched off in the runner's environment too, where it would else set them."""
    (tmp_path / "own_caps.py").write_text(
        f"import os\nthere = sum(name in os.environ for name in {tuple(THREAD_CAPS)})\n"
        "def train(fold): return {'caps': there}\n"
    )
    place = str(tmp_path / "run")
    options = ["--without", without, "--output", place]
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    outcome = run_foldwatch("train", "own_caps:train", *options, environment=environment)
    assert outcome.code == 0, outcome.err
    with open(os.path.join(place, "summary.json"), encoding="utf-8") as file:
        assert json.load(file)["metrics"]["caps"]["mean"] == count
    assert os.path.exists(os.path.join(place, "journal.jsonl")) == ("isolation" in without)


@pytest.mark.slow
def test_metrics_that_are_none_are_told(tmp_path: Path) -> None:
    """A function that forgets to return, in the fold's failure."""
    (tmp_path / "own_plain.py").write_text("def train(fold):\n    fold.checkpoint('here')\n")
    place = str(tmp_path / "run")
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    outcome = run_foldwatch("train", "own_plain:train", "--output", place, environment=environment)
    assert outcome.code == 1
    with open(os.path.join(place, "fold-1", "failure.json"), encoding="utf-8") as file:
        assert "own_plain:train returned None; return metrics" in json.load(file)["reason"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["own_missing:train"], "no module own_missing in "),
        (["own_missing"], "write package.module:function"),
        (["--without", "caps,speed"], "--without speed: there are caps, bounds, cleanup"),
    ],
)
def test_bad_words_end_in_one_line(
    tmp_path: Path, foldwatch: Callable[..., CommandOutcome], arguments: list[str], words: str
) -> None:
    """Exit 2, and nothing is made."""
    outcome = foldwatch("train", *arguments, "--output", str(tmp_path / "run"))
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert words in outcome.err
    assert not os.path.exists(tmp_path / "run")
