"""Labels and log lines are untrusted: inert in every output."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from analyzer import analyze
from analyzer.formatting import LONGEST_LABEL, safe
from analyzer.reports import figures, html_report, openmetrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

LABELS = {
    "script": "<script>alert(1)</script>",
    "quotes": "\"'`& &amp; </text><!-- --> ]]>",
    "csi": "\x1b[31mred\x1b[2J",
    "osc 8": "\x1b]8;;http://127.0.0.1:9\x1b\\link\x1b]8;;\x1b\\",
    "osc 52": "\x1b]52;c;aGk=\x07paste",
    "c1": "\x9b31m \x85 \x90",
    "bidi": "a\u202egnp.exe\u2066b\u2069",
    "zero width": "a\u200bb\u200d\ufeffc\u00ad",
    "separators": "a\u2028b\u2029c\x0bd\x0ce",
    "long": "x" * 10_000,
    "mathematics": r"$\frac{x}{0$ a_b^2 \alpha $$",
    "markup": "[red]not red[/red] [/] {{ 7*7 }} {% raw %}",
    "metrics": 'a"} 1\\',
    "other scripts": "日本語 🎉 ﷽",
}
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""What moves a cursor, reverses text or hides in it; not tab and newline."""
LINE = "[THREADS] Fold {}/3 {}: proc={}, cgroup=9/7680, maps=60000/65530, rss=6MB\n"


def as_text(content: bytes) -> None:
    text = content.decode()
    assert not STEERS.search(text)
    assert max(map(len, text.splitlines())) <= 80


def as_json(content: bytes) -> None:
    assert content.isascii()
    assert not STEERS.search(content.decode())


def as_markup(content: bytes) -> None:
    text = content.decode()
    assert not STEERS.search(text)
    assert "<script" not in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    assert "</text><!-- -->" not in text
    assert "49" not in re.findall(r"not red[^<]{0,40}", text)


def as_openmetrics(content: bytes) -> None:
    text = content.decode()
    names = {family.name for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call] # has no types
    assert all(name.startswith("foldwatch_") for name in names)
    assert not STEERS.search(text)


def as_picture(content: bytes) -> None:
    assert content.startswith((b"\x89PNG", b"%PDF"))
    assert not re.search(rb"/(?:URI|JavaScript|Launch)\b", content)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a log with all of them as labels, in its name, and behind a crash."""
    path = tmp_path_factory.mktemp("hostile") / "a[b]$x$<i>\x1b[31m.log"
    text = "".join(
        LINE.format(fold, label, 8 * fold) for fold in (1, 2, 3) for label in LABELS.values()
    )
    ends = " ".join(LABELS.values())
    path.write_text(text + f"RuntimeError: can't start new thread {ends}\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def outputs(log: str) -> Callable[[str, Path], bytes]:
    """Give what writes one output; the figure and the analysis are made once."""
    analysis = analyze([log])
    figure = figures.plot(analysis)

    def write(kind: str, folder: Path) -> bytes:
        path = folder / f"out.{kind}"
        if kind == "html":
            html_report.save(html_report.as_html(analysis), str(path))
        elif kind == "om":
            openmetrics.write(openmetrics.collect([log], start=0, step=60), str(path))
        else:
            figures.save(figure, str(path))
        return path.read_bytes()

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "inert"),
    [
        ("html", as_markup),
        ("svg", as_markup),
        ("png", as_picture),
        ("pdf", as_picture),
        ("om", as_openmetrics),
    ],
)
def test_a_file_of_hostile_labels_is_inert(
    outputs: Callable[[str, Path], bytes],
    tmp_path: Path,
    kind: str,
    inert: Callable[[bytes], None],
) -> None:
    """Each kind of file that is written."""
    inert(outputs(kind, tmp_path))


@pytest.mark.parametrize(
    ("option", "inert"), [((), as_text), (("--json",), as_json), (("--compare", ""), as_text)]
)
def test_hostile_labels_are_inert_on_a_terminal(
    foldwatch: Callable[..., CommandOutcome],
    log: str,
    option: tuple[str, ...],
    inert: Callable[[bytes], None],
) -> None:
    """And the exit code is the finding's."""
    done = foldwatch("analyze", log, *(word or log for word in option), COLUMNS="80")
    assert (done.code, done.err) == (3, "")
    inert(done.out.encode())


@pytest.mark.parametrize("name", LABELS)
def test_what_is_shown_of_a_label(name: str) -> None:
    """One line, nothing that steers, not too long, and something is left of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = safe(LABELS[name])
    assert not STEERS.search(shown)
    assert "\n" not in shown
    assert "\t" not in shown
    assert 0 < len(shown) <= LONGEST_LABEL
