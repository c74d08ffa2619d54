"""``make pictures``: the pictures of the README, made by running foldwatch.

``terminal.svg`` is a recording of a terminal, whose lines appear one after another; ``page.png`` is the page of the daemon
for a night's runs, in Chromium. Needs the extra dev and Debian's chromium.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from tests.support.many_runs import write_runs
from tests.support.paths import INCIDENT, ROOT
from tests.support.ports import free_port

DOCS = Path(ROOT, "docs")
WIDTH = 92
COMMAND = "foldwatch analyze train.log"
SHOWN_LINES = 24
"""Of the beginning; the last line, the root cause, follows them."""
TYPING_SECONDS, LINE_SECONDS, HOLD_SECONDS = 1.2, 0.12, 6.0
PAGE_SIZE = {"width": 1180, "height": 640}
RUNS = 13


def output_in_a_terminal(command: str, folder: str) -> str:
    """Return the output of a command in a terminal of WIDTH columns, with its colours."""
    ours, theirs = pty.openpty()
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "PATH": path}
    process = subprocess.Popen(
        shlex.split(command), cwd=folder, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    output = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # EIO: the other end is closed
            break
        output += part
    process.wait()
    os.close(ours)
    return output.decode().replace("\r\n", "\n")


def terminal() -> str:
    """Return the recording as SVG."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(INCIDENT, os.path.join(folder, "train.log"))
        lines = output_in_a_terminal(COMMAND, folder).rstrip().split("\n")
    shown = [*lines[:SHOWN_LINES], "...", lines[-1]]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"\x1b[32m$\x1b[0m \x1b[1m{COMMAND}\x1b[0m"))
    for line in shown:
        console.print(Text.from_ansi(line), no_wrap=True)
    return animated(console.export_svg(title="foldwatch", unique_id="foldwatch"))


def animated(svg: str) -> str:
    """Return the picture with lines that appear one after another; without animations, all of them are shown."""
    lines = 1 + max(map(int, re.findall(r"#foldwatch-line-(\d+)\)", svg)))
    whole = TYPING_SECONDS + lines * LINE_SECONDS + HOLD_SECONDS
    style = []
    for line in range(1, lines):
        begins = 100 * (TYPING_SECONDS + line * LINE_SECONDS) / whole
        style.append(
            f"@keyframes line-{line} {{ 0%, {begins:.2f}% {{ opacity: 0 }}"
            f" {begins + 0.01:.2f}%, 100% {{ opacity: 1 }} }}\n"
            f'[clip-path="url(#foldwatch-line-{line})"]'
            f" {{ animation: line-{line} {whole:.1f}s infinite }}"
        )
    still = "@media (prefers-reduced-motion: reduce) { text { animation: none !important } }"
    return svg.replace("</style>", "\n".join(["", *style, still, "</style>"]), 1)


def page(path: Path) -> None:
    """Write a screenshot of the page of RUNS runs."""
    with ExitStack() as stack:
        runs = stack.enter_context(tempfile.TemporaryDirectory())
        write_runs(Path(runs), RUNS, time.time())
        port = free_port()
        daemon = stack.enter_context(
            subprocess.Popen([sys.executable, "-m", "foldwatch", "serve", runs, f"--port={port}"])
        )
        stack.callback(daemon.terminate)
        driver = stack.enter_context(sync_playwright())
        chromium = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport=PAGE_SIZE, device_scale_factor=1.5)
        for _ in range(60):
            try:
                tab.goto(f"http://127.0.0.1:{port}/")
                break
            except Exception:  # noqa: BLE001 - the daemon starts
                time.sleep(0.5)
        tab.get_by_text("leaking").first.wait_for()
        tab.wait_for_timeout(12_000)  # for the verdicts
        tab.screenshot(path=path)
        browser.close()


def main() -> None:
    """Write both."""
    (DOCS / "terminal.svg").write_text(terminal(), encoding="utf-8")
    page(DOCS / "page.png")


if __name__ == "__main__":
    main()
