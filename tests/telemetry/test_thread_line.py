"""The ``[THREADS]`` grammar, both directions."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.reading import LimitState, Reading, Usage
from telemetry.thread_line import (
    MEBIBYTE,
    Label,
    ThreadLine,
    clean_label,
    format_line,
    parse_label,
    parse_line,
    thread_line,
)

counts = st.none() | st.integers(0, 2**63)
limits = st.integers(0, 2**63) | st.sampled_from([LimitState.UNLIMITED, LimitState.UNREADABLE])
usages = st.builds(Usage, counts, limits)
labels = st.text(min_size=1, max_size=60).map(clean_label).filter(bool)
keys = st.from_regex(r"[a-z_][a-z0-9_.-]{0,9}", fullmatch=True).filter(
    lambda key: key not in {"proc", "cgroup", "maps", "rss"}
)
lines = st.builds(
    ThreadLine,
    label=labels,
    threads=counts,
    cgroup=usages,
    maps=st.none() | usages,
    rss_bytes=st.none() | st.integers(0, 2**24).map(lambda size: size * MEBIBYTE),
    extra=st.dictionaries(keys, st.from_regex(r"[^,\s]{0,9}", fullmatch=True), max_size=3),
)


@given(lines)
@example(ThreadLine(label="x: proc=1, cgroup=2/3", threads=4, cgroup=Usage(5, 6)))
def test_what_is_written_is_read_back(line: ThreadLine) -> None:
    """parse_line(format_line(x)) == x, for any label that fits one line."""
    assert parse_line(format_line(line)) == line


@given(lines, st.text(max_size=30), st.sampled_from(["", " 13/52 [===>", '"}', " \x1b[0m"]))
def test_a_line_is_found_behind_and_before_other_text(
    line: ThreadLine, before: str, after: str
) -> None:
    """Timestamps and rank prefixes before it and progress bars behind it do no harm."""
    if line.extra or "[THREADS]" in before:
        return
    assert parse_line(before.replace("\n", " ") + format_line(line) + after) == line


@pytest.mark.slow
@given(lines.filter(lambda line: line.maps and line.rss_bytes), st.data())
def test_a_torn_line_is_refused_or_is_the_short_form(line: ThreadLine, data: st.DataObject) -> None:
    """A cut line never gives a number that was not there whole, but for the cut last number."""
    text = format_line(line)
    cut = data.draw(st.integers(0, len(text) - 1))
    try:
        torn = parse_line(text[:cut])
    except ValueError:
        return
    assert torn.label == line.label
    assert torn.threads == line.threads
    assert torn.rss_bytes in {None, line.rss_bytes}
    assert torn.maps is None or torn.maps.current == (line.maps or torn.maps).current


def test_the_contract_line_is_written_to_the_letter() -> None:
    """The example of the design, character by character."""
    reading = Reading(
        time=0.0,
        pid=1,
        label="Fold 1/3 START",
        threads=36,
        cgroup_pids=506,
        maps=1850,
        rss_bytes=1200 * MEBIBYTE + 1000,
        limits={"pids_cgroup": 7680, "max_map_count": 65530},
    )
    assert format_line(thread_line(reading)) == (
        "[THREADS] Fold 1/3 START: proc=36, cgroup=506/7680, maps=1850/65530, rss=1200MB"
    )


def test_no_limit_is_max_and_not_known_is_a_question_mark() -> None:
    """Unlimited and unreadable are different, and neither is 0."""
    reading = Reading(time=0.0, pid=1, label="a", limits={"pids_cgroup": LimitState.UNLIMITED})
    assert format_line(thread_line(reading)) == "[THREADS] a: proc=?, cgroup=?/max, maps=?/?, rss=?"


def test_a_label_cannot_break_out_of_its_line() -> None:
    """Newlines and escapes of a hostile label become blanks."""
    reading = Reading(time=0.0, pid=1, label="a\n[THREADS] b\x1b[31m\x00: proc=9, cgroup=9/9")
    assert "\n" not in (text := format_line(thread_line(reading)))
    assert "\x1b" not in text
    assert parse_line(text).threads is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("rss=1024kB", 2**20),
        ("rss=1024KB", 2**20),
        ("rss=1MB", 2**20),
        ("rss=1 MiB", 2**20),
        ("rss=1.5GB", 3 * 2**29),
        ("rss=2GiB", 2**31),
    ],
)
def test_units_are_powers_of_1024(text: str, size: int) -> None:
    """Every unit that older logs used."""
    assert parse_line(f"[THREADS] a: proc=1, cgroup=1/2, maps=1/2, {text}").rss_bytes == size


def test_the_short_form_of_older_logs_is_read() -> None:
    """Without maps and rss."""
    line = parse_line("[THREADS] end of prepare_cached_datasets: proc=68, cgroup=540/7680")
    assert (line.threads, line.cgroup, line.maps, line.rss_bytes) == (
        68,
        Usage(540, 7680),
        None,
        None,
    )


def test_unknown_keys_are_kept() -> None:
    """A newer writer's pairs are not lost, and a label may hold every sign of the grammar."""
    line = parse_line(
        "[THREADS] RF (n_jobs=-1), a/b: c + d: proc=1, cgroup=2/max, maps=3/4, rss=5MB, fds=6, x=y"
    )
    assert line.label == "RF (n_jobs=-1), a/b: c + d"
    assert line.extra == {"fds": "6", "x": "y"}


@pytest.mark.parametrize(
    "text",
    [
        "[THREADS]",
        "[THREADS] a",
        "[THREADS] a: proc=1",
        "[THREADS] a: proc=1, cgroup=2",
        "[THREADS] a: proc=1, cgroup=2/3, ma",
        "[THREADS] a: proc=1, cgroup=2/3, maps=4",
        "[THREADS] a: proc=1, cgroup=2/3, maps=4/5, rss=6",
        "[THREADS] a: proc=1, cgroup=2/3, maps=4/5, ",
        "[THREADS] a: proc=x, cgroup=2/3",
        "[THREADS] a: proc=1, cgroup=2/3[THREADS]x.",
    ],
)
def test_a_broken_line_is_refused_with_a_reason(text: str) -> None:
    """It begins like a line, so it must not vanish without a word."""
    if text.endswith("x."):
        assert parse_line(text).threads == 1
        return
    with pytest.raises(ValueError, match=r"\w+ .*"):
        parse_line(text)


def test_a_label_without_a_fold_belongs_to_the_fold_named_last() -> None:
    """And to none before the first."""
    before = parse_label("before TF import")
    start = parse_label("Fold 2/3 START", previous=before)
    inside = parse_label("before gating fit", previous=start)
    assert before == Label("before TF import", None, None, "before TF import")
    assert start == Label("Fold 2/3 START", 2, 3, "START")
    assert inside == Label("before gating fit", 2, 3, "before gating fit")


@pytest.mark.parametrize("rss", ["1200", "1200Mb", "1200 "])
def test_a_size_without_a_unit_is_refused_with_what_is_missing(rss: str) -> None:
    """It could be bytes or pages."""
    with pytest.raises(ValueError, match=r"rss=1200.* has no unit"):
        parse_line(f"[THREADS] a: proc=8, cgroup=9/7680, maps=9/65530, rss={rss}")
