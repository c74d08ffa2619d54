"""What is held of every module of the product: its size, its imports, and that no two classes share a name."""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import grimp
import pytest

from tests.support.paths import ROOT, TESTS

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("telemetry", "analyzer", "trainer", "foldwatch")
MODULE_LINES = 400
CLASS_LINES = 200
FUNCTION_LINES = 50


def modules() -> Iterator[tuple[str, str]]:
    """Give the path, relative to the repository, and the source of each of the product's modules."""
    for package in PACKAGES:
        for folder, _, names in os.walk(os.path.join(ROOT, package)):
            for name in sorted(names):
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        yield os.path.relpath(path, ROOT), file.read()


def test_no_test_imports_another() -> None:
    """What two need stands in tests/support."""
    imports = []
    for folder, _, names in os.walk(TESTS):
        for name in names:
            if name.endswith(".py"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    tree = ast.parse(file.read())
                imports += [
                    f"{name}: {node.module}"
                    for node in ast.walk(tree)
                    if isinstance(node, ast.ImportFrom)
                    and (node.module or "").startswith("tests.")
                    and (node.module or "").split(".")[-1].startswith(("test_", "conftest"))
                ]
    assert imports == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Nor for their types; inside a room, which the contracts of the imports do not look into."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imported = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(imported) > 200
    TopologicalSorter(imported).prepare()  # CycleError names one


def definitions() -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Give every class and function, inner ones too, with its module's path."""
    for path, source in modules():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def length(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines from the ``def`` or ``class`` to the end, docstring included."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_module_is_over_400_lines() -> None:
    """A reader keeps it in mind."""
    lengths = {path: source.count("\n") for path, source in modules()}
    assert len(lengths) > 100
    assert {path: lines for path, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_no_class_is_over_200_lines_and_no_function_over_50() -> None:
    """With its docstring."""
    too_long = {
        f"{path}:{node.lineno} {node.name}": length(node)
        for path, node in definitions()
        if length(node) > (CLASS_LINES if isinstance(node, ast.ClassDef) else FUNCTION_LINES)
    }
    assert too_long == {}


@pytest.mark.slow
def test_no_class_name_is_defined_twice() -> None:
    """Private ones too: a traceback shows the name alone."""
    places = defaultdict(list)
    for path, node in definitions():
        if isinstance(node, ast.ClassDef):
            places[node.name].append(f"{path}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
