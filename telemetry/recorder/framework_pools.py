"""What the frameworks' own pools of GPU memory hold, of those that the program has loaded and begun to use.

Nothing is imported here and no device is touched first: a framework that has none yet is not asked. The names are the
framework's and ``in_use`` (handed out) or ``kept`` (taken from the driver and free); what it does not say is absent.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from telemetry.interruption import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _torch(torch: Any) -> dict[str, int]:
    """torch.cuda's caching allocator: reserved is what it has from the driver."""
    if not torch.cuda.is_initialized():
        return {}
    devices = range(torch.cuda.device_count())
    in_use = sum(int(torch.cuda.memory_allocated(device)) for device in devices)
    reserved = sum(int(torch.cuda.memory_reserved(device)) for device in devices)
    return {"torch_in_use": in_use, "torch_kept": reserved - in_use}


def _tensorflow(tensorflow: Any) -> dict[str, int]:
    """The BFC allocator of each GPU, which takes all memory at once unless growth is allowed: it tells what is in use."""
    context = sys.modules.get("tensorflow.python.eager.context")
    if getattr(getattr(context, "_context", None), "_context_handle", None) is None:
        return {}
    gpus = tensorflow.config.list_logical_devices("GPU")
    experimental = tensorflow.config.experimental
    in_use = [int(experimental.get_memory_info(gpu.name)["current"]) for gpu in gpus]
    return {"tensorflow_in_use": sum(in_use)} if in_use else {}


def _jax(jax: Any) -> dict[str, int]:
    """The BFC allocator of each device; that of the CPU has no statistics."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    if not getattr(bridge, "_backends", None):
        return {}
    found: dict[str, int] = {}
    for device in jax.local_devices():
        known = device.memory_stats() or {}
        in_use, pool = known.get("bytes_in_use"), known.get("pool_bytes")
        if in_use is not None:
            found["jax_in_use"] = found.get("jax_in_use", 0) + int(in_use)
        if in_use is not None and pool is not None:
            found["jax_kept"] = found.get("jax_kept", 0) + int(pool) - int(in_use)
    return found


_ASKED: Mapping[str, Callable[[Any], dict[str, int]]] = {
    "torch": _torch,
    "tensorflow": _tensorflow,
    "jax": _jax,
}


def read_framework_pools(failed: Callable[[str, str], None]) -> dict[str, int]:
    """Return what each framework says; ``failed`` hears the name of one that raises, and why."""
    found: dict[str, int] = {}
    for name, ask in _ASKED.items():
        if (module := sys.modules.get(name)) is not None:
            try:
                found |= ask(module)
            except Exception as error:  # noqa: BLE001 - another version of it may raise anything
                pass_on(error)
                failed(name, f"{type(error).__name__}: {error}")
    return found
