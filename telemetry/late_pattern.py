"""Regular expressions that are compiled when they are first asked: most programs ask few of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, AnyStr, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def late_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return what `re.compile` returns, or does the same once something is asked of it."""
    return cast("re.Pattern[AnyStr]", _Late(text, flags))


class _Late:
    """A pattern of which only the text is known."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags
        self._compiled: re.Pattern[Any] | None = None

    def compiled(self) -> re.Pattern[Any]:
        if self._compiled is None:
            self._compiled = re.compile(self._text, self._flags)
        return self._compiled

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.compiled(), name)
        setattr(self, name, found)
        return found


def compile_now(names: Mapping[str, object]) -> None:
    """Compile the late patterns among the names of a module: who may be at a limit later has no memory for it then."""
    for value in list(names.values()):
        if isinstance(value, _Late):
            value.compiled()


class RarePattern:
    """A pattern with what stands in each of its matches: a text without that is not searched.

    To look for a literal in 64 kB takes microseconds, to search for what stands at the start of a line a millisecond.
    """

    def __init__(
        self, text: str, *literals: str, sign: str = "", flags: int = re.MULTILINE
    ) -> None:
        """One of ``literals`` stands in every match, or what ``sign`` matches; in lower case where case is ignored."""
        self.text = text
        self.flags = flags
        self.literals = literals
        self.sign = sign
        self._pattern = late_pattern(text, flags)
        self._sign = late_pattern(sign)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Give the matches in ``text``."""
        return self._pattern.finditer(text) if self.may_match(text) else iter(())

    def may_match(self, text: str) -> bool:
        """Whether ``text`` holds what stands in each match."""
        searched = text.lower() if self.flags & re.IGNORECASE else text
        if self.sign:
            return self._sign.search(searched) is not None
        return any(literal in searched for literal in self.literals)
