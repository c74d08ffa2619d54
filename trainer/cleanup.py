"""What a fold leaves behind in Python, given back at its end.

Owns the order: Keras's global state first, then the cycles that it held. It cannot free what
TensorFlow's C++ side keeps (kernels, rendezvous, thread pools); only the end of the process does.
"""

from __future__ import annotations

import gc


def clean_up() -> None:
    """Clear Keras's session and collect twice: finalizers of the first pass leave new garbage."""
    import keras  # noqa: PLC0415 - loaded by the fold already; this module must not load it first

    keras.utils.clear_session(free_memory=True)
    gc.collect()
    gc.collect()
