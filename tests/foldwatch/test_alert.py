"""``foldwatch alert --test``: each way is tried, and what came of it is said."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.alert_stack import receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

    Foldwatch = Callable[..., CommandOutcome]


def test_each_way_is_tried_and_told_of(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """Two that work and one that does not: exit code 1; a webhook gets one alert that says it is a test."""
    place = tmp_path / "got.json"
    with receiver() as hook:
        ways = ("--alert-webhook", hook.url, "--alertmanager", hook.url)
        good = foldwatch("alert", "--test", *ways, "--alert-command", f"sh -c 'cat > {place}'")
        hook.status = 403
        bad = foldwatch("alert", "--test", "--alert-webhook", hook.url, "--alert-command", "cat")
    assert (good.code, good.err) == (0, "")
    assert good.out.splitlines() == [
        "--alertmanager: sent",
        "--alert-webhook: sent",
        "--alert-command: sent",
    ]
    (alert,) = json.loads(place.read_text())["alerts"]
    assert alert["labels"]["alertname"] == "FoldwatchTest"
    assert "this is a test" in alert["annotations"]["summary"]
    assert bad.code == 1
    assert bad.out.splitlines() == [
        "--alert-webhook: failed: 127.0.0.1 answered 403",
        "--alert-command: sent",
    ]


def test_without_a_way_or_without_the_word_nothing_is_sent(foldwatch: Foldwatch) -> None:
    """Each says what is missing."""
    assert "no way to send it" in foldwatch("alert", "--test").err
    assert "--test is missing" in foldwatch("alert").err


def test_a_command_for_a_shell_is_refused_before_a_run(foldwatch: Foldwatch) -> None:
    """Not at the first alert."""
    refused = foldwatch("run", "--alert-command", "cat >> x", "--", "true")
    assert refused.code == 2
    assert "sh -c 'cat >> x'" in refused.err


@pytest.mark.slow
def test_a_fold_that_fails_is_told_by_the_run_itself(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """With its last line and the command that goes on; the one that a retry has mended is not."""
    code = (
        "import os, sys; place, fold = sys.argv[1:]; place += fold; seen = os.path.exists(place)\n"
        "open(place, 'w').close()\n"
        "if fold == '3' or (fold == '2' and not seen): raise SystemExit(f'no luck in {fold}')"
    )
    with receiver() as hook:
        options = ("--folds", "3", "--retries", "1", "--output", str(tmp_path / "run"))
        command = ("--", sys.executable, "-c", code, str(tmp_path / "seen"), "{fold}")
        outcome = foldwatch("run", *options, "--alert-webhook", hook.url, *command)
        alerts = [alert for _, alert in hook.alerts()]
        assert hook.alerts("resolved") == []
    assert outcome.code == 1
    names = [(one["labels"]["alertname"], one["labels"].get("fold")) for one in alerts]
    assert names == [("FoldwatchFoldFailed", "3"), ("FoldwatchRunFailed", None)]
    texts = alerts[0]["annotations"]
    assert texts["summary"] == "fold 3 of 3 failed: exited with 1; last line: no luck in 3"
    assert texts["run_directory"] == str(tmp_path / "run")
    assert texts["command_now"].startswith("foldwatch run --resume-mode auto --output ")
    assert alerts[1]["annotations"]["summary"].startswith(
        "the run failed: fold 3 failed, 2 finished"
    )
