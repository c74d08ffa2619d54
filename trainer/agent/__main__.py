"""``python -m trainer.agent [ORDER.json]``: runs one attempt of a fold on this host and says how it ended.

Without a file the order is the first line of standard input, a socket, and the agent ends with what is at its other end
(`trainer.agent.channel`). With a file it ends with its parent. Its exit code tells a scheduler what to do:

    0  the fold finished
    1  it failed by its own code, or a signal that no limit explains ended it
    2  it could not start, or the order is none
    3  a limit ended it: memory, PIDs, time
    4  it was stopped: a signal to the agent, as of a preemption, or the end of what had started it
    5  the lease was lost, or not to be had: another agent runs the fold, or it could not be renewed
"""

from __future__ import annotations

import os
import signal
import sys

from telemetry.bounded_stream import bounded_standard_error
from telemetry.errors import FoldwatchError, InputError
from telemetry.journal.atomic_write import open_regular
from trainer.agent.agent import Agent
from trainer.agent.channel import MOST_BYTES, JsonLines, starter_on_standard_input
from trainer.agent.exit_code import ExitCode
from trainer.agent.order import decode_order
from trainer.process.supervisor import adopt_orphans, signal_at_end_of
from trainer.run.warning import warn


def main(arguments: list[str]) -> int:
    """Carry out the order; return the exit code."""
    if arguments in (["--help"], ["-h"]):
        print(__doc__.strip() if __doc__ else "")
        return ExitCode.FINISHED
    parent = os.getppid()
    if len(arguments) > 1:
        warn(f"{len(arguments)} arguments; name one file with an order, or none")
        return ExitCode.NOT_STARTED
    try:
        if arguments:
            starter = None
            # What was stopped goes on at the end of its parent, and sees it.
            if not signal_at_end_of(parent, signal.SIGCONT):
                return ExitCode.STOPPED
            with open_regular(arguments[0]) as file:
                line = file.read(MOST_BYTES)
        else:
            starter = starter_on_standard_input()
            line = starter.first()
            if not line:
                return ExitCode.FINISHED  # it was started ahead, and is not needed
        return carry_out(line, starter, parent=parent)
    except OSError as error:
        warn(f"{arguments[0] if arguments else 'the order'}: {error.strerror}")
    except FoldwatchError as error:
        warn(str(error))
    return ExitCode.NOT_STARTED


def carry_out(line: bytes, starter: JsonLines | None, *, parent: int | None = None) -> int:
    """Carry out the order in ``line``, of ``parent`` where nobody listens; return the exit code. Raises InputError."""
    order = decode_order(line)
    if starter is None and order.fold is None:
        raise InputError("an order in a file needs a fold: nobody will give it one")
    adopt_orphans()
    if starter is not None or "FOLDWATCH_OTLP" not in os.environ:
        return Agent(order, starter, parent=parent).run()
    from trainer.agent.fold_export import exporting_fold  # noqa: PLC0415 - an agent starts without the engine of alerts

    with exporting_fold(order):
        return Agent(order, starter, parent=parent).run()


if __name__ == "__main__":
    with bounded_standard_error():
        sys.exit(main(sys.argv[1:]))
