"""A log's secrets stay in the log: what is shown of it is masked by form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.programs import run_foldwatch

if TYPE_CHECKING:
    from pathlib import Path

LOG = """[THREADS] Fold 1/3 START: threads=10
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    client = Client()
AuthenticationError: incorrect key sk-HIDDEN12345678, Authorization: Bearer HIDDENhiddenHIDDEN
"""


def test_a_secret_in_the_root_line_is_shown_nowhere(tmp_path: Path) -> None:
    """Neither in the text, nor in JSON, nor on the page."""
    log, page = tmp_path / "run.log", tmp_path / "page.html"
    log.write_text(LOG)
    said = run_foldwatch("analyze", str(log), "--html", str(page)).out
    told = run_foldwatch("analyze", str(log), "--json").out
    for shown in (said, told, page.read_text()):
        assert "AuthenticationError" in shown
        assert "***" in shown
        assert "HIDDEN" not in shown
