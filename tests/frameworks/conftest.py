"""These tests run by ``make test-frameworks`` alone, in the environment that has the frameworks."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("lightning") else ["test_*.py"]
