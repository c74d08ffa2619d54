"""The devices of the reference run, and the strategy over them."""

from __future__ import annotations

import tensorflow as tf

CPU_DEVICES = 2
"""Logical devices that one CPU is split into, so that a machine without a GPU mirrors as well."""


def make_strategy(device_mode: str) -> tf.distribute.Strategy:
    """Return a MirroredStrategy; must be called before TensorFlow touches a device.

    ``multi``: every visible GPU, or logical CPU devices where there is none. ``single``: the first
    of them. ``cpu``: logical CPU devices, whatever GPUs there are.
    """
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
