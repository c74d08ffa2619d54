"""`TopApp`: shows the frames of a model in a terminal, with Textual. Colours are the terminal's own."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.binding import Binding
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from foldwatch.top.frame import TOP_LINES, frame
from foldwatch.top.lines import STYLES
from foldwatch.top.model import TopModel, TopScreen
from foldwatch.top.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.geometry import Size

    from foldwatch.top.lines import Line
    from foldwatch.top.watcher import StateSource

_STYLES = {name: Style.parse(name or "none") for name in STYLES}
_WHEEL_LINES = 3


class OutputDriver(LinuxDriver):
    """Textual's own, which draws on standard error; that may go to a log."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._file = sys.__stdout__


class FrameView(Widget):
    """Shows lines as they are: no markup of theirs is read."""

    def __init__(self, draw: Callable[[int, int], list[Line]]) -> None:
        super().__init__()
        self._draw = draw
        self._lines: list[Line] = []
        self._drawn_at: Size | None = None

    def renew(self) -> None:
        """Draw again; only lines that have changed are sent to the terminal."""
        before, self._drawn_at = self._lines, self.size
        self._lines = self._draw(max(1, self.size.width), max(1, self.size.height))
        if len(before) != len(self._lines):
            self.refresh()
            return
        for place, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if old != new:
                self.refresh(Region(0, place, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """Give one line; Textual calls this."""
        if self._drawn_at != self.size:
            self.renew()
        spans = self._lines[y] if y < len(self._lines) else ()
        return Strip([Segment(text, _STYLES[style]) for text, style in spans], self.size.width)


class TopApp(App[None]):
    """The terminal: keys to the model, and what it shows to the screen."""

    CSS = "Screen, FrameView { background: ansi_default; color: ansi_default; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [Binding("ctrl+c", "quit", "quit", priority=True)]

    def __init__(self, source: StateSource, *, has_blocks: bool = True) -> None:
        """Take what to watch, and whether the terminal has the characters of a sparkline."""
        super().__init__(driver_class=OutputDriver, ansi_color=True)
        self.model = model = TopModel(source.name)
        self._watcher = Watcher(
            source,
            on_state=lambda state: self._later(lambda: model.take(state)),
            on_problem=lambda words: self._later(lambda: model.lose(words)),
            wanted=lambda: model.wanted,
        )
        self._view = FrameView(
            lambda width, height: frame(model, width, height, has_blocks=has_blocks)
        )

    def compose(self) -> ComposeResult:
        """Give the one widget; Textual calls this."""
        yield self._view

    def on_mount(self) -> None:
        """End cleanly however it is ended, so that the terminal is as it was."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with suppress(RuntimeError, ValueError):  # not in the main thread
                loop.add_signal_handler(number, self.exit)
        self._watcher.start()

    def on_unmount(self) -> None:
        """Read no more."""
        self._watcher.stop()

    def _later(self, change: Callable[[], object]) -> None:
        """Change what is shown, in this application's own thread."""
        with suppress(RuntimeError):  # it has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._act, change)

    def on_key(self, event: events.Key) -> None:
        """Take a key; a letter that quits is one of a filter while that is typed."""
        event.stop()
        event.prevent_default()
        if event.key == "q" and not self.model.is_typing:
            self.exit()
        elif event.key == "ctrl+z":
            self.action_suspend_process()
        else:
            self._act(lambda: self.model.press(event.key, event.character))

    def on_mouse_scroll_down(self) -> None:
        """Move down."""
        self._act(lambda: self.model.move(_WHEEL_LINES))

    def on_mouse_scroll_up(self) -> None:
        """Move up."""
        self._act(lambda: self.model.move(-_WHEEL_LINES))

    def on_click(self, event: events.Click) -> None:
        """Choose the row there; the second click opens it."""
        rows, place = self.model.rows, self.model.first + event.y - TOP_LINES
        if self.model.screen is not TopScreen.DETAIL and 0 <= place < len(rows):
            self.model.choose(rows, place)
            self._act(self.model.open if event.chain == 2 else lambda: False)

    def _act(self, action: Callable[[], object]) -> None:
        must_read = action()
        self._view.renew()
        if must_read:
            self._watcher.wake()
