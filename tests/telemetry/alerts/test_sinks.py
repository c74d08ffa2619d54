"""Who is told: each way, with real servers and programs; nothing blocks and nothing raises."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.alerts import notifier as notifier_module
from telemetry.alerts import sinks
from telemetry.alerts.alert import Alert, Severity
from telemetry.alerts.dispatch import alerting
from telemetry.alerts.http_post import post
from telemetry.alerts.notifier import Notifier
from telemetry.alerts.sinks import Alertmanager, Command, ConsoleSink, Webhook, webhook_content
from telemetry.errors import InputError
from telemetry.reading import Reading
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot
from tests.support.alert_stack import receiver, stack
from tests.support.waiting import wait_for_end, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.programs import CommandOutcome

HOSTILE = "a\"'; touch /tmp/owned; $(id) \x1b]0;x\x07\n\u202e<b>"
NOW = time.time()
ALERT = Alert(
    name="FoldwatchCeilingNear",
    severity=Severity.WARNING,
    labels={"run": HOSTILE, "host": "h", "rank": "", "fold": "1", "ceiling": "pids_cgroup"},
    summary="pids_cgroup is 85% full (850 of 1,000)",
    description="Cap the thread pools.",
    began=NOW,
)


def told(*sinks: object, alerts: tuple[Alert, ...] = (ALERT,)) -> tuple[Notifier, list[str]]:
    said: list[str] = []
    notifier = Notifier(sinks, log=said.append)  # type: ignore[arg-type] # some stand in for a sink
    for alert in alerts:
        notifier(alert)
    notifier.close()
    return notifier, said


def test_a_line_is_one_line_and_harmless() -> None:
    """Severity first, then the words; escapes of the label's are gone."""
    lines: list[str] = []
    told(ConsoleSink(lines.append), alerts=(ALERT, replace(ALERT, ended=NOW + 5)))
    assert lines[0].startswith("foldwatch alert: warning: pids_cgroup is 85% full (850 of 1,000) [")
    assert lines[1].startswith("foldwatch alert: resolved after 5 s; it was: pids_cgroup is 85% ")
    assert all("\n" not in line and "\x1b" not in line for line in lines)


def test_a_command_gets_the_alert_on_its_input_and_no_label_among_its_words(
    tmp_path: Path,
) -> None:
    """Status, name and severity in the environment, the whole of it as JSON."""
    place = tmp_path / "got.json"
    code = (
        "import json, os, sys; e = os.environ; json.dump([sys.argv[1:], e['FOLDWATCH_ALERT_STATUS'],"
        f" e['FOLDWATCH_ALERT_NAME'], json.load(sys.stdin)], open({str(place)!r}, 'w'))"
    )
    notifier, said = told(Command([sys.executable, "-c", code, "word"]))
    arguments, status, name, content = json.loads(place.read_text())
    assert (arguments, status, name) == (["word"], "firing", "FoldwatchCeilingNear")
    assert content["alerts"][0]["labels"]["run"] == HOSTILE
    assert (notifier.failed, said) == ({}, [])


def test_a_command_that_fails_is_counted_and_said_once() -> None:
    """Its exit code, or that there is no such program; once for each."""
    notifier, said = told(Command(["false"]), Command(["/no/such/program"]), alerts=(ALERT,) * 3)
    assert notifier.failed == {"command": 6}
    assert len(said) == 2
    assert any("exit code 1" in line for line in said)


def test_a_command_that_hangs_ends_with_foldwatch(tmp_path: Path) -> None:
    """With what it started; what is queued behind it is not begun any more."""
    place = tmp_path / "pids"
    command = Command(["sh", "-c", f"echo $$ >>{place}; sleep 98 & echo $! >>{place}; wait"])
    notifier = Notifier([command], log=lambda _: None)
    notifier(ALERT)
    notifier(ALERT)
    wait_until(lambda: place.exists() and place.read_text().count("\n") == 2, 20, "two processes")
    notifier.close(deadline_seconds=0.1)
    for pid in place.read_text().split():
        wait_for_end(int(pid))
    wait_until(lambda: notifier.failed == {"command": 2}, 20, "the end of the second alert")
    assert place.read_text().count("\n") == 2


def test_a_webhook_gets_alertmanager_s_format() -> None:
    """Beginning and end; an empty label is left out."""
    with receiver() as hook:
        notifier, said = told(Webhook(hook.url), alerts=(ALERT, replace(ALERT, ended=NOW + 5)))
        (_, first), (_, second) = hook.received
    assert (first["version"], first["status"], second["status"]) == ("4", "firing", "resolved")
    (alert,) = first["alerts"]
    assert set(alert["labels"]) == {"alertname", "severity", "run", "host", "fold", "ceiling"}
    assert alert["annotations"]["description"] == "Cap the thread pools."
    assert notifier.failed == {}
    assert said == []


@pytest.mark.slow
def test_alertmanager_is_asked_to_keep_what_is_out_of_sight() -> None:
    """It calls resolved what is not repeated for five minutes."""
    with receiver() as hook:
        sink = Alertmanager(hook.url, clock=lambda: NOW)
        for alert in (ALERT, replace(ALERT, is_watched=False, until=NOW + 86400)):
            (sink.send if alert.is_watched else sink.forget)(alert)
        sink.repeat()
        contents: list[Any] = [content for _, content in hook.received]
        first, last = (datetime.fromisoformat(one[0]["endsAt"]) for one in contents)
    assert last.timestamp() - NOW == pytest.approx(86400, abs=1)
    assert first < last


@pytest.mark.slow
def test_what_the_run_died_of_is_resolved_by_nobody() -> None:
    """A webhook and a command hear nothing of it; Alertmanager is asked to keep it as long as it is held, also if foldwatch ends."""
    held = replace(ALERT, is_held=True, until=NOW + 7200, summary="it; the run died of it")
    with receiver() as hook, receiver() as manager:
        told(
            Webhook(hook.url),
            Alertmanager(manager.url, clock=lambda: NOW),
            alerts=(ALERT, held, replace(held, is_watched=False)),
        )
    assert [content["status"] for _, content in hook.received] == ["firing"]
    contents: list[Any] = [content for _, content in manager.received]
    ends = [datetime.fromisoformat(one[0]["endsAt"]).timestamp() - NOW for one in contents]
    assert ends == [pytest.approx(300, abs=1), *[pytest.approx(7200, abs=1)] * 2]
    assert contents[1][0]["annotations"]["summary"] == "it; the run died of it"


def test_a_line_says_what_helps_and_what_died() -> None:
    """Behind the words; what failed is said once, and no end of it."""
    lines: list[str] = []
    facts = {
        "command_now": "echo 2000 > /a/pids.max",
        "pid": "7",
        "fold": "1",
        "time_left": "9 min",
    }
    held = replace(ALERT, is_held=True, summary="it; the run died of it")
    failed = replace(ALERT, name="FoldwatchRunFailed", is_watched=False)
    told(ConsoleSink(lines.append), alerts=(replace(ALERT, facts=facts), held, failed))
    assert lines[0].endswith("]; now echo 2000 > /a/pids.max, pid 7. Cap the thread pools.")
    assert lines[1].startswith("foldwatch alert: not resolved: it; the run died of it [")
    assert len(lines) == 2


def test_what_helps_stands_before_what_helps_for_good() -> None:
    """Where a receiver shows the description alone; and by itself, and the page as a link."""
    facts = {"command_now": "echo 2000 > /a/pids.max", "page": "http://h/?run=r"}
    content = webhook_content(replace(ALERT, facts=facts))
    (alert,) = content["alerts"]
    assert alert["annotations"]["description"] == (
        "Now: echo 2000 > /a/pids.max. Cap the thread pools."
    )
    assert alert["annotations"]["command_now"] == "echo 2000 > /a/pids.max"
    assert alert["generatorURL"] == content["externalURL"] == "http://h/?run=r"


@pytest.mark.slow
def test_an_address_with_a_secret_is_never_said() -> None:
    """Only its host, with what it answered; a refusal is not tried again."""
    with receiver() as hook:
        hook.status = 403
        notifier, said = told(Webhook(f"{hook.url}services/T0/s3cret"))
        assert len(hook.received) == 1
    assert notifier.failed == {"webhook": 1}
    (line,) = said
    assert "webhook: 127.0.0.1 answered 403" in line
    assert "s3cret" not in line


@pytest.mark.slow
def test_a_name_and_password_in_the_address_are_sent_as_such() -> None:
    """And are said no more than the rest of the address."""
    with receiver() as hook:
        address = hook.url.replace("http://", "http://me:p%40ss@")
        told(Webhook(address))
        assert hook.authorization == "Basic bWU6cEBzcw=="
        hook.status = 401
        _, said = told(Webhook(address))
    assert "127.0.0.1 answered 401" in said[0]
    assert "ss@" not in said[0]


@pytest.mark.slow
def test_a_server_that_recovers_is_tried_again() -> None:
    """Of three attempts the last one counts."""
    with receiver() as hook:
        hook.first_statuses = [503, 503]
        notifier, said = told(Webhook(hook.url))
        assert len(hook.received) == 3
    assert (notifier.failed, said) == ({}, [])


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "example.org",
        "http://",
        "ftp://x/",
        "http://h:x/",
        "http://[/",
        "http://h/a b",
        "htps://me:s3cret@h/",
        "hooks.example/s3cret",
        "http://h:s3cret/",
        "http://h/ s3cret",
    ],
)
def test_an_address_that_is_none_is_one_line(address: str) -> None:
    """Before anything starts; it may hold a secret all the same, and is not said."""
    with pytest.raises(
        InputError, match="--alert-webhook: an address that begins with http"
    ) as one:
        Webhook(address)
    with pytest.raises(InputError, match="--alertmanager") as other:
        Alertmanager(address)
    assert "s3cret" not in f"{one.value} {other.value}"


class Stuck:
    """A sink that takes as long as it likes."""

    name = "stuck"

    def __init__(self) -> None:
        self.go = threading.Event()

    def send(self, _: Alert) -> None:
        self.go.wait(30)

    def hold(self, _: Alert) -> None:
        pass

    def forget(self, _: Alert) -> None:
        pass

    def run_again(self, _: str) -> None:
        pass

    def repeat(self) -> None:
        pass

    def stop(self) -> None:
        pass


def test_a_sink_that_hangs_blocks_nobody_and_what_it_costs_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thousand alerts are taken at once; the end waits for its deadline and no longer."""
    monkeypatch.setattr(notifier_module, "QUEUE_LENGTH", 200)
    stuck = Stuck()
    said: list[str] = []
    notifier = Notifier([stuck], log=said.append)
    for _ in range(1000):
        notifier(ALERT)
    assert notifier.dropped >= 1000 - 200 - 1
    began = time.monotonic()
    notifier.close(deadline_seconds=0.2)
    assert time.monotonic() - began < 5
    assert said
    untold = re.search(r"\d+ alerts", said[-1])
    assert untold
    assert int(untold[0].split()[0]) == 1000
    stuck.go.set()
    wait_until(lambda: any("were dropped" in line for line in said), 20, "word of what was dropped")


def test_standard_error_has_every_line_though_all_other_sinks_hang() -> None:
    """Each sink has a thread and a queue of its own."""
    hanging = [Stuck() for _ in range(4)]
    lines: list[str] = []
    notifier = Notifier([*hanging, ConsoleSink(lines.append)], log=lambda _: None)
    for _ in range(10):
        notifier(ALERT)
    wait_until(lambda: len(lines) == 10, 20, "ten lines")
    for one in hanging:
        one.go.set()
    notifier.close()


@contextmanager
def dripping(head: bytes) -> Iterator[str]:
    """Serve an answer that comes a byte at a time, and never ends."""
    is_over = threading.Event()

    def drip(listening: socket.socket) -> None:
        client, _ = listening.accept()
        with client, suppress(OSError):
            client.sendall(head)
            while not is_over.wait(0.05):
                client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=[listening], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/s3cret"
        is_over.set()
        thread.join(20)


@pytest.mark.slow
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_receiver_that_drips_is_given_up_after_a_time_in_all(head: bytes) -> None:
    """A socket's own timeout begins anew with every byte."""
    with (
        dripping(head) as address,
        pytest.raises(OSError, match=r"^127\.0\.0\.1: (timed out|no HTTP)"),
    ):
        post(address, {}, seconds=0.5)


def test_the_answer_s_body_is_not_waited_for() -> None:
    """Its status says all."""
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n") as address:
        post(address, {}, seconds=5)


def test_a_command_gets_no_secret_of_foldwatch_and_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it put into the background ends with it."""
    for name in ("FOLDWATCH_TOKEN", "FOLDWATCH_PASSWORD", "FOLDWATCH_ALERT_WEBHOOK"):
        monkeypatch.setenv(name, "s3cret")
    place, pids = tmp_path / "environment", tmp_path / "pids"
    notifier, said = told(Command(["sh", "-c", f"env >{place}; sleep 98 & echo $! >{pids}"]))
    assert (notifier.failed, said) == ({}, [])
    assert "s3cret" not in place.read_text()
    wait_for_end(int(pids.read_text()))


@pytest.mark.slow
def test_a_command_that_takes_too_long_ends_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that let go of its standard input."""
    monkeypatch.setattr(sinks, "COMMAND_SECONDS", 1.0)
    place = tmp_path / "pid"
    notifier, said = told(Command(["sh", "-c", f"sleep 98 </dev/null & echo $! >{place}; wait"]))
    assert notifier.failed == {"command": 1}
    assert "killed after 1 s" in said[0]
    wait_for_end(int(place.read_text()))


def test_a_command_is_killed_by_the_one_who_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that waits for it may end with the process before it has looked."""
    monkeypatch.setattr(sinks, "POLL_SECONDS", 20.0)
    place = tmp_path / "pid"
    notifier = Notifier(
        [Command(["sh", "-c", f"sleep 98 & echo $! >{place}; wait"])], log=lambda _: None
    )
    notifier(ALERT)
    wait_until(lambda: place.exists() and place.read_text().endswith("\n"), 20, "the process")
    notifier.close(deadline_seconds=0.1)
    wait_for_end(int(place.read_text()))


def test_without_a_thread_to_be_had_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit that the alerts are about."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    _, said = told(ConsoleSink(print))
    assert "can't start new thread" in said[0]


@pytest.mark.prometheus
@pytest.mark.slow
def test_alertmanager_has_an_alert_once_though_both_ways_tell_of_it(tmp_path: Path) -> None:
    """The real one: active while it holds, repeated; gone when it ends. Same labels as the rules'."""
    with (
        receiver() as hook,
        stack(tmp_path, targets="127.0.0.1:1", webhook=hook.url, scale=15) as servers,
    ):
        sink = Alertmanager(servers.alertmanager, clock=time.time)
        sink.send(ALERT)
        sink.repeat()
        (active,) = servers.alerts()
        assert active["labels"] == {
            "alertname": "FoldwatchCeilingNear",
            "severity": "warning",
            "run": HOSTILE,
            "host": "h",
            "fold": "1",
            "ceiling": "pids_cgroup",
        }
        sink.send(replace(ALERT, began=NOW - 300, ended=time.time()))
        sink.repeat()
        wait_until(lambda: hook.alerts() and hook.alerts("resolved"), 40, "beginning and end")
        assert servers.alerts() == []


def full_run() -> Snapshot:
    full = Reading(time=NOW, pid=1, cgroup_pids=99, limits={"pids_cgroup": 100})
    part = FoldSnapshot(fold=1, state=FoldState.RUNNING, latest=full)
    return Snapshot(run="r", host="h", folds=(part,))


@pytest.mark.slow
def test_options_make_an_engine_that_tells_whom_they_name(tmp_path: Path) -> None:
    """Standard error by default, here a list; at the end what is active is only out of sight."""
    place = tmp_path / "got"
    lines: list[str] = []
    with (
        receiver() as hook,
        receiver() as other,
        alerting(
            command=f"sh -c 'cat >>{place}'", webhooks=[hook.url, other.url], log=lines.append
        ) as engine,
    ):
        engine.observe([full_run()], NOW)
    for one in (hook, other):
        assert [content["status"] for _, content in one.received] == ["firing"]
    assert place.read_text().count('"version"') == 1
    assert len(lines) == 2
    assert "no longer watched" in lines[1]


def test_a_line_on_standard_error_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its end: another thread may write in between."""
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Stream())
    with alerting() as engine:
        engine.observe([full_run()], NOW)
    lines = [text for text in written if text]
    assert len(lines) == 2
    assert all(line.index("\n") == len(line) - 1 for line in lines)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--alert-webhook", "nowhere"), ("--alertmanager", "x:9093"), ("--alert-command", "'open")],
)
def test_a_wrong_option_is_one_line_and_changes_nothing(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path, option: str, value: str
) -> None:
    """Exit 2 before anything is moved or started."""
    outcome = foldwatch("train", "--output", str(tmp_path / "run"), option, value)
    assert outcome.code == 2
    assert outcome.err.startswith(f"foldwatch: {option}: ")
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.prometheus
def test_the_shipped_alertmanager_configuration_is_valid() -> None:
    """As amtool sees it."""
    from tests.support.paths import ROOT
    from tests.support.requirements import need

    amtool = shutil.which("amtool")
    need(amtool, "amtool (Debian's package prometheus-alertmanager)")
    path = os.path.join(ROOT, "grafana", "alertmanager.yml")
    done = subprocess.run([amtool or "", "check-config", path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
