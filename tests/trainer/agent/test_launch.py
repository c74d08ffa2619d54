"""What a fold's process gets of its agent's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trainer.agent import named_maps
from trainer.agent.launch import environment_of
from trainer.agent.order import Order

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize(
    ("given", "has"),
    [
        (None, "glibc.mem.decorate_maps=1"),
        ("glibc.malloc.arena_max=2", "glibc.malloc.arena_max=2:glibc.mem.decorate_maps=1"),
        ("glibc.mem.decorate_maps=0", "glibc.mem.decorate_maps=0"),
    ],
)
def test_maps_are_named_where_glibc_and_kernel_can(
    given: str | None, has: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside what the user has set; what he has decided stays."""
    monkeypatch.setattr(named_maps, "can_name_maps", lambda: True)
    assert named_maps.with_named_maps(given) == has
    monkeypatch.setattr(named_maps, "can_name_maps", lambda: False)
    assert named_maps.with_named_maps(given) == given


def test_the_kernel_is_asked_without_harm() -> None:
    """It may be without the call, and the C library another one."""
    assert named_maps.can_name_maps() in {True, False}
