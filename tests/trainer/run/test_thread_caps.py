"""Thread caps: set where they are asked for, and said; nobody's environment is changed in silence."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from telemetry.errors import InputError
from tests.support.paths import ROOT
from tests.support.programs import CommandOutcome, run_python
from trainer.run.thread_caps import THREAD_CAPS, caps_for, set_caps

if TYPE_CHECKING:
    from pathlib import Path

ON_64_CORES = (
    "import os, sys\n"
    "os.sched_getaffinity = lambda _: set(range(64))\n"
    f"for name in {tuple(THREAD_CAPS)}: os.environ.pop(name, None)\n"
    "os.environ |= dict(pair.split('=') for pair in sys.argv[1].split())\n"
    "from foldwatch.main import main\n"
    "sys.exit(main(sys.argv[2:]))\n"
)
SHOW = f"import os; print({{n: os.environ[n] for n in {tuple(THREAD_CAPS)} if n in os.environ}})"


def run_on_64_cores(place: Path, environment: str, *options: str) -> CommandOutcome:
    command = ("--", sys.executable, "-c", SHOW)
    arguments = ("run", *options, "--output", str(place / "run"), *command)
    outcome = run_python("-c", ON_64_CORES, environment, *arguments)
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.mark.slow
def test_run_leaves_the_environment_of_a_command_as_it_is(tmp_path: Path) -> None:
    """A job that uses every core is none of its business."""
    outcome = run_on_64_cores(tmp_path, "")
    assert "fold 1 | {}\n" in outcome.err
    assert "thread caps" not in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "threads"),
    [
        (["--caps", "auto"], 64),
        (["--caps", "auto", "--parallel", "3", "--folds", "3"], 21),
        (["--caps", "auto", "--parallel", "3", "--folds", "1"], 64),
        (["--caps", "auto", "--parallel", "3", "--folds", "8", "--fold", "1"], 64),
        (["--caps", "5"], 5),
    ],
)
def test_caps_are_set_as_the_first_line_says(
    tmp_path: Path, options: list[str], threads: int
) -> None:
    """auto: each of the parallel folds gets its share of the cores."""
    outcome = run_on_64_cores(tmp_path, "", *options)
    caps = dict.fromkeys(THREAD_CAPS, str(threads))
    first, *lines = outcome.err.splitlines()
    assert first == "thread caps: " + ", ".join(f"{name}={threads}" for name in caps)
    assert f"fold 1 | {caps}" in lines


@pytest.mark.slow
def test_a_value_that_is_set_already_stays_and_is_said(tmp_path: Path) -> None:
    """Also where all are."""
    one, *others = THREAD_CAPS
    outcome = run_on_64_cores(tmp_path, f"{one}=7", "--caps", "3")
    new = ", ".join(f"{name}=3" for name in others)
    assert outcome.err.splitlines()[0] == f"thread caps: {new}; as you have set them: {one}=7"
    again = run_on_64_cores(tmp_path, " ".join(f"{name}=7" for name in THREAD_CAPS), "--caps", "3")
    kept = ", ".join(f"{name}=7" for name in THREAD_CAPS)
    assert again.err.splitlines()[0] == f"thread caps: as you have set them: {kept}"


@pytest.mark.parametrize("order", ["0", "-1", "many", "1.5", "\u0663", "9" * 5000, ""])
def test_an_order_that_makes_no_sense_is_refused(order: str) -> None:
    """With what it may be."""
    with pytest.raises(InputError, match="a number of threads from 1 to 65,536, or auto"):
        caps_for(order, parallel=1)


def test_more_folds_than_cores_get_a_thread_each() -> None:
    """Never none."""
    assert set(caps_for("auto", parallel=100_000).values()) == {"1"}


def test_caps_are_defaults_and_must_come_first() -> None:
    """The user's own value stays; a library is late only for a cap that was not set when it loaded."""
    environment = {"OMP_NUM_THREADS": "7"}
    assert set_caps(environment, loaded={"numpy", "json"}) == ()
    assert environment == dict(THREAD_CAPS) | {"OMP_NUM_THREADS": "7"}
    assert set_caps({}, loaded={"numpy", "torch", "json"}) == ("torch", "numpy")
    assert set_caps(dict(THREAD_CAPS), loaded={"numpy", "tensorflow"}) == ()


def test_a_cap_never_raises_a_pool() -> None:
    """On one core each pool has one thread, as it would have without the cap."""
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from trainer.run.thread_caps import THREAD_CAPS; print(*THREAD_CAPS.values())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.split() == [b"1"] * 3
