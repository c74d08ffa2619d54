"""The memory that frameworks print by themselves: healthy runs raise no alarm, leaks do."""

from __future__ import annotations

import json
import random
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer import analyze
from analyzer.growth.verdict import PRINTED_EPOCHS, judge
from analyzer.logs import parallel
from analyzer.logs.user_pattern import UserPattern
from analyzer.reports.html_report import as_html
from analyzer.reports.json_report import as_json
from telemetry.journal.run_layout import OUTPUT
from tests.support import builders
from tests.support.framework_logs import PRINTED, log_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.support.programs import CommandOutcome

MB = 2**20
GPU = "gpu_memory_used_bytes"
OOM = "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"


def written(tmp_path: Path, content: str, name: str = "a.log") -> str:
    path = tmp_path / name
    path.write_text(content)
    return str(path)


def largest_image_so_far(numbers: random.Random, epochs: int) -> list[int]:
    """Each epoch's peak is that of its largest batch; the printed one never falls."""
    spread = numbers.choice([0.02, 0.1, 0.3])
    draws: list[Callable[[], float]] = [
        lambda: 8000 * numbers.lognormvariate(0, spread),
        lambda: 8000 + numbers.expovariate(1 / (8000 * spread)),
        lambda: 8000 + 8000 * spread * numbers.random(),
        lambda: 8000 + 8000 * spread * (numbers.paretovariate(1.5) - 1),
        lambda: 8000 + 8000 * spread * numbers.choice([0, 0, 0, 0.2, 0.5, 1]),
    ]
    draw = numbers.choice(draws)
    batches = numbers.choice([1, 5, 30])
    return [*accumulate((round(max(draw() for _ in range(batches))) for _ in range(epochs)), max)]


HEALTHY: dict[str, Callable[[int], int]] = {
    "flat": lambda _: 9639,
    "a first step": lambda epoch: 8000 if epoch == 0 else 9639,
    "an evaluation after the first epoch": lambda epoch: 8000 + 1500 * (epoch >= 1),
    "images that grow in four steps": lambda epoch: 6000 + 1000 * min(epoch // 6, 3),
    "no mosaics in the last epochs": lambda epoch: 9000 + 800 * (epoch >= 20),
    "levels off": lambda epoch: round(9600 - 3000 * 0.6**epoch),
    "a curriculum of five epochs": lambda epoch: 5000 + 900 * min(epoch, 5),
}


@pytest.mark.parametrize("framework", PRINTED)
@pytest.mark.parametrize("shape", HEALTHY)
def test_a_healthy_run_is_calm(framework: str, shape: str, tmp_path: Path) -> None:
    """Whoever prints it, whatever the images do."""
    content = log_of(framework, [HEALTHY[shape](epoch) for epoch in range(24)])
    analysis = analyze([written(tmp_path, content)])
    assert not analysis.is_alarming
    (finding,) = analysis.findings
    assert len(finding.process.checkpoints) >= 72
    (growth,) = finding.epochs.values()
    assert growth.verdict.is_steady, growth


def test_the_largest_image_so_far_is_no_leak() -> None:
    """A thousand staircases that chance makes, short and long."""
    numbers = random.Random(11)
    for _ in range(1000):
        levels = largest_image_so_far(numbers, numbers.choice([6, 9, 12, 16, 25, 60]))
        series = {"fit": {epoch: level * float(MB) for epoch, level in enumerate(levels)}}
        growth = judge(series, floor=2.0 * MB, level_at_end=levels[-1] * MB, axis=PRINTED_EPOCHS)
        assert not growth.verdict.is_alarming, levels


@pytest.mark.parametrize("epochs", [12, 30])
@pytest.mark.parametrize("framework", PRINTED)
def test_a_leak_is_seen(framework: str, epochs: int, tmp_path: Path) -> None:
    """Two in a hundred more with every epoch, and images of different sizes."""
    numbers = random.Random(epochs)
    levels = [8000 + 240 * epoch + numbers.randrange(60) for epoch in range(epochs)]
    analysis = analyze([written(tmp_path, log_of(framework, levels))])
    assert analysis.verdict == "growing"
    (finding,) = analysis.findings
    (name,) = finding.epochs
    assert finding.epochs[name].slope == pytest.approx(240 * MB, rel=0.05)
    assert finding.remedies


def test_few_epochs_are_not_judged(tmp_path: Path) -> None:
    """And then nothing is: neither growth nor its absence."""
    path = written(tmp_path, log_of("torchvision", [8000 + 300 * epoch for epoch in range(8)]))
    analysis = analyze([path])
    assert analysis.verdict == "no samples"
    (finding,) = analysis.findings
    assert finding.epochs[GPU].reason == "8 epochs of one fit; 12 would tell"
    assert finding.process.peaks[GPU] == 10_100 * MB


def test_a_second_run_in_the_file_has_a_level_of_its_own(tmp_path: Path) -> None:
    """A bigger model than the one before it is no growth."""
    content = "".join(log_of("mmcv", [level] * 14) for level in (4000, 6000, 9000))
    analysis = analyze([written(tmp_path, content)])
    (finding,) = analysis.findings
    assert finding.epochs[GPU].verdict == "stable"


def test_ranks_are_judged_each_by_itself(tmp_path: Path) -> None:
    """Rank 1 holds half as much as rank 0; both are as they were."""
    lines = [
        f"[rank{rank}]: {PRINTED['torchvision'](epoch, 1, 9000 // (rank + 1))}"
        for epoch in range(14)
        for rank in (0, 1)
    ]
    (finding,) = analyze([written(tmp_path, "\n".join(lines) + "\n")]).findings
    assert finding.epochs[GPU].verdict == "stable"


SUMMARIES = {
    "peak memory allocated: 10184 MiB reserved: 10200 MiB": (GPU, 10_184 * MB),
    "\tMaximum resident set size (kbytes): 2445988": ("rss_bytes", 2_445_988 * 2**10),
    "    Max Memory :                                 1184 MB": ("tree_rss_bytes", 1_184 * MB),
    "    Max Threads :                                23": ("tree_threads", 23),
    "Memory Utilized: 2.68 GB": ("tree_rss_bytes", round(2.68 * 2**30)),
}


@pytest.mark.parametrize("line", SUMMARIES)
def test_a_summary_is_a_peak_and_judged_as_nothing(line: str, tmp_path: Path) -> None:
    """It stands below the end, whatever that was."""
    name, peak = SUMMARIES[line]
    for above, verdict in (("step 1\n", "no samples"), (OOM, "crashed")):
        analysis = analyze([written(tmp_path, f"{above}{line}\n")])
        assert analysis.verdict == verdict
        (finding,) = analysis.findings
        assert finding.growth[name].peak == peak
        assert finding.growth[name].verdict == "inconclusive"
        assert finding.growth["threads"].reason == "not recorded"


def test_a_card_that_was_empty_at_the_start_rules_nothing_out(tmp_path: Path) -> None:
    """The out-of-memory error came later than the table, which has the limit of its card."""
    table = "|  0%   45C    P8    20W / 300W |      8MiB / 24576MiB |      0%      Default |\n"
    (before,) = analyze([written(tmp_path, OOM)]).findings
    (finding,) = analyze([written(tmp_path, table + OOM)]).findings
    assert [(c.cause, c.confidence) for c in finding.causes] == [
        (c.cause, c.confidence) for c in before.causes
    ]
    assert finding.growth[GPU].limit == 24_576 * MB


def test_a_full_card_is_no_alarm(tmp_path: Path) -> None:
    """TensorFlow takes all of it at the start."""
    row = "| 30%   65C    P2   250W / 300W |  {}MiB / 24576MiB |     97%      Default |\n"
    content = "".join(f"Epoch {epoch}/20\n{row.format(24_100)}" for epoch in range(1, 21))
    analysis = analyze([written(tmp_path, content)])
    assert not analysis.is_alarming
    (finding,) = analysis.findings
    assert finding.epochs[GPU].limit == 24_576 * MB


def test_a_card_that_fills_is_critical(tmp_path: Path) -> None:
    """The limit of the table counts where the use rises."""
    row = "| 30%   65C    P2   250W / 300W |  {}MiB / 24576MiB |     97%      Default |\n"
    content = "".join(
        f"Epoch {epoch}/40\n{row.format(8_000 + 700 * epoch)}" for epoch in range(1, 21)
    )
    analysis = analyze([written(tmp_path, content)])
    assert analysis.verdict == "critical"


def test_lines_of_threads_and_patterns_come_first(tmp_path: Path) -> None:
    """The built-in formats are for logs that have nothing else."""
    leak = log_of("torchvision", [8000 + 400 * epoch for epoch in range(20)])
    line = "[THREADS] Fold 1/3 START: proc=8, cgroup=9/7680, maps=1851/65530, rss=620MB\n"
    for content in (line + leak, leak + line):
        analysis = analyze([written(tmp_path, content)])
        assert (analysis.verdict, analysis.sources[0].formats) == ("ok", ())
        assert [*analysis.findings[0].process.peaks] == [
            "threads",
            "cgroup_pids",
            "maps",
            "rss_bytes",
        ]
    path = written(tmp_path, leak)
    analysis = analyze([path], patterns=[UserPattern(r"loss: (?P<threads>\d+)")])
    assert analysis.sources[0].formats == ()


def test_a_journal_has_readings_of_its_own(tmp_path: Path) -> None:
    """What the same process printed into its log is not read beside it."""
    readings = [builders.reading(fold, 10.0 * fold) for fold in (1, 2, 3)]
    builders.write_journal(tmp_path, builders.header(), *readings)
    leak = log_of("torchvision", [8000 + 400 * epoch for epoch in range(20)])
    written(tmp_path, leak, OUTPUT)
    analysis = analyze([str(tmp_path)])
    assert [(source.checkpoints, source.formats) for source in analysis.sources] == [
        (3, ()),
        (0, ()),
    ]
    assert analysis.verdict == "ok"


def test_of_two_formats_the_one_with_more_readings_counts(tmp_path: Path) -> None:
    """Two mean two things; what is left out is said."""
    table = "|  0%   45C    P8    20W / 300W |      8MiB / 24576MiB |      0%      Default |\n"
    analysis = analyze([written(tmp_path, table + log_of("torchvision", [9639] * 14))])
    found = [(f.format.name, f.readings, f.is_used) for f in analysis.sources[0].formats]
    assert found == [("torchvision's max mem", 42, True), ("nvidia-smi's table", 1, False)]
    (finding,) = analysis.findings
    assert min(finding.process.checkpoints.known(GPU)) == 9_639 * MB


def content_of(analysis: Any) -> str:
    rows = [list(finding.process.checkpoints) for finding in analysis.findings]
    return json.dumps([as_json(analysis), repr(rows)])


@pytest.mark.slow
@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_does_not_depend_on_the_cuts(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One range or many, big blocks or small: epochs go on behind a cut, and readings are the same."""
    numbers = random.Random(seed)
    ranks = numbers.choice([("",), ("[rank0]: ", "[rank1]: ")])
    lines = []
    for epoch in range(numbers.randrange(30)):
        for rank in ranks:
            filler = ["step " * numbers.randrange(30) for _ in range(numbers.randrange(25))]
            level = 8000 + epoch * numbers.choice([0, 300])
            values = [PRINTED[numbers.choice([*PRINTED])](epoch, 1, level)] * numbers.randrange(3)
            places = [f"Epoch {epoch}/30"] * numbers.randrange(2)
            lines += [rank + line for line in (*places, *filler, *values)]
    if numbers.random() < 0.2:
        lines.append("[THREADS] x: proc=8, cgroup=9/7680, maps=1851/65530, rss=620MB")
    path = written(tmp_path, "\n".join(lines) + "\n")
    found = []
    for workers, range_bytes, block_bytes in (
        (1, 2**25, 2**19),
        (3, 2**10, 2**19),
        (7, 2**9, 2**13),
    ):
        monkeypatch.setattr(
            "analyzer.processes.reading.processors", lambda workers=workers: workers
        )
        monkeypatch.setattr(parallel, "RANGE_BYTES", range_bytes)
        monkeypatch.setattr("analyzer.logs.blocks.BLOCK_BYTES", block_bytes)
        found.append(content_of(analyze([path])))
    assert found[0] == found[1] == found[2]


def test_every_report_names_the_format(
    tmp_path: Path, foldwatch: Callable[..., CommandOutcome]
) -> None:
    """Text, JSON and page; the exit code is that of growth."""
    levels: Sequence[int] = [8000 + 400 * epoch for epoch in range(20)]
    path = written(tmp_path, log_of("torchvision", levels))
    shown = foldwatch("analyze", path)
    assert shown.code == 3
    words = "readings: 60 of torchvision's max mem (GPU memory, running peak)"
    assert words in " ".join(shown.out.split())
    content = json.loads(foldwatch("analyze", path, "--json").out)
    assert content["sources"][0]["formats"] == [
        {
            "format": "torchvision's max mem",
            "resource": GPU,
            "kind": "running peak",
            "readings": 60,
            "used": True,
        }
    ]
    assert words.replace("'", "&#39;") in as_html(analyze([path]))


def test_nothing_judged_is_no_verdict(
    tmp_path: Path, foldwatch: Callable[..., CommandOutcome]
) -> None:
    """A peak alone is shown, and is none."""
    path = written(tmp_path, "iter: 19  max_mem: 3242M\niter: 39  max_mem: 3250M\n")
    assert foldwatch("analyze", path, "--require-verdict").code == 2
    shown = foldwatch("analyze", path)
    assert (shown.code, "3,250 MB" in shown.out) == (0, True)
