"""The application of `foldwatch top` without a terminal: keys in, the text of its screen out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foldwatch.top.app import TopApp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.pilot import Pilot

    from foldwatch.top.watcher import StateSource

PATIENCE_SECONDS = 20.0
STEP_SECONDS = 0.01


async def screen_after(
    source: StateSource, keys: Sequence[str] = (), size: tuple[int, int] = (80, 24)
) -> list[str]:
    """Return the lines of the screen after these keys, without blanks at their ends."""
    shown = TopApp(source)
    async with shown.run_test(size=size) as pilot:
        await settled(shown, pilot)
        for key in keys:
            await pilot.press(key)
            await settled(shown, pilot)
        return text_of(shown)


async def settled(shown: TopApp, pilot: Pilot[None]) -> None:
    """Wait until what the model shows was read, and is on the screen."""
    model = shown.model
    for _ in range(int(PATIENCE_SECONDS / STEP_SECONDS)):
        await pilot.pause()
        is_read = model.problem or (model.state and (model.wanted is None or model.full))
        if is_read:
            return
        await pilot.pause(STEP_SECONDS)
    raise AssertionError("nothing was read")


def text_of(shown: TopApp) -> list[str]:
    """Return the lines that are on the screen."""
    strips = shown.screen._compositor.render_strips()  # noqa: SLF001 - as Textual's own snapshots
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]
