"""Stands in for a reader's training, which takes the number of the fold as ``--fold N``."""

import sys
import time

print("training", *sys.argv[1:])
time.sleep(0.2)
