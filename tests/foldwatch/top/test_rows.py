"""Rows, words and lines, without a terminal: false alarms first."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from foldwatch.top.fields import Fields, clean
from foldwatch.top.frame import frame
from foldwatch.top.lines import ColumnSpec, cut, fit, line, plain, widths, wrapped
from foldwatch.top.model import TopModel
from foldwatch.top.once import table_lines
from foldwatch.top.runs import SORTS, advice, matching, ordered, run_rows
from foldwatch.top.words import amount, folds_left, percent
from tests.support import top_runs as runs
from tests.support.hostile import hostile_texts


def state_of(*snapshots: Any) -> Fields:
    return Fields(runs.SnapshotSource(snapshots).look(None))


def marks(*snapshots: Any) -> dict[str, str]:
    return {row.name: row.mark for row in run_rows(state_of(*snapshots))}


def test_what_is_well_has_no_mark() -> None:
    """Nor has what is full in every healthy run: a cgroup's page cache and a GPU's memory."""
    full = {
        "cgroup_memory_bytes": 63 * runs.GIB,
        "cgroup_memory_reclaimable_bytes": 60 * runs.GIB,
    }
    gpu = {
        "gpu_memory_used_bytes": 79 * runs.GIB,
        "limits": {"gpu_memory": 80 * runs.GIB, "max_map_count": 65_530},
    }
    well = [runs.healthy(), runs.healthy("cache", **full), runs.healthy("gpu", **gpu)]
    well += [runs.waiting(), runs.finished()]
    assert set(marks(*well).values()) == {""}
    assert all(
        advice(row, runs.NOW).words.startswith("nothing to do") for row in run_rows(state_of(*well))
    )


def test_what_is_not_well_has_one() -> None:
    """By its alerts, else by its state."""
    assert marks(*runs.ten()) | {"others-run": "x"} == {
        "bert-base": "",
        "queued": "",
        "done-1": "",
        "crowded-job": "!",
        "resnet-leak": "!!",
        "loader-run": "!!",
        "vit-oom": "!!",
        "gan-gone": "x",
        "nfs-stuck": "x",
        "others-run": "x",
    }


def test_the_worst_comes_first() -> None:
    """And each order is another."""
    rows = run_rows(state_of(*runs.sixty()))
    orders = [[row.name for row in ordered(rows, sort)] for sort in SORTS]
    assert orders[0][:3] == ["resnet-leak", "loader-run", "vit-oom"]
    assert orders[0][-1] == "done-1"
    assert orders[3] == sorted(orders[3])
    assert len({tuple(order) for order in orders}) == len(SORTS)


def test_a_filter_takes_every_word() -> None:
    """Of a name, a state, a stage or a limit."""
    rows = run_rows(state_of(*runs.ten()))
    assert [row.name for row in matching(rows, "open FILES")] == ["loader-run"]
    assert [row.name for row in matching(rows, "stale nfs")] == ["nfs-stuck"]
    assert matching(rows, "stale bert") == []


def test_a_command_helps_now() -> None:
    """The alert's own; of a run that died before anybody is told of it, the one that says why."""
    told = {row.name: advice(row, runs.NOW) for row in run_rows(state_of(*runs.ten()))}
    assert told["resnet-leak"].command == "sysctl -w vm.max_map_count=131060"
    assert told["loader-run"].command == "prlimit --pid 812 --nofile=2048"
    assert told["vit-oom"].command.startswith("foldwatch run --resume-mode auto")
    assert told["gan-gone"].command == "foldwatch analyze /data/runs/gan-gone"


def test_what_is_not_known_is_a_dash() -> None:
    """Never 0."""
    assert (amount("threads", None), percent(None), folds_left(None)) == ("-", "-", "-")
    row, *_ = run_rows(Fields({"runs": [{"run": "r"}]}))
    assert (row.fold, row.time_left, row.state) == ("-", "-", "-")


def test_99_9_percent_is_not_full() -> None:
    """Nor is a little nothing."""
    assert [percent(ratio) for ratio in (0.0, 0.001, 0.5, 0.999, 1.0, 1.2)] == [
        *("0 %", "<1 %", "50 %", "99 %", "100 %", "120 %")
    ]


ODD: list[Any] = [
    *(None, 7, "text", [], {"run": 1}, {"run": None, "binding": 3}, {"run": "x" * 9_000}),
    {"run": "a", "binding": {"ratio": float("inf"), "ceiling": ["x"], "current": 10**400}},
    {"run": "b", "fold": True, "folds": -3, "last_time": "now", "state": {"x": 1}},
    {"run": "c\x1b]0;x\x07", "host": "\x9b31m", "stage": "\u202e", "cause": "a\r\nb"},
]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (20, 5), (60, 20), (200, 60)])
def test_an_odd_run_costs_itself_only(size: tuple[int, int]) -> None:
    """Whatever a daemon answers: every screen has its size, and nothing that a terminal would obey."""
    good = runs.SnapshotSource([runs.healthy()]).look(None)["runs"]
    alerts = [
        None,
        {"labels": 3},
        {"labels": {"run": "a"}, "facts": 4, "severity": 2, "began": "x"},
    ]
    state = {"now": "?", "runs": [*ODD, *good], "alerts": alerts, "run": ODD[-1]}
    model = TopModel("runs")
    for keys in (
        (),
        ("end", "enter"),
        ("escape", "home", "enter"),
        ("?",),
        ("x", "/", "b", "\x1b"),
    ):
        for key in keys:
            model.press(key, key)
        model.take(state)
        lines = frame(model, *size)
        assert len(lines) == size[1]
        assert all(span.text.isprintable() for one in lines for span in one)
    assert "bert-base" in "\n".join(table_lines(Fields(state), None))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["row", "run", "alert"])
def test_a_state_with_anything_in_any_place_is_shown(part: str) -> None:
    """One value at a time."""
    state = runs.SnapshotSource([runs.leaking()]).look(("resnet-leak", "node-1", ""))
    content = {"row": state["runs"][0], "run": state["run"], "alert": state["alerts"][0]}[part]
    for _, text in hostile_texts(content, depth=1):
        with suppress(ValueError):  # no JSON: a source says so
            odd = json.loads(text)
            places = {"row": {"runs": [odd]}, "run": {"run": odd}, "alert": {"alerts": [odd]}}
            model = TopModel("runs")
            model.take(state)
            model.take(state | places[part])
            assert len(frame(model, 80, 24)) == 24


def test_text_keeps_to_its_cells() -> None:
    """Also of characters that take two, or none."""
    assert fit("\u6f22\u5b57\u6f22\u5b57", 5) == "\u6f22\u5b57~"
    assert fit("abc", 5, is_number=True) == "  abc"
    assert fit("abcdef", 3) == "ab~"
    assert plain(cut(line("abc"), 2)) == "a~"
    assert wrapped("a/very/long/path b", 6) == ["a/very", "/long/", "path b"]
    assert wrapped("one two three four", 8, most=2) == ["one two", "three f~"]
    assert clean("a\n\tb\x1b[0m\u200b") == "a b?[0m?"


def test_columns_share_the_room() -> None:
    """A narrow table is without some of them."""
    columns = (ColumnSpec("A", 2, 9), ColumnSpec("B", 2, 4, from_width=10), ColumnSpec("C", 2, 2))
    rows = [["a" * 20, "bbbb", "c"]]
    assert widths(columns, rows, 9) == [6, 0, 2]
    assert widths(columns, rows, 14) == [6, 4, 2]
    assert widths(columns, rows, 40) == [9, 4, 2]
