"""A Sphinx extension: the reference pages that are generated from the code.

It defines the directives ``commands``, ``formats``, ``metrics``, ``otlp-metrics``, ``exit-codes`` and ``scenarios``, and
converts docstrings to reStructuredText: the indented examples of modules, and the Google sections of functions and classes.
"""

from __future__ import annotations

import inspect
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import typer.main
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.util.docutils import SphinxDirective

from analyzer.logs.known_formats import VALUES
from foldwatch.analysis import FOUND
from foldwatch.main import COMMANDS, INTERRUPTED, command_module
from telemetry.errors import FoldwatchError
from telemetry.metrics.catalog import BASE_LABELS, METRICS
from telemetry.otlp.names import ELSEWHERE, IN_BYTES, OTLP_METRICS
from trainer.reproduce.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docutils.nodes import Node
    from sphinx.application import Sphinx


class _Generated(SphinxDirective):
    """A directive that expands to Markdown generated from the code."""

    def run(self) -> list[Node]:
        lines = list(self.markdown())
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)

    def markdown(self) -> Iterator[str]:
        raise NotImplementedError


class Commands(_Generated):
    """Every command of the command line, with its arguments and options."""

    def markdown(self) -> Iterator[str]:
        for name in COMMANDS:
            app = command_module(name).app
            command = typer.main.get_group(app).commands[name]
            yield from (f"## `foldwatch {name}`", "", inspect.cleandoc(command.help or ""), "")
            with command.make_context(name, [], resilient_parsing=True) as context:
                records = [part.get_help_record(context) for part in command.get_params(context)]
            rows = [[f"`{spelled}`", words] for spelled, words in filter(None, records)]
            yield from _table(["argument or option", "description"], rows)


class Formats(_Generated):
    """Every built-in format of a log, with the line that it reads."""

    def markdown(self) -> Iterator[str]:
        rows = [[row.name, row.words, f"`{row.example}`"] for row in VALUES]
        yield from _table(["format", "read as", "example"], rows)


class Metrics(_Generated):
    """Every metric of the exporter's table, as a list: the names are too long for a table's column."""

    def markdown(self) -> Iterator[str]:
        yield from (f"Every series has the labels {_names(BASE_LABELS)}.", "")
        for name, kind in METRICS.items():
            labels = f" with {_names(kind.labels)}" if kind.labels else ""
            yield from (f"`{name}`, {kind.type}{labels}", f": {kind.help}", "")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


class OtlpMetrics(_Generated):
    """Every metric of OTLP, with the one for Prometheus that it is made from."""

    def markdown(self) -> Iterator[str]:
        rows = []
        for source in METRICS:
            for one in filter(None, (OTLP_METRICS.get(source), IN_BYTES.get(source))):
                fixed = [f"`{name}={value}`" for name, value in one.fixed]
                attributes = ", ".join([*map("`{}`".format, one.attributes), *fixed])
                rows.append(
                    [f"`{one.name}`", f"{one.kind}, `{one.unit}`", attributes, f"`{source}`"]
                )
            if source in ELSEWHERE:
                rows.append([ELSEWHERE[source], "", "", f"`{source}`"])
        yield from _table(["metric", "kind and unit", "attributes of its own", "in /metrics"], rows)


class ExitCodes(_Generated):
    """Every exit code, from the errors' classes and the two codes that are not errors."""

    def markdown(self) -> Iterator[str]:
        rows = [
            [0, "", "Success; nothing was found."],
            [FOUND, "", "`foldwatch analyze` found growth, or a run that crashed or was stopped."],
            [INTERRUPTED, "", "Interrupted: Ctrl-C, or SIGTERM."],
        ]
        rows += [
            [error.exit_code, f"`{error.__name__}`", inspect.getdoc(error) or ""]
            for error in FoldwatchError.__subclasses__()
        ]
        yield from _table(["code", "error", "when"], sorted(rows, key=lambda row: int(row[0])))


class Scenarios(_Generated):
    """Every scenario of ``foldwatch reproduce``, and the limit that it crashes at."""

    def markdown(self) -> Iterator[str]:
        rows = [
            [f"`{name}`", scenario.leaks, *map("`{}`".format, _first_and_last(scenario.limits))]
            for name, scenario in SCENARIOS.items()
        ]
        header = ["scenario", "a fold leaves behind", "limit", "limit without a cgroup"]
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
    _app: Sphinx, what: str, name: str, documented: Any, _options: Any, lines: list[str]
) -> None:
    if what == "module":
        lines[:] = with_literal_blocks(lines)
    elif what not in {"attribute", "data", "property"}:
        # As an extension, napoleon would also read "Seconds: ..." of an attribute as its type.
        google = GoogleDocstring(list(lines), what="object", name=name, obj=documented)
        lines[:] = google.lines()


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.add_directive("commands", Commands)
    app.add_directive("formats", Formats)
    app.add_directive("metrics", Metrics)
    app.add_directive("otlp-metrics", OtlpMetrics)
    app.add_directive("exit-codes", ExitCodes)
    app.add_directive("scenarios", Scenarios)
    app.connect("autodoc-process-docstring", _rewrite)
    return {"parallel_read_safe": True}
