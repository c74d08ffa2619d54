"""What the tests of attaching share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.trainings import Training

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    """A process with a log, which does what a test says."""
    one = Training(tmp_path / "train.log")
    yield one
    one.end()
