"""`CheckpointPattern`: turns the lines of any program's output into labels, by ``--checkpoint-pattern``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.logs.blocks import strip_escapes
from telemetry.thread_line import clean_label
from telemetry.user_regex import compile_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL_LENGTH = 80


class CheckpointPattern:
    r"""A regular expression whose matches are labels: ``Epoch (?P<epoch>\d+)/`` gives ``epoch 3``.

    Each named group gives its name and its value; one called ``label`` its value alone; without named
    groups the label is the text that matched. It runs in RE2, which no line can make slow.
    """

    def __init__(self, expression: str) -> None:
        """Compile it. Raises InputError if it is broken or RE2 is missing."""
        self._compiled = compile_expression(expression, option="--checkpoint-pattern")

    @property
    def names_fold(self) -> bool:
        """Whether it has a group called ``fold``."""
        return "fold" in self._compiled.groupindex

    @property
    def names_folds(self) -> bool:
        """Whether it has a group called ``folds``, their number."""
        return "folds" in self._compiled.groupindex

    def label(self, line: str) -> str | None:
        """Return the label of ``line``, or None if it does not match."""
        match = self._compiled.search(strip_escapes(line))
        return None if match is None else _label(match.groupdict(), match.group())

    def label_of_fold(self, line: str, *, folds: int | None) -> str | None:
        """Return the label of ``line`` with the fold that it names in front: ``Fold 3/5 epoch 2``.

        Args:
            line: Of the output of a program that runs several folds.
            folds: How many there are, where no group called ``folds`` says so.
        """
        match = self._compiled.search(strip_escapes(line))
        if match is None:
            return None
        groups = match.groupdict()
        fold, count = groups.pop("fold", None), groups.pop("folds", None) or folds
        if fold is None or count is None:
            return _label(groups | {"fold": fold}, match.group())
        return f"Fold {fold}/{count} {_label(groups, '')}".rstrip()


def _label(groups: Mapping[str, str | None], text: str) -> str:
    parts = [
        value if name == "label" else f"{name} {value}"
        for name, value in groups.items()
        if value is not None
    ]
    return clean_label(" ".join(parts) or text)[:LABEL_LENGTH]
