"""cluster() raises the limit of NumPy's own pool for a moment, whose new threads stay; train_epoch() uses the pool as it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def cluster(rows: np.ndarray, threads: int) -> float:
    with threadpool_limits(limits=threads, user_api="blas"):
        centres = rows[:100]
        for _ in range(5):
            distances = rows @ centres.T
            centres = centres + distances.mean() * 1e-9
    return float(centres.sum())


def train_epoch(plan: Plan) -> float:
    weights, loss = np.random.default_rng(0).random((500, 500)), 0.0
    for _ in plan.rounds():
        gradient = weights @ weights.T
        weights = gradient / np.linalg.norm(gradient)
        with threadpool_limits(limits=1, user_api="blas"):
            loss += float((weights[:50] @ weights).sum())
    return loss


def evaluate(plan: Plan) -> float:
    rows = [np.full(300_000, plan.chance.random()) for _ in range(10)]
    with ThreadPoolExecutor(max_workers=10) as pool:
        return float(sum(pool.map(np.sum, [np.sort(row) for row in rows])))


def main() -> None:
    plan = from_command_line()
    rows = np.random.default_rng(1).random((2_000, 200))
    more = plan.amount(4)
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                partial(train_epoch, plan),
                partial(cluster, rows, 2 + number * more),
                partial(evaluate, plan),
            ):
                stage()
            telemetry.checkpoint("TRAINED")
            evaluate(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
