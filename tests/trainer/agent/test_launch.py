"""What a fold's process gets of its agent's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.agent.launch import environment_of
from trainer.agent.order import Order

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_fold_gets_no_secret_of_foldwatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be in whatever the fold prints of its environment."""
    for name in ("FOLDWATCH_TOKEN", "FOLDWATCH_PASSWORD", "FOLDWATCH_ALERT_WEBHOOK"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("WANDB_API_KEY", "its own")
    order = Order(
        run_dir=str(tmp_path),
        folds=2,
        fold=1,
        command=("true",),
        config_digest="",
        caps={"OMP_NUM_THREADS": "2"},
    )
    found = environment_of(order, token="1-a")
    assert "s3cret" not in found.values()
    assert found["WANDB_API_KEY"] == "its own"
    assert found["OMP_NUM_THREADS"] == "2"
    assert found["FOLDWATCH_METRICS"] == str(tmp_path / "fold-1" / "metrics.1-a.json")
