"""Where the repository, its shipped files and the recorded logs are."""

from __future__ import annotations

import os

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
GRAFANA = os.path.join(ROOT, "grafana")
LOGS = os.path.join(TESTS, "logs")
INCIDENT = os.path.join(LOGS, "incident_reconstructed.log")
RELEASED = os.path.join(LOGS, "tf_released_models_5_folds.log")
RETAINED = os.path.join(LOGS, "tf_retained_models_5_folds.log")
