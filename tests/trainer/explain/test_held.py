"""What is held, summed by the program's own lines, and drawn."""

from __future__ import annotations

import re

import pytest

from telemetry.recorder.own_code import is_of_program
from trainer.explain.flame_graph import flame_graph
from trainer.explain.held import group

NUMPY = "/v/lib/python3.11/site-packages/numpy/_core/numeric.py"
SCRIPT = "/home/me/train.py"
LOAD = ("load", SCRIPT, 40)
MAIN = ("<module>", SCRIPT, 90)


def test_memory_is_of_the_program_s_innermost_line() -> None:
    """And of the package through which it was allocated; a comprehension is of its function."""
    held = group(
        [
            ((("ones", NUMPY, 232), LOAD, MAIN), 6000, 2, "MALLOC"),
            ((("ones", NUMPY, 232), LOAD, MAIN), 2000, 1, "MMAP"),
            ((("<listcomp>", SCRIPT, 41), LOAD, MAIN), 1500, 100, "PYMALLOC_MALLOC"),
            ((), 500, 1, "MMAP"),
        ]
    )
    assert (held.bytes, held.allocations) == (10_000, 104)
    assert [(row.function, row.line, row.library, row.bytes, row.maps) for row in held.rows] == [
        ("load", f"{SCRIPT}:40", "numpy", 8000, 1),
        ("load", f"{SCRIPT}:41", None, 1500, 0),
        ("(outside of Python)", "", None, 500, 1),
    ]
    assert held.rows[0].share == pytest.approx(0.8)


def test_small_amounts_are_not_rows() -> None:
    """What is there at all is in the sum."""
    held = group([((LOAD,), 10_000, 1, "MALLOC"), ((MAIN,), 10, 1, "MALLOC")])
    assert len(held.rows) == 1
    assert held.bytes == 10_010


@pytest.mark.parametrize(
    ("file", "own"),
    [
        (SCRIPT, True),
        ("/home/me/models/net.py", True),
        (NUMPY, False),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", False),
        ("/usr/lib/python3.11/threading.py", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_the_program_s_own_files_are_known(file: str, *, own: bool) -> None:
    """Of no package, nor Python's library."""
    assert is_of_program(file) is own


def test_the_flame_graph_shows_callers_above_and_escapes_what_others_wrote() -> None:
    """Widths are shares; a file's name is untrusted."""
    evil = ("<b>", "/x/<script>.py", 1)
    page = flame_graph(
        [((LOAD, MAIN), 750), ((evil, MAIN), 250)], title="HeldLine <by>", is_own=is_of_program
    )
    boxes = re.findall(r'data-x="([\d.]+)" data-w="([\d.]+)" data-y="(\d)" title="([^"(]*)', page)
    assert boxes == [
        ("0.000000", "1.000000", "0", "everything: 0 MB, 100.0%"),
        ("0.000000", "1.000000", "1", "&lt;module&gt; "),
        ("0.000000", "0.750000", "2", "load "),
        ("0.750000", "0.250000", "2", "&lt;b&gt; "),
    ]
    assert "<script>." not in page
    assert "HeldLine &lt;by&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
