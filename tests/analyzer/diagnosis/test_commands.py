"""The commands of the steps repeat what the record knows, and nothing that may harm."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.diagnosis.commands import RUN, RUN_FOLDS, TRAIN, filled_in

START = "foldwatch run --folds 5 -- "


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        ((), "COMMAND {fold}"),
        (("train.py",), "python train.py --fold {fold}"),
        (("train.py", "--fold", "2", "--lr=0.1"), "python train.py --fold {fold} --lr=0.1"),
        (("a/cv.py", "--fold-index=3"), "python a/cv.py --fold-index={fold}"),
        (("cv.py", "data.fold=0", "x y"), "python cv.py data.fold={fold} 'x y'"),
        (("cv.py", "--folds", "5"), "python cv.py --folds 5 --fold {fold}"),
        (("cv.py", "--fold", "all"), "python cv.py --fold all --fold {fold}"),
        (("/usr/bin/fit", "-n", "3"), "/usr/bin/fit -n 3 --fold {fold}"),
        (("cv.py", "--api-key=abc", "--fold=1"), "python cv.py ... --fold={fold}"),
        (("/x/cv.py", "a" * 200, "--fold", "1"), "python cv.py ... --fold {fold}"),
        (("cv.py", "\x1b[2J"), "python cv.py ... --fold {fold}"),
        (("\x1b.py",), "python SCRIPT ... --fold {fold}"),
        (("a;b.py",), "python 'a;b.py' --fold {fold}"),
        (("cv.py", "$(x){fold}"), "python cv.py '$(x){fold}' --fold {fold}"),
        (("-c", "x"), "COMMAND {fold}"),
        (("",), "COMMAND {fold}"),
        (("/x/ipykernel_launcher.py", "-f", "k.json"), "COMMAND {fold}"),
        (("/x/ipykernel/__main__.py",), "COMMAND {fold}"),
    ],
)
def test_folds_of_a_recorded_command(argv: tuple[str, ...], command: str) -> None:
    """The script, its arguments, and the fold in the place that it has."""
    assert filled_in(RUN_FOLDS, argv=argv, folds=5) == START + command


def test_what_is_not_known_stays() -> None:
    """And a step's own command is its own; the reference trainer has an option."""
    assert filled_in(RUN_FOLDS) == RUN_FOLDS
    assert filled_in(RUN, argv=("a.py", "x")) == "foldwatch run -- python a.py x"
    assert filled_in("quota -s", argv=("a.py",), folds=3) == "quota -s"
    worker = ("/opt/venv/trainer/worker/__main__.py", "1", "2")
    assert filled_in(RUN_FOLDS, argv=worker, folds=3) == TRAIN


@given(st.lists(st.text() | st.sampled_from(["{fold}", "$(x){fold}", "a b{fold}"]), max_size=5))
def test_no_word_gets_out_of_its_place(argv: list[str]) -> None:
    """Whatever a process was started with is one word each to a shell, and printable."""
    command = filled_in(RUN, argv=["cv.py", *argv])
    assert command.isprintable()
    words = shlex.split(command.removeprefix("foldwatch run -- "))
    assert words[2:] in (argv, ["..."])
