"""The page of many runs in a real Chromium: the overview, the way to a run, to a host and back, by hand, keyboard and ear."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from telemetry.alerts.alert import Alert, Severity
from telemetry.daemon.live_state import LiveState
from telemetry.holders import HolderKind, LimitHolder
from telemetry.journal.records import Event
from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot, Snapshot
from telemetry.web.bind import ListenConfig
from telemetry.web.server import WebServer
from tests.support.accessibility import violations
from tests.support.browsing import watched
from tests.support.builders import holders, reading, with_records
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

GIBI = 2**30
HOSTILE = "<img src=x onerror=alert(1)><b>bold</b> \u202e"
RED = ".full, .near, .met, .critical, .warning, .failed, .died, .urgency-critical, .urgency-warning"
HEALTHY: dict[str, Any] = {
    "maps": 1850,
    "threads": 36,
    "rss_bytes": 3 * GIBI,
    "cgroup_memory_bytes": int(31.9 * GIBI),
    "cgroup_memory_reclaimable_bytes": 27 * GIBI,
    "gpu_memory_used_bytes": 79 * GIBI,
    "host_tasks": 4200,
    "cgroup_pids": 60,
    "cgroup": "/job",
    "limits": {
        "max_map_count": 65_530,
        "cgroup_memory": 32 * GIBI,
        "gpu_memory": 80 * GIBI,
        "threads_max": 250_000,
        "pids_cgroup": 400,
    },
}


def going(
    name: str, *events: Event, host: str = "node-1", rank: str = "", **values: Any
) -> Snapshot:
    """Give a run in its second fold of five, healthy but for ``values``."""
    now = time.time()
    fold = FoldSnapshot(fold=2, state=FoldState.RUNNING)
    records = (
        reading(2, now - 3 + number, **(HEALTHY | {"stage": f"STAGE {number}"} | values))
        for number in range(3)
    )
    far = GrowthSnapshot(
        resource="cgroup_memory_bytes",
        verdict="slow",
        reason="no rise",
        per_fold=0.1,
        folds_to_limit=31_641.0,
    )
    fold = with_records(fold, [*events, *records])
    return Snapshot(run=name, host=host, rank=rank, fold_count=5, folds=(fold,), growth=(far,))


def failed(name: str, **values: Any) -> Snapshot:
    run = going(name, **values)
    ended = replace(
        run.folds[0],
        state=FoldState.FAILED,
        exit_code=137,
        cause="cgroup_memory (certain)",
        ended_at=time.time(),
    )
    return replace(run, folds=(ended,), is_over=True, resume="foldwatch run --resume")


def crowded(name: str = "crowded") -> Snapshot:
    """Give a run whose cgroup a neighbour fills."""
    neighbour = LimitHolder(kind=HolderKind.PROGRAM, amount=331, name="neigh.py", pid=812)
    found = holders(neighbour)
    held = Event(time=time.time(), pid=7, name="holders", facts=found.facts())
    run = going(name, cgroup_pids=386)
    return replace(run, folds=(with_records(run.folds[0], [held]),))


def alert(run: str, summary: str, **labels: str) -> Alert:
    return Alert(
        name="FoldwatchCeilingCritical",
        severity=Severity.CRITICAL,
        labels={"run": run, "host": "node-1", "rank": "", "ceiling": "pids_cgroup"} | labels,
        summary=summary,
        description="what helps for good",
        facts={"command_now": "echo 800 > /a/pids.max"},
        began=1.0,
    )


@contextmanager
def shown(*snapshots: Snapshot, alerts: list[Alert] | None = None) -> Iterator[str]:
    """Serve ``snapshots`` and give the address."""
    board = LiveState(alerts=lambda: alerts or [])
    board.publish(snapshots)
    server = WebServer(board, ListenConfig(port=0))
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def opened(
    browser: Browser, url: str, *, width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> Page:
    """Open ``url`` and wait for its first answer; what the page complains of fails the test at its end."""
    seen = watched(browser, url, width=width, scheme=scheme)
    seen.page.wait_for_selector("#version:not(:text-is('foldwatch'))", state="attached")
    return seen.page


def texts(page: Page, rows: str = "#runs") -> list[list[str]]:
    """Return what the cells of each row say."""
    return [
        [" ".join(cell.split()) for cell in row.locator("> *").all_inner_texts()]
        for row in page.locator(f"{rows} > [role=row]").all()
    ]


def night() -> tuple[Snapshot, ...]:
    """Give one run of each kind that matters."""
    growing = GrowthSnapshot(
        resource="maps", verdict="critical", reason="", per_fold=14_000.0, folds_to_limit=0.5
    )
    return (
        going("healthy"),
        replace(going("leaking", maps=58_000), growth=(growing,)),
        crowded(),
        failed("failed"),
        Snapshot(run="secret", host="node-2", unreadable="journal.jsonl: Permission denied"),
    )


def test_one_healthy_run_is_shown_at_once_with_nothing_red(browser: Browser) -> None:
    """Full of page cache and with a GPU that is taken; a limit that is 31,641 folds away is not spoken of."""
    with shown(going("healthy")) as url:
        page = opened(browser, url)
        page.wait_for_selector("#charts .plot .main-svg")
        assert page.url == f"{url}?run=healthy&host=node-1&rank="
        assert page.locator(RED).count() == 0
        assert page.inner_text("#binding-name") != "GPU memory"
        assert page.inner_text("#forecast") == "Nothing grows toward it"
        assert "31,641" not in page.inner_text("body")
        assert not page.is_visible("#way-runs")
        page.close()


def test_many_healthy_runs_have_nothing_red(browser: Browser) -> None:
    """And the page says that nobody is needed."""
    with shown(*(going(f"run-{number:02}") for number in range(60))) as url:
        page = opened(browser, url)
        assert page.locator("#runs > [role=row]").count() == 60
        assert page.locator(RED).count() == 0
        assert page.inner_text("#lead") == "Nothing needs you. Of 60: 60 are fine."
        assert page.title() == "Runs · foldwatch"
        page.close()


def test_the_overview_says_what_needs_somebody_first(browser: Browser) -> None:
    """State, fold, nearest limit, verdict and age of each."""
    with shown(*night(), alerts=[alert("crowded", "pids_cgroup is 97% full")]) as url:
        page = opened(browser, url)
        rows = texts(page)
        assert page.inner_text("#lead") == "2 runs need you now, 2 soon. Of 5: 1 is fine."
        assert page.title() == "(4) Runs · foldwatch"
        assert [row[0].split()[0] for row in rows] == [
            *("crowded", "failed", "leaking", "secret", "healthy"),
        ]
        assert rows[0][1:4] == ["running now", "2 of 5 STAGE 2", "PIDs of the cgroup 97 % 14 left"]
        assert rows[0][4].startswith("pids_cgroup is 97% full")
        assert rows[1][1:5] == [
            "failed now",
            "2 of 5 STAGE 2",
            "",
            "Exit code 137: cgroup_memory (certain)",
        ]
        assert rows[2][3:5] == [
            "Memory maps 89 % 7,530 left · full in 0.5 folds at this rate",
            "critical Memory maps +14,000 a fold",
        ]
        assert rows[3][4:] == ["Cannot be read: journal.jsonl: Permission denied", "never"]
        page.close()


def test_a_run_is_one_key_away_and_so_is_the_way_back(browser: Browser) -> None:
    """By a link that is an alert's; on the way back the row has the focus again, and the filter its words."""
    with shown(*night()) as url:
        page = opened(browser, f"{url}?filter=node-1+LEAK")
        assert [row[0].split()[0] for row in texts(page)] == ["leaking"]
        assert page.inner_text("#matches") == "1 of 5 shown"
        page.locator("#filter").press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector("#run:visible")
        assert page.url == f"{url}?run=leaking&host=node-1&rank="
        assert page.inner_text("#title") == "leaking"
        assert page.evaluate("document.activeElement.id") == "title"
        page.go_back()
        page.wait_for_selector("#runs a:focus")
        assert page.evaluate("document.activeElement.textContent") == "leaking"
        page.locator("#filter").fill("nobody has this")
        assert (texts(page), page.inner_text("#matches")) == ([], "0 of 5 shown")
        page.go_forward()
        page.wait_for_selector("#run:visible")
        page.reload()
        page.wait_for_selector("#run:visible")
        assert page.inner_text("#title") == "leaking"
        page.click("#way-runs")
        page.wait_for_selector("#runs-card:visible")
        assert len(texts(page)) == 5
        page.close()


def test_the_keyboard_reaches_every_row(browser: Browser) -> None:
    """Skip link, name, filter, rows; the arrows go from row to row; each is seen to have the focus."""
    with shown(*(going(f"run-{number}") for number in range(3))) as url:
        page = opened(browser, url)
        reached = []
        for key in ("Tab", "Tab", "Tab", "Tab", "ArrowDown", "End", "ArrowUp", "Home", "Tab"):
            page.keyboard.press(key)
            reached.append(page.evaluate("document.activeElement.textContent"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert reached == [
            *("Skip to the content", "foldwatch", "", "run-0", "run-1", "run-2", "run-1", "run-0"),
            "node-1",
        ]
        page.close()


def test_a_run_shows_its_own_alerts_first(browser: Browser) -> None:
    """Of other ranks with a way to each, of other runs a count."""
    ranks = [going("r", rank=str(number)) for number in range(3)]
    alerts = [alert("q", "of another run"), alert("r", "of rank 2", rank="2")]
    alerts.append(alert("r", "of this rank", rank="1"))
    with shown(*ranks, going("q"), alerts=alerts) as url:
        page = opened(browser, f"{url}?run=r&host=node-1&rank=1")
        own, of_ranks, of_others = page.locator(".alert").all_inner_texts()
        assert own.split("\n") == ["of this rank", "echo 800 > /a/pids.max", "what helps for good"]
        assert of_ranks.split("\n") == ["1 alert of other ranks:", "rank 2 of rank 2"]
        assert of_others == "1 more alert of 1 other run: all runs"
        page.click("text=rank 2 of rank 2 >> a")
        page.wait_for_selector("strong:text-is('of rank 2')")
        assert page.url.endswith("?run=r&host=node-1&rank=2")
        page.close()


def test_what_ended_a_run_is_said_where_no_alert_is(browser: Browser) -> None:
    """With the command that goes on with it."""
    with shown(failed("failed"), going("healthy")) as url:
        page = opened(browser, f"{url}?run=failed&host=node-1&rank=")
        said = page.inner_text(".alert.critical").split("\n")
        assert said[0] == "Fold 2 failed: cgroup_memory (certain)"
        assert said[1] == "foldwatch run --resume"
        page.close()


def test_an_old_link_says_that_its_run_is_gone(browser: Browser) -> None:
    """It shows no other one in its place."""
    with shown(going("healthy")) as url:
        page = opened(browser, f"{url}?run=gone&host=h&rank=")
        assert page.inner_text("#title") == "gone"
        assert "not here" in page.inner_text("#empty")
        assert not page.is_visible("#run")
        page.close()


def test_ranks_stand_side_by_side_the_first_ones_first(browser: Browser) -> None:
    """The one that grows, then by number; all of them at a key."""
    growing = GrowthSnapshot(resource="maps", verdict="growing", reason="", per_fold=730.0)
    ranks = [going("r", rank=str(number), host=f"node-{number // 8}") for number in range(64)]
    ranks[17] = replace(ranks[17], growth=(growing,))
    with shown(*ranks) as url:
        page = opened(browser, url)
        page.wait_for_selector("#ranks > [role=row]")
        assert page.url == f"{url}?run=r&host=node-2&rank=17"
        rows = texts(page, "#ranks")
        assert len(rows) == 12
        assert rows[0] == [
            *("17 node-2", "fold 2 STAGE 2", "Memory of the cgroup 15 %", "36", "1,850", "3 GB"),
            "growing Memory maps +730 a fold",
        ]
        assert rows[1][0] == "0 node-0"
        page.click("text=Show all 64 ranks")
        assert page.locator("#ranks > [role=row]").count() == 64
        page.locator("#ranks a").nth(0).focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?run=r&host=node-0&rank=0")
        page.wait_for_selector("#ranks .shown >> text=node-0")
        page.go_back()
        page.wait_for_selector("#ranks .shown >> text=node-2")
        page.close()


def test_a_host_says_what_is_used_and_who_holds_it(browser: Browser) -> None:
    """And which runs are there."""
    with shown(going("healthy"), crowded(), going("away", host="node-2")) as url:
        page = opened(browser, url)
        page.click("#hosts >> text=node-1")
        page.wait_for_selector("#limits-card:visible")
        assert page.url == f"{url}?host=node-1"
        limits = texts(page, "#limits")
        assert limits[0][:3] == [
            "PIDs of the cgroup /job",
            "97 % 386 of 400",
            "72 by 2 runs, 18 % of the limit crowded 36, healthy 36",
        ]
        assert limits[0][3].startswith("pids_cgroup 386/400: neigh.py (pid 812) 331")
        assert "end or bound it" in limits[0][3]
        assert [row[0] for row in texts(page)] == ["crowded node-1", "healthy node-1"]
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "?run=r&host=node-1&rank=1", "?host=node-1", "?run=gone"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_nothing_keeps_anybody_from_using_it(
    browser: Browser, query: str, *, width: int, scheme: Literal["light", "dark"]
) -> None:
    """Every rule of axe, contrast among them; and nothing is wider than the screen."""
    ranks = [going("r", rank=str(number), maps=58_000) for number in range(20)]
    with shown(*night(), *ranks, alerts=[alert("r", "near", rank="1")]) as url:
        page = opened(browser, f"{url}{query}", width=width, scheme=scheme)
        if "rank" in query:
            page.wait_for_selector("#charts .plot .main-svg")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


def test_a_new_alert_is_spoken_once_and_no_number_is(browser: Browser) -> None:
    """What was there when the page was opened is read as the page is."""
    alerts = [alert("a", "a is 96% full")]
    with shown(going("a"), going("b"), alerts=alerts) as url:
        page = opened(browser, url)
        live = page.locator("[aria-live], [role=status], [role=alert]")
        assert live.count() == 1
        page.evaluate(
            "window.heard = []; new MutationObserver(() => heard.push(spoken.textContent)).observe(spoken, {childList: true, subtree: true})"
        )
        alerts[0] = alert("a", "a is 97% full")
        page.wait_for_selector("#runs >> text=a is 97% full")
        alerts.append(alert("b", "b is 98% full"))
        page.wait_for_selector("#runs >> text=b is 98% full")
        alerts[1] = alert("b", "b is 99% full")
        page.wait_for_selector("#runs >> text=b is 99% full")
        assert page.evaluate("heard") == ["New alert: b: b is 98% full"]
        page.close()


def test_a_row_does_not_move_away_under_the_hand(browser: Browser) -> None:
    """What it says changes all the same."""
    alerts: list[Alert] = []
    with shown(going("a"), going("b"), alerts=alerts) as url:
        page = opened(browser, url)
        page.locator("#runs a").nth(0).focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        page.evaluate("document.activeElement.mine = 1")
        alerts.append(alert("b", "b is 98% full"))
        wait_until(lambda: "b is 98% full" in page.inner_text("#runs"), 20, "the alert")
        assert [row[0].split()[0] for row in texts(page)] == ["a", "b"]
        assert page.evaluate("document.activeElement.mine") == 1
        page.close()


def test_hostile_text_is_inert(browser: Browser) -> None:
    """In the overview, in the page of a host, and in the filter."""
    hostile = replace(crowded(HOSTILE), host=HOSTILE, rank=HOSTILE)
    again = failed(f"{HOSTILE} again", host=HOSTILE, stage=HOSTILE, cgroup=HOSTILE)
    unreadable = Snapshot(run="u", host=HOSTILE, unreadable=HOSTILE)
    board = hostile, replace(again, unreadable=HOSTILE), unreadable
    with shown(*board, alerts=[alert(HOSTILE, HOSTILE), alert("gone", HOSTILE)]) as url:
        seen = watched(browser, f"{url}?filter=%3Cimg", width=1280, scheme="light")
        page = seen.page
        page.wait_for_selector("#runs > [role=row]")
        for step in ("#runs small a", "#way-runs", "#runs [role=rowheader] > a"):
            assert page.locator("main img, main b > b").count() == 0
            assert "<img src=x" in page.inner_text("main")
            page.locator(step).first.click()
            page.wait_for_timeout(300)
        assert page.locator("main img").count() == 0
        assert seen.said == []
        assert all(one.startswith((url, "data:")) for one in seen.requests)
        page.close()
