"""`LogLabels`: the labels in the log that an attached process writes, and the fold that each belongs to."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.thread_line import MARKER, Label, parse_label, parse_line
from trainer.process.output_labels import OutputLabels

if TYPE_CHECKING:
    from collections.abc import Callable


class LogLabels:
    """Follows a log."""

    def __init__(
        self,
        path: str,
        label_of: Callable[[str], str | None],
    ) -> None:
        """Open it; the labels that are in its last MiB already say where the run is.

        Args:
            path: Of the log.
            label_of: Gives the label in a line; None if it has none.

        Raises:
            OSError: It cannot be read.
        """
        self.path = path
        self._labels = OutputLabels(path, label_of, is_new=True)
        self._previous: Label | None = None
        self.before = len(self.poll())
        """How many of them there are."""

    @property
    def last(self) -> Label | None:
        """The label that came last."""
        return self._previous

    def poll(self) -> list[Label]:
        """Return the labels that came since. Raises OSError."""
        return self._take(self._labels.poll())

    def close(self) -> None:
        """Close the log."""
        self._labels.close()

    def _take(self, texts: list[str]) -> list[Label]:
        found = []
        for text in texts:
            self._previous = parse_label(text, previous=self._previous)
            found.append(self._previous)
        return found


def label_of_thread_line(line: str) -> str | None:
    """Return the label of a ``[THREADS]`` line; None of any other."""
    if MARKER in line:
        with suppress(ValueError):  # it is cut
            return parse_line(line).label
    return None
