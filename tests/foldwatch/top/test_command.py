"""`foldwatch top` as a program: in a terminal, without one, and how it ends."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.builders import header, write_journal
from tests.support.paths import ROOT
from tests.support.programs import run_foldwatch, run_python
from tests.support.top_runs import limited

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECONDS = 30.0
COLOUR = re.compile(rb"\x1b\[[0-9;]*(?:3[0-7]|9[0-7]|4[0-7]|38;|48;)[0-9;]*m")


class Terminal:
    """The program in a pseudo-terminal of 80 columns and 24 lines."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._own, other = pty.openpty()
        termios.tcsetwinsize(self._own, (24, 80))
        self.before = termios.tcgetattr(self._own)
        self.seen = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "foldwatch", "top", *arguments],
            cwd=ROOT,
            env=os.environ | {"TERM": "xterm-256color"} | environment,
            stdin=other,
            stdout=other,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(other)

    def wait_for(self, words: str) -> None:
        """Read until these words were written."""
        until = time.monotonic() + PATIENCE_SECONDS
        while words.encode() not in self.seen:
            assert time.monotonic() < until, self.seen
            self._read()

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._own, keys)

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        try:
            while self._read():
                pass
        finally:
            self.process.wait(PATIENCE_SECONDS)
        return self.process.returncode

    def is_restored(self) -> bool:
        """Whether the terminal is as it was: its settings, its screen and its cursor."""
        settings = termios.tcgetattr(self._own) == self.before
        os.close(self._own)
        return settings and b"\x1b[?1049l" in self.seen and b"\x1b[?25h" in self.seen

    def _read(self) -> bool:
        if not select.select([self._own], [], [], 1.0)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self._own, 2**16)
        except OSError:  # it is closed on the other side
            return False
        self.seen += data
        return bool(data)


def write_run(folder: Path, *, maps: int = 65_000) -> None:
    now = time.time()
    write_journal(folder, header(host="h"), limited(1, now, pid=os.getpid(), maps=maps))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["q", "ctrl-c", "SIGTERM", "SIGHUP", "SIGINT"])
def test_it_ends_cleanly_and_gives_the_terminal_back(tmp_path: Path, ending: str) -> None:
    """However it is ended; standard error may go anywhere."""
    write_run(tmp_path / "bad")
    write_run(tmp_path / "well", maps=9_000)
    terminal = Terminal(str(tmp_path))
    terminal.wait_for("sysctl -w vm.max_map_count=131060")
    if ending.startswith("SIG"):
        terminal.process.send_signal(signal.Signals[ending])
    else:
        terminal.press({"q": b"q", "ctrl-c": b"\x03"}[ending])
    assert terminal.end() == 0
    assert terminal.is_restored()


@pytest.mark.slow
@pytest.mark.parametrize("has_colour", [True, False])
def test_colour_is_the_terminals_own_or_none(tmp_path: Path, *, has_colour: bool) -> None:
    """NO_COLOR leaves bold and reverse."""
    write_run(tmp_path / "bad")
    write_run(tmp_path / "well", maps=9_000)
    environment = {} if has_colour else {"NO_COLOR": "1"}
    terminal = Terminal(str(tmp_path), **environment)
    terminal.wait_for("sysctl -w vm.max_map_count=131060")
    terminal.press(b"j")
    terminal.wait_for("nothing to do")
    terminal.press(b"q")
    assert terminal.end() == 0
    assert bool(COLOUR.search(terminal.seen)) == has_colour
    assert terminal.is_restored()


@pytest.mark.slow
def test_without_a_terminal_it_prints_one_table(tmp_path: Path) -> None:
    """The worst first, with what helps now; also by --once, and where the terminal is dumb."""
    write_run(tmp_path / "bad")
    write_run(tmp_path / "well", maps=9_000)
    done = run_foldwatch("top", str(tmp_path))
    lines = done.out.splitlines()
    assert done.code == 0
    assert [line.split() for line in lines[:3]] == [
        ["RUN", "STATE", "FOLD", "STAGE", "RANK", "WORST", "LIMIT", "FULL", "LEFT"],
        ["!!", "bad", "running", "1/5", "after", "fit", "-", "memory", "maps", "99", "%", "-"],
        ["well", "running", "1/5", "after", "fit", "-", "memory", "maps", "13", "%", "-"],
    ]
    assert "bad: max_map_count is 99% full (65,000 of 65,530)" in lines
    assert "  now: sysctl -w vm.max_map_count=131060" in lines
    for arguments, environment in (([], {"TERM": "dumb"}), (["--once"], {})):
        terminal = Terminal(str(tmp_path), *arguments, **environment)
        assert terminal.end() == 0
        assert b"now: sysctl -w vm.max_map_count=131060" in terminal.seen
        assert b"\x1b" not in terminal.seen


@pytest.mark.slow
def test_what_cannot_be_watched_is_said_in_one_line(tmp_path: Path) -> None:
    """With exit code 2."""
    for watched, words in (
        (str(tmp_path / "gone"), "no directory, no PID and no address"),
        (str(2**22 + 1), "there is none"),
        ("http://127.0.0.1:9", "no state from http://127.0.0.1:9"),
    ):
        done = run_foldwatch("top", watched)
        assert (done.code, done.out) == (2, "")
        assert words in done.err
        assert done.err.count("\n") == 1


@pytest.mark.slow
def test_without_its_extra_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    """In a terminal alone: the table needs nothing of it."""
    code = (
        "import sys; sys.modules['textual'] = None\n"
        "from foldwatch.top import session\n"
        "session._is_interactive = lambda: True\n"
        "from foldwatch.main import main; sys.exit(main(['top', sys.argv[1]]))"
    )
    done = run_python("-c", code, str(tmp_path))
    assert done.code == 2
    assert "foldwatch[top]" in done.err
    assert done.err.count("\n") == 1
