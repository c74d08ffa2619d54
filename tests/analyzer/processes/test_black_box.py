"""What lies of the last minute beside a journal: the bursts in it, and what they say of the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.processes.black_box import LARGEST_BYTES, Burst, LastMinute
from analyzer.reports.html_report import as_html
from analyzer.reports.json_report import as_json
from telemetry.journal.records import encode
from tests.support.builders import child, exited, header, reading, write_journal

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.api import Analysis
    from analyzer.diagnosis.causes import Cause
    from telemetry.reading import Reading

END = 1100.0
LIMITS = {"max_map_count": 65_530, "pids_cgroup": 4_096}
REFUSED = "OSError: [Errno 12] Cannot allocate memory\n"
NO_THREAD = "RuntimeError: can't start new thread\n"


def look(before_end: float, **values: Any) -> Reading:
    """Give a look at process 7, so many seconds before its end."""
    known: dict[str, Any] = {"stage": None, "start_ticks": 1, "limits": LIMITS}
    return reading(time=END - before_end, **known | values)


def rise(
    resource: str, first: int, last: int, *, seconds: float = 1.9, until: float = 0.1
) -> list[Reading]:
    """Give the looks at a steady value, and a rise of it up to ``until`` so many seconds before the end."""
    looks = [look(60.0 - at, **{resource: first}) for at in range(50)]
    steps = 20
    return looks + [
        look(
            until + seconds * (steps - step) / steps,
            **{resource: first + (last - first) * step // steps},
        )
        for step in range(steps + 1)
    ]


def judged(folder: Path, looks: list[Reading], said: str = REFUSED, **how: Any) -> Analysis:
    """Judge a process that ended with ``said``, with these looks beside its journal."""
    fold = folder / "fold-1"
    steady = [
        reading(1, END - 50 + 10 * n, stage=stage, start_ticks=1, maps=400, limits=LIMITS)
        for n, stage in enumerate(("START", "fit", "END"))
    ]
    write_journal(fold, header(), *steady, exited(END, **how))
    (fold / "output.log").write_text(said)
    (fold / "black-box.jsonl").write_bytes(b"".join(map(encode, looks)))
    return analyze([str(folder)])


def cause(found: Analysis, name: str) -> Cause:
    (finding,) = found.findings
    return next(one for one in finding.causes if one.cause == name)


def test_a_steady_minute_has_no_burst() -> None:
    """Nor one that comes and goes, nor the libraries that a training loads, nor one that was over long before the end."""
    steady = [look(60 - n, maps=4_000 + n % 7, threads=36, rss_bytes=2**33) for n in range(60)]
    saw = [look(60 - n, rss_bytes=2**32 + 2**28 * (n % 4)) for n in range(60)]
    imports = [look(60 - n, maps=60 + 20 * n, threads=1 + n // 2) for n in range(40)]
    early = [*rise("maps", 400, 40_000, until=20.0), look(1.0, maps=400)]
    slow = rise("maps", 60_000, 61_000)
    for looks in (steady, saw, imports, early, slow, []):
        assert LastMinute(looks, END).bursts() == []


def test_a_burst_is_told_from_its_foot_to_its_top() -> None:
    """What is torn down at the end is none of it."""
    looks = [*rise("maps", 4_100, 65_530, until=0.5), look(0.1, maps=900)]
    (burst,) = LastMinute(looks, END).bursts()
    assert (burst.resource, burst.child, burst.first, burst.last) == ("maps", None, 7_171, 65_530)
    assert burst.seconds == pytest.approx(1.9 * 19 / 20, abs=0.001)
    assert burst.seconds_before_end == pytest.approx(0.5)


def test_the_burst_of_a_child_is_named(tmp_path: Path) -> None:
    """Where the process itself has none."""
    looks = [look(10 - n / 10, maps=60, children=(child(maps=900 + 600 * n),)) for n in range(100)]
    found = judged(tmp_path, looks)
    assert as_json(found)["processes"][0]["black_box"]["bursts"][0]["child"] == (
        "DataLoader worker pid 812"
    )
    assert "memory maps of DataLoader worker pid 812 went from" in str(
        cause(found, "max_map_count").evidence
    )


def test_a_burst_to_the_limit_makes_its_cause_likely(tmp_path: Path) -> None:
    """A reading a second has seen 400 maps."""
    found = cause(judged(tmp_path, rise("maps", 4_100, 60_000)), "max_map_count")
    assert found.confidence == "likely"
    assert found.evidence[0] == (
        "memory maps went from 6,895 to 60,000 of 65,530 in 1.8 s, until 0.1 s before the end"
    )


def test_a_look_at_the_limit_itself_is_certain(tmp_path: Path) -> None:
    """By the rule for any reading."""
    found = cause(judged(tmp_path, rise("maps", 4_100, 65_530)), "max_map_count")
    assert found.confidence == "certain"
    assert found.evidence[0] == "at the limit: 65,530 of 65,530 (100%), read 0.1 s before the end"


def test_a_burst_that_was_about_to_meet_the_limit_makes_it_likely(tmp_path: Path) -> None:
    """One that ended half way there does not."""
    going = rise("maps", 4_100, 50_000, until=0.8)
    found = cause(judged(tmp_path / "a", going), "max_map_count")
    assert found.confidence == "likely"
    assert found.evidence[0].endswith("; at that rate the limit was met 0.6 s later")
    short = cause(judged(tmp_path / "b", rise("maps", 4_100, 30_000)), "max_map_count")
    assert short.confidence != "likely"


def test_a_burst_of_threads_speaks_for_the_limits_on_tasks(tmp_path: Path) -> None:
    """Of the cgroup, its tasks."""
    looks = [look(3 - n / 100, threads=9 + 10 * n, cgroup_pids=20 + 10 * n) for n in range(300)]
    found = judged(tmp_path, looks, NO_THREAD)
    assert "PIDs of the cgroup went from" in str(cause(found, "pids_cgroup").evidence)
    assert "threads went from" in str(cause(found, "threads_max").evidence)


@pytest.mark.parametrize(
    "how", [{"exit_code": 0}, {"exit_code": 143, "by_runner": True}], ids=["healthy", "ended"]
)
def test_of_an_end_that_is_no_death_it_says_nothing(tmp_path: Path, how: dict[str, Any]) -> None:
    """It would be of an earlier process."""
    found = judged(tmp_path, rise("maps", 4_100, 65_530), "", **how)
    assert as_json(found)["processes"][0]["black_box"] is None


def test_that_of_another_process_says_nothing(tmp_path: Path) -> None:
    """By PID and start; nor what was seen after the end."""
    others = look(1.0, pid=8), look(1.0, start_ticks=2), look(-60.0)
    for number, other in enumerate(others):
        found = judged(tmp_path / str(number), [replace(other, maps=65_530)])
        assert as_json(found)["processes"][0]["black_box"] is None


def test_a_broken_one_costs_itself_alone(tmp_path: Path) -> None:
    """Torn, empty, of another format, a folder, too long."""
    for number, content in enumerate((b"", b"\0" * 100, b'{"kind": "sample"}\n', b'{"kind":')):
        fold = tmp_path / str(number) / "fold-1"
        judged(fold.parent, [])
        (fold / "black-box.jsonl").write_bytes(content)
        assert as_json(analyze([str(fold.parent)]))["processes"][0]["black_box"] is None
    path = fold / "black-box.jsonl"
    path.unlink()
    path.mkdir()
    assert as_json(analyze([str(fold.parent)]))["processes"][0]["black_box"] is None
    path.rmdir()
    with open(path, "wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    assert as_json(analyze([str(fold.parent)]))["processes"][0]["black_box"] is None


def test_a_process_of_several_folds_has_it_in_the_one_that_it_died_in(tmp_path: Path) -> None:
    """Its journal is the run's."""
    labels = [reading(fold, END - 30 + fold, start_ticks=1, limits=LIMITS) for fold in (1, 2)]
    write_journal(tmp_path, header(), *labels, exited(END))
    (tmp_path / "output.log").write_text(REFUSED)
    (tmp_path / "fold-2").mkdir()
    looks = rise("maps", 4_100, 60_000)
    (tmp_path / "fold-2/black-box.jsonl").write_bytes(b"".join(map(encode, looks)))
    found = as_json(analyze([str(tmp_path)]))["processes"][0]["black_box"]
    assert found["readings"] == len(looks)
    assert [one["resource"] for one in found["bursts"]] == ["maps"]


def test_the_report_draws_it(tmp_path: Path) -> None:
    """With the limit, over the seconds before the end; a child's name is text."""
    page = as_html(judged(tmp_path / "a", rise("maps", 4_100, 60_000)))
    assert 'aria-label="memory maps went from 6,895 to 60,000 in 1.8 s' in page
    assert "seconds before the end" in page
    assert "limit 65,530" in page
    hostile = [
        look(10 - n / 10, maps=60, children=(child(role="<script>", maps=900 + 600 * n),))
        for n in range(100)
    ]
    assert "<script>" not in as_html(judged(tmp_path / "b", hostile))


def test_a_rate_needs_a_time() -> None:
    """A rise from one look to the next, at the same moment by a coarse clock, has a rate that is a number."""
    burst = Burst("maps", None, 0, 1_000, 0.0, 0.0)
    assert burst.per_second == pytest.approx(100_000)
