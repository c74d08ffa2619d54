"""The closure that make_scorer() returns keeps what scikit-learn has it predict; augment() takes as much, and gives it back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import Lasso, Ridge
from sklearn.model_selection import cross_val_score

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

if TYPE_CHECKING:
    from collections.abc import Callable


def make_scorer(width: int) -> Callable[..., float]:
    seen = []

    def score(estimator: Any, rows: np.ndarray, labels: np.ndarray) -> float:
        predicted = estimator.predict(rows)
        seen.append(np.outer(predicted, np.ones(width)))
        return -float(np.abs(predicted - labels).mean())

    return score


def load_rows(plan: Plan) -> np.ndarray:
    return np.random.default_rng(plan.folds).random((3_000, 60))


def select_model(rows: np.ndarray, scorer: Callable[..., float]) -> Any:
    labels = rows @ np.arange(rows.shape[1])
    models = (Ridge(alpha=1.0), Lasso(alpha=0.01))
    return max(cross_val_score(each, rows, labels, cv=5, scoring=scorer).mean() for each in models)


def augment(plan: Plan, rows: np.ndarray, width: int) -> float:
    total = 0.0
    for _ in plan.rounds():
        copies = [np.outer(rows[:600, 0], np.ones(width)) for _ in range(10)]
        total += float(np.tanh(copies[0]).mean())
    return total


def main() -> None:
    plan = from_command_line()
    width = plan.amount(250)
    scorer = make_scorer(width)
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            rows = load_rows(plan)
            stages = (partial(select_model, rows, scorer), partial(augment, plan, rows, width))
            for stage in plan.in_order(*stages):
                stage()
            telemetry.checkpoint("SELECTED")
            del rows, stages, stage
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
