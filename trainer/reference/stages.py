"""One fold of the reference run, stage by stage, written as any model for ``foldwatch train``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer.reference.data import Floats, load
from trainer.reference.datasets import BATCH, DatasetSplit, prepare_cached_datasets
from trainer.reference.modality_results import ModalityResult, evaluate, write_results
from trainer.reference.network import (
    COMBINED,
    OUTPUTS,
    PICTURES,
    branch_name,
    make_branches,
    make_gate,
    make_multimodal,
)
from trainer.run.modality_file import modality_file_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.worker.fold import Fold

LOSS = "sparse_categorical_crossentropy"
STAGE_1_RATE = 3e-3
STAGE_2_RATE = 1e-3


def train(fold: Fold) -> dict[str, float]:
    """Train and evaluate one fold; accuracies are in 0..1, the loss in nats."""
    train_part, test_part = prepare_cached_datasets(fold, load())
    fold.checkpoint("after prepare_cached_datasets")
    with fold.strategy.scope():
        model = make_multimodal()
    fold.hold(model=model)
    fold.checkpoint("after model creation")
    _pretrain(fold, model, train_part)
    _fit_stages(fold, model, train_part)
    train_votes, test_votes = _votes(fold, model, train_part), _votes(fold, model, test_part)
    results = [evaluate(name, votes, test_part.labels) for name, votes in test_votes.items()]
    fold.checkpoint("after all training")
    gated = _gate(fold, train_votes, test_votes, train_part)
    results.append(evaluate("gated", gated, test_part.labels))
    # Run N of the cross-validation is fold N; each writes a file of its own.
    path = os.path.join(os.path.dirname(fold.folder), modality_file_name(fold.number))
    write_results(path, fold.number, results)
    return _metrics({result.modality: result for result in results})


def _metrics(results: dict[str, ModalityResult]) -> dict[str, float]:
    return {
        "accuracy": results[COMBINED].accuracy,
        "gated_accuracy": results["gated"].accuracy,
        "loss": results[COMBINED].loss,
    }


def _pretrain(fold: Fold, model: keras.Model, part: DatasetSplit) -> None:
    """Train the branches of the pictures by themselves and hand their weights to ``model``."""
    _fit_branches(fold, model, part)  # in a function of its own: its variables end with it
    fold.checkpoint("after pretrain fit")
    fold.clean_up("pretrained", "pretrain_data")
    fold.checkpoint("after pretrain cleanup")


def _fit_branches(fold: Fold, model: keras.Model, part: DatasetSplit) -> None:
    data = fold.bound(_shuffled(fold, part).map(_with_targets(PICTURES)))
    with fold.strategy.scope():
        pretrained = make_branches(PICTURES)
        pretrained.compile("adam", dict.fromkeys(PICTURES, LOSS))
    pretrained.fit(data, epochs=fold.epochs, shuffle=False, verbose=2)
    for modality in PICTURES:
        weights = pretrained.get_layer(branch_name(modality)).get_weights()
        model.get_layer(branch_name(modality)).set_weights(weights)
    fold.hold(pretrained=pretrained, pretrain_data=data)


def _fit_stages(fold: Fold, model: keras.Model, part: DatasetSplit) -> None:
    """Stage 1 trains what is new, with the pre-trained branches frozen; Stage 2 all of it, slower."""
    data = _shuffled(fold, part).map(_with_targets(OUTPUTS))
    _compile(fold, model, frozen=PICTURES, rate=STAGE_1_RATE)
    distributed = fold.strategy.experimental_distribute_dataset(fold.bound(data))
    fold.hold(distributed_data=distributed)
    fold.checkpoint("after compile+distribute")
    model.fit(distributed, epochs=fold.epochs, shuffle=False, verbose=2)
    fold.checkpoint("after Stage 1 fit")
    _compile(fold, model, frozen=(), rate=STAGE_2_RATE)
    model.fit(distributed, epochs=fold.epochs, shuffle=False, verbose=2)
    fold.checkpoint("after Stage 2 fit")


def _compile(fold: Fold, model: keras.Model, *, frozen: tuple[str, ...], rate: float) -> None:
    for modality in PICTURES:
        model.get_layer(branch_name(modality)).trainable = modality not in frozen
    with fold.strategy.scope():
        optimizer = keras.optimizers.Adam(rate)
        model.compile(optimizer, dict.fromkeys(OUTPUTS, LOSS))
    fold.hold(**{f"optimizer_{'1' if frozen else '2'}": optimizer})


def _shuffled(fold: Fold, part: DatasetSplit) -> tf.data.Dataset:
    """Shuffle whole batches of the cached data: their order is another one in each epoch."""
    return part.data.shuffle(len(part.labels), seed=fold.seed)


def _with_targets(names: tuple[str, ...]) -> Callable[..., Any]:
    """Return a map to a model's own inputs, with the same labels for each of its outputs."""

    def targeted(
        inputs: dict[str, tf.Tensor], labels: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        taken = {name: inputs[name] for name in inputs if name in names}
        return taken, dict.fromkeys(names, labels)

    return targeted


def _votes(fold: Fold, model: keras.Model, part: DatasetSplit) -> dict[str, Floats]:
    """Return each modality's probabilities for the rows of ``part``, the forest's among them."""
    data = fold.bound(part.data)
    votes: dict[str, Floats] = model.predict(data, verbose=0)
    return {**votes, "forest": part.forest_votes.astype(np.float32)}


def _gate(
    fold: Fold, train_votes: dict[str, Floats], test_votes: dict[str, Floats], part: DatasetSplit
) -> Floats:
    """Train a network that weighs the modalities sample by sample; return its test votes."""
    fold.checkpoint("before gating network")
    gate = make_gate(len(train_votes))
    gate.compile("adam", LOSS)
    stacked = np.stack(list(train_votes.values()), axis=1)
    data = tf.data.Dataset.from_tensor_slices((stacked, part.labels)).shuffle(
        len(stacked), seed=fold.seed
    )
    data = fold.bound(data.batch(BATCH))
    fold.hold(gate=gate, gating_data=data)
    fold.checkpoint("before gating fit", prefix=False)
    gate.fit(data, epochs=fold.epochs, shuffle=False, verbose=2)
    fold.checkpoint("after gating fit", prefix=False)
    votes: Floats = gate.predict(np.stack(list(test_votes.values()), axis=1), verbose=0)
    return votes
