"""`CheckpointPattern`: turns the lines of any program's output into labels, by ``--checkpoint-pattern``."""

from __future__ import annotations

from analyzer.logs.blocks import strip_escapes
from telemetry.thread_line import clean_label
from telemetry.user_regex import compile_expression

LABEL_LENGTH = 80


class CheckpointPattern:
    r"""A regular expression whose matches are labels: ``Epoch (?P<epoch>\d+)/`` gives ``epoch 3``.

    Each named group gives its name and its value; one called ``label`` its value alone; without named
    groups the label is the text that matched. It runs in RE2, which no line can make slow.
    """

    def __init__(self, expression: str) -> None:
        """Compile it. Raises InputError if it is broken or RE2 is missing."""
        self._compiled = compile_expression(expression, option="--checkpoint-pattern")

    def label(self, line: str) -> str | None:
        """Return the label of ``line``, or None if it does not match."""
        match = self._compiled.search(strip_escapes(line))
        if match is None:
            return None
        parts = [
            value if name == "label" else f"{name} {value}"
            for name, value in match.groupdict().items()
            if value is not None
        ]
        return clean_label(" ".join(parts) or match.group())[:LABEL_LENGTH]
