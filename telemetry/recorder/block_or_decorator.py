"""`BlockOrDecorator`: a block that decorates functions as well, coroutines and generators among them."""

from __future__ import annotations

from contextlib import ContextDecorator
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200
_CO_ITERABLE_COROUTINE = 0x100
"""The last is of a generator that may be awaited (types.coroutine). As in the module inspect, which would have to be loaded."""


class BlockOrDecorator(ContextDecorator):
    """A block that decorates functions as well; around coroutines and generators it is while they run, not while they are made."""

    def _recreate_cm(self) -> Any:
        """Of contextlib: what is entered around each call of a decorated function."""
        return self

    def __call__(self, function: Callable[..., Any]) -> Any:
        """Return ``function`` inside of this block."""
        code = getattr(function, "__code__", None)
        flags = 0 if code is None else code.co_flags
        if flags & CO_COROUTINE:
            return self._around_coroutine(function)
        if flags & CO_GENERATOR and not flags & _CO_ITERABLE_COROUTINE:
            return self._around_generator(function)
        if flags & CO_ASYNC_GENERATOR:
            return self._around_async_generator(function)
        return super().__call__(function)

    def _around_coroutine(self, function: Callable[..., Any]) -> Any:
        @wraps(function)
        async def inside(*arguments: Any, **named: Any) -> Any:
            with self._recreate_cm():
                return await function(*arguments, **named)

        return inside

    def _around_generator(self, function: Callable[..., Any]) -> Any:
        @wraps(function)
        def inside(*arguments: Any, **named: Any) -> Generator[Any, Any, Any]:
            with self._recreate_cm():
                return (yield from function(*arguments, **named))

        return inside

    def _around_async_generator(self, function: Callable[..., Any]) -> Any:
        @wraps(function)
        async def inside(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
            with self._recreate_cm():
                generator = function(*arguments, **named)
                try:
                    ask, sent = generator.__anext__(), None
                    while True:
                        try:
                            given = await ask
                        except StopAsyncIteration:
                            return
                        try:
                            sent = yield given
                        except GeneratorExit:
                            raise
                        except BaseException as error:  # noqa: BLE001 - it is thrown into the generator
                            ask = generator.athrow(error)
                        else:
                            ask = generator.asend(sent)
                finally:
                    await generator.aclose()

        return inside
