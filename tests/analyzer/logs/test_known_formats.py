"""The table of built-in formats: each row reads its example, and nothing from what looks alike."""

from __future__ import annotations

import io
import random
import re
from typing import TYPE_CHECKING

import pytest

from analyzer.logs.known_formats import PLACES, VALUES, KnownFormat
from analyzer.logs.scanner import SCANNED_LITERALS, scan
from tests.support.wrapped_logs import WRAPPERS, docker, stamp

if TYPE_CHECKING:
    from analyzer.logs.format_readings import FormatReadings

ROWS = (*VALUES, *PLACES)
MB = 2**20


def readings_of(content: str) -> FormatReadings:
    found = scan(io.BytesIO(content.encode())).by_format
    assert found is not None
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_reads_its_example_only(row: KnownFormat) -> None:
    """By a literal that stands in both lines, so that the expression decides."""
    assert row.literal in row.example
    assert row.literal in row.benign
    assert [
        match for _, _, match in row.matches(row.example.encode()) if isinstance(match, str)
    ] == []
    assert len([*row.matches(row.example.encode())]) == 1
    assert [*row.matches(row.benign.encode())] == []


def test_rows_are_told_apart() -> None:
    """By their names, and no literal slows the search down."""
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert min(len(row.literal) for row in ROWS) >= 4
    assert not {row.literal.encode() for row in ROWS} & {*SCANNED_LITERALS}


@pytest.mark.parametrize("row", VALUES, ids=lambda row: row.name)
def test_the_example_of_one_is_no_line_of_another(row: KnownFormat) -> None:
    """One reading for a line, of one resource, in any unit that it says."""
    found = readings_of(f"above\n{row.example}\n{row.benign}\nbelow\n")
    assert [context.format for context in found.contexts] == [row.name]
    assert [*found.lines] == [2]
    assert row.resource is not None


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("    System/Peak GPU Memory (MB)=42,054", 42_054 * MB),
        ("peak memory consumption: 10184 MiB", 10_184 * MB),
        ("Peak VRAM allocated: 12345.67 MB", round(12_345.67 * MB)),
        ("\tMaximum resident set size (kbytes): 2445988", 2_445_988 * 2**10),
        ("N/A, 97 %, 15 %, 40536 MiB", 40_536 * MB),
        ("0, GPU-1, 2026/11/24 08:15:30.123, 97 %, 40536 MiB", 40_536 * MB),
        ("    Max Threads :                                6", 6),
        ("\x1b[33mmemory: \x1b[0m 9.66GiB(10.17%)", round(9.66 * 2**30)),
        ("[rank3]: step 3 rss=1234 kB", 1_234 * 2**10),
    ],
)
def test_units_and_marks(line: str, wanted: int) -> None:
    """Commas, parts, the unit in the line or of the format."""
    assert [*readings_of(line + "\n").values] == [wanted]


@pytest.mark.parametrize(
    "line",
    [
        "0 %, 0 %, 24576 MiB, 24000 MiB, 588 MiB",  # which of them is in use is not said
        "Peak GPU memory usage: 1222 MB",
        "CUDA memory usage: 1222 MB",
        "Memory usage: 12 MB / 64 MB",
        "#SBATCH --mem=77GB",
        "slurm: AllocTRES=cpu=8,mem=16G,node=1",
        "oom-kill: task=python, anon-rss:321332kB, file-rss: 12kB",
        "max mem: 9639.5.1",
        "0.00/809.682 GiB memory",  # what Ray has given away, not what is in use
    ],
)
def test_what_is_not_read(line: str) -> None:
    """Limits, other devices' memory, and numbers that are none."""
    assert [*readings_of(line + "\n").values] == []


def test_a_limit_beside_the_value() -> None:
    """A table of nvidia-smi says it."""
    row = "|  0%   45C    P8    20W / 300W |    588MiB / 24576MiB |      0%      Default |\n"
    found = readings_of(row)
    assert [context.limit for context in found.contexts] == [24_576 * MB]


def test_a_place_above_the_first_value_counts_across_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where it stands in a block of its own, and behind bars that name none."""
    monkeypatch.setattr("analyzer.logs.blocks.BLOCK_BYTES", 2**10)
    filler = "nothing of interest here at all\n" * 100
    content = f"Epoch 7/20\n{filler}the best Epoch of all\n{filler}max mem: 9639\n"
    (context,) = readings_of(content).contexts
    assert context.text == "epoch 7"


def test_wrapped_lines_are_read_as_plain_ones() -> None:
    """By every runtime, collector and launcher."""
    numbers = random.Random(1)
    for wrap in WRAPPERS:
        content = "\n".join(
            wrap(line, numbers) for line in ("Epoch: [3]  [1/9]  loss: 1  max mem: 9639",) * 3
        )
        found = readings_of(content + "\n")
        assert [*found.values] == [9_639 * MB] * 3, wrap
        assert {context.text for context in found.contexts} == {"epoch 3"}


def test_a_line_in_pieces() -> None:
    """Which a runtime cut in two, in the middle of a number."""
    numbers = random.Random(1)
    line = "x" * 2**14 + " max mem: 9639"
    at = len(line) - 2
    pieces = [f"{stamp(numbers)} stdout P {line[:at]}", f"{stamp(numbers)} stdout F {line[at:]}"]
    assert [*readings_of("\n".join(pieces) + "\n").values] == [9_639 * MB]
    whole = docker("max mem: 9639", numbers)
    assert [*readings_of(whole + "\n").values] == [9_639 * MB]


def test_no_expression_goes_back_and_forth() -> None:
    """The longest line of one kind of character takes milliseconds: a step for each."""
    for row in ROWS:
        first = re.sub(r"\d", "1", row.example)
        for text in (
            first[:20] * 5_000,
            row.literal * 10_000,
            "1" * 50_000,
            ", " * 20_000,
            " " * 50_000,
        ):
            assert len([*row.matches(text.encode())]) <= len(text)
