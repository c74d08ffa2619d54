"""lnav's script and format: a real lnav reads ``[THREADS]`` lines and journals as tables."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from telemetry.thread_line import parse_line
from tests.support.paths import INCIDENT, RELEASED, RETAINED, ROOT
from tests.support.requirements import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMAT, SCRIPT = (os.path.join(ROOT, "docs", f"foldwatch.lnav{end}") for end in (".json", ""))
COLUMNS = (
    *("label", "threads", "cgroup_pids", "cgroup_pids_max", "maps", "maps_max"),
    *("rss", "rss_unit"),
)
FORMS = {
    "logging": "2026-01-14 03:{:02d}:44,918 INFO train: ",
    "docker logs -t": "2026-01-14T03:{:02d}:44.918273645Z ",
    "docker logs -t, colours": "2026-01-14T03:{:02d}:44.918273645Z \x1b[1m",
    "kubelet": "2026-01-14T03:{:02d}:44.918273645Z stdout F ",
    "journalctl": "Jan 14 03:{:02d}:44 host python[12]: ",
    "journalctl -o short-precise": "Jan 14 03:{:02d}:44.918273 host python[12]: ",
    "journalctl -o short-iso": "2026-01-14T03:{:02d}:44+0100 host python[12]: ",
    "ts, as the page has it": "2026-01-14T03:{:02d}:44 ",
    "absl": "I0114 03:{:02d}:44.918273    12 train.py:7] ",
}
"""What stands before a line, its minute to be filled in."""
LINES = {
    "Fold 1/3 START: proc=36, cgroup=506/7680, maps=1850/65530, rss=2GB": (
        "Fold 1/3 START,36,506,7680,1850,65530,2,GB"
    ),
    "at a: b, (c=d): proc=36, cgroup=506/max, maps=1850/65530, rss=1.5 MiB, gpu=3": (
        '"at a: b, (c=d)",36,506,max,1850,65530,1.5,MiB'
    ),
    "nothing known: proc=?, cgroup=?/?, maps=?/?, rss=?": (
        "nothing known,<NULL>,<NULL>,?,<NULL>,?,<NULL>,<NULL>"
    ),
    "older: proc=1, cgroup=461/max": "older,1,461,max,<NULL>,<NULL>,<NULL>,<NULL>",
}
"""The row of each."""


@pytest.fixture(name="lnav")
def lnav_command(tmp_path: Path) -> Callable[..., str]:
    """Run lnav with the format installed into a home of its own."""
    need(shutil.which("lnav"), "lnav, from Debian's package of that name")
    (tmp_path / ".config").mkdir()
    environment = os.environ | {"HOME": str(tmp_path)}

    def run(*arguments: str, stdin: str = "") -> str:
        return subprocess.run(
            ["lnav", *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    run("-i", FORMAT)
    return run


def select(what: str, table: str) -> tuple[str, ...]:
    """Return the arguments that print a query as CSV."""
    query = f";select {what} from {table}"  # noqa: S608 - both are the tests' own
    return ("-n", "-f", SCRIPT, "-c", query, "-c", ":write-csv-to -")


@pytest.mark.parametrize("form", FORMS)
def test_lines_among_others_become_a_table(
    lnav: Callable[..., str], tmp_path: Path, form: str
) -> None:
    """In each form in which lines come with a time; what is not known is NULL and not 0."""
    log = tmp_path / "train.log"
    with log.open("w") as file:
        if form.startswith("journalctl"):
            file.write("-- Journal begins at Tue 2026-01-13 00:00:01 UTC. --\n")
        for minute, line in enumerate(LINES):
            file.write(f"{FORMS[form].format(2 * minute)}Epoch 1/10: loss=0.1\n")
            file.write(f"{FORMS[form].format(2 * minute + 1)}[THREADS] {line}\n")
    header, *rows = lnav(*select(",".join(COLUMNS), "foldwatch_threads"), str(log)).splitlines()
    assert header == ",".join(COLUMNS)
    assert rows == list(LINES.values())
    times = lnav(*select("log_time", "foldwatch_threads"), str(log)).splitlines()[1:]
    assert [time[-12:-7] for time in times] == ["03:01", "03:03", "03:05", "03:07"]


@pytest.mark.parametrize("path", [INCIDENT, RELEASED, RETAINED])
def test_every_line_of_a_real_log_is_a_row(
    lnav: Callable[..., str], tmp_path: Path, path: str
) -> None:
    """Of the logs in tests/logs, as ``ts`` has them, between TensorFlow's own lines."""
    log = tmp_path / "train.log"
    with open(path, encoding="utf-8") as file:
        text = file.read().splitlines()
    log.write_text(
        "".join(f"2026-01-14T03:{i // 60:02d}:{i % 60:02d} {line}\n" for i, line in enumerate(text))
    )
    printed = lnav(*select(",".join(COLUMNS), "foldwatch_threads"), str(log))
    rows = list(csv.DictReader(printed.splitlines()))
    known = [parse_line(line) for line in text if line.startswith("[THREADS]")]
    assert [row["label"] for row in rows] == [line.label for line in known]
    for row, line in zip(rows, known, strict=True):
        assert line.maps is not None
        assert int(row["threads"]) == line.threads
        assert int(row["cgroup_pids"]) == line.cgroup.current
        assert int(row["maps"]) == line.maps.current
        assert int(row["rss"]) * 2**20 == line.rss_bytes
        assert row["rss_unit"] == "MB"


def test_a_log_without_times_is_no_table(lnav: Callable[..., str]) -> None:
    """As the page says."""
    shown = lnav("-n", "-f", SCRIPT, "-c", ";select count(*) from foldwatch_threads", RELEASED)
    assert shown.split() == ["count(*)", "0"]


def test_lnav_gives_times_to_what_is_piped_into_it(lnav: Callable[..., str]) -> None:
    """With -t, as the page says."""
    lines = "".join(f"[THREADS] {line}\n" for line in LINES)
    printed = lnav("-t", *select(",".join(COLUMNS), "foldwatch_threads"), stdin=lines)
    assert printed.splitlines()[1:] == list(LINES.values())


def test_a_journal_becomes_a_table(lnav: Callable[..., str], tmp_path: Path) -> None:
    """As `telemetry` writes it; what a record does not have is NULL."""
    code = (
        "import telemetry; telemetry.start(run_dir='run'); telemetry.checkpoint('Fold 1/2 START')"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ROOT},
        check=True,
        capture_output=True,
    )
    what = "kind, label, threads > 0, rss_bytes > 0"
    printed = lnav(*select(what, "foldwatch_journal"), str(tmp_path / "run/journal.jsonl"))
    rows = printed.splitlines()[1:]
    assert "header,<NULL>,<NULL>,<NULL>" in rows
    assert "checkpoint,Fold 1/2 START,1,1" in rows
