"""The reference run: a real cross-validation on real data, with every stage labelled.

Both names load when asked for: the digest of the data needs no TensorFlow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.reference.data import data_digest
    from trainer.reference.stages import train

__all__ = ["data_digest", "train"]


def __getattr__(name: str) -> Any:
    if name == "data_digest":
        from trainer.reference.data import data_digest  # noqa: PLC0415 - see above

        return data_digest
    if name == "train":
        from trainer.reference.stages import train  # noqa: PLC0415 - see above

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
