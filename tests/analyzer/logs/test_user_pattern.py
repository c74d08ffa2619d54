"""A user's own regular expression: units, labels, refusals, and that none can hang."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer import analyze
from analyzer.logs.user_pattern import UserPattern, parse_number, parse_unit
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analyzer.api import Analysis
    from tests.support.programs import CommandOutcome


def read(path: Path, text: str, *expressions: str, unit: str = "MB") -> Analysis:
    path.write_text(text)
    return analyze([str(path)], patterns=[UserPattern(e, unit=unit) for e in expressions])


@pytest.mark.parametrize(
    ("line", "expression", "size"),
    [
        ("Current memory usage: 1222.50 MB", r"usage: (?P<rss>[\d.]+)", 1222.5 * 2**20),
        ("mem 1,222.5MiB", r"mem (?P<rss>[\d.,]+)", 1222.5 * 2**20),
        ("mem 17.18 Gb", r"mem (?P<rss>\S+) (?P<rss_unit>\w+)", 17.18 * 2**30),
        ("mem 3g", r"mem (?P<rss>\w+)", 3 * 2**30),
        ("mem 620kB", r"mem (?P<rss>\d+)", 620 * 2**10),
        ("mem 620 bytes", r"mem (?P<rss>\d+)", 620),
        ("mem 620", r"mem (?P<rss>\d+)", 620 * 2**20),
        ("mem 620 more", r"mem (?P<rss>\d+)", 620 * 2**20),
        ("\rmem 1\rmem 2\b\bmem 3 KB\n", r"^mem (?P<rss>3)", 3 * 2**10),
    ],
)
def test_units_and_separators(tmp_path: Path, line: str, expression: str, size: float) -> None:
    """Said in the number, behind it, in a group of its own, or nowhere."""
    (finding,) = read(tmp_path / "a.log", line, expression).findings
    (sample,) = finding.process.checkpoints
    assert sample.values["rss_bytes"] == round(size)
    assert sample.values["threads"] is None


def test_the_unit_of_a_bare_number_can_be_said(tmp_path: Path) -> None:
    """And what is no unit is refused."""
    analysis = read(tmp_path / "a.log", "mem 620", r"mem (?P<rss>\d+)", unit="KiB")
    assert analysis.findings[0].process.peaks["rss_bytes"] == 620 * 2**10
    with pytest.raises(InputError, match="unit 'parsec'"):
        parse_unit("parsec")


def test_a_leak_is_found_through_a_pattern(tmp_path: Path) -> None:
    """Folds, stages and two patterns; the crash after the last reading is one, that before none."""
    text = "".join(
        f"RuntimeError: can't start new thread\n== fold {fold} of 5\nthreads={20 + 8 * fold}\n"
        for fold in (1, 2, 3, 4, 5)
    )
    (finding,) = read(
        tmp_path / "a.log",
        text,
        r"threads=(?P<threads>\d+)",
        r"fold (?P<fold>\d+) of (?P<folds>\d+)\n?(?P<maps>)",
    ).findings
    assert finding.process.crash is None
    expression = r"fold (?P<fold>\d+)/(?P<folds>\d+) (?P<label>\w+) threads=(?P<threads>\d+)"
    lines = [f"fold {k}/5 END threads={20 + 8 * k}\n" for k in (1, 2, 3, 4, 5)]
    (finding,) = read(tmp_path / "b.log", "".join(lines), expression).findings
    assert (finding.growth["threads"].verdict, finding.growth["threads"].slope) == ("growing", 8)
    assert finding.process.checkpoints[0].label.text == "Fold 1/5 END"
    assert finding.process.folds_planned == 5


def test_labels_from_what_is_named(tmp_path: Path) -> None:
    """An epoch, a fold without a number of folds, and nothing at all."""
    cases = {
        r"e(?P<epoch>\d+) t(?P<threads>\d+)": ("epoch 7", None),
        r"(?P<label>e)\d+ t(?P<threads>\d+)": ("e", None),
        r"e(?P<fold>\d+) t(?P<threads>\d+)": ("Fold 7 log line", 7),
        r"t(?P<threads>\d+)": ("log line", None),
    }
    for expression, expected in cases.items():
        (finding,) = read(tmp_path / "a.log", "e7 t3\n", expression).findings
        label = finding.process.checkpoints[0].label
        assert (label.text, label.fold) == expected


@pytest.mark.parametrize("text", ["1.234,56", "12,34,567", "x", "", "1" * 30, "1,234,56"])
def test_a_number_that_could_be_two_is_refused(tmp_path: Path, text: str) -> None:
    """With its line, like every other."""
    with pytest.raises(ValueError, match="not a number"):
        parse_number(text)
    if text:
        (source,) = read(tmp_path / "a.log", f"x\nmem {text}\n", r"mem (?P<rss>\S+)").sources
        assert [skipped.line for skipped in source.skipped] == [2]


def test_a_comma_before_one_or_two_digits_is_a_decimal_one() -> None:
    """Three digits behind it are thousands."""
    numbers = {"1,5": 1.5, "12,25 GB": 12.25, "1'234,5": 1234.5, "1,234": 1234, "1234,5": 1234.5}
    assert {text: parse_number(text)[0] for text in numbers} == numbers


@given(st.integers(0, 10**12))
def test_separators_of_thousands_change_nothing(number: int) -> None:
    """One kind throughout."""
    for separator in (",", "_"):
        assert parse_number(f"{number:{separator}}")[0] == number


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(", "--pattern '(': missing ): (\n"),
        (r"(?P<rss>\d+)(?=x)", "invalid perl operator"),
        (r"(?P<heap>\d+)", "no such group: heap"),
        ("usage", "name one value at least"),
        (r"^Epoch (?P<epoch>\d+)/", "none names a value"),
    ],
)
def test_a_wrong_pattern_is_one_line(
    foldwatch: Callable[..., CommandOutcome], expression: str, message: str
) -> None:
    """Exit code 2."""
    outcome = foldwatch("analyze", "-", "--pattern", expression)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_no_pattern_can_hang(tmp_path: Path) -> None:
    """One that takes other engines longer than the universe has."""
    began = time.monotonic()
    read(tmp_path / "a.log", "a" * 50_000 + "!\n", r"(?P<threads>(?:a+)+)$")
    assert time.monotonic() - began < 20


def test_ranks_of_a_pattern_are_told_apart(foldwatch: Callable[..., CommandOutcome]) -> None:
    """By the prefix of the line that matches."""
    text = "".join(f"[rank{n % 2}]: threads={n}\n" for n in range(6))
    outcome = foldwatch(
        "analyze", "-", "--json", "--pattern", r"threads=(?P<threads>\d+)", stdin=text.encode()
    )
    assert [p["rank"] for p in json.loads(outcome.out)["processes"]] == ["rank0", "rank1"]


STAMP = "2026-11-24T08:15:30.123456789Z"
USED = "Current memory usage: {}.50 MB"
WRAPPED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "docker": lambda line: f'{{"log":"{line}\\n","stream":"stdout","time":"{STAMP}"}}',
    "cri": lambda line: f"{STAMP} stdout F {line}",
    "cri, in pieces": lambda line: f"{STAMP} stdout P {line[:17]}\n{STAMP} stdout F {line[17:]}",
    "compose": lambda line: f"web-1  | {line}",
    "journald": lambda line: f"Nov 24 08:15:30 node-3 python[12]: {line}",
    "colours": lambda line: f"\x1b[32m{line[:9]}\x1b[0m{line[9:]}",
    "redraws": lambda line: f"[rank0]: 1/2\r2/2\b\b{line}\r",
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_a_pattern_reads_a_wrapped_line_as_the_line(tmp_path: Path, wrapper: str) -> None:
    """From its start to its end, and not where the marker says that it is another's."""
    threads = "[THREADS] a: proc=8, cgroup=9/7680, maps=9/65530, rss=9000MB"
    lines = [USED.format(1200 + 550 * step) for step in range(8)]
    text = "\n".join(map(WRAPPED[wrapper], [*lines, threads])) + "\n"
    (finding,) = read(
        tmp_path / "a.log", text, r"^Current memory usage: (?P<rss>[\d.]+) MB$", r"rss=(?P<rss>\d+)"
    ).findings
    assert list(finding.process.checkpoints.known("rss_bytes")) == [
        *(round((1200.5 + 550 * step) * 2**20) for step in range(8)),
        9000 * 2**20,
    ]
    assert [sample.line for sample in finding.process.checkpoints][-1] == text.count("\n")


def test_a_pattern_may_ask_for_what_looks_like_a_rank(tmp_path: Path) -> None:
    """The line as it was written is read where the unwrapped one says nothing."""
    text = "".join(f"[{epoch}] mem {epoch}00 MB\n" for epoch in range(1, 5))
    (finding,) = read(tmp_path / "a.log", text, r"^\[(?P<epoch>\d)\] mem (?P<rss>\d+)").findings
    assert [sample.label.text for sample in finding.process.checkpoints] == [
        f"epoch {epoch}" for epoch in range(1, 5)
    ]


@pytest.mark.parametrize(
    "line",
    ["mem 9999999999999999 TB", "threads=9999999999999999999", "fold 9999999999999999999 mem 1"],
)
def test_a_number_that_no_kernel_says_is_refused(tmp_path: Path, line: str) -> None:
    """It is counted, as it is in a [THREADS] line."""
    expressions = r"(?:fold (?P<fold>\d+) )?mem (?P<rss>\d+)", r"threads=(?P<threads>\d+)"
    (source,) = read(tmp_path / "a.log", f"x\n{line}\n", *expressions).sources
    assert [(skipped.line, source.checkpoints) for skipped in source.skipped] == [(2, 0)]


def test_a_pattern_that_names_no_fold_is_told_what_to_name(tmp_path: Path) -> None:
    """Readings that rise line by line are no growth per fold, but more folds would not tell either."""
    text = "".join(f"mem {1200 + 550 * step} MB\n" for step in range(8))
    analysis = read(tmp_path / "a.log", text, r"mem (?P<rss>\d+)")
    growth = analysis.findings[0].growth["rss_bytes"]
    assert (analysis.verdict, growth.verdict) == ("ok", "inconclusive")
    assert "(?P<fold>...)" in growth.reason


def test_every_resource_has_a_group(tmp_path: Path) -> None:
    """Memory with its unit, of its own group or behind the number; other values as they are."""
    text = "gpu 588 MiB / 24576 MiB, tree 3 GB, fds 12\ngpu 600 MiB, tree 4 GB\n"
    expression = r"gpu (?P<gpu_memory>\d+) (?P<gpu_memory_unit>\w+).*tree (?P<tree_rss>\d+)(?:.*fds (?P<open_fds>\d+))?"
    (finding,) = read(tmp_path / "a.log", text, expression).findings
    first, second = finding.process.checkpoints
    assert first.values["gpu_memory_used_bytes"] == 588 * 2**20
    assert second.values["tree_rss_bytes"] == 4 * 2**30
    assert (first.values["open_fds"], second.values["open_fds"]) == (12, None)
    assert finding.process.peaks["gpu_memory_used_bytes"] == 600 * 2**20


@pytest.mark.parametrize("prefix", ["", "[rank0]: "])
def test_a_pattern_without_values_says_where_they_belong(tmp_path: Path, prefix: str) -> None:
    """Until another one is named: a fold begins its epochs anew."""
    lines = ["Fold 1 of 2", "Epoch 1/9", "mem 10", "Epoch 2/9", "mem 11", "Fold 2 of 2", "mem 12"]
    analysis = read(
        tmp_path / "a.log",
        "".join(f"{prefix}{line}\n" for line in lines),
        r"^Epoch (?P<epoch>\d+)/",
        r"^Fold (?P<fold>\d+) of (?P<folds>\d+)",
        r"^mem (?P<gpu_memory>\d+)",
    )
    (finding,) = analysis.findings
    labels = [sample.label.text for sample in finding.process.checkpoints]
    assert labels == ["Fold 1/2 epoch 1", "Fold 1/2 epoch 2", "Fold 2/2 log line"]
    assert [source.skipped_count for source in analysis.sources] == [0]


def test_a_leak_of_gpu_memory_is_found_by_epochs_on_lines_of_their_own(tmp_path: Path) -> None:
    """As Keras prints them."""
    text = "".join(f"Epoch {n}/40\nused {8000 + 200 * n} MiB\n" for n in range(1, 30))
    patterns = (r"^Epoch (?P<epoch>\d+)/", r"used (?P<gpu_memory>\d+)")
    (finding,) = read(tmp_path / "a.log", text, *patterns).findings
    growth = finding.epochs["gpu_memory_used_bytes"]
    assert (growth.verdict, growth.slope) == ("growing", 200 * 2**20)


def test_a_series_without_a_name_is_of_one_process(tmp_path: Path) -> None:
    """Its values rise and fall by more than a fifth, as those of a GPU do."""
    text = "".join(f"{n % 9} %, {588 if n % 7 else 40} MiB\n" for n in range(60))
    (finding,) = read(tmp_path / "a.log", text, r"(?P<gpu_memory>\d+) MiB").findings
    assert len(finding.process.checkpoints) == 60
    (finding,) = read(tmp_path / "b.log", text, r"(?P<rss>\d+) MiB").findings
    assert len(finding.process.checkpoints) == 60


def test_a_limit_beside_a_value(tmp_path: Path) -> None:
    """In the unit behind it, and the last one counts; a limit alone is no value."""
    log = tmp_path / "a.log"
    log.write_text("card 8 GB / 24 GB\ncard 9 GB / 16 GB\n")
    pattern = UserPattern(r"card (?P<gpu_memory>\d+) GB / (?P<gpu_memory_limit>\d+) GB")
    (finding,) = analyze([str(log)], patterns=[pattern]).findings
    growth = finding.growth["gpu_memory_used_bytes"]
    assert (growth.peak, growth.limit) == (9 * 2**30, 16 * 2**30)
    with pytest.raises(InputError, match="name one value at least"):
        UserPattern(r"of (?P<gpu_memory_limit>\d+) GB")
    with pytest.raises(InputError, match="no such group: threads_limit"):
        UserPattern(r"(?P<threads>\d+) of (?P<threads_limit>\d+)")
