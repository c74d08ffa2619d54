"""Screens as Textual draws them, as plain text, against files that a person has read: ``--update-golden`` writes them anew."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support import top_runs as runs
from tests.support.paths import TESTS
from tests.support.top_screens import screen_after

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.snapshot import Snapshot

GOLDEN = os.path.join(TESTS, "golden", "top")
SIZES = ((80, 24), (60, 20))


class Shown(NamedTuple):
    """What is there, and the keys that lead to the screen."""

    snapshots: Callable[[], Sequence[Snapshot]]
    keys: tuple[str, ...] = ()
    problem: str = ""


SCREENS = {
    "no-run": Shown(list),
    "one-run": Shown(lambda: [runs.healthy()]),
    "one-run-in-the-list": Shown(lambda: [runs.healthy()], ("escape",)),
    "ten-runs": Shown(runs.ten),
    "ten-runs-filtered": Shown(runs.ten, ("slash", "s", "t", "a", "l", "e")),
    "sixty-runs": Shown(runs.sixty),
    "sixty-runs-at-the-end": Shown(runs.sixty, ("end",)),
    "sixty-runs-by-name": Shown(runs.sixty, ("s", "s", "s", "pagedown")),
    "alerts": Shown(lambda: [runs.leaking()]),
    "who-holds-it": Shown(lambda: [runs.crowded()]),
    "children": Shown(lambda: [runs.with_children()], ("pagedown",)),
    "failed": Shown(lambda: [runs.failed()]),
    "died": Shown(lambda: [runs.died()]),
    "stale": Shown(lambda: [runs.stale()]),
    "unreadable": Shown(lambda: [runs.unreadable()]),
    "waiting": Shown(lambda: [runs.waiting()]),
    "one-rank": Shown(lambda: runs.of_ranks(1)),
    "sixty-four-ranks-in-the-list": Shown(lambda: runs.of_ranks(64), ("escape",)),
    "sixty-four-ranks": Shown(lambda: runs.of_ranks(64)),
    "a-rank": Shown(lambda: runs.of_ranks(64), ("j", "enter")),
    "hostile-names": Shown(lambda: [runs.hostile(), runs.healthy()]),
    "help": Shown(runs.ten, ("question_mark",)),
    "no-daemon": Shown(list, (), "no state from http://node-1:9464: Connection refused"),
}


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_its_golden_file(
    name: str,
    size: tuple[int, int],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever Textual, the frame and the rows make of it."""
    monkeypatch.setenv("NO_COLOR", "1")
    shown = SCREENS[name]
    source = runs.SnapshotSource(shown.snapshots(), problem=shown.problem)
    lines = asyncio.run(screen_after(source, shown.keys, size))
    assert [len(line) for line in lines] == [len(line.rstrip()) for line in lines]
    path = os.path.join(GOLDEN, f"{name}.{size[0]}x{size[1]}.txt")
    if request.config.getoption("--update-golden"):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    with open(path, encoding="utf-8") as file:
        assert lines == file.read().splitlines()


def test_no_golden_file_is_stale() -> None:
    """Each has a screen."""
    known = {f"{name}.{wide}x{high}.txt" for name in SCREENS for wide, high in SIZES}
    assert set(os.listdir(GOLDEN)) == known
