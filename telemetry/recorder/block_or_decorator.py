"""`BlockOrDecorator`: a block that decorates functions as well, coroutines among them."""

from __future__ import annotations

from contextlib import ContextDecorator
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CO_COROUTINE = 0x80
"""Of a code object: it is an ``async def``'s. As in the module inspect, which would have to be loaded for it."""


class BlockOrDecorator(ContextDecorator):
    """A block that decorates functions as well; around that of an ``async def`` it is while that runs, not while it is called."""

    def __call__(self, function: Callable[..., Any]) -> Any:
        """Return ``function`` inside of this block."""
        code = getattr(function, "__code__", None)
        if code is None or not code.co_flags & CO_COROUTINE:
            return super().__call__(function)

        block: Any = self

        @wraps(function)
        async def inside(*arguments: Any, **named: Any) -> Any:
            with block:
                return await function(*arguments, **named)

        return inside
