"""`OutputLabels`: the labels in what a program writes into a file, as it writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.process.output_follower import OutputFollower

if TYPE_CHECKING:
    from collections.abc import Callable


class OutputLabels:
    """Finds the lines in which ``label_of`` finds a label."""

    def __init__(
        self, path: str, label_of: Callable[[str], str | None], *, is_new: bool = False
    ) -> None:
        """Begin at the file's present end, or at its start if it ``is_new``. Raises OSError."""
        self._label_of = label_of
        self._output = OutputFollower(path, is_new=is_new)
        self._last: str | None = None

    def poll(self) -> list[str]:
        """Return the labels that came since. Raises OSError."""
        found = []
        for line in self._output.poll():
            label = self._label_of(line.text)
            # A redrawn progress bar repeats its label; only a complete line may repeat one on purpose.
            if label is not None and not (line.is_redraw and label == self._last):
                self._last = label
                found.append(label)
        return found

    def close(self) -> None:
        """Close the file."""
        self._output.close()
