"""`StateCache`: the answers of ``/api/...``, built in a thread of their own, once for each published state."""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.daemon.live_state import LiveState
    from telemetry.snapshot import RunKey

    Build: TypeAlias = Callable[[LiveState, RunKey], bytes]

ANSWERS_KEPT = 8
"""As many answers may be asked for in one second without being built twice."""


class StateAnswer(NamedTuple):
    """One state as JSON, plain and packed."""

    plain: bytes
    packed: bytes


class StateCache:
    """Gives the answer to a question; those who ask at the same time wait for the same one.

    Used from one event loop alone. Its thread starts with this object, so that none has to be started
    later, at a limit.
    """

    def __init__(self, board: LiveState) -> None:
        self._board = board
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="foldwatch-state")
        self._builder.submit(int)
        self._moment: tuple[int, int] | None = None
        self._answers: dict[tuple[Build, RunKey], asyncio.Future[StateAnswer]] = {}

    async def answer(self, build: Build, wanted: RunKey) -> StateAnswer:
        """Return what ``build`` makes of the state as it was published last, no more than a second old."""
        moment = self._board.publications, int(self._board.clock())
        if moment != self._moment or len(self._answers) >= ANSWERS_KEPT:
            self._moment, self._answers = moment, {}
        known = self._answers.get((build, wanted))
        if known is None or (known.done() and (known.cancelled() or known.exception())):
            loop = asyncio.get_running_loop()
            known = loop.run_in_executor(self._builder, self._build, build, wanted)
            self._answers[build, wanted] = known
        return await asyncio.shield(known)

    def close(self) -> None:
        """End the thread when it has built what it is at."""
        self._builder.shutdown(wait=False, cancel_futures=True)

    def _build(self, build: Build, wanted: RunKey) -> StateAnswer:
        plain = build(self._board, wanted)
        return StateAnswer(plain, packed(plain))


def packed(content: bytes) -> bytes:
    """Return ``content`` as gzip."""
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(content) + packer.flush()
