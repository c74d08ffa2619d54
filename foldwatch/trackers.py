"""Runs of MLflow and W&B: which are open, and how the numbers at labels and the verdict are logged to one.

No tracker is imported here: one that the program has not loaded has no open run.
"""

from __future__ import annotations

import sys
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from telemetry.limits import USED_BY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from telemetry.reading import Reading

FIELDS = (
    *("threads", "maps", "open_fds", "cgroup_pids", "descendants", "tree_threads"),
    *("rss_bytes", "cgroup_memory_bytes", "tree_pss_bytes", "gpu_memory_used_bytes", "cpu_seconds"),
)
"""Of a reading; a name without a unit counts what it says."""


def numbers(reading: Reading) -> dict[str, float]:
    """Return the known numbers of a reading by their names, and the share in use of each limit."""
    found = {name: getattr(reading, name) for name in FIELDS}
    shares = {f"{name}_used_ratio": reading.usage(name).ratio for name in USED_BY}
    return {
        f"foldwatch/{name}": float(value)
        for name, value in (found | shares).items()
        if value is not None and value != float("inf")
    }


class TrackerRun(Protocol):
    """A run of a tracker. Its methods may block, and raise anything."""

    def log(self, reading: Reading) -> None:
        """Log the numbers of a labelled reading."""

    def conclude(self, facts: Mapping[str, str]) -> None:
        """Log the verdict."""


class MlflowRun:
    """A run of MLflow, open or ended; the step of its metrics counts labels, which labels.json names."""

    def __init__(self, mlflow: Any, run_id: str) -> None:
        self._mlflow, self._run_id = mlflow, run_id
        self._labels: list[str] = []

    @cached_property
    def _client(self) -> Any:
        """Made when it is needed, not at a label: it may open a database."""
        return self._mlflow.MlflowClient()

    def log(self, reading: Reading) -> None:
        """Log one batch."""
        self._labels.append(reading.label or "")
        time, step = round(reading.time * 1000), len(self._labels)
        metric = self._mlflow.entities.Metric
        metrics = [metric(name, value, time, step) for name, value in numbers(reading).items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def conclude(self, facts: Mapping[str, str]) -> None:
        """Set the tags ``foldwatch.verdict``, ``foldwatch.cause``, ..."""
        tag = self._mlflow.entities.RunTag
        tags = [tag(f"foldwatch.{name}", text) for name, text in facts.items()]
        self._client.log_batch(self._run_id, tags=tags)
        if self._labels:
            labels = {str(step): label for step, label in enumerate(self._labels, 1)}
            self._client.log_dict(self._run_id, labels, "foldwatch/labels.json")


class WandbRun:
    """A run of W&B that is open. Its step is the training's, so the numbers are a part of the training's next row."""

    def __init__(self, wandb: Any, run: Any) -> None:
        self._wandb, self._run, self._rows = wandb, run, list[dict[str, Any]]()

    def log(self, reading: Reading) -> None:
        """Add to the present row, and to the table of all labels."""
        own = numbers(reading)
        self._rows.append({"label": reading.label, "time_seconds": reading.time, **own})
        self._run.log(own, commit=False)

    def conclude(self, facts: Mapping[str, str]) -> None:
        """Write the summary ``foldwatch/verdict``, ``foldwatch/cause``, ..., their tags, and the table."""
        self._run.summary.update({f"foldwatch/{name}": text for name, text in facts.items()})
        named = (facts[name] for name in ("verdict", "cause") if name in facts)
        self._run.tags = (*(self._run.tags or ()), *(f"foldwatch:{text}" for text in named))
        if self._rows:
            columns = list(dict.fromkeys(name for row in self._rows for name in row))
            rows = [[row.get(name) for name in columns] for row in self._rows]
            table = self._wandb.Table(columns=columns, data=rows)
            self._run.log({"foldwatch/checkpoints": table}, commit=False)


def open_runs() -> Iterator[tuple[str, Callable[[], TrackerRun]]]:
    """Give the runs that are open in this thread, each by a name that no other has."""
    mlflow, wandb = sys.modules.get("mlflow"), sys.modules.get("wandb")
    if (active := getattr(mlflow, "active_run", None)) and (run := active()) is not None:
        yield f"MLflow run {run.info.run_id}", partial(MlflowRun, mlflow, run.info.run_id)
    if (run := getattr(wandb, "run", None)) is not None:
        yield f"W&B run {run.id}", partial(WandbRun, wandb, run)
