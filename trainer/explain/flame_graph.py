"""The flame graph of what is held, as one HTML file that needs nothing else: callers above, what they call below."""

from __future__ import annotations

import html
import os
from typing import TYPE_CHECKING, TypeAlias

from telemetry.formatting import format_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LEAST_SHARE = 0.002
"""Of all that is held, below which a call is not drawn."""
DEEPEST = 120
ROW_PIXELS = 20
Frame: TypeAlias = tuple[str, str, int]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title><style>
body {{ font: 14px system-ui, sans-serif; margin: 1rem; color: #1c2024; background: #fff }}
#graph {{ position: relative; height: {height}px }}
#graph div {{ position: absolute; height: {row}px; box-sizing: border-box; overflow: hidden; white-space: nowrap;
  border: 1px solid #fff; border-radius: 3px; padding: 0 4px; font-size: 12px; line-height: {inner}px; cursor: pointer }}
#graph .own {{ background: #f2a65a }}
#graph .library {{ background: #cfd8e3 }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e6e8ea; background: #16181b }}
  #graph div {{ border-color: #16181b; color: #1c2024 }} }}
</style></head><body>
<h1>{title}</h1>
<p>{words}. Orange is the program's own code, grey that of libraries. A click on a call shows it alone; one on the first
row shows all again.</p>
<div id="graph">
{calls}
</div>
<script>
const calls = [...document.querySelectorAll("#graph div")];
const place = call => [Number(call.dataset.x), Number(call.dataset.w), Number(call.dataset.y)];
function show(call) {{
  const [left, width, depth] = place(call);
  for (const other of calls) {{
    const [x, w, y] = place(other);
    const isCaller = y < depth && x <= left && x + w >= left + width;
    const isInside = y >= depth && x >= left - 1e-9 && x + w <= left + width + 1e-9;
    other.hidden = !(isCaller || isInside);
    other.style.left = isCaller ? "0" : 100 * (x - left) / width + "%";
    other.style.width = isCaller ? "100%" : 100 * w / width + "%";
  }}
}}
for (const call of calls) call.addEventListener("click", () => show(call));
</script></body></html>
"""


class _Call:
    """A call in the graph, with all that was allocated below it."""

    def __init__(self) -> None:
        self.bytes = 0
        self.made: dict[Frame, _Call] = {}


def flame_graph(
    records: Iterable[tuple[Sequence[Frame], int]], *, title: str, is_own: Callable[[str], bool]
) -> str:
    """Return the page.

    Args:
        records: For each the stack, the innermost call first, as function, file and line, and the bytes.
        title: The heading.
        is_own: Whether a file is the program's own.
    """
    root = _Call()
    for stack, size in records:
        root.bytes += size
        at = root
        for frame in [*reversed(stack)][:DEEPEST]:
            at = at.made.setdefault(frame, _Call())
            at.bytes += size
    drawn = [*_drawn(root, 0.0, 1, root.bytes, is_own)]
    whole = format_amount(root.bytes, is_bytes=True)
    first = _box(f"everything: {whole}", 0.0, 1.0, 0, kind="library")
    depth = max((row for _, row in drawn), default=0)
    return _PAGE.format(
        title=html.escape(title),
        words=f"{whole} are held",
        height=(depth + 1) * ROW_PIXELS,
        row=ROW_PIXELS,
        inner=ROW_PIXELS - 2,
        calls="\n".join([first, *(box for box, _ in drawn)]),
    )


def _drawn(
    call: _Call, left: float, row: int, whole: int, is_own: Callable[[str], bool]
) -> Iterator[tuple[str, int]]:
    """Give the boxes of what a call made, the largest first, with their rows."""
    for (function, file, line), made in sorted(call.made.items(), key=lambda item: -item[1].bytes):
        share = made.bytes / whole if whole else 0.0
        if share < LEAST_SHARE:
            return
        amount = format_amount(made.bytes, is_bytes=True)
        name = f"{function} ({os.path.basename(file)}:{line}): {amount}"
        kind = "own" if is_own(file) else "library"
        yield _box(name, left, share, row, kind=kind), row
        yield from _drawn(made, left, row + 1, whole, is_own)
        left += share


def _box(name: str, left: float, share: float, row: int, *, kind: str) -> str:
    words = html.escape(f"{name}, {share:.1%}")
    where = f"left:{100 * left:.3f}%;width:{100 * share:.3f}%;top:{row * ROW_PIXELS}px"
    data = f'data-x="{left:.6f}" data-w="{share:.6f}" data-y="{row}"'
    return f'<div class="{kind}" style="{where}" {data} title="{words}">{words}</div>'
