"""The devices that folds train on, by ``--device-mode``, and the strategy over them.

TensorFlow loads with the first use of `Devices.strategy`, and no device is touched before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import telemetry
from telemetry.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

CPU_DEVICES = 2
"""Logical devices that one CPU is split into, to mirror on a machine without a GPU as well."""


class Devices:
    """The devices of one process; the strategy is made once, since devices cannot be set up twice."""

    def __init__(self, device_mode: str) -> None:
        self._device_mode = device_mode
        self._strategy: tf.distribute.Strategy | None = None

    @property
    def strategy(self) -> tf.distribute.Strategy:
        """The strategy over these devices.

        Raises:
            InputError: TensorFlow has initialised its devices already.
        """
        if self._strategy is None:
            try:
                self._strategy = make_strategy(self._device_mode)
            except RuntimeError as error:  # the devices are initialised already
                raise InputError(
                    f"the strategy cannot be made: {error}; make tensors, variables and models inside"
                    " the function that trains, not where its module is imported"
                ) from error
            telemetry.checkpoint("after strategy creation", prefix=False)
        return self._strategy


def make_strategy(device_mode: str) -> tf.distribute.Strategy:
    """Return a MirroredStrategy; must be called before TensorFlow touches a device.

    ``multi``: every visible GPU, or logical CPU devices if there is none. ``single``: the first
    of them. ``cpu``: logical CPU devices, even if there are GPUs.
    """
    import tensorflow as tf  # noqa: PLC0415 - after the caps, and only for a model that uses it

    if device_mode == "cpu":
        tf.config.set_visible_devices([], "GPU")
    gpus = tf.config.get_visible_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, enable=True)
    if gpus:
        names = [f"GPU:{number}" for number in range(len(gpus))]
    else:
        (cpu,) = tf.config.get_visible_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * CPU_DEVICES
        tf.config.set_logical_device_configuration(cpu, parts)
        names = [f"CPU:{number}" for number in range(CPU_DEVICES)]
    return tf.distribute.MirroredStrategy(names[:1] if device_mode == "single" else names)
