"""`Gate`: what ``foldwatch analyze`` is asked to hold a run to, and what it writes of that for CI.

What it needs is loaded only if it is asked for, so that ``foldwatch analyze LOG`` starts quickly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.gate.budget import Budget
    from analyzer.gate.checks import Check
    from analyzer.logs.scan_options import ScanOptions
    from analyzer.result import AnalysisResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The options of the command line."""

    budgets: Sequence[Budget] = ()
    fail_on: str | None = None
    baseline: str | None = None
    markdown: str | None = None
    junit: str | None = None

    @property
    def is_asked_for(self) -> bool:
        """Whether any option was given."""
        return bool(self.budgets or self.fail_on or self.baseline or self.markdown or self.junit)

    def checks(self, analysis: AnalysisResult, options: ScanOptions) -> list[Check]:
        """Return what came of each check; none if none was asked for. Raises InputError."""
        if not self.is_asked_for:
            return []
        from analyzer.comparison import compare  # noqa: PLC0415 - see the module
        from analyzer.gate.checks import FailOn, GateRules, check  # noqa: PLC0415
        from analyzer.pipeline import analyze  # noqa: PLC0415

        rules = GateRules(
            budgets=self.budgets,
            fail_on=FailOn(self.fail_on or FailOn.GROWING),
        )
        comparison = None
        if self.baseline is not None:
            comparison = compare(analyze([self.baseline], options=options), analysis)
        return check(analysis, rules, comparison)

    def write(self, analysis: AnalysisResult, checks: Sequence[Check]) -> None:
        """Write the files that were asked for, each whole or not at all. Raises OSError."""
        if self.markdown is not None:
            from analyzer.gate.markdown import as_markdown  # noqa: PLC0415 - see the module

            _write(self.markdown, as_markdown(analysis, checks).encode())
        if self.junit is not None:
            from analyzer.gate.junit import as_junit  # noqa: PLC0415 - see the module

            _write(self.junit, as_junit(checks))

    def has_failed(self, analysis: AnalysisResult, checks: Sequence[Check]) -> bool:
        """Whether the run is not as it should be: by the checks, or without any by the verdict."""
        if not self.is_asked_for:
            return analysis.is_alarming
        return any(one.outcome == "failed" for one in checks)

    @staticmethod
    def is_undecided(checks: Sequence[Check]) -> bool:
        """Whether something that was asked for by name could not be told."""
        return any(one.outcome == "unknown" and one.is_named for one in checks)


def _write(path: str, content: bytes) -> None:
    from telemetry.metrics.textfile import replace_file  # noqa: PLC0415 - see the module

    try:
        replace_file(path, content)
    except OSError as error:  # of a device, it does not name it
        error.filename = error.filename or path
        raise
