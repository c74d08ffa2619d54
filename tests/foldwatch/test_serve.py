"""`foldwatch serve` as a process: what it refuses, writes, shows in a real browser, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from foldwatch.main import main
from telemetry.journal.writer import JournalWriter
from tests.support.builders import header, reading, write_journal
from tests.support.paths import ROOT
from tests.support.serving import fetch, serving
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def grow(journal: Path, threads: int) -> None:
    write_journal(journal.parent, header(), reading(1, time.time(), threads=threads))


@pytest.mark.slow
def test_it_follows_a_journal_and_ends_at_sigterm(tmp_path: Path) -> None:
    """With exit code 0 and nothing more said; the textfile is gone then, the target file stays."""
    runs, textfile, targets = tmp_path / "runs", tmp_path / "f.prom", tmp_path / "t.json"
    grow(runs / "a" / "journal.jsonl", 17)
    options = ("--textfile", str(textfile), "--file-sd", str(targets))
    with serving(runs, *options) as url:
        series = 'foldwatch_threads{run="a",host="node",fold="1",rank=""} '
        assert f"{series}17\n" in fetch(f"{url}metrics")
        assert fetch(f"{url}healthz") == "ok\n"
        grow(runs / "a" / "journal.jsonl", 18)
        wait_until(lambda: f"{series}18\n" in fetch(f"{url}metrics"), 20, "18 threads")
        wait_until(lambda: f"{series}18\n" in textfile.read_text(), 20, "18 threads in the file")
        (target,) = json.loads(targets.read_text())
        assert target["targets"] == [url.removeprefix("http://").strip("/")]
        assert target["labels"]["__scheme__"] == "http"
    assert not textfile.exists()
    assert targets.exists()
    assert sorted(os.listdir(tmp_path)) == ["runs", "t.json"]


@pytest.mark.slow
def test_growth_so_far_is_a_metric(tmp_path: Path) -> None:
    """A leak of three folds in one process, judged while it runs."""
    writer = JournalWriter(str(tmp_path / "run" / "journal.jsonl"))
    writer.write(header())
    begun = time.time() - 100
    for number in range(12):
        fold, step = divmod(number, 3)
        threads = 100 + 10 * number
        writer.write(
            reading(fold + 1, begun + number, stage=f"step {step}", folds=9, threads=threads)
        )
    writer.close()
    with serving(tmp_path) as url:
        text = wait_until(
            lambda: re.search(
                r'^foldwatch_growth_per_fold\{.*resource="threads"\} (.*)$',
                fetch(f"{url}metrics"),
                re.MULTILINE,
            ),
            20,
            "a slope",
        )
        assert float(text[1]) == pytest.approx(30)


@pytest.mark.slow
def test_alerts_are_told_and_shown(tmp_path: Path) -> None:
    """A pids ceiling at 97 %: on standard error, and in what the page shows."""
    writer = JournalWriter(str(tmp_path / "run" / "journal.jsonl"))
    for number in range(3):
        when = time.time() - 3 + number
        writer.write(reading(1, when, cgroup_pids=97, limits={"pids_cgroup": 100}))
    writer.close()
    with serving(tmp_path, says=".*pids_cgroup is 97% full") as url:
        alerts = wait_until(lambda: json.loads(fetch(f"{url}api/state"))["alerts"], 20, "an alert")
        assert alerts[0]["severity"] == "critical"
        assert "97%" in alerts[0]["summary"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--address", "0.0.0.0"], "--allow-anonymous"),
        (["--user", "ann"], "a name and a password go together"),
        (["--token-file", "{tmp}/none"], "cannot be read"),
        (["--token-file", "{tmp}/empty"], "the first line is empty"),
        (["--token-file", "/dev/zero"], "the first line has more than"),
        (["--user", "ann", "--password-file", "/dev/zero"], "the first line has more than"),
        (["--tls-cert", "{tmp}/empty"], "a certificate and its key go together"),
        (
            ["--tls-cert", "{tmp}/empty", "--tls-key", "{tmp}/empty"],
            "not a certificate and its key",
        ),
        (["--textfile", "{tmp}/metrics"], "the name must end in .prom"),
        (["--file-sd", "{tmp}/no/where.json"], "No such file or directory"),
        (["--textfile", "{tmp}/no/where.prom"], "No such file or directory"),
        (["--port", "{busy}"], "address already in use"),
        (["--address", "192.0.2.1", "--allow-anonymous"], "cannot assign requested address"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    """What, where, what to do; nothing is served."""
    (tmp_path / "empty").touch()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        filled = [option.format(tmp=tmp_path, busy=port) for option in options]
        if "--port" not in filled:
            filled += ["--port", "0"]
        code = main(["serve", str(tmp_path), *filled])
    said = capsys.readouterr().err
    assert code == 2
    assert says in said
    assert said.count("\n") == 1


def test_a_directory_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the name that was given."""
    assert main(["serve", "/no/such/place"]) == 2
    assert capsys.readouterr().err.startswith("foldwatch: /no/such/place: not a directory")


@pytest.mark.slow
def test_without_its_packages_it_says_what_to_install() -> None:
    """In one line."""
    code = "import sys; sys.modules['starlette'] = None; from foldwatch.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'foldwatch[serve]'" in done.stderr


@pytest.mark.slow
def test_a_runner_without_those_packages_serves_its_metrics_all_the_same(tmp_path: Path) -> None:
    """And says what a page would need."""
    code = "import sys; sys.modules['starlette'] = None; from foldwatch.main import main; sys.exit(main())"
    options = ["--folds", "1", "--port", "0", "--output", str(tmp_path / "run")]
    with subprocess.Popen(
        [sys.executable, "-c", code, "run", *options, "--", "sleep", "60"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if "metrics at" in line)
            assert "pip install 'foldwatch[serve]'" in line
            found = re.search(r"http://127\.0\.0\.1:\d+/metrics", line)
            assert found
            state = 'foldwatch_fold_state{fold="1",'
            wait_until(lambda: state in fetch(found[0]), 20, "the fold's state")
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()


@pytest.mark.slow
def test_other_addresses_are_served_with_a_secret_from_a_file_or_the_environment(
    tmp_path: Path,
) -> None:
    """The secret is never an argument, which every user of the machine could read."""
    (tmp_path / "token").write_text("t0ken\n")
    (tmp_path / "runs").mkdir()
    with serving(
        tmp_path / "runs",
        *("--address", "0.0.0.0", "--token-file", str(tmp_path / "token"), "--user", "ann"),
        FOLDWATCH_PASSWORD="pw",
    ) as url:
        here = url.replace("0.0.0.0", "127.0.0.1")
        for authorization in ("Bearer t0ken", "Basic YW5uOnB3"):
            assert "foldwatch" not in fetch(f"{here}metrics", Authorization=authorization)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetch(f"{here}metrics")
