"""`Budget`: how much a resource may grow by, per fold or per epoch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.formatting import change, short_name
from analyzer.resources import RESOURCES
from telemetry.errors import InputError

if TYPE_CHECKING:
    from analyzer.growth.verdict import Growth

UNITS = ("fold", "epoch")
_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_FORM = re.compile(r"\s*(\w+)\s*=\s*([^/]*?)\s*/\s*(\w+)\s*")
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_NAMES = {spec.pattern_group: name for name, spec in RESOURCES.items()} | {"fds": "open_fds"}
"""A resource by the name that a user gives it, which is that of the group of ``--pattern``."""


@dataclass(frozen=True, slots=True)
class Budget:
    """``amount`` in the resource's own unit (bytes for memory) per ``unit``: ``fold``, ``epoch`` or ``repeat``."""

    resource: str
    amount: float
    unit: str

    def __str__(self) -> str:
        """Write it as ``rss at most +0.5 MB an epoch``."""
        article = "an" if self.unit == "epoch" else "a"
        words = change(self.resource, self.amount) if self.amount else "0"
        return f"{short_name(self.resource)} at most {words} {article} {self.unit}"

    def is_exceeded_by(self, growth: Growth) -> bool:
        """Whether a resource is known to grow faster: with the whole 95 % interval of its slope, where there is one.

        What rises once, falls again or scatters does not grow, however steep a part of it is.
        """
        if growth.slope is None or growth.verdict.is_steady:
            return False
        least = growth.slope if growth.slope_low is None else growth.slope_low
        return least > self.amount


def parse_budget(text: str) -> Budget:
    """Read a budget such as ``rss=1MB/epoch`` or ``maps=50/fold``.

    Raises:
        InputError: It has another form, or names no resource.
    """
    match = _FORM.fullmatch(text)
    if match is None or not _AMOUNT.fullmatch(match[2]):
        raise InputError(
            f"--budget {text}: not of the form RESOURCE=AMOUNT/fold or RESOURCE=AMOUNT/epoch, as rss=1MB/epoch"
        )
    name, amount, unit = match.groups()
    try:
        budget = budget_of(name, amount, unit)
    except InputError as error:
        raise InputError(f"--budget {text}: {error}") from None
    if unit not in UNITS:
        raise InputError(f"--budget {text}: per {unit} nothing is judged; name fold or epoch")
    return budget


def budget_of(name: str, amount: str, unit: str) -> Budget:
    """Return the budget of a resource by the name that a user gives it, with an amount such as ``50`` or ``1MB``.

    Raises:
        InputError: There is no such resource or unit, or the amount is none of the resource.
    """
    resource, match = _NAMES.get(name), _AMOUNT.fullmatch(amount)
    if resource is None:
        raise InputError(f"no resource {name}; there are {', '.join(_NAMES)}")
    if match is None:
        raise InputError(f"{amount}: no amount of {name}, such as 50 or 1MB")
    number, size = float(match[1]), match[2]
    is_memory = resource.endswith("_bytes")
    if is_memory != bool(size) and number:
        needs = "needs a unit: 1MB" if is_memory else "is a count, and has no unit"
        raise InputError(f"{name} {needs}")
    if size and size.upper() not in _BYTES:
        raise InputError(f"no unit {size}; there are B, kB, MB and GB")
    return Budget(resource, number * _BYTES.get(size.upper(), 1), unit)
