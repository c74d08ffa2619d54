"""``--otlp``: a run, an attached process, a daemon and an agent each push; none is harmed or delayed by the receiver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from foldwatch.main import main
from tests.support.builders import exited, header, reading, write_journal
from tests.support.otlp_receiver import OtlpAnswer, OtlpReceiver, otlp_receiver
from tests.support.paths import ROOT
from tests.support.programs import run_foldwatch
from tests.support.serving import fetch, serving
from tests.support.trainings import Training
from tests.support.waiting import wait_for_end, wait_until
from trainer.agent.order import Order
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

    Foldwatch = Callable[..., CommandOutcome]

SECRET = "S3CRETVALUE"  # noqa: S105 - looked for
EVERY_SECOND = {"OTEL_METRIC_EXPORT_INTERVAL": "1000"}


def texts(receiver: OtlpReceiver, event: str) -> list[str]:
    return [record.text for record in receiver.records if record.event == event]


@pytest.mark.slow
def test_a_run_pushes_its_metrics_its_failure_and_its_verdict(tmp_path: Path) -> None:
    """Also one that ends before anything is due, with the variables of OpenTelemetry."""
    run = tmp_path / "run"
    with otlp_receiver() as receiver:
        variables = {
            "FOLDWATCH_OTLP": "env",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_RESOURCE_ATTRIBUTES": "team=vision",
        }
        command = ["sh", "-c", "exit $(({fold} - 1))"]
        options = ("--folds", "2", "--output", str(run), "--quiet")
        done = run_foldwatch("run", *options, "--", *command, environment=variables)
    assert done.code == 1
    assert "OTLP" not in done.err
    assert receiver.refused == []
    state = receiver.latest("foldwatch.fold.state", number="2", state="failed")
    assert state is not None
    assert state.value == 1
    assert state.resource["team"] == "vision"
    assert state.resource["foldwatch.run.name"] == "run"
    failures = [text for text in texts(receiver, "foldwatch.alert") if "fold 2 of 2 failed" in text]
    assert len(failures) == 1
    assert len(texts(receiver, "foldwatch.verdict")) == 1


SHOW = "import os, sys; print([n for n, v in os.environ.items() if sys.argv[1] in v or n.startswith('FOLDWATCH_OTLP')])"


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_HEADERS", "FOLDWATCH_OTLP_HEADERS"])
def test_headers_reach_the_receiver_and_nobody_else(variable: str, tmp_path: Path) -> None:
    """No fold has them, nor the address; no file and no message."""
    run = tmp_path / "run"
    with otlp_receiver(OtlpAnswer(401, message=f"no {SECRET}")) as receiver:
        variables = {variable: f"authorization=Bearer%20{SECRET}"}
        options = ("--otlp", receiver.url, "--output", str(run))
        command = (sys.executable, "-c", SHOW, SECRET[:4])
        done = run_foldwatch("run", *options, "--", *command, environment=variables)
    assert done.code == 0
    assert all(h["authorization"] == f"Bearer {SECRET}" for _, h in receiver.requests)
    assert "fold 1 | []" in done.err + done.out
    assert "refused: answered 401 (no ***); see OTEL_EXPORTER_OTLP_HEADERS" in done.err
    assert SECRET not in done.err + done.out
    assert not any(
        SECRET.encode() in path.read_bytes() for path in run.rglob("*") if path.is_file()
    )


@pytest.mark.slow
@pytest.mark.parametrize("answer", [OtlpAnswer(hangs=True), OtlpAnswer(drips=True)])
def test_a_receiver_that_hangs_delays_the_end_alone_and_by_seconds(
    answer: OtlpAnswer, tmp_path: Path
) -> None:
    """Each fold takes as long as it does; the exit code is the run's."""
    with otlp_receiver(answer) as receiver:
        options = ("--folds", "3", "--output", str(tmp_path / "run"), "--otlp", receiver.url)
        done = run_foldwatch("run", *options, "--", "sh", "-c", "exit 0")
    assert done.code == 0
    assert "OTLP metrics: the last push did not end in time" in done.err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["is_complete"]


@pytest.mark.slow
@pytest.mark.parametrize("answer", [OtlpAnswer(), OtlpAnswer(hangs=True)], ids=["well", "hangs"])
def test_sigterm_ends_a_run_within_seconds_and_flushes(answer: OtlpAnswer, tmp_path: Path) -> None:
    """What a receiver takes arrives; one that hangs holds nobody."""
    with otlp_receiver(answer) as receiver:
        options = ("--output", str(tmp_path / "run"), "--otlp", receiver.url)
        command = [sys.executable, "-m", "foldwatch", "run", *options, "--", "sleep", "60"]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: receiver.requests, 60, "a request")
        wait_until(lambda: list(tmp_path.glob("run/fold-1/journal.jsonl")), 60, "a fold")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert (
            time.monotonic() - began < 8
        )  # five, and what a busy machine takes; a request has ten
    assert process.returncode == 130
    if not answer.hangs:
        state = receiver.latest("foldwatch.fold.state", number="1", state="failed")
        assert state is not None
        assert state.value == 1
        assert receiver.refused == []


@pytest.mark.slow
def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    """The fold ends as without an export."""
    with otlp_receiver() as receiver:
        options = ("--output", str(tmp_path / "run"), "--otlp", receiver.url)
        code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        command = [
            sys.executable,
            "-m",
            "foldwatch",
            "run",
            *options,
            "--",
            sys.executable,
            "-c",
            code,
        ]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        place = tmp_path / "pid"
        pid = wait_until(lambda: place.read_text() if place.exists() else "", 60, "a fold")
        process.kill()
        process.wait(30)
        wait_for_end(int(pid))


@pytest.mark.slow
def test_an_attached_process_is_pushed(tmp_path: Path) -> None:
    """Its threads, and the verdict at the end of the record."""
    training = Training(tmp_path / "train.log")
    try:
        with otlp_receiver() as receiver:
            options = ["--output", str(tmp_path / "run"), "--otlp", receiver.url, "--quiet"]
            command = [sys.executable, "-m", "foldwatch", "attach", str(training.pid), *options]
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | EVERY_SECOND)
            threads = wait_until(lambda: receiver.latest("process.thread.count"), 60, "threads")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        training.end()
    assert threads.resource["foldwatch.run.name"] == "run"
    assert len(texts(receiver, "foldwatch.verdict")) == 1
    assert receiver.refused == []


@pytest.mark.slow
def test_a_daemon_pushes_every_run(tmp_path: Path) -> None:
    """Each as a resource of its own, with its host; and the failure of one that died."""
    now = time.time()
    for run in ("a", "b"):
        write_journal(tmp_path / run, header(), reading(1, now, threads=17, oom_kills=2))
    write_journal(tmp_path / "b", exited(now, exit_code=137, signal="SIGKILL"))
    with (
        otlp_receiver() as receiver,
        serving(
            tmp_path, "--otlp", receiver.url, says="(?s).*", OTEL_METRIC_EXPORT_INTERVAL="1000"
        ),
    ):
        wait_until(lambda: len(receiver.requests) > 3, 60, "several pushes")
        wait_until(
            lambda: {"a", "b"} <= {p.resource["foldwatch.run.name"] for p in receiver.points},
            60,
            "both runs",
        )
    assert receiver.refused == []
    kills = receiver.latest("foldwatch.cgroup.oom.killed")
    assert kills is not None
    assert (kills.kind, kills.value, kills.resource["host.name"]) == ("counter", 2, "node")
    failed = [
        r
        for r in receiver.records
        if r.attributes.get("foldwatch.alert.name", "").endswith("Failed")
    ]
    assert {r.resource["foldwatch.run.name"] for r in failed} == {"b"}


@pytest.mark.slow
def test_a_daemon_ends_beside_a_receiver_that_hangs(tmp_path: Path) -> None:
    """It serves meanwhile; its end is bounded."""
    write_journal(tmp_path / "a", header(), reading(1, time.time(), threads=17))
    with otlp_receiver(OtlpAnswer(hangs=True)) as receiver:
        with serving(tmp_path, "--otlp", receiver.url, says=".*OTLP metrics: the last push") as url:
            wait_until(lambda: receiver.requests, 60, "a request")
            assert 'foldwatch_threads{run="a"' in fetch(f"{url}metrics")
            began = time.monotonic()
        assert time.monotonic() - began < 8


@pytest.mark.slow
@pytest.mark.parametrize("is_hanging", [False, True])
def test_an_agent_without_a_runner_pushes_its_fold(is_hanging: bool, tmp_path: Path) -> None:  # noqa: FBT001 - parametrized
    """Its metrics and its failure; a receiver that hangs changes nothing of the outcome."""
    run = tmp_path / "run"
    RunDirectory(str(run)).create()
    command = (sys.executable, "-c", "import time; time.sleep(2); raise SystemExit(3)")
    order = Order(run_dir=str(run), folds=3, fold=2, command=command, config_digest="c")
    (tmp_path / "order.json").write_text(order.encode())
    with otlp_receiver(*[OtlpAnswer(hangs=True)] * is_hanging) as receiver:
        done = subprocess.run(
            [sys.executable, "-m", "trainer.agent", str(tmp_path / "order.json")],
            cwd=ROOT,
            env=os.environ | EVERY_SECOND | {"FOLDWATCH_OTLP": receiver.url},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1, done.stderr
    assert (run / "fold-2" / "failure.json").exists()
    if is_hanging:
        return
    assert receiver.refused == []
    folds = {p.attributes.get("foldwatch.fold.number") for p in receiver.points}
    assert folds == {"2", None}
    assert [t for t in texts(receiver, "foldwatch.alert") if t.startswith("fold 2 failed")]


@pytest.mark.slow
def test_a_setting_that_cannot_be_used_costs_an_agent_the_export_alone(tmp_path: Path) -> None:
    """Nobody is there to mend it."""
    run = tmp_path / "run"
    RunDirectory(str(run)).create()
    order = Order(run_dir=str(run), folds=1, fold=1, command=("true",), config_digest="c")
    (tmp_path / "order.json").write_text(order.encode())
    done = subprocess.run(
        [sys.executable, "-m", "trainer.agent", str(tmp_path / "order.json")],
        cwd=ROOT,
        env=os.environ | {"FOLDWATCH_OTLP": "nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stderr.startswith("foldwatch: FOLDWATCH_OTLP: --otlp: an address that begins with")


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Before anything runs."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.logs.v1", None)
    run = tmp_path / "run"
    options = ["--output", str(run), "--otlp", "http://127.0.0.1:4318"]
    assert main(["run", *options, "--", "true"]) == 2
    assert capsys.readouterr().err == (
        "foldwatch: --otlp needs opentelemetry-proto: pip install 'foldwatch[otlp]'\n"
    )
    assert not run.exists()


def test_a_test_alert_tries_both_signals(foldwatch: Foldwatch) -> None:
    """And says of each what came of it."""
    with otlp_receiver() as receiver:
        good = foldwatch("alert", "--test", "--otlp", f"{receiver.url}/v1/metrics")
        receiver.answers.append(OtlpAnswer(403))
        bad = foldwatch("alert", "--test", "--otlp", receiver.url)
    assert good.out.splitlines() == ["--otlp (metrics): sent", "--otlp (logs): sent"]
    assert receiver.latest("foldwatch.run.state") is not None
    assert "this is a test" in receiver.records[0].text
    assert bad.code == 1
    assert bad.out.splitlines()[0] == (
        "--otlp (metrics): failed: refused: answered 403; see OTEL_EXPORTER_OTLP_HEADERS"
    )
