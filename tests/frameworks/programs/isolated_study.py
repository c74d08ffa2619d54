"""Runs one study of Optuna with a process for each trial, and prints what came of each trial."""

from __future__ import annotations

import os
import signal
import sys
import threading

import optuna

import foldwatch

STUDY = os.getpid()


class OwnError(Exception):
    """Of the script itself."""


def objective(trial):
    """Do what the argument says, in the second trial."""
    x = trial.suggest_float("x", -1, 1)
    assert os.getpid() != STUDY
    assert trial.params == {"x": x}
    does = sys.argv[1] if trial.number == 1 else ""
    if does == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif does == "own":
        raise OwnError("mine")
    elif does == "prune":
        trial.report(1.0, step=0)
        raise optuna.TrialPruned
    elif does == "suggest":
        trial.suggest_float("x", 2, 1)
    elif does == "threads":
        end = threading.Event()
        for _ in range(200):
            threading.Thread(target=end.wait, daemon=True).start()
    print(f"value {x}")
    return x


optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
isolated = foldwatch.isolated_trials(
    objective, run_dir="study", cgroup_pids=60 if sys.argv[1] == "threads" else None
)
study.optimize(
    isolated,
    n_trials=3,
    n_jobs=2 if "parallel" in sys.argv else 1,
    catch=(foldwatch.TrialDiedError, OwnError, ValueError),
)
for trial in study.trials:
    print(trial.number, trial.state.name, trial.user_attrs.get("foldwatch_cause", "-"))
