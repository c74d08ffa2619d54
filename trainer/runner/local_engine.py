"""`LocalEngine`: starts agents on this host."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from telemetry.masking import child_environment
from trainer.agent.channel import JsonLines
from trainer.process.fold_cgroup import FoldCgroups
from trainer.process.launcher import continue_at_hang_up
from trainer.process.start import starting
from trainer.process.supervisor import remove

if TYPE_CHECKING:
    from trainer.agent.order import Order
    from trainer.run.cgroup_limits import CgroupLimits

COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "trainer.agent")
"""-P: a package of the user's own called trainer, in the current folder, is not ours."""
CLOSE_SECONDS = 10.0
"""For an agent that has nothing to do to end."""


class LocalAgent:
    """An agent on this host, a child of this process; it ends with it."""

    def __init__(self, *, lock: int | None) -> None:
        """Start it; it waits for its order. Raises OSError."""
        connection, theirs = socket.socketpair()
        try:
            with theirs, starting():
                self._process = subprocess.Popen(
                    COMMAND,
                    env=child_environment(),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    pass_fds=() if lock is None else (lock,),
                    start_new_session=True,
                )
                continue_at_hang_up(theirs, self._process.pid)
        except BaseException:
            connection.close()
            raise
        self.lines = JsonLines(connection)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return how it ended, negative for a signal, or None while it lives."""
        return self._process.poll()

    def wake(self) -> None:
        """Let it go on if somebody has stopped it; else nothing happens."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Give up on it: its supervisor ends what it runs."""
        self._process.kill()

    def close(self) -> None:
        """Close the socket, and see it end."""
        self.lines.close()
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._process.poll() is None:
            self.wake()
            try:
                self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    self.kill()


class LocalEngine:
    """Starts agents for one run.

    Invariant: `close` leaves no agent that was started ahead, and the cgroups as they were found.
    """

    def __init__(self, limits: CgroupLimits, *, lock: int | None) -> None:
        self._cgroups = FoldCgroups(limits)
        self._lock = lock
        self._spare: LocalAgent | None = None
        self._is_prepared = False

    def submit(self, order: Order, *, has_next: bool) -> LocalAgent:
        """Give ``order`` to an agent; one more is started ahead if another order is to follow.

        Raises:
            OSError: No agent can be started.
        """
        if not self._is_prepared:
            self._is_prepared = True
            self._cgroups.prepare()
        agent, self._spare = self._spare, None
        if agent is not None and agent.poll() is not None:
            agent.close()
            agent = None
        agent = agent or LocalAgent(lock=self._lock)
        agent.lines.say_whole(order.encode())
        if has_next:
            try:
                self._spare = LocalAgent(lock=self._lock)
            except OSError:
                self._spare = None  # it is tried again when it is needed, and its failure told then
        return agent

    def clean_up(self, order: Order) -> None:
        """Remove what an agent has left that was killed together with its supervisor."""
        remove(self._cgroups.left(order.cgroup_name))

    @property
    def agents_ahead(self) -> set[int]:
        """The processes of agents without an order."""
        return set() if self._spare is None else {self._spare.pid}

    def close(self) -> None:
        """End the agent that was started ahead; leave the cgroups as they were found."""
        if self._spare is not None:
            self._spare.close()
        self._cgroups.close()
