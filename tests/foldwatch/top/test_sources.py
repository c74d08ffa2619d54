"""Where states come from: a directory, a page, a process."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from foldwatch.top.directory_source import DirectorySource
from foldwatch.top.fields import Fields
from foldwatch.top.page_source import PageSource
from foldwatch.top.process_source import AttachedSource, process_source
from foldwatch.top.runs import run_rows
from foldwatch.top.watcher import Watcher
from telemetry.errors import InputError
from tests.support.builders import header, write_journal
from tests.support.serving import serving
from tests.support.top_runs import SnapshotSource, healthy, limited
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from foldwatch.top.watcher import StateSource

SLEEPS = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]


def write_run(folder: Path, *, maps: int = 9_000) -> None:
    """Write a run of this process's, which goes on."""
    now = time.time()
    first = replace(header(host="h"), time=now, pid=os.getpid(), start_ticks=None)
    write_journal(folder, first, limited(1, now, pid=os.getpid(), maps=maps))


def rows_of(source: StateSource) -> dict[str, str]:
    """Return what is shown of each run."""
    rows = run_rows(Fields(source.look(None)))
    return {row.name: f"{row.state} {row.fold} {row.mark}".rstrip() for row in rows}


def test_a_directory_shows_its_runs_and_their_alerts(tmp_path: Path) -> None:
    """As they are now, without a port; a critical limit at once."""
    write_run(tmp_path / "well")
    write_run(tmp_path / "bad", maps=65_000)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "journal.jsonl").write_bytes(b"\xff\0{" * 100 + b"\n")
    source = DirectorySource(str(tmp_path))
    found = rows_of(source)
    assert found["well"] == "running 1/5"
    assert found["bad"] == "running 1/5 !!"
    full = source.look(("bad", "h", ""))["run"]
    assert full["binding"]["ceiling"] == "max_map_count"
    assert full["curves"][0]["maps"] == [65_000]
    assert source.look(("none", "h", ""))["run"] is None


@pytest.mark.slow
def test_a_page_shows_the_same(tmp_path: Path) -> None:
    """Also behind a token, and says in words that it is gone."""
    write_run(tmp_path / "bad", maps=65_000)
    with serving(tmp_path, says="", FOLDWATCH_TOKEN="a secret") as url:
        with pytest.raises(OSError, match="answered 401; give --user or --token-file"):
            PageSource(url, headers={}).look(None)
        source = PageSource(url, headers={"Authorization": "Bearer a secret"})
        assert rows_of(source) == {"bad": "running 1/5 !!"}
        assert source.look(("bad", "h", ""))["run"]["curves"][0]["maps"] == [65_000]
        assert source.name == url.rstrip("/")
    with pytest.raises(OSError, match=r"^no state from http://127.0.0.1:\d+: .*refused"):
        source.look(None)


@contextmanager
def answering(content: bytes) -> Iterator[str]:
    """Answer every request with ``content``."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"runs": 3}', b"[" * 9_000])
def test_an_answer_that_is_no_state_is_no_page(content: bytes) -> None:
    """One line."""
    with answering(content) as url, pytest.raises(OSError, match=r"no JSON|no page of foldwatch"):
        PageSource(url, headers={}).look(None)


def test_what_is_no_address_is_refused() -> None:
    """Before anything is asked."""
    with pytest.raises(InputError, match="http://"):
        PageSource("ftp://node-1", headers={})


@contextmanager
def sleeping(*more: str) -> Iterator[int]:
    """Give a process that sleeps."""
    with subprocess.Popen([*SLEEPS, *more], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_process_is_recorded_while_it_is_watched() -> None:
    """From outside; nothing of that is left."""
    with sleeping() as pid:
        source = process_source(pid)
        assert isinstance(source, AttachedSource)
        assert f"process {pid}" in source.name
        (name, shown), *_ = rows_of(source).items()
        assert name.endswith(f"-{pid}")
        assert shown == "running -"
    wait_until(lambda: "running -" not in rows_of(source).values(), 20, "its end")
    folder = source._top  # noqa: SLF001 - what must be gone
    assert os.path.isdir(folder)
    source.close()
    assert not os.path.exists(folder)


def test_a_process_that_records_itself_is_shown_by_its_record(tmp_path: Path) -> None:
    """It is not recorded twice; nor is one of a fold's own."""
    write_run(tmp_path / "run" / "fold-1")
    with open(tmp_path / "run" / "fold-1" / "journal.jsonl", "ab"):
        source = process_source(os.getpid())
    assert isinstance(source, DirectorySource)
    assert source.name == str(tmp_path / "run")
    assert rows_of(source) == {"run": "running 1/5"}


def test_no_process_is_said() -> None:
    """In one line."""
    with pytest.raises(InputError, match="there is none"):
        process_source(2**22 + 1)


def test_a_look_that_fails_is_followed_by_the_next() -> None:
    """In the watcher's thread, until it is told to stop; a wish is taken at once."""
    source, wanted = SnapshotSource([healthy()], problem="refused"), ("bert-base", "node-1", "")
    states: list[object] = []
    problems: list[str] = []
    watcher = Watcher(
        source, on_state=states.append, on_problem=problems.append, wanted=lambda: wanted
    )
    watcher.start()
    wait_until(lambda: problems, 20, "a problem")
    source.problem = ""
    watcher.wake()
    wait_until(lambda: states, 20, "a state")
    watcher.stop()
    assert problems == ["refused; it is tried again"]
    assert json.loads(json.dumps(states[0]))["run"]["run"] == "bert-base"
