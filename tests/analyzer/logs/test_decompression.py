"""Packed logs, known by their first bytes; what a broken archive is worth."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sys
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from telemetry.errors import InputError
from tests.support.paths import RETAINED

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
}


def content() -> bytes:
    with open(RETAINED, "rb") as file:
        return file.read()


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_log_is_read_as_the_log_whatever_its_name(tmp_path: Path, suffix: str) -> None:
    """In one frame and in several, as a rotation or `cat` makes them."""
    text, pack = content(), PACKERS[suffix]
    cut = text.index(b"\n", len(text) // 2) + 1
    (tmp_path / "one.log").write_bytes(pack(text))
    (tmp_path / "two").write_bytes(pack(text[:cut]) + pack(text[cut:]))
    plain = analyze([RETAINED])
    for name in ("one.log", "two"):
        packed = analyze([str(tmp_path / name)])
        assert packed.sources[0].lines == plain.sources[0].lines
        assert packed.findings[0].growth == plain.findings[0].growth


@pytest.mark.slow
@pytest.mark.parametrize("suffix", PACKERS)
def test_of_a_broken_archive_counts_what_can_be_read(tmp_path: Path, suffix: str) -> None:
    """Its cut is a skipped line with its reason; one with nothing in it is refused in one line."""
    path = tmp_path / f"a.log.{suffix}"
    noise = random.Random(3).randbytes(10**6).hex(" ", 30).replace(" ", "\n").encode()
    text = content() + noise + b"\n" + content()
    packed = PACKERS[suffix](text)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    (source,) = analyze([str(path)]).sources
    assert source.checkpoints > 0
    assert "cut off here" in source.skipped[-1].reason
    broken = bytearray(packed)
    broken[len(packed) * 2 // 3] ^= 0xFF
    path.write_bytes(packed + packed[: len(packed) // 3] + bytes(broken[len(packed) // 3 :]))
    (source,) = analyze([str(path)]).sources
    assert source.checkpoints > 0
    path.write_bytes(packed[:12])
    with pytest.raises(InputError, match=r"a\.log.*(cut off|unpacked)"):
        analyze([str(path)])


def test_packed_and_rotated_logs_are_found_in_a_directory(tmp_path: Path) -> None:
    """And what only looks like one is not."""
    text = content()
    for name in (
        "a.log.gz",
        "b.log.1",
        "c.out-20261124.xz",
        "d.log.2.zst",
        "0.log.20261124-120000",
        "1.log.20261124-120000.gz",
        "E.LOG",
    ):
        pack = PACKERS.get(name.rpartition(".")[2], bytes)
        (tmp_path / name).write_bytes(pack(text))
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "a.tar.gz").write_bytes(b"x")
    assert len(analyze([str(tmp_path)]).sources) == 7


def test_packed_standard_input(foldwatch: Callable[..., CommandOutcome]) -> None:
    """By the same first bytes."""
    outcome = foldwatch("analyze", "-", "--json", stdin=zstd.compress(content()))
    assert outcome.code == 3
    assert '"verdict": "growing"' in outcome.out


@pytest.mark.parametrize(
    "names",
    [
        ("t.log.2.gz", "t.log.1", "t.log"),
        ("t.log.10", "t.log.9", "t.log"),
        ("t.log-20261124", "t.log-20261125.xz", "t.log"),
        ("0.log.20261124-090000.gz", "0.log.20261124-120000", "0.log"),
    ],
)
def test_what_was_rotated_away_is_the_beginning_of_the_log(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """In a directory or named in any order: one run, one process, lines counted from the oldest."""
    lines = io.BytesIO(content()).readlines()
    third = len(lines) // 3 + 1
    for number, name in enumerate(names):
        text = b"".join(lines[third * number : third * (number + 1)])
        (tmp_path / name).write_bytes(PACKERS.get(name.rpartition(".")[2], bytes)(text))
    paths = [str(tmp_path / name) for name in names]
    (whole,) = analyze([RETAINED]).findings
    for given in ([str(tmp_path)], paths, paths[::-1]):
        analysis = analyze(given)
        (finding,) = analysis.findings
        assert finding.growth == whole.growth
        assert list(finding.process.checkpoints.lines) == list(whole.process.checkpoints.lines)
        assert (analysis.sources[0].path, [*analysis.sources[0].earlier]) == (paths[2], paths[:2])


def test_logs_with_numbers_and_no_log_that_they_are_of_stay_apart(tmp_path: Path) -> None:
    """The tasks of an array job are no rotation."""
    for number in (1, 2, 3):
        (tmp_path / f"job.out.{number}").write_bytes(content())
    assert len(analyze([str(tmp_path)]).sources) == 3


def test_the_report_names_what_was_rotated_away(
    tmp_path: Path, foldwatch: Callable[..., CommandOutcome]
) -> None:
    """By its number: lines count from the oldest."""
    for name in ("t.log.1", "t.log"):
        (tmp_path / name).write_bytes(content())
    outcome = foldwatch("analyze", str(tmp_path))
    assert "t.log and 1 rotated file before it:" in " ".join(outcome.out.split())
