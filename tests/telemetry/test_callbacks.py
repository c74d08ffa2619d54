"""The callbacks without their frameworks: what they refuse. tests/frameworks has the rest."""

from __future__ import annotations

import pytest

import telemetry
from tests.support.programs import run_python


def test_a_framework_that_nobody_loaded_stays_unloaded() -> None:
    """Only the function that is named after it loads it."""
    code = (
        "import sys, telemetry; telemetry.callbacks.optuna(); telemetry.callbacks.EpochLabels()\n"
        "print([n for n in ('torch', 'lightning', 'transformers', 'optuna', 'keras') if n in sys.modules])"
    )
    assert run_python("-c", code).out == "[]\n"


@pytest.mark.parametrize("options", [{"every": 0}, {"settle_every": -1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    """Before the training begins."""
    with pytest.raises(ValueError, match=r"=-?[01]: "):
        telemetry.callbacks.EpochLabels(**options)
    with pytest.raises(ValueError, match="every=0: "):
        telemetry.callbacks.optuna(every=0)
