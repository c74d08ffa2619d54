"""The callbacks, isolated trials and trackers against the real frameworks, as a user's script has them."""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.markdown import Shell, blocks, commands
from tests.support.paths import ROOT, TESTS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PAGES = ("lightning", "hugging-face", "optuna", "trackers", "pytorch")
PROGRAMS = os.path.join(TESTS, "frameworks", "programs")
OFFLINE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "HF_HUB_OFFLINE": "1",
    "WANDB_MODE": "offline",
    "FOLDWATCH_QUIET": "1",
}


def run(program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the programs in ``folder``."""
    environment = os.environ | OFFLINE | {"PYTHONPATH": ROOT}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the frameworks would be compiled each time
    return subprocess.run(
        [sys.executable, os.path.join(PROGRAMS, program), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def labels(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the labels of the lines that were printed."""
    return re.findall(r"^\[THREADS\] (.*): proc=", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    """Its files and its commands, which show what the page shows."""
    with open(os.path.join(ROOT, "docs", "how-to", f"{page}.md"), encoding="utf-8") as file:
        text = file.read()
    shown = []
    own = OFFLINE | {"FOLDWATCH_QUIET": ""}
    with closing(Shell(str(tmp_path), **own)) as shell:
        shell.run('foldwatch() { python -m foldwatch "$@"; }; unset PYTHONDONTWRITEBYTECODE')
        for block in blocks(text):
            if block.caption is not None:
                (tmp_path / block.caption).write_text(block.text, encoding="utf-8")
            elif block.language == "console":
                for command, expected in commands(block.text):
                    code, printed = shell.run(command)
                    assert code == 0, printed
                    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
                    matches = doctest.OutputChecker().check_output(expected, printed, options)
                    assert not expected or matches, f"{command}{printed}"
                    shown.append(command)
    assert len(shown) > 1


@pytest.mark.parametrize("package", ["", "other"])
def test_lightning_labels_each_second_epoch_and_the_last(package: str, tmp_path: Path) -> None:
    """After validation; whichever of its two names the package has."""
    done = run("lightning_fit.py", package, folder=tmp_path)
    assert labels(done) == ["validated", "epoch 2", "epoch 3"], done.stderr


def test_an_exception_in_lightning_has_a_label(tmp_path: Path) -> None:
    """It is the last one, and the exception goes on."""
    done = run("lightning_fit.py", "raise", folder=tmp_path)
    assert labels(done)[-2:] == ["epoch 2", "exception RuntimeError"]
    assert (done.returncode, "can't start new thread" in done.stderr) == (1, True)


def test_transformers_labels_each_second_epoch_and_the_last(tmp_path: Path) -> None:
    """Of three whole epochs."""
    done = run("hugging_face_fit.py", folder=tmp_path)
    assert labels(done) == ["before fit", "epoch 2", "epoch 3", "after fit"], done.stderr


def test_transformers_labels_an_epoch_that_is_cut_short(tmp_path: Path) -> None:
    """Four steps are an epoch; six end in the second one."""
    done = run("hugging_face_fit.py", "cut", folder=tmp_path)
    assert labels(done) == ["before fit", "epoch 2", "after fit"], done.stderr


def test_a_stage_has_its_label_if_transformers_raises(tmp_path: Path) -> None:
    """Which calls no callback then."""
    done = run("hugging_face_fit.py", "raise", folder=tmp_path)
    assert (done.returncode, labels(done)) == (1, ["before fit", "after fit"])


@pytest.mark.parametrize(
    ("does", "state"),
    [
        ("return", "COMPLETE -"),
        ("prune", "PRUNED -"),
        ("own", "FAIL -"),
        ("suggest", "FAIL -"),
        ("kill", "FAIL not_a_limit"),
        pytest.param("threads", "FAIL pids_cgroup", marks=pytest.mark.root),
    ],
)
def test_a_trial_in_a_process_of_its_own_ends_as_it_did(
    does: str, state: str, tmp_path: Path
) -> None:
    """The second of three; the others are not touched by it, and their output is shown."""
    done = run("isolated_study.py", does, folder=tmp_path)
    assert done.stdout.splitlines() == ["0 COMPLETE -", f"1 {state}", "2 COMPLETE -"], done.stderr
    assert "trial 2 | value " in done.stderr
    assert sorted(os.listdir(tmp_path / "study")) == ["trial-0", "trial-1", "trial-2"]


def test_trials_run_in_parallel(tmp_path: Path) -> None:
    """In threads of the study, which set no signal handlers."""
    done = run("isolated_study.py", "kill", "parallel", folder=tmp_path)
    states = sorted(line.split()[1] for line in done.stdout.splitlines())
    assert states == ["COMPLETE", "COMPLETE", "FAIL"], done.stderr


def facts(folder: Path) -> tuple[dict[str, str], dict[str, float], dict[str, str]]:
    """Return the tags, the metrics and the labels of the run of MLflow."""
    code = (
        "import json, mlflow; mlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
        "run = open('run_id').read(); data = mlflow.get_run(run).data\n"
        "named = mlflow.artifacts.load_dict(f'runs:/{run}/foldwatch/labels.json')\n"
        "steps = mlflow.MlflowClient().get_metric_history(run, 'foldwatch/rss_bytes')\n"
        "print(json.dumps([data.tags, data.metrics | {'steps': len(steps)}, named]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    tags, metrics, named = json.loads(done.stdout)
    return tags, metrics, named


def test_mlflow_and_wandb_get_each_label_and_the_verdict(tmp_path: Path) -> None:
    """The training's own steps of W&B are kept: ours are a part of them."""
    done = run("tracked.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    tags, metrics, named = facts(tmp_path)
    assert {name: tags.get(f"foldwatch.{name}") for name in ("verdict", "cause", "outcome")} == {
        "verdict": "ok",
        "cause": None,
        "outcome": None,
    }
    assert (metrics["steps"], named["1"], named["10"]) == (10, "epoch 1", "saved")
    assert metrics["foldwatch/rss_bytes"] > 2**20
    assert 0 < metrics["foldwatch/max_map_count_used_ratio"] < 1
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["tags"], told["verdict"], told["step"]) == (["foldwatch:ok"], "ok", 5)


@pytest.mark.parametrize("block", ["", "late"])
def test_a_training_that_raises_is_logged_as_crashed(block: str, tmp_path: Path) -> None:
    """At the end of the block, or of the process."""
    done = run("tracked.py", "raise", block, folder=tmp_path)
    assert (done.returncode, "MemoryError: of the training" in done.stderr) == (1, True)
    tags, _, named = facts(tmp_path)
    assert tags["foldwatch.verdict"] == tags["foldwatch.outcome"] == "crashed"
    assert tags["foldwatch.confidence"] in {"possible", "likely"}
    assert len(named) == 10


def test_a_server_that_is_gone_costs_the_training_nothing(tmp_path: Path) -> None:
    """Ten labels take no time, the training ends well, and one warning names what failed."""
    done = run("tracked.py", "gone", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["seconds"] < 5
