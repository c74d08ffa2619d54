"""A fold that leaves a daemon behind, and a trace of both: ``leaving_fold.py PLACE FOLD SECONDS [stubborn]``.

It notes its number in PLACE/begun and its daemon's in PLACE/daemons, and then works for SECONDS. A stubborn
one ignores SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def note(path: str, text: str) -> None:
    """Append a line."""
    with open(path, "a", encoding="ascii") as file:
        file.write(f"{text}\n")


def leave_daemon(mark: str) -> None:
    """Start a process that is in no group or session of this one, and not its child."""
    if os.fork():
        return
    os.setsid()
    if not os.fork():
        note(mark, str(os.getpid()))
        time.sleep(60)
    os._exit(0)


def main(place: str, fold: str, seconds: str, *options: str) -> None:
    """Leave the daemon, work, and leave a metric."""
    if "stubborn" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(os.path.join(place, "begun"), f"{fold} {os.getpid()}")
    leave_daemon(os.path.join(place, "daemons"))
    time.sleep(float(seconds))
    with open(os.environ["FOLDWATCH_METRICS"], "w", encoding="ascii") as file:
        file.write(f'{{"score": 0.{fold}}}')


if __name__ == "__main__":
    main(*sys.argv[1:])
