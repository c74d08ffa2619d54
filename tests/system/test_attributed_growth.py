"""The benchmark of attributed growth knows all of its programs, and tells a right name from a wrong one."""

from __future__ import annotations

import ast
import os
from typing import Any

import pytest

from benchmarks import attributed_growth, attribution_seeds
from benchmarks.attributed_growth import CLEAN, CULPRITS, is_right, named_first

FOLDER = os.path.dirname(attribution_seeds.__file__)
NOT_PROGRAMS = {"__init__", "compiled", "plan"}


def part(function: str | None, line: str | None, library: str | None = None) -> dict[str, Any]:
    return {"growth_of": [{"function": function, "line": line, "library": library}]}


def test_each_program_has_a_truth() -> None:
    """A program that is neither a culprit nor clean would never run."""
    names = {name.removesuffix(".py") for name in os.listdir(FOLDER) if name.endswith(".py")}
    assert names - NOT_PROGRAMS == {*CULPRITS, *CLEAN}


@pytest.mark.parametrize("name", CULPRITS)
def test_culprits_are_functions_of_their_programs(name: str) -> None:
    """A culprit that was renamed in its program could never be named."""
    with open(os.path.join(FOLDER, f"{name}.py"), encoding="utf-8") as file:
        nodes = ast.walk(ast.parse(file.read()))
    assert CULPRITS[name].functions <= {node.name for node in nodes if hasattr(node, "name")}


@pytest.mark.parametrize(
    ("growth", "right"),
    [
        (part("index_shards", "there/c_mmap.py:41"), True),
        (part("index_shards", "there/another.py:41"), False),
        (part("read_shards", "there/c_mmap.py:50"), False),
        (part(None, None, "/tmp/libshards.so"), True),
        (part(None, None, "/usr/lib/libc.so.6"), False),
    ],
)
def test_a_name_is_right_or_wrong(growth: dict[str, Any], right: bool) -> None:  # noqa: FBT001 - of a table
    """A function counts in its program's own file only, a library by the beginning of its name."""
    named = named_first(growth)
    assert named is not None
    assert is_right("c_mmap", named) == right
    assert not is_right("clean_arrays", named)


def test_what_has_no_name_first_names_nobody() -> None:
    """Behind nameless memory a name is of a small part only."""
    assert named_first({"growth_of": []}) is None
    nameless = part(None, None)["growth_of"]
    assert named_first({"growth_of": [*nameless, *part("a", "a.py:1")["growth_of"]]}) is None


def test_the_summary_counts_culprits_and_clean_programs_apart() -> None:
    """A clean program that has a function named is no culprit that is wrong."""
    said = {"right": False, "cannot_tell": False, "wrong_name": True, "verdict": "growing"}
    results = [{"program": name, **said} for name in ("c_mmap", "clean_arrays", "clean_pools")]
    counts = attributed_growth.summary(results)
    assert (counts["culprits"], counts["wrong_name"]) == (1, 1)
    assert (counts["clean"], counts["named_in_clean"]) == (2, 2)
