"""A user's own table: what it finds, that it comes first, and that a wrong row is one clear line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.signatures.user_table import read_signatures
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

TABLE = """
[[signature]]
name = "data_server_lost"
literals = ["lost the lease"]
pattern = 'DataServer \\S+ lost the lease(?:, giving up)$'
example = "E 12:00:01 DataServer dn-7 lost the lease, giving up"
benign = "W 12:00:01 DataServer dn-7 lost the lease, renewed"
causes = ["host_lost"]
steps = [["restart the data servers", "dsctl restart"], ["tell the storage team"]]

[[signature]]
name = "our_oom"
literals = ["out of memory"]
pattern = 'GPU pool out of memory'
example = "RuntimeError: GPU pool out of memory"
causes = ["gpu_memory", "cgroup_memory"]
speaks_for = ["gpu_memory"]
"""
LOG = "[THREADS] Fold 1/3 START: proc=8, cgroup=9/7680, maps=1851/65530, rss=620MB\n"
LOST = "E 12:00:01 DataServer dn-7 lost the lease, giving up\n"


def written(tmp_path: Path, text: str = TABLE) -> str:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


def test_its_rows_find_what_no_other_knows(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """The crash, its cause and the steps; what the benign line stands for is none."""
    path = written(tmp_path)
    (tmp_path / "a.log").write_text(LOG + LOST)
    outcome = foldwatch("analyze", str(tmp_path / "a.log"), "--json", "--signatures", path)
    assert outcome.code == 3
    (process,) = json.loads(outcome.out)["processes"]
    assert (process["crash"]["signature"], process["crash"]["line"]) == ("data_server_lost", 2)
    assert process["causes"][0]["cause"] == "host_lost"
    assert [(s["text"], s["command"]) for s in process["remedies"]][:2] == [
        ("restart the data servers", "dsctl restart"),
        ("tell the storage team", None),
    ]
    (tmp_path / "b.log").write_text(LOG + LOST.replace(", giving up", ", renewed"))
    outcome = foldwatch("analyze", str(tmp_path / "b.log"), "--json", "--signatures", path)
    assert outcome.code == 0


def test_they_are_tried_first(tmp_path: Path) -> None:
    """Where a built-in one would match too, in a line, a wrapped line and a traceback."""
    own = read_signatures(written(tmp_path))
    message = "RuntimeError: GPU pool out of memory"
    texts = (
        f"{message}\n",
        f"[rank0]: {message}\n",
        f'Traceback (most recent call last):\n  File "a.py", line 1, in fit\n{message}\n',
    )
    for text in texts:
        (tmp_path / "a.log").write_text(LOG + text)
        (finding, *_) = analyze(tmp_path / "a.log", signatures=own).findings
        crash = finding.process.crash
        assert crash is not None
        assert crash.signature == "our_oom"
        assert analyze(tmp_path / "a.log").findings[0].process.crash != crash


ROW = TABLE.split("[[signature]]")[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begin each row with [[signature]]"),
        ("x = 1\n[[signature]]\n", "put nothing outside of rows"),
        ("[[signature]\n", "no TOML: "),
        ("[[signature]]\nname = 'a'\n", "signature 'a': literals, pattern, example is missing"),
        (f"[[signature]]{ROW}color = 'red'\n", "no such key: color; there are name, "),
        (f"[[signature]]{ROW}stops = 'yes'\n", "stops is no true or false"),
        (f"[[signature]]{ROW}".replace('"host_lost"', '"gremlins"'), "no such cause: gremlins"),
        (f"[[signature]]{ROW}speaks_for = ['nproc']\n", "speaks_for names what is not among"),
        (f"[[signature]]{ROW}".replace("\\S+", "("), "pattern 'DataServer ( lost"),
        (f"[[signature]]{ROW}".replace("dn-7", "7 dn"), "its example does not match"),
        (f"[[signature]]{ROW}".replace("(?:, giving up)$", ""), "its benign matches as well"),
        (f"[[signature]]{ROW}".replace(', "dsctl restart"', ", 3"), "steps is no list of [text"),
    ],
)
def test_a_wrong_row_is_one_line(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path, text: str, message: str
) -> None:
    """With the file, the row, and what is wrong; exit code 2."""
    (tmp_path / "a.log").write_text(LOG)
    path = written(tmp_path, text)
    outcome = foldwatch("analyze", str(tmp_path / "a.log"), "--signatures", path)
    assert outcome.code == 2
    assert message in outcome.err
    assert path in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """And one that is no text."""
    with pytest.raises(InputError, match="No such file"):
        read_signatures(str(tmp_path / "none.toml"))
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no TOML"):
        read_signatures(str(tmp_path / "own.toml"))
