"""What a fold's process writes, line by line as it comes, while it goes to a file by itself.

Owns the following of that file and which of its lines are labels. The process writes it, so that no
byte of it waits for the runner or dies with it. It must not know where lines are shown.
"""

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
        """Return the label of ``line``, or None where it has none."""
        match = self._compiled.search(strip_escapes(line))
        if match is None:
            return None
        words = [
            value if name == "label" else f"{name} {value}"
            for name, value in match.groupdict().items()
            if value is not None
        ]
        return clean_label(" ".join(words) or match.group())[:LABEL_LENGTH]
