"""`StateCache`: the answers of ``/api/state``, built in a thread of their own, once for each published state."""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from telemetry.web.state_api import encoded_state

if TYPE_CHECKING:
    from telemetry.daemon.live_state import LiveState
    from telemetry.snapshot import RunKey

ANSWERS_KEPT = 8
"""As many runs may be looked at in one second without being built twice."""


class StateAnswer(NamedTuple):
    """The JSON of one run's state, plain and packed."""

    plain: bytes
    packed: bytes


class StateCache:
    """Gives the answer for a run; those who ask at the same time wait for the same one.

    Used from one event loop alone. Its thread starts with this object, so that none has to be started
    later, at a limit.
    """

    def __init__(self, board: LiveState) -> None:
        self._board = board
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="foldwatch-state")
        self._builder.submit(int)
        self._moment: tuple[int, int] | None = None
        self._answers: dict[RunKey, asyncio.Future[StateAnswer]] = {}

    async def answer(self, wanted: RunKey) -> StateAnswer:
        """Return the state as it was published last, no more than a second old."""
        moment = self._board.publications, int(self._board.clock())
        if moment != self._moment or len(self._answers) >= ANSWERS_KEPT:
            self._moment, self._answers = moment, {}
        known = self._answers.get(wanted)
        if known is None or (known.done() and (known.cancelled() or known.exception())):
            loop = asyncio.get_running_loop()
            known = loop.run_in_executor(self._builder, self._build, wanted)
            self._answers[wanted] = known
        return await asyncio.shield(known)

    def close(self) -> None:
        """End the thread when it has built what it is at."""
        self._builder.shutdown(wait=False, cancel_futures=True)

    def _build(self, wanted: RunKey) -> StateAnswer:
        plain = encoded_state(self._board, wanted)
        return StateAnswer(plain, packed(plain))


def packed(content: bytes) -> bytes:
    """Return ``content`` as gzip."""
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(content) + packer.flush()
