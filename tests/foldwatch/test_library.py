"""`import foldwatch`: what it loads, what it costs, and the remedies in a script of any kind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

import foldwatch
import telemetry
from telemetry.journal.records import RECORDED_CAPS
from tests.support.paths import ROOT
from tests.support.programs import run_python
from trainer.run.thread_caps import THREAD_CAPS

if TYPE_CHECKING:
    from pathlib import Path


def test_importing_loads_the_standard_library_only_and_starts_nothing() -> None:
    """No third-party module, no thread, no file; of the product, the recorder's door alone."""
    done = run_python(
        "-c",
        "import sys, os, json\n"
        "before = set(sys.modules); files = len(os.listdir('/proc/self/fd'))\n"
        "import foldwatch\n"
        "new = set(sys.modules) - before\n"
        "own = {n for n in new if n.split('.')[0] in ('foldwatch', 'telemetry', 'analyzer', 'trainer')}\n"
        "third = {n.split('.')[0] for n in new - own} - set(sys.stdlib_module_names)\n"
        "tasks = len(os.listdir('/proc/self/task'))\n"
        "print(json.dumps([sorted(own), sorted(third), tasks, len(os.listdir('/proc/self/fd')) - files]))\n",
    )
    assert json.loads(done.out) == [
        [
            *("foldwatch", "foldwatch.own_packages"),
            *("telemetry", "telemetry.recorder", "telemetry.recorder.api"),
            "telemetry.recorder.block_or_decorator",
        ],
        [],
        1,
        0,
    ]


def test_importing_is_as_cheap_as_importing_telemetry() -> None:
    """It loads the same modules and itself; ``make bench`` measures both in milliseconds."""
    code = "import sys, json; __import__(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"
    loaded = {
        name: set(json.loads(run_python("-c", code, name).out))
        for name in ("telemetry", "foldwatch")
    }
    assert loaded["foldwatch"] == loaded["telemetry"] | {"foldwatch", "foldwatch.own_packages"}


def test_every_name_is_there_and_no_other() -> None:
    """Also those that load on first use; a name that does not exist is an AttributeError."""
    assert dir(foldwatch) == sorted(foldwatch.__all__)
    for name in foldwatch.__all__:
        assert getattr(foldwatch, name) is not None
    assert foldwatch.checkpoint is telemetry.checkpoint
    assert foldwatch.difference is telemetry.difference
    assert foldwatch.__version__ == metadata.version("foldwatch")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = foldwatch.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "limits"]])
def test_the_version_is_printed(arguments: list[str]) -> None:
    """By itself without typer, else by it; neither loads pandas."""
    code = (
        "import sys; from foldwatch.main import main; code = main(sys.argv[1:])\n"
        "print(code, 'typer' in sys.modules, 'pandas' in sys.modules)"
    )
    done = run_python("-c", code, *arguments)
    assert done.out.splitlines() == [
        f"foldwatch {metadata.version('foldwatch')}",
        f"0 {len(arguments) > 1} False",
    ]


def test_caps_name_the_library_that_was_loaded_too_early() -> None:
    """In a warning and as the result; without one every cap is in the environment."""
    code = (
        "import sys, os, warnings\n"
        "for name in sys.argv[1:]: __import__(name)\n"
        "import foldwatch\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    late = foldwatch.cap_threads()\n"
        "print(late, [str(w.message) for w in caught], os.environ['TF_NUM_INTEROP_THREADS'])\n"
    )
    clean = "import os\nfor name in list(os.environ):\n    if name.endswith('_NUM_THREADS') or name.startswith('TF_NUM_'): del os.environ[name]\n"
    assert THREAD_CAPS.keys() <= set(RECORDED_CAPS)
    in_time = run_python("-c", clean + code)
    assert in_time.out == f"() [] {THREAD_CAPS['TF_NUM_INTEROP_THREADS']}\n", in_time.err
    late = run_python("-c", clean + code, "numpy").out
    assert late.startswith("('numpy',) ['thread caps come too late for numpy, imported before;")
    again = run_python("-c", clean + "os.environ['OMP_NUM_THREADS'] = '1'\n" + code, "numpy").out
    assert again.startswith("() []")


def test_bound_loads_no_tensorflow() -> None:
    """Whoever has no dataset is told what it takes."""
    done = run_python(
        "-c",
        "import sys, foldwatch\n"
        "try:\n    foldwatch.bound([1])\n"
        "except TypeError as error:\n    print(error)\n"
        "print('tensorflow' in sys.modules)\n",
    )
    assert done.out == "bound() takes a tf.data.Dataset, not list\nFalse\n"


HOLDING = """
import sys
import foldwatch

class Model: pass
kept = []

def train(held, is_kept):
    model, data = Model(), Model()
    held(model=model, data=data)
    if is_kept:
        kept.append(model)

foldwatch.start(run_dir=sys.argv[1], lines=open("/dev/null", "w"))
with foldwatch.hold("fold 1") as clean:
    train(clean, False)
with foldwatch.hold("fold 2") as held:
    train(held, True)
print([str(survivor) for survivor in held.report.survivors], clean.report.survivors)
try:
    with foldwatch.hold("fold 3") as failed:
        train(failed, False)
        raise ValueError
except ValueError:
    print(failed.objects, failed.report)
print(sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)))
"""


def test_held_objects_are_dropped_and_survivors_named(tmp_path: Path) -> None:
    """One line for each block, an event in the journal, and the holder of what is still alive."""
    done = run_python("-c", HOLDING, str(tmp_path))
    assert done.err == ""
    first, second, *printed = done.out.splitlines()
    assert re.match(r"clean-up of fold 1: threads \d+ -> \d+, maps \d+ -> \d+, rss MB ", first)
    assert first.endswith("; nothing of it is alive")
    survivor = "model (Model), held by a list of 1 in `kept` of module __main__"
    assert second.endswith(f"; still alive: {survivor}")
    assert printed == [f"{[survivor]} ()", "{} None", "[]"]
    with open(tmp_path / "journal.jsonl", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    ends = [record for record in records if record.get("name") == "cleanup"]
    assert [end["survivors"] for end in ends] == [[], [survivor]]
    assert [end["title"] for end in ends] == ["fold 1", "fold 2"]


def test_a_telemetry_of_the_users_own_is_named(tmp_path: Path) -> None:
    """It lies beside the script, and Python takes it first."""
    (tmp_path / "telemetry.py").write_text("x = 1\n")
    (tmp_path / "train.py").write_text("import foldwatch\n")
    outcome = run_python(str(tmp_path / "train.py"))
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("ImportError: the module telemetry that Python finds is not foldwatch's")
    assert str(tmp_path / "telemetry.py") in last


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["start = checkpoint = event = fold = settle = stage = print", "x = ("]
)
def test_a_foreign_telemetry_is_not_run(tmp_path: Path, text: str) -> None:
    """Whatever names it has, and whatever it raises."""
    (tmp_path / "telemetry.py").write_text(f"print('it ran')\n{text}\n")
    done = python_in(tmp_path, "-c", "import foldwatch")
    assert "the module telemetry that Python finds is not foldwatch's" in done.stderr
    assert "it ran" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["analyzer", "trainer"])
def test_a_foreign_trainer_or_analyzer_is_named_where_it_is_in_the_way(
    tmp_path: Path, name: str
) -> None:
    """A script beside it can record all the same; the command line is one line, and exit code 2."""
    (tmp_path / f"{name}.py").write_text("print('it ran')\n")
    code = "import foldwatch; foldwatch.settle; print('recorded'); foldwatch.cap_threads"
    script, command = (
        python_in(tmp_path, *words) for words in (["-c", code], ["-m", "foldwatch", "limits"])
    )
    told = (
        f"the module {name} that Python finds is not foldwatch's: {tmp_path / name}.py; rename it"
    )
    assert (script.stdout, told in script.stderr) == ("recorded\n", True)
    assert (command.returncode, command.stdout) == (2, "")
    assert command.stderr.startswith(f"foldwatch: {told}")
    assert command.stderr.count("\n") == 1


def python_in(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder whose files come first, as those beside a script do."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(place), ROOT])},
        capture_output=True,
        text=True,
        check=False,
    )
