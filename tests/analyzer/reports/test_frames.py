"""The analyzer as a library: what a notebook does."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from matplotlib.figure import Figure

import analyzer
from analyzer.reports.frames import CAUSES, CHECKPOINTS, GROWTH, READINGS
from telemetry.journal.writer import JournalWriter
from telemetry.reading import LimitState, Reading
from tests.support.paths import INCIDENT, RELEASED, ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_a_notebook() -> None:
    """Checkpoints by fold and stage, growth by resource, a figure, and a page in a cell."""
    analysis = analyzer.analyze([INCIDENT])
    table = analysis.checkpoints()
    maps = table.pivot_table(index="stage", columns="fold", values="maps", sort=False)
    assert list(maps.loc["START"]) == [1850, 2580, 3310]
    growth = analysis.growth().set_index("resource")
    assert growth.loc["maps", "slope"] == 730
    assert growth.loc["rss_bytes", "slope"] == 550 * 2**20
    assert isinstance(analysis.figure(), Figure)
    cell = analysis._repr_html_()
    assert cell.startswith("<iframe sandbox srcdoc=")
    assert cell.count("<") == 2


def test_the_columns_are_as_documented() -> None:
    """Names and dtypes; absent is <NA>, never 0."""
    analysis = analyzer.analyze([INCIDENT, RELEASED])
    for table, columns in (
        (analysis.checkpoints(), CHECKPOINTS),
        (analysis.growth(), GROWTH),
        (analysis.causes(), CAUSES),
    ):
        assert {name: str(dtype) for name, dtype in table.dtypes.items()} == dict(columns)
    table = analysis.checkpoints()
    assert len(table) == 45 + 28
    assert table["process"].unique().tolist() == [0, 1]
    assert table["time"].isna().all()
    assert table["pid"].isna().all()
    assert table["threads_limit"].isna().all()
    assert table["fold"].iloc[0] is pd.NA
    assert len(analysis.growth()) == 8


def test_a_journal_has_times_pids_and_no_limit_is_infinite(tmp_path: Path) -> None:
    """Three states of a limit are three values."""
    writer = JournalWriter(str(tmp_path / "journal.jsonl"))
    limits: dict[str, int | LimitState] = {
        "pids_cgroup": LimitState.UNLIMITED,
        "max_map_count": 65530,
        "cgroup_memory": LimitState.INVISIBLE,
    }
    time = 1_768_352_400.25
    writer.write(Reading(time=time, pid=7, label="a", stage="a", threads=0, limits=limits))
    writer.close()
    row = analyzer.analyze([str(tmp_path)]).checkpoints().iloc[0]
    assert row["time"] == pd.Timestamp("2026-01-14T01:00:00.25Z")
    assert (row["pid"], row["threads"]) == (7, 0)
    assert (row["cgroup_pids_limit"], row["maps_limit"]) == (float("inf"), 65530)
    assert row["rss_bytes_limit"] is pd.NA
    assert row["maps"] is pd.NA


def test_slopes_have_a_unit_and_verdicts_an_order() -> None:
    """So that bytes and counts in one column are told apart, and the worst sorts first."""
    analysis = analyzer.analyze([INCIDENT])
    growth = analysis.growth().set_index("resource")
    assert growth.loc["rss_bytes", "slope_unit"] == "bytes/fold"
    assert growth.loc["maps", "slope_unit"] == "maps/fold"
    assert growth["verdict"].cat.ordered
    assert growth["verdict"].min() == "growing"
    assert growth.loc["maps", "limit"] == 65530.0
    assert list(analysis.checkpoints()["stage"].cat.categories[:2]) == [
        "before TF import",
        "after TF import",
    ]
    assert analysis.checkpoints().attrs["units"]["rss_bytes"] == "bytes"


def test_causes_are_a_frame_too() -> None:
    """A row for each candidate, best founded first."""
    causes = analyzer.analyze([INCIDENT]).causes()
    assert len(causes) == 9
    assert causes["confidence"].is_monotonic_increasing
    assert causes["confidence"].cat.categories.tolist() == [*map(str, analyzer.Confidence)]


def test_a_journal_is_a_frame(tmp_path: Path) -> None:
    """Every reading with its numbers and limits, samples between labels included."""
    writer = JournalWriter(str(tmp_path / "journal.jsonl"))
    limits: dict[str, int | LimitState] = {"pids_cgroup": LimitState.UNLIMITED, "open_files": 1024}
    writer.write(Reading(time=1.5, pid=7, label="a", stage="a", threads=0, limits=limits))
    writer.write(Reading(time=2.5, pid=7, rss_bytes=2**20))
    writer.close()
    table = analyzer.read_journal(tmp_path / "journal.jsonl")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == dict(READINGS)
    assert table["time"].tolist() == [
        pd.Timestamp(1.5, unit="s", tz="UTC"),
        pd.Timestamp(2.5, unit="s", tz="UTC"),
    ]
    assert table["threads"].tolist() == [0, pd.NA]
    assert table["rss_bytes"].tolist() == [pd.NA, 2**20]
    assert table["pids_cgroup_limit"][0] == float("inf")
    assert table["open_files_limit"][0] == 1024
    assert table["maps"].isna().all()
    assert table.attrs["units"]["rss_bytes"] == "bytes"


def test_a_repr_is_one_line() -> None:
    """In a notebook's error message, a thousand readings would hide it."""
    analysis = analyzer.analyze([INCIDENT])
    assert repr(analysis) == "<Analysis: crashed, 1 process, 3 folds>"
    assert repr(analysis.findings[0]) == f"<Finding: {INCIDENT}, 3 folds, crashed>"


def test_the_public_names_are_there() -> None:
    """Each loads, and completion shows it."""
    assert dir(analyzer) == sorted(analyzer.__all__)
    for name in analyzer.__all__:
        assert getattr(analyzer, name) is not None


def test_no_reading_is_an_empty_frame(tmp_path: Path) -> None:
    """With all its columns."""
    (tmp_path / "a.log").write_text("Epoch 1\n")
    table = analyzer.analyze([str(tmp_path / "a.log")]).checkpoints()
    assert (len(table), list(table.columns)) == (0, list(CHECKPOINTS))


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import analyzer", ("analyzer.api", "pandas", "matplotlib", "rich", "typer")),
        (
            f"from foldwatch.main import main; main(['analyze', {INCIDENT!r}, '--json'])",
            (
                *(
                    "pandas",
                    "numpy",
                    "matplotlib",
                    "jinja2",
                    "analyzer.reports.frames",
                    "analyzer.reports.figures",
                ),
                *("typer", "rich", "bz2", "lzma", "backports.zstd"),
            ),
        ),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(code: str, forbidden: tuple[str, ...]) -> None:
    """The start-up is a part of every analysis."""
    shown = (
        f"{code}; import sys; print([n for n in {forbidden} if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", shown],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = analyzer.nonsense  # type: ignore[attr-defined] # the point
