"""A million generated logs through the parser: no exception, every refused line counted."""

from __future__ import annotations

import json
import random
import resource
import sys

from tests.support.generated_logs import check_any_log, log_of


def main(count: int = 1_000_000, seed: int = 19) -> None:
    """Print one JSON object: how many were read, and what the memory grew by meanwhile."""
    numbers = random.Random(seed)
    for _ in range(count // 100):
        check_any_log(log_of(numbers))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failed = 0
    for _ in range(count):
        content = log_of(numbers)
        try:
            check_any_log(content)
        except Exception as error:  # noqa: BLE001 - any at all is what is counted
            failed += 1
            print(f"{error!r}: {content!r}", file=sys.stderr)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"logs": count, "failed": failed, "megabytes": grown}), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
