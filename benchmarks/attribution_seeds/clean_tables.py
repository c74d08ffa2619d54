"""Tables, documents and a database in memory, of another size in each fold, and dropped with it."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from typing import Any

import pandas as pd

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


def load_data(plan: Plan) -> Any:
    rows = plan.chance.randint(60_000, 90_000)
    values = [plan.chance.random() for _ in range(rows)]
    return pd.DataFrame({"group": [row % 50 for row in range(rows)], "value": values})


def parse_documents(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        document = json.dumps([{"id": row} for row in range(plan.chance.randint(1_000, 60_000))])
        total += len(json.loads(document))
    return total


def aggregate(table: Any) -> float:
    return sum(float(table.groupby("group")["value"].mean().sum()) for _ in range(60))


def query(table: Any) -> int:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE rows (grp INTEGER, value REAL)")
        rows = table.head(40_000).itertuples(index=False, name=None)
        database.executemany("INSERT INTO rows VALUES (?, ?)", rows)
        (count,) = database.execute("SELECT COUNT(DISTINCT grp) FROM rows").fetchone()
    database.close()
    return int(count)


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            table = load_data(plan)
            telemetry.checkpoint("LOADED")
            stages = (partial(parse_documents, plan), partial(aggregate, table))
            for stage in plan.in_order(*stages, partial(query, table)):
                stage()
            del table, stages, stage
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
