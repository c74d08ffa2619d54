"""Keys: what they choose and open, and what is lost meanwhile."""

from __future__ import annotations

from foldwatch.top.frame import frame
from foldwatch.top.lines import plain
from foldwatch.top.model import TopModel, TopScreen
from tests.support import top_runs as runs


def shown(model: TopModel) -> str:
    return "\n".join(map(plain, frame(model, 80, 24)))


def chosen(model: TopModel) -> str:
    return model.rows[model.place(model.rows)].name


def of(source: runs.SnapshotSource) -> TopModel:
    model = TopModel("runs")
    model.take(source.look(None))
    return model


def test_until_somebody_moves_the_worst_is_chosen() -> None:
    """And what somebody chose stays chosen, wherever it goes."""
    source = runs.SnapshotSource([runs.healthy("a"), runs.healthy("b")])
    model = of(source)
    assert chosen(model) == "a"
    source.show([runs.healthy("a"), runs.leaking("b")])
    model.take(source.look(None))
    assert chosen(model) == "b"
    model.press("j")
    source.show([runs.healthy("a"), runs.leaking("b"), runs.leaking("c")])
    model.take(source.look(None))
    assert chosen(model) == "a"
    source.show([runs.leaking("b")])  # it is gone
    model.take(source.look(None))
    assert chosen(model) == "b"


def test_a_run_that_is_alone_is_opened_at_once() -> None:
    """And its numbers are asked for."""
    source = runs.SnapshotSource([runs.healthy()])
    model = TopModel("runs")
    assert model.take(source.look(None))
    assert model.wanted == ("bert-base", "node-1", "")
    assert "its numbers are being read" in shown(model)
    assert not model.take(source.look(model.wanted))
    assert "4,900 to 9,800" in shown(model)


def test_a_run_of_ranks_opens_its_ranks_and_one_of_them() -> None:
    """Back leads the same way."""
    source = runs.SnapshotSource([*runs.of_ranks(64), runs.healthy()])
    model = of(source)
    screens = [model.screen]
    for key in ("enter", "j", "l", "h", "escape", "escape"):
        model.press(key)
        model.take(source.look(model.wanted))
        screens.append(model.screen)
        if key == "l":
            assert model.wanted == ("llama-ddp", "node-4", "37")
    runs_, ranks, detail = TopScreen.RUNS, TopScreen.RANKS, TopScreen.DETAIL
    assert screens == [runs_, ranks, ranks, detail, ranks, runs_, runs_]
    assert chosen(model) == "llama-ddp"


def test_letters_of_a_filter_are_no_commands() -> None:
    """Until Enter keeps it, or Escape drops it."""
    model = of(runs.SnapshotSource(runs.ten()))
    for key in "/stale":
        model.press(key, key)
    assert [row.name for row in model.rows] == ["nfs-stuck"]
    model.press("backspace")
    assert model.filter == "stal"
    model.press("enter")
    model.press("s", "s")
    assert model.sorted_by == "fullest first"
    assert model.filter == "stal"
    model.press("escape")
    assert len(model.rows) == 10


def test_a_source_that_is_lost_is_said_and_what_was_read_stays() -> None:
    """Until it is there again."""
    source = runs.SnapshotSource(runs.ten())
    model = of(source)
    model.lose("no state from http://node-1: Connection refused")
    assert "Connection refused" in shown(model)
    assert "resnet-leak" in shown(model)
    model.take(source.look(None))
    assert "Connection refused" not in shown(model)


def test_one_run_scrolls_to_its_end_and_no_further() -> None:
    """However often."""
    source = runs.SnapshotSource([runs.leaking()])
    model = of(source)
    model.take(source.look(model.wanted))
    model.press("G", "G")
    end = shown(model)
    assert "more lines" not in end
    assert "FOLD" in end
    model.press("j")
    assert shown(model) == end
    model.press("g", "g")
    assert "now: sysctl" in shown(model)
