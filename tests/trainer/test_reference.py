"""The remedies in real TensorFlow: one process for all of them, for its import costs seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.paths import ROOT
from trainer.reference import data

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
import weakref
import keras, numpy as np
from tensorflow import data

made = []  # weak references: they hold nothing
best = []

def train(fold):
    rows = np.arange(64, dtype=np.float32).reshape(32, 2)
    part = fold.bound(data.Dataset.from_tensor_slices((rows, np.arange(32) % 2)).batch(8))
    with fold.strategy.scope():
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
    fold.hold(model=model, part=part)
    made.append(weakref.ref(model))
    if fold.epochs == 1:
        best.append({"score": 0.5, "model": model})
    loss = model.fit(part, epochs=fold.epochs, verbose=0).history["loss"][-1]
    return {"loss": loss}

def plain(fold):
    return {"score": 1}
"""
SCRIPT = """
import gc, json, os, sys
from trainer.run.thread_caps import cap_threads
cap_threads()
import telemetry
telemetry.start(run_dir=sys.argv[1])
from trainer.run.config import RunConfig
from trainer.worker.fold_loop import Training

found = {}
config = RunConfig(folds=3, epochs=2, device_mode="multi", model="own_small:train")
training = Training(config)
reference = Training(RunConfig(folds=3, epochs=2, device_mode="multi"))
found["digests"] = [training.data_digest, reference.data_digest]
from tensorflow.python.eager import context
found["touched before the first fold"] = context.context()._context_handle is not None
import own_small, tensorflow as tf
from trainer.worker import input_pipeline
from trainer.worker.cleanup import custom_gradients

def after(training, fold):
    metrics = training.train(fold, f"{sys.argv[1]}/fold-{fold}")
    gc.collect()
    return {
        "objects": len(gc.get_objects()), "gradients": len(custom_gradients()),
        "alive": sum(reference() is not None for reference in own_small.made), **metrics,
    }

found["default"] = [after(training, fold) for fold in (1, 2, 3)]
kept = Training(RunConfig(folds=3, epochs=2, device_mode="multi", model="own_small:train",
                          without=("bounds", "cleanup")))
kept._devices = training._devices  # a process has its devices once
found["kept"] = [after(kept, fold) for fold in (1, 2, 3)]

leaking = Training(RunConfig(folds=3, epochs=1, device_mode="multi", model="own_small:train"))
leaking._devices = training._devices
found["leaking"] = after(leaking, 1)

rows = tf.data.Dataset.range(64).batch(8)
bounded = input_pipeline.bound(rows.map(lambda x: x + 1, num_parallel_calls=tf.data.AUTOTUNE))
options = bounded.options()
found["bounded"] = [options.threading.private_threadpool_size,
    options.threading.max_intra_op_parallelism, options.autotune.enabled,
    [int(x) for x in bounded.unbatch()]]
spread = training._devices.strategy.experimental_distribute_dataset(input_pipeline.bound(rows))
pools = [part.options().threading.private_threadpool_size for part in spread._cloned_datasets]
found["distributed"] = [pools, sorted(
    int(x) for batch in spread for part in batch.values for x in part)]
import trainer.worker.devices
from telemetry.errors import InputError
trainer.worker.devices.CPU_DEVICES = 3  # other devices than this process has: TensorFlow refuses
late = Training(config)
try:
    late.train(1, f"{sys.argv[1]}/fold-1")
except InputError as error:
    found["late"] = str(error)
late._function = own_small.plain
found["plain"] = late.train(1, f"{sys.argv[1]}/fold-1")
print("found", json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the script once."""
    place = tmp_path_factory.mktemp("reference")
    (place / "own_small.py").write_text(MODEL)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(place / "run")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("found "))
    loaded: dict[str, Any] = json.loads(line.removeprefix("found "))
    return loaded | {"output": done.stdout}


def test_a_training_that_waits_has_touched_no_device(found: dict[str, Any]) -> None:
    """A worker is started ahead while another one trains on the same devices."""
    assert not found["touched before the first fold"]


def test_nothing_of_a_fold_stays(found: dict[str, Any]) -> None:
    """Its model is gone, and TensorFlow's gradients and graphs with it, fold after fold."""
    folds = found["default"]
    assert [fold["alive"] for fold in folds] == [0, 0, 0]
    assert [fold["gradients"] for fold in folds] == [0, 0, 0]
    assert folds[2]["objects"] - folds[1]["objects"] < 500
    assert "clean-up of fold 3/3: threads " in found["output"]


def test_without_clean_up_every_fold_stays(found: dict[str, Any]) -> None:
    """What the switch is for: the growth is there to be seen."""
    folds = found["kept"]
    assert [fold["alive"] for fold in folds] == [1, 2, 3]
    steps = [folds[1]["objects"] - folds[0]["objects"], folds[2]["objects"] - folds[1]["objects"]]
    assert min(steps) > 2_000
    assert folds[2]["gradients"] > folds[0]["gradients"] > 0


def test_what_outlives_clean_up_is_named_with_its_holder(found: dict[str, Any]) -> None:
    """The model that a script put into a list, not the circles that Keras's objects hold; and what
    a living graph may need is not forgotten.
    """
    words = "still alive: model (Sequential), held by `model` of a dict of 2 in a list of 1 in `best` of module own_small"
    assert words in found["output"]
    kept = found["kept"][2]
    assert (found["leaking"]["alive"], kept["alive"]) == (4, 3)
    assert found["leaking"]["gradients"] > kept["gradients"]


def test_a_fold_computes_the_same_whatever_ran_before_it(found: dict[str, Any]) -> None:
    """Seeds start with the fold; switches change threads, not results."""
    for with_, without in zip(found["default"], found["kept"], strict=True):
        assert with_["loss"] == pytest.approx(without["loss"], abs=1e-6)


def test_a_bounded_pipeline_has_its_numbers_and_gives_the_same_rows(found: dict[str, Any]) -> None:
    """8 threads of its own, 4 at an operation, no AUTOTUNE."""
    assert found["bounded"] == [8, 4, False, list(range(1, 65))]


def test_a_distributed_one_has_them_on_every_worker(found: dict[str, Any]) -> None:
    """The options of the source go with it, and no row is lost or doubled."""
    pools, rows = found["distributed"]
    assert set(pools) == {8}
    assert rows == list(range(64))


def test_devices_in_use_are_an_error_only_where_the_strategy_is_wanted(
    found: dict[str, Any],
) -> None:
    """One line that says what to move."""
    assert found["late"].startswith("the strategy cannot be made: ")
    assert "make tensors, variables and models inside the function" in found["late"]
    assert found["plain"] == {"score": 1.0}


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
