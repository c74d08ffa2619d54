"""`Order`: what an agent is asked to run, as one line of JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from telemetry.journal import typed
from trainer.run.cgroup_limits import CgroupLimits
from trainer.run.lease import LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt of a fold, or one process for several folds.

    The command is in it with its secrets, so it goes through a pipe and into no file of the run.
    """

    run_dir: str
    """Absolute."""
    folds: int
    """Of the whole run."""
    fold: int | None = None
    """The fold that it runs; None for a process that is given one after another."""
    command: tuple[str, ...]
    config_digest: str
    is_persistent: bool = False
    """Whether the process writes the results of the folds that it is given, itself; else exit code 0 means success."""
    caps: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for the process where they are not set already."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for the process, whatever they are."""
    pattern: str | None = None
    """The regular expression of output lines at which a reading is taken."""
    timeout_seconds: float | None = None
    pids: int | None = None
    memory_bytes: int | None = None
    """Of the cgroup that it is to have."""
    cgroup_name: str = ""
    need: Mapping[str, int] = field(default_factory=dict)
    """What an earlier process has needed at most: ``tree_threads``, ``rss_bytes``."""
    is_ahead: bool = False
    """Whether it is given its fold later, and is not launched if there is no room for it to wait."""
    lock: int | None = None
    """The descriptor of the run's lock, which is held until the last process has ended."""
    lease_seconds: float = LEASE_SECONDS

    @property
    def limits(self) -> CgroupLimits:
        """The limits of its cgroup."""
        return CgroupLimits(pids=self.pids, memory_bytes=self.memory_bytes)

    def encode(self) -> str:
        """Return it as one line, without the line end."""
        return json.dumps(asdict(self), check_circular=False)


def decode_order(line: str | bytes) -> Order:
    """Read what `Order.encode` wrote. Raises InputError."""
    try:
        content = typed.load(line if isinstance(line, bytes) else line.encode())
        order = Order(**typed.fields_of(content, _CHECKS))
        _check(order)
    except (ValueError, TypeError) as error:  # the last where a field is missing
        raise InputError(f"not an order for an agent: {error}") from error
    else:
        return order


def _check(order: Order) -> None:
    """Raises ValueError."""
    if order.fold is not None and not 1 <= order.fold <= order.folds:
        raise ValueError(f"fold {order.fold} of {order.folds}")
    if not order.command:
        raise ValueError("no command")
    if not os.path.isabs(order.run_dir):
        raise ValueError(f"run_dir is not absolute: {order.run_dir:.200}")


def _argument(name: str, value: object) -> str:
    """A text as it is: bytes of an argument that are no text stay what they are (PEP 383)."""
    if type(value) is not str or "\0" in value:
        raise ValueError(f"{name:.40} is not an argument of a command")
    os.fsencode(value)
    return value


def _variables(name: str, value: object) -> Mapping[str, str]:
    """Environment variables, by their names."""
    variables: Mapping[str, str] = typed.mapping_of(_argument)(name, value)
    for variable in variables:
        if not _argument(name, variable) or "=" in variable:
            raise ValueError(f"{name:.40}: {variable!r:.40} is not the name of a variable")
    return variables


_CHECKS: Mapping[str, typed.Check] = {
    "run_dir": _argument,
    "folds": typed.whole,
    "fold": typed.whole,
    "command": typed.tuple_of(_argument),
    "config_digest": typed.text,
    "is_persistent": typed.flag,
    "caps": _variables,
    "environment": _variables,
    "pattern": _argument,
    "timeout_seconds": typed.seconds,
    "pids": typed.whole,
    "memory_bytes": typed.whole,
    "cgroup_name": typed.text,
    "need": typed.mapping_of(typed.whole),
    "is_ahead": typed.flag,
    "lock": typed.whole,
    "lease_seconds": typed.seconds,
}
