"""`Indented`: a paragraph behind blanks, with none at the ends of its lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions


@dataclass(frozen=True, slots=True)
class Indented:
    """Words behind so many blanks, on every line that they take."""

    words: str | Text
    columns: int = 2

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Give the lines."""
        text = self.words if isinstance(self.words, Text) else Text(self.words)
        for line in text.wrap(console, max(1, options.max_width - self.columns)):
            line.rstrip()
            yield Text.assemble(" " * self.columns, line)
