"""The live page in a real Chromium: during a real run, and with everything hostile in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Literal

import pytest

from telemetry.alerts.alert import Alert, Severity
from telemetry.daemon.live_state import LiveState
from telemetry.holders import HolderKind, LimitHolder
from telemetry.journal.records import Event
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot
from telemetry.web.bind import ListenConfig
from telemetry.web.server import WebServer
from tests.support.browsing import Seen, watched
from tests.support.builders import (
    child,
    header,
    holders,
    reading,
    with_records,
    write_journal,
)
from tests.support.paths import ROOT
from tests.support.serving import serving
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

HOSTILE = "<img src=x onerror=alert(1)><b>bold</b> %{y} $x^2$ &lt; \u202e\x07"


def opened(
    browser: Browser, url: str, *, width: int = 1440, scheme: Literal["light", "dark"] = "light"
) -> Seen:
    seen = watched(browser, url, width=width, scheme=scheme)
    seen.page.wait_for_selector("#charts .plot .main-svg", timeout=20_000)
    return seen


@pytest.fixture(scope="module")
def training_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real training that serves its own page, and give the page's address."""
    place = tmp_path_factory.mktemp("page")
    log = place / "log"
    command = ["train", "--folds", "2", "--epochs", "400", "--isolation", "none", "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "foldwatch", *command, "--output", str(place / "run")],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        )
    try:

        def address() -> re.Match[str] | None:
            assert process.poll() is None, log.read_text()
            return re.search(r"the page at (\S+)", log.read_text())

        found = wait_until(address, 60, "the page's address")
        yield found[1]
    finally:
        process.terminate()
        process.wait()


def test_the_page_lives_while_a_real_run_does(
    browser: Browser, training_page: str, tmp_path: Path
) -> None:
    """At desk and phone width, light and dark: no console error, no request elsewhere, values change."""
    looks: list[tuple[int, Literal["light", "dark"]]] = [(1440, "light"), (390, "dark")]
    for width, scheme in looks:
        seen = opened(browser, training_page, width=width, scheme=scheme)
        page = seen.page
        before = page.evaluate(VALUES)
        wait_until(partial(has_changed, page, before), 20, "a change of the page")
        page.screenshot(path=str(tmp_path / f"{width}-{scheme}.png"), full_page=True)
        assert seen.said == []
        assert all(url.startswith((training_page, "data:")) for url in seen.requests)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(POOLS)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(244, 246, 250)" if scheme == "light" else "rgb(14, 19, 27)")
        page.close()
    page = opened(browser, training_page).page
    assert page.locator("#folds li").count() >= 2
    assert page.locator("#folds .running").count() == 1
    assert page.locator("#folds .waiting").count() == 1
    assert page.inner_text("#status").startswith("live")
    assert re.fullmatch(r"[\d.]+ %", page.inner_text("#binding-ratio"))
    assert page.locator("#charts figure").count() >= 4
    wait_until(lambda: page.locator("#pools .bars path").count() >= 3, 20, "three bars")
    assert page.locator("#ceilings tr.binds").count() == 1
    page.close()


VALUES = """[
    document.querySelector("#chart-rss_bytes .share").textContent,
    document.querySelector("#chart-rss_bytes .plot").data[0].x.length,
].join()"""
"""A number that the page says, and how long a curve is."""


POOLS = """(() => {
    const box = (one) => document.querySelector(one).getBoundingClientRect();
    return box(".legend").bottom <= box("#pools .bars").top
        && !document.querySelector("#pools .legend")?.children.length;
})()"""
"""The legend of the pools is beside the bars, not on them."""


def has_changed(page: Page, before: object) -> bool:
    return bool(page.evaluate(VALUES) != before)


def test_the_page_tells_who_holds_a_limit(browser: Browser, tmp_path: Path) -> None:
    """As text, whatever a journal says; and what to do about the largest."""
    neighbour = LimitHolder(kind=HolderKind.PROGRAM, amount=331, name="<b>neigh.py", pid=812)
    found = holders(neighbour, LimitHolder(kind=HolderKind.RUN, amount=55))
    now = time.time()
    held = Event(time=now, pid=7, name="holders", facts=found.facts())
    write_journal(tmp_path / "run", header(), held, reading(1, now, rss_bytes=2**30))
    with serving(tmp_path) as url:
        page = opened(browser, url).page
        text = wait_until(lambda: page.inner_text("#holders"), 20, "the holders")
        page.close()
    assert found.sentence in text
    assert found.advice in text


def test_the_keyboard_reaches_everything(browser: Browser, tmp_path: Path) -> None:
    """The skip link, the ways out, the checkpoints, in this order; each is seen to have it."""
    for name in ("a", "b"):
        record = reading(1, time.time(), rss_bytes=2**30, maps=7)
        write_journal(tmp_path / name, header(), record)
    with serving(tmp_path) as url:
        page = opened(browser, f"{url}?run=a").page
        reached = []
        for _ in range(5):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent.trim()"))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
        assert reached == [
            "Skip to the content",
            "foldwatch",
            "All runs",
            "node",
            "Checkpoints (1)",
        ]
        page.keyboard.press("Enter")
        page.wait_for_selector("#checkpoints tr")
        page.close()


def test_hostile_text_is_inert(browser: Browser) -> None:
    """In the names of a run, host, stage, pool and in an alert: it is shown as text, and nothing runs."""
    alert = Alert(
        name=HOSTILE,
        severity=Severity.CRITICAL,
        labels={},
        summary=HOSTILE,
        description=HOSTILE,
        began=1.0,
    )
    part = with_records(
        FoldSnapshot(fold=1, state=FoldState.RUNNING),
        (
            reading(
                1,
                time.time() - number,
                stage=HOSTILE + str(number),
                rss_bytes=2**30,
                maps=9,
                children=(child(role=HOSTILE, maps=60_000),),
                limits={"max_map_count": 65_530},
                pools={HOSTILE: 5, "<b>x</b>": 3, "constructor": 3, "__proto__": 2},
            )
            for number in range(3, 0, -1)
        ),
    )
    board = LiveState(alerts=lambda: [alert])
    board.publish([Snapshot(run=HOSTILE, host=HOSTILE, rank=HOSTILE, fold_count=3, folds=(part,))])
    server = WebServer(board, ListenConfig(port=0))
    server.start()
    seen = opened(browser, server.url)
    page = seen.page
    page.locator("#checkpoints-box summary").click()
    page.wait_for_selector("#checkpoints tr")
    page.hover("#chart-threads .plot")
    page.hover("#pools")
    page.wait_for_timeout(500)
    assert seen.said == []
    assert all(url.startswith((server.url, "data:")) for url in seen.requests)
    assert page.locator("main img, main b:not(.plot b), svg image").count() == 0
    assert "<img src=x" in page.inner_text("#alerts")
    assert "<img src=x" in page.inner_text("#checkpoints")
    assert "<img src=x" in page.inner_text("#pools")
    assert "<img src=x" in page.inner_text("#children")
    assert "<img src=x" in page.inner_text("#binding-name")
    assert "<b>x</b>" in page.inner_text("#pools")
    page.close()
    server.stop()


def test_the_page_says_when_the_daemon_is_gone(browser: Browser) -> None:
    """And comes back with it."""
    board = LiveState()
    board.publish(
        [
            Snapshot(
                run="r",
                host="h",
                folds=(FoldSnapshot(fold=1).with_record(reading(1, time.time(), rss_bytes=1)),),
            )
        ]
    )
    server = WebServer(board, ListenConfig(port=0))
    server.start()
    page = opened(browser, server.url).page
    port = server.port
    server.stop()
    page.wait_for_selector("#status.lost", timeout=15_000)
    again = WebServer(board, ListenConfig(port=port))
    again.start()
    page.wait_for_selector("#status.live", timeout=15_000)
    page.close()
    again.stop()
