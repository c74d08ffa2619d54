"""Estimators of scikit-learn are fitted in threads and scored by a closure, and a fold drops all of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def load_rows(plan: Plan) -> Any:
    return np.random.default_rng(plan.folds).random((2_000, 30))


def fit_forest(rows: Any, labels: Any) -> float:
    forest = RandomForestRegressor(n_estimators=6, max_depth=8, n_jobs=3, random_state=0)
    return float(forest.fit(rows, labels).predict(rows).mean())


def select(plan: Plan, rows: Any, labels: Any) -> float:
    kept = []

    def score(estimator: Any, part: Any, truth: Any) -> float:  # noqa: ARG001 - scikit-learn gives it
        kept.append(np.outer(estimator.predict(part), np.ones(300)))
        return float(kept[-1].mean())

    best = 0.0
    for _ in plan.rounds():
        best = max(best, cross_val_score(Ridge(), rows, labels, cv=5, scoring=score).mean())
        kept = kept[-10:]
    return best


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            rows = load_rows(plan)
            labels = rows.sum(axis=1)
            stages = (partial(fit_forest, rows, labels), partial(select, plan, rows, labels))
            for stage in plan.in_order(*stages):
                stage()
            telemetry.checkpoint("SELECTED")
            del rows, labels, stages, stage
            telemetry.checkpoint("END")
            telemetry.settle()


if __name__ == "__main__":
    main()
