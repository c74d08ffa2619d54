"""What a fold's process gets of the runner's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.process.fold_launcher import environment_for_fold

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
    found = environment_for_fold(
        caps={"OMP_NUM_THREADS": "2"}, run_dir=str(tmp_path), run="r", fold=1, folds=2
    )
    assert "s3cret" not in found.values()
    assert found["WANDB_API_KEY"] == "its own"
    assert found["OMP_NUM_THREADS"] == "2"
