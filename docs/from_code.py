"""A Sphinx extension: the reference pages that are made from the code when the pages are built.

Owns the directives ``commands``, ``metrics``, ``exit-codes`` and ``scenarios``, and the way from this project's
docstrings, where an indented block is an example, to reStructuredText. It must hold no fact of its own.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import typer.main
from sphinx.util.docutils import SphinxDirective

from foldwatch.commands.analysis import FOUND
from foldwatch.main import COMMANDS, INTERRUPTED
from telemetry.errors import FoldwatchError
from telemetry.metrics.catalog import BASE_LABELS, METRICS
from trainer.reproduce.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docutils.nodes import Node
    from sphinx.application import Sphinx


class _Generated(SphinxDirective):
    """A directive that stands for Markdown made from the code."""

    def run(self) -> list[Node]:
        lines = list(self.markdown())
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)

    def markdown(self) -> Iterator[str]:
        raise NotImplementedError


class Commands(_Generated):
    """Every command of the command line: what it does, its arguments and options."""

    def markdown(self) -> Iterator[str]:
        for name in COMMANDS:
            app = import_module(f"foldwatch.commands.{name}").app
            command = typer.main.get_group(app).commands[name]
            yield from (f"## `foldwatch {name}`", "", inspect.cleandoc(command.help or ""), "")
            with command.make_context(name, [], resilient_parsing=True) as context:
                records = [part.get_help_record(context) for part in command.get_params(context)]
            rows = [[f"`{spelled}`", words] for spelled, words in filter(None, records)]
            yield from _table(["argument or option", "what it does"], rows)


class Metrics(_Generated):
    """Every metric of the exporter's table, as a list: the names are too long for a table's column."""

    def markdown(self) -> Iterator[str]:
        yield from (f"Every series has the labels {_names(BASE_LABELS)}.", "")
        for name, kind in METRICS.items():
            labels = f" with {_names(kind.labels)}" if kind.labels else ""
            yield from (f"`{name}`, {kind.type}{labels}", f": {kind.help}", "")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


class ExitCodes(_Generated):
    """Every exit code, from the errors' classes and the two codes that are no error."""

    def markdown(self) -> Iterator[str]:
        rows = [
            [0, "", "Nothing was found, everything was done."],
            [FOUND, "", "`foldwatch analyze` found growth, or a crash at a limit."],
            [INTERRUPTED, "", "Interrupted: Ctrl-C, or SIGTERM."],
        ]
        rows += [
            [error.exit_code, f"`{error.__name__}`", inspect.getdoc(error) or ""]
            for error in FoldwatchError.__subclasses__()
        ]
        yield from _table(["code", "error", "when"], sorted(rows, key=lambda row: int(row[0])))


class Scenarios(_Generated):
    """Every scenario of ``foldwatch reproduce``, and the ceiling that it dies of."""

    def markdown(self) -> Iterator[str]:
        rows = [
            [f"`{name}`", scenario.leaks, *map("`{}`".format, _first_and_last(scenario.ceilings))]
            for name, scenario in SCENARIOS.items()
        ]
        header = ["scenario", "a fold leaves behind", "dies of", "where no cgroup can be made"]
        yield from _table(header, rows)


def _first_and_last(names: tuple[str, ...]) -> tuple[str, str]:
    return names[0], names[-1]


def _table(header: list[str], rows: list[list[Any]]) -> Iterator[str]:
    yield from (_row(header), _row(["---"] * len(header)), *map(_row, rows), "")


def _row(cells: list[Any]) -> str:
    words = (" ".join(str(cell).split()).replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(words)} |"


def with_literal_blocks(lines: list[str]) -> list[str]:
    """Put ``::`` above each indented block that follows a blank line: an example, kept as it stands."""
    made: list[str] = []
    for before, line in pairwise(["", *lines]):
        starts = line.startswith("    ") and not before.strip()
        if starts and not _is_in_block(made):
            made += ["::", ""]
        made.append(line)
    return made


def _is_in_block(made: list[str]) -> bool:
    """Whether the last line with text was indented, so that a block goes on."""
    last = next((line for line in reversed(made) if line.strip()), "")
    return last.startswith("    ")


def _rewrite(
    _app: Sphinx, what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    if what == "module":
        lines[:] = with_literal_blocks(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.add_directive("commands", Commands)
    app.add_directive("metrics", Metrics)
    app.add_directive("exit-codes", ExitCodes)
    app.add_directive("scenarios", Scenarios)
    app.connect("autodoc-process-docstring", _rewrite)
    return {"parallel_read_safe": True}
