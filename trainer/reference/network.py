"""The networks of the reference run: a branch per modality, their fusion, and the gate."""

from __future__ import annotations

import keras

from trainer.reference.data import CLASSES

SHAPES = {"image": (8, 8, 1), "edges": (8, 8, 2), "table": (20 + CLASSES,)}
"""What each modality takes in; the forest's votes are part of the table."""
PICTURES = ("image", "edges")
"""The modalities with convolutions, which are trained ahead."""
COMBINED = "combined"
OUTPUTS = (*SHAPES, COMBINED)
"""What the multimodal model gives: each modality by itself, and all together."""


def make_branches(modalities: tuple[str, ...]) -> keras.Model:
    """Return a model with an output per modality, each from that one alone."""
    inputs = {name: keras.Input(SHAPES[name], name=name) for name in modalities}
    return keras.Model(inputs, {name: _branch(name)(inputs[name])[1] for name in modalities})


def make_multimodal() -> keras.Model:
    """Return the model over all modalities: their own outputs, and the combined one."""
    inputs = {name: keras.Input(shape, name=name) for name, shape in SHAPES.items()}
    branches = {name: _branch(name)(taken) for name, taken in inputs.items()}
    outputs = {name: votes for name, (_, votes) in branches.items()}
    both = keras.layers.Concatenate()([features for features, _ in branches.values()])
    both = keras.layers.Dense(64, activation="relu")(both)
    outputs[COMBINED] = keras.layers.Dense(CLASSES, activation="softmax", name=COMBINED)(both)
    return keras.Model(inputs, outputs)


def make_gate(voters: int) -> keras.Model:
    """Return a network that weighs the votes (voters, classes) of each sample and adds them up."""
    votes = keras.Input((voters, CLASSES), name="votes")
    weights = keras.layers.Dense(16, activation="relu")(keras.layers.Flatten()(votes))
    weights = keras.layers.Dense(voters, activation="softmax", name="weights")(weights)
    return keras.Model(votes, keras.layers.Dot(axes=1)([weights, votes]))


def branch_name(modality: str) -> str:
    """The layer that is this modality's branch, in every model that has it."""
    return f"{modality}_branch"


def _branch(modality: str) -> keras.Model:
    """Return modality -> (features, votes)."""
    taken = keras.Input(SHAPES[modality])
    seen = taken
    if modality in PICTURES:
        seen = keras.layers.Conv2D(16, 3, activation="relu")(seen)
        seen = keras.layers.Flatten()(seen)
    features = keras.layers.Dense(32, activation="relu")(seen)
    votes = keras.layers.Dense(CLASSES, activation="softmax")(features)
    return keras.Model(taken, [features, votes], name=branch_name(modality))
