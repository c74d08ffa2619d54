"""The remedies in real TensorFlow: one process for all of them, for its import costs seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.reference_folds import AfterFold, ReferenceFolds
from tests.support.programs import run_python
from trainer.reference import data

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Outcome:
    """What the script found and printed."""

    folds: ReferenceFolds
    output: str


@pytest.fixture(scope="module")
def reference_folds(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run the script once."""
    place = tmp_path_factory.mktemp("reference")
    outcome = run_python("-m", "tests.scripts.reference_folds", str(place / "run"), seconds=300)
    assert outcome.code == 0, outcome.err
    line = next(line for line in outcome.out.splitlines() if line.startswith("found "))
    values: dict[str, Any] = json.loads(line.removeprefix("found "))
    for name in ("default", "kept"):
        values[name] = [AfterFold(**fold) for fold in values[name]]
    values["leaking"] = AfterFold(**values["leaking"])
    return Outcome(ReferenceFolds(**values), outcome.out)


def test_a_training_that_waits_has_touched_no_device(reference_folds: Outcome) -> None:
    """A worker is started ahead while another one trains on the same devices."""
    assert not reference_folds.folds.is_device_touched_early


def test_nothing_of_a_fold_stays(reference_folds: Outcome) -> None:
    """Its model is gone, and TensorFlow's gradients and graphs with it, fold after fold."""
    folds = reference_folds.folds.default
    assert [fold.alive for fold in folds] == [0, 0, 0]
    assert [fold.gradients for fold in folds] == [0, 0, 0]
    assert folds[2].objects - folds[1].objects < 500
    assert "clean-up of fold 3/3: threads " in reference_folds.output


def test_without_clean_up_every_fold_stays(reference_folds: Outcome) -> None:
    """What the switch is for: the growth is there to be seen."""
    folds = reference_folds.folds.kept
    assert [fold.alive for fold in folds] == [1, 2, 3]
    steps = [folds[1].objects - folds[0].objects, folds[2].objects - folds[1].objects]
    assert min(steps) > 2_000
    assert folds[2].gradients > folds[0].gradients > 0


def test_what_outlives_clean_up_is_named_with_its_holder(reference_folds: Outcome) -> None:
    """The model that a script put into a list, not the circles that Keras's objects hold; and what
    a living graph may need is not forgotten.
    """
    words = "still alive: model (Sequential), held by `model` of a dict of 2 in a list of 1 in `best` of module tests.scripts.small_model"
    assert words in reference_folds.output
    kept = reference_folds.folds.kept[2]
    assert (reference_folds.folds.leaking.alive, kept.alive) == (4, 3)
    assert reference_folds.folds.leaking.gradients > kept.gradients


def test_a_fold_computes_the_same_whatever_ran_before_it(reference_folds: Outcome) -> None:
    """Seeds start with the fold; switches change threads, not results."""
    for with_, without in zip(
        reference_folds.folds.default, reference_folds.folds.kept, strict=True
    ):
        assert with_.loss == pytest.approx(without.loss, abs=1e-6)


def test_a_bounded_pipeline_has_its_numbers_and_gives_the_same_rows(
    reference_folds: Outcome,
) -> None:
    """8 threads of its own, 4 at an operation, no AUTOTUNE."""
    folds = reference_folds.folds
    assert (folds.pool_threads, folds.parallelism, folds.has_autotune) == (8, 4, False)
    assert folds.bounded_rows == list(range(1, 65))


def test_a_distributed_one_has_them_on_every_worker(reference_folds: Outcome) -> None:
    """The options of the source go with it, and no row is lost or doubled."""
    assert set(reference_folds.folds.distributed_pools) == {8}
    assert reference_folds.folds.distributed_rows == list(range(64))


def test_replicas_share_every_batch_equally(reference_folds: Outcome) -> None:
    """Keras averages the first one over them; which one that is decides chance."""
    batches = reference_folds.folds.training_batches
    assert sum(batches) == 1436
    assert all(size % 2 == 0 for size in batches)


def test_devices_in_use_are_an_error_only_where_the_strategy_is_wanted(
    reference_folds: Outcome,
) -> None:
    """One line that says what to move."""
    assert reference_folds.folds.refusal.startswith("the strategy cannot be made: ")
    assert "make tensors, variables and models inside the function" in reference_folds.folds.refusal
    assert reference_folds.folds.plain == {"score": 1.0}


def test_the_digest_of_the_data_is_that_of_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pixel more is other data."""
    before = data.data_digest()
    digits = data.load()
    assert digits.edges.shape == (1797, 8, 8, 2)
    digits.images[5, 3, 3] += 1
    monkeypatch.setattr(data, "load", lambda: digits)
    assert data.data_digest() != before


def test_results_per_modality_are_written_whole(tmp_path: Path) -> None:
    """One row each; sure and right votes have no loss."""
    from trainer.reference.modality_results import evaluate, write_results

    labels = data.load().labels[:40]
    votes = (labels[:, None] == range(10)).astype("float32")
    path = tmp_path / "modality_results_run_2.csv"
    write_results(str(path), 2, [evaluate("image", votes, labels)])
    header, row, end = path.read_text().split("\n")
    assert (header, end) == ("run,modality,accuracy,f1,loss,samples", "")
    values = row.split(",")
    assert values[:4] == ["2", "image", "1.0", "1.0"]
    assert float(values[4]) < 1e-6
