"""``foldwatch reproduce`` with the training of `small_leaks`."""

from __future__ import annotations

import sys

from foldwatch.main import main
from trainer.reproduce import scenarios

if __name__ == "__main__":
    scenarios.LEAKS = "tests.scripts.small_leaks"
    sys.exit(main(["reproduce", *sys.argv[1:]]))
