"""foldwatch with one failing call on the files below a directory: DIRECTORY REPORT FAULT, then its own arguments.

FAULT is the JSON of a process, a call, its path, its time and the errno, or null. The runner and each of its agents write a
REPORT.PROCESS of their calls, and whether that one came.
"""

from __future__ import annotations

import json
import sys

from foldwatch.main import main
from tests.support.faults import Fault, Faults, Site
from trainer.agent.__main__ import carry_out
from trainer.agent.channel import starter_on_standard_input
from trainer.agent.order import decode_order
from trainer.runner import local_engine

AGENT = "--agent"


def run(top: str, report: str, fault: str, *arguments: str) -> int:
    """Run the command line, or an agent of it; write the report in any case."""
    process, line = "runner", b""
    if arguments == (AGENT,):
        starter = starter_on_standard_input()
        if not (line := starter.first()):
            return 0
        process = f"agent {decode_order(line).fold}"
    else:
        command = (sys.executable, "-m", "tests.scripts.faulty_foldwatch", top, report, fault)
        local_engine.COMMAND = (*command, AGENT)
    chosen = json.loads(fault)
    faults = Faults(process, top, chosen and Fault(Site(*chosen[:4]), chosen[4]))
    try:
        with faults:
            return carry_out(line, starter) if line else main(list(arguments))
    finally:
        with open(f"{report}.{process}", "w", encoding="utf-8") as file:
            json.dump({"sites": faults.sites(), "was_hit": faults.was_hit}, file)


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
