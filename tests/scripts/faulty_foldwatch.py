"""foldwatch with one failing call on the files below a directory: DIRECTORY REPORT FAULT, then its own arguments.

FAULT is the JSON of a call, its path, its time and the errno, or null. REPORT gets the calls, and whether that one came.
"""

from __future__ import annotations

import json
import sys

from foldwatch.main import main
from tests.support.faults import Fault, Faults, Site


def run(top: str, report: str, fault: str, *arguments: str) -> int:
    """Run the command line; write the report in any case."""
    chosen = json.loads(fault)
    faults = Faults(top, chosen and Fault(Site(*chosen[:3]), chosen[3]))
    try:
        with faults:
            return main(list(arguments))
    finally:
        with open(report, "w", encoding="utf-8") as file:
            json.dump({"sites": faults.sites(), "was_hit": faults.was_hit}, file)


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
