"""Tools and rights that a machine may lack, and that CI may not."""

from __future__ import annotations

import os

import pytest


def need(condition: object, what: str) -> None:
    """Skip the test if ``what`` is missing; on CI, which installs it all, fail."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing on CI: {what}")
    pytest.skip(f"needs {what}")
