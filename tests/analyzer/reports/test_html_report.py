"""`--html`: one file that Chromium opens with no error and no request, light and dark, wide and narrow."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Literal

import pytest

from analyzer import analyze, compare
from analyzer.reports.html_report import as_html, save
from telemetry.errors import InputError
from tests.support.browsing import Seen, watched
from tests.support.builders import header, reading, write_journal, write_json
from tests.support.paths import INCIDENT, RELEASED, RETAINED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.support.programs import CommandOutcome

HOSTILE_LINE = "[THREADS] Fold {}/3 {}: proc={}, cgroup=9/7680, maps=60000/65530, rss=6MB\n"


def opened(
    browser: Browser, path: str, *, width: int, scheme: Literal["light", "dark"] = "light"
) -> Seen:
    seen = watched(browser, f"file://{path}", width=width, scheme=scheme)
    seen.page.wait_for_load_state("networkidle")
    return seen


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the incident's page, held against another log."""
    path = str(tmp_path_factory.mktemp("page") / "incident.html")
    analysis = analyze([INCIDENT])
    save(as_html(analysis, compare(analyze([RETAINED]), analysis)), path)
    return path


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chromium_opens_it(
    browser: Browser, incident: str, width: int, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    """No console error, no request beside the file itself, nothing wider than the window."""
    seen = opened(browser, incident, width=width, scheme=scheme)
    seen.page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
    assert seen.requests == [f"file://{incident}"]
    assert seen.said == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 22, 27)")
    line = seen.page.locator("svg .line").first
    drawn = line.evaluate("path => getComputedStyle(path).stroke")
    assert drawn == ("rgb(31, 95, 168)" if scheme == "light" else "rgb(108, 171, 240)")
    seen.page.close()


def test_what_the_page_says(browser: Browser, incident: str) -> None:
    """Verdict, crash, causes, comparison; every picture and table says what it is."""
    page = opened(browser, incident, width=1440).page
    assert (
        page.locator("h1").inner_text() == "CRASHED in fold 3 of 3; maps +730, rss +550 MB a fold"
    )
    assert page.title() == "foldwatch: incident_reconstructed.log: crashed"
    pictures = page.locator("svg[role=img]")
    assert pictures.count() == 8
    labels = [pictures.nth(n).get_attribute("aria-label") for n in range(8)]
    assert "memory maps over the checkpoints: 39 first, 3,920 at the peak, 3,920 last" in labels
    assert page.locator("table:not(:has(thead th[scope=col]))").count() == 0
    for words in ("root cause: not proven", "tf_ creation", "crash in fold 3", "Before and after"):
        assert words in page.content() or words in page.inner_text("body")
    assert "not drawn" in page.inner_text("body")
    assert page.get_by_text("crash", exact=True).count() >= 4
    page.close()


def test_a_pointer_over_a_chart_shows_the_reading_there(browser: Browser, incident: str) -> None:
    """Stage, fold and value in the chart over time; every fold in the one of stages."""
    page = opened(browser, incident, width=1440).page
    over_time, at_stages = (
        page.get_by_role("img", name=name, exact=False).first
        for name in ("memory maps over the checkpoints", "memory maps of each fold")
    )
    for chart, number, words in (
        (over_time, 44, "Fold 3/3 after Stage 1 fit: 3,920"),
        (at_stages, 0, "START: fold 1 1,850, fold 2 2,580, fold 3 3,310"),
    ):
        answer = chart.locator(".answer").nth(number)
        assert not answer.is_visible()
        chart.locator(".at rect").nth(number).hover(force=True)
        assert answer.is_visible()
        assert words in answer.inner_html()
    page.close()


def recorded(folder: Path, **of_header: Any) -> str:
    values: dict[str, Any] = {
        "host": "node-7",
        "argv": ("train.py", "--lr", "0.1"),
        "versions": {"torch": "2.9"},
    }
    start = header(time=1e9, **(values | of_header))
    readings = [
        reading(n, 1e9 + 60 * n, stage=stage, start_ticks=1)
        for n in (1, 2, 3)
        for stage in ("START", "END")
    ]
    return write_journal(folder, start, *readings)


def test_it_says_when_where_and_by_what_it_was_recorded(tmp_path: Path) -> None:
    """From the journal's header; of a log without times, when it was last written."""
    page = as_html(analyze([recorded(tmp_path)]))
    for words in (
        "2001-09-09 01:47:40 UTC to 2001-09-09 01:49:40 UTC (2 min)",
        "<dd>node-7</dd>",
        "<dd>train.py --lr 0.1</dd>",
        "torch 2.9",
        "by foldwatch ",
        str(tmp_path / "journal.jsonl"),
    ):
        assert words in page
    log = tmp_path / "a.log"
    log.write_text(HOSTILE_LINE.format(1, "START", 9))
    os.utime(log, (1e9, 1e9))
    page = as_html(analyze([str(log)]))
    assert "no reading has a time; last written 2001-09-09 01:46:40 UTC" in page


def test_a_runner_s_command_is_said(tmp_path: Path) -> None:
    """It stands in run.json, for the processes that it started write no header."""
    readings = [reading(1, stage=stage) for stage in ("START", "END")]
    write_journal(tmp_path, *readings)
    write_json(tmp_path / "run.json", {"config": {"folds": 1, "command": ["a.py", "{fold} x"]}})
    assert "<dd>a.py &#39;{fold} x&#39;</dd>" in as_html(analyze([str(tmp_path)]))


def test_what_a_header_says_is_escaped(tmp_path: Path) -> None:
    """It comes from a file, as labels do."""
    bad = "</script><script>alert(1)</script>\x1b[31m"
    page = as_html(
        analyze([recorded(tmp_path, host=bad, argv=(bad,), versions={bad: bad, "numpy": "2"})])
    )
    assert "<script" not in page
    assert "\x1b" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3


def test_no_stage_is_dropped_in_silence(tmp_path: Path) -> None:
    """The chart says how many it draws, and a table has them all; what that cannot hold is counted."""
    log = tmp_path / "a.log"
    for stages, rows, more in ((50, 50, ""), (5_000, 1_000, "4,000 more stages")):
        text = "".join(
            HOSTILE_LINE.format(fold, f"step {stage}", 9)
            for fold in (1, 2, 3)
            for stage in range(stages)
        )
        log.write_text(text)
        page = as_html(analyze([str(log)]))
        assert f"16 of {stages:,} stages" in page
        assert page.count('<th scope="row">step ') == rows * 4
        assert more in page


def test_hostile_labels_do_nothing_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    """No script runs, no element comes of a label, no request leaves; the label is shown as text."""
    labels = (
        "<script>alert(1)</script>",
        "<img src=http://127.0.0.1:9/x onerror=alert(2)>",
        "</text></svg><iframe src=//127.0.0.1:9>",
        '"\' onload=alert(3) &amp; style="fill: #1f5fa8"',
    )
    text = "".join(
        HOSTILE_LINE.format(fold, label, 8 * fold) for fold in (1, 2, 3) for label in labels
    )
    log = tmp_path / "<b>&.log"
    log.write_text(text + "RuntimeError: can't start new thread <script>alert(4)</script>\n")
    path = str(tmp_path / "page.html")
    save(as_html(analyze([str(log)])), path)
    seen = opened(browser, path, width=1440)
    assert (seen.requests, seen.said) == ([f"file://{path}"], [])
    assert seen.page.locator("script, img, iframe, b").count() == 0
    assert "<script>alert(4)</script>" in seen.page.locator("pre").last.inner_text()
    assert seen.page.get_by_text("<script>alert(1)</script>").count() >= 1
    seen.page.close()


@pytest.mark.slow
def test_it_is_one_small_file_without_an_address_to_load(incident: str) -> None:
    """Under 1 MB; namespaces are names, not addresses that are asked."""
    with open(incident, encoding="utf-8") as file:
        page = file.read()
    assert len(page) < 400_000
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page.replace("xlink:", ""))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_many_samples_and_many_ranks_stay_small(tmp_path: Path) -> None:
    """The peak in 12,000 samples is still in the picture; a hundred ranks are under 1 MB."""
    line = "[THREADS] step: proc={}, cgroup=9/7680, maps=1851/65530, rss=620MB\n"
    log = tmp_path / "long.log"
    log.write_text("".join(line.format(40 + n % 7 + 9000 * (n == 8_000)) for n in range(12_000)))
    page = as_html(analyze([str(log)]))
    assert len(page) < 1_000_000
    assert "9,04" in page
    ranks = tmp_path / "ranks"
    ranks.mkdir()
    for number in range(100):
        text = "".join(
            HOSTILE_LINE.format(fold, stage, number)
            for fold in (1, 2, 3)
            for stage in ("START", "END")
        )
        (ranks / f"{number}.log").write_text(text)
    page = as_html(analyze([str(ranks)]))
    assert len(page) < 1_000_000
    assert "88 more processes, none worse than these" in page


def test_a_log_without_samples_has_a_page_too(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """It says that there is nothing, and which lines were skipped."""
    (tmp_path / "a.log").write_text("[THREADS] torn <b>\n" * 300)
    page = tmp_path / "a.html"
    assert foldwatch("analyze", str(tmp_path), "--html", str(page)).code == 0
    text = page.read_text()
    assert "NOTHING TO JUDGE" in text
    assert "skipped lines of" in text
    assert "and 100 more" in text
    assert sorted(os.listdir(tmp_path)) == ["a.html", "a.log"]


@pytest.mark.slow
def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Nothing is left behind where it cannot be."""
    (tmp_path / "x.html").mkdir()
    with pytest.raises(InputError, match=r"x\.html: cannot be written"):
        save(as_html(analyze([RELEASED])), str(tmp_path / "x.html"))
    assert os.listdir(tmp_path) == ["x.html"]
