"""Growth from epoch to epoch: which labels carry epochs, and what is made of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.growth.epochs import epoch_series
from analyzer.processes.from_log import read_log

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.result import Finding

LINE = "[THREADS] {}: proc={}, cgroup={}/4096, maps=900/65530, rss=700MB\n"


def text(*rows: tuple[str, int]) -> str:
    return "".join(LINE.format(label, threads, threads + 20) for label, threads in rows)


def finding(tmp_path: Path, content: str) -> Finding:
    log = tmp_path / "a.log"
    log.write_text(content)
    (found,) = analyze([str(log)]).findings
    return found


@pytest.mark.parametrize(
    "label",
    [
        "epoch {}",
        "Epoch {}/720",
        "Epoch [{}/720]",
        "after epoch={} (val)",
        "Fold 1/1 epoch {} of 720",
        "epoch{}",
        "epoch_{}",
        "epoch-{} val",
        "trial {}",
        "trial 7 epoch {}",
        "ep {}",
        "Epoch: [{}]",
    ],
)
def test_labels_that_carry_epochs(label: str) -> None:
    """With or without a fold and the number planned."""
    content = text(*((label.format(epoch), 100 + epoch) for epoch in range(1, 4)))
    (process,) = read_log("x", io.BytesIO(content.encode())).processes
    assert list(epoch_series(process, "threads").values()) == [{1: 101, 2: 102, 3: 103}]


@pytest.mark.parametrize(
    "label",
    [
        "3 epochs",
        "epochs",
        "epoch",
        "microepoch 3",
        "epoch five",
        "step 3",
        "deep 3",
        "ep",
        "trials",
    ],
)
def test_labels_that_do_not(label: str) -> None:
    """An epoch without a number is a stage like any other."""
    (process,) = read_log("x", io.BytesIO(text((label, 1)).encode())).processes
    assert epoch_series(process, "threads") == {}


def test_a_fit_ends_where_the_number_falls() -> None:
    """Two fits in each of two folds are four series, each with a level of its own."""
    rows = [
        (f"Fold {fold}/2 epoch {epoch}", 10 * fold + epoch)
        for fold in (1, 2)
        for _ in "ab"
        for epoch in (1, 2)
    ]
    (process,) = read_log("x", io.BytesIO(text(*rows).encode())).processes
    assert len(epoch_series(process, "threads")) == 4


def test_the_last_reading_of_an_epoch_counts() -> None:
    """A label that comes several times within an epoch begins no other fit."""
    rows = [(f"epoch {row // 3}", 100 + row) for row in range(9)]
    (process,) = read_log("x", io.BytesIO(text(*rows).encode())).processes
    assert list(epoch_series(process, "threads").values()) == [{0: 102, 1: 105, 2: 108}]


def test_five_threads_an_epoch_are_critical_before_they_kill(tmp_path: Path) -> None:
    """No fold is named; the leak would meet the limit of 4,096 PIDs inside the 900 epochs planned."""
    rows = [(f"Epoch {epoch}/900", 130 + 5 * epoch + epoch % 3) for epoch in range(1, 301)]
    found = finding(tmp_path, text(*rows))
    growth = found.epochs["cgroup_pids"]
    assert growth.verdict == "critical"
    assert growth.slope == pytest.approx(5, abs=0.05)
    assert growth.folds_to_limit == pytest.approx(489, abs=8)
    assert "600 are still planned" in growth.reason
    assert found.epochs["threads"].verdict == "growing"
    assert found.epochs["maps"].verdict == "stable"
    assert any("within one fit" in step.text for step in found.remedies)


def test_what_every_fold_gives_back_is_slow_at_most(tmp_path: Path) -> None:
    """It rises in each fit and begins anew in the next fold: a saw-tooth over the run."""
    rows = [
        (f"Fold {fold}/4 epoch {epoch}", 100 + 5 * epoch)
        for fold in range(1, 5)
        for epoch in range(1, 13)
    ]
    found = finding(tmp_path, text(*rows))
    assert found.growth["threads"].verdict == "stable"
    assert found.epochs["threads"].verdict == "slow"
    assert "the next fold begins without it" in found.epochs["threads"].reason
    assert analyze([str(tmp_path / "a.log")]).verdict == "ok"


def test_few_epochs_say_nothing(tmp_path: Path) -> None:
    """Thread pools fill over the first ones."""
    rows = [(f"epoch {epoch}", 100 + 20 * epoch) for epoch in range(1, 6)]
    found = finding(tmp_path, text(*rows))
    assert found.epochs["threads"].reason == "5 epochs of one fit; 6 would tell"
    assert analyze([str(tmp_path / "a.log")]).verdict == "ok"
