"""Records threads, cgroup PIDs, memory maps and RSS of a training process at labelled checkpoints.

The only package of foldwatch that is imported into a training. Importing it loads the standard
library alone and starts nothing.
"""

from telemetry.reading import Limit, LimitState, Reading, Usage
from telemetry.training import checkpoint, fold, start

__all__ = ["Limit", "LimitState", "Reading", "Usage", "checkpoint", "fold", "start"]
