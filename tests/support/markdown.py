"""The code blocks of a Markdown page, and a shell to run them in, as a reader would: in their order.

Marks in a page's source. A block with a caption is a file of that name. ``<!-- not run: REASON -->``
above a block says why it is not run; it is parsed all the same.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

COMMAND_SECONDS = 120
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>\S.*?) -->", re.DOTALL)
_OPTION = re.compile(r":(?P<name>[\w-]+): *(?P<value>.*)\n")


@dataclass(frozen=True)
class Block:
    """A code block: its language, its text, the file it stands for, why it is not run."""

    language: str
    text: str
    line: int
    caption: str | None = None
    not_run: str | None = None


def blocks(markdown: str) -> Iterator[Block]:
    """Give the code blocks of a page; an indented one has the language ``indented``."""
    tokens = MarkdownIt().parse(markdown)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "code_block":
            yield Block("indented", token.content, _line(token), not_run=_reason(before))
        elif token.type == "fence":
            yield _fence(token, _reason(before))


def _fence(token: Token, not_run: str | None) -> Block:
    words, text, options = token.info.split(), token.content, {}
    while match := _OPTION.match(text):
        options[match["name"]] = match["value"]
        text = text[match.end() :]
    language = words[1] if words[:1] == ["{code-block}"] else " ".join(words)
    return Block(language, text.lstrip("\n"), _line(token), options.get("caption"), not_run)


def _reason(token: Token | None) -> str | None:
    match = _NOT_RUN.match(token.content) if token and token.type == "html_block" else None
    return match["reason"] if match else None


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0


def code_spans(markdown: str) -> Iterator[str]:
    """Give all code of a page: blocks, continued lines joined, and spans inside the text."""
    for token in MarkdownIt().enable("table").parse(markdown):
        if token.type in {"fence", "code_block"}:
            yield from token.content.replace("\\\n", " ").splitlines()
        yield from (part.content for part in token.children or () if part.type == "code_inline")


def commands(console: str) -> Iterator[tuple[str, str]]:
    """Give each command of a console block with the output that is shown below it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        last = next(i for i, line in enumerate(lines) if not line.endswith("\\\n"))
        yield "".join(lines[: last + 1]), "".join(lines[last + 1 :])


class Shell:
    """One bash for one page, in a folder of its own, with this interpreter's commands first."""

    def __init__(self, folder: str, **environment: str) -> None:
        tools = os.path.dirname(sys.executable)
        own = {"PATH": f"{tools}:{os.environ['PATH']}", "COLUMNS": "100", "PYTHONPATH": ROOT}
        own["FOLDWATCH_QUIET"] = ""  # a reader sees all
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=os.environ | own | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run ``command`` and return its exit code and what it printed; ``$?`` is the last one's."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end = f"--- {os.urandom(8).hex()} "
        script = f"{{ (exit ${{code:-0}})\n{command}\n}} </dev/null; code=$?; printf '\\n{end}%s\\n' $code\n"
        self._process.stdin.write(script.encode())
        self._process.stdin.flush()
        printed: list[str] = []
        too_long = threading.Timer(COMMAND_SECONDS, self._signal, [signal.SIGKILL])
        too_long.start()
        for line in self._process.stdout:
            text = line.decode(errors="replace")
            if text.startswith(end):
                too_long.cancel()
                return int(text.removeprefix(end)), "".join(printed).removesuffix("\n")
            printed.append(text)
        too_long.cancel()
        raise AssertionError(f"{command}\nended the shell, or took too long:\n{''.join(printed)}")

    def close(self) -> None:
        """End what the page left running in the background, then the shell."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # a shell that took too long is gone
            self._process.stdin.write(b"kill $(jobs -p) 2>/dev/null; wait; exit\n")
            self._process.stdin.close()
        try:
            self._process.wait(timeout=15)
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process.stdout.close()

    def _signal(self, number: int) -> None:
        """Send to all of the shell's group that is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
