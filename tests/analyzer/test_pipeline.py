"""`analyze`: the three real and rebuilt logs, journals, run directories, and where processes end."""

from __future__ import annotations

import io
import os
import random
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.growth.verdict import judge
from analyzer.processes import from_log
from analyzer.processes.from_log import Process, read_log
from analyzer.resources import RESOURCES
from telemetry.errors import InputError
from telemetry.journal.records import Event
from tests.support.builders import reading, write_journal
from tests.support.paths import INCIDENT, LOGS, RELEASED, RETAINED

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.api import Analysis
    from analyzer.result import Finding
    from telemetry.reading import Reading


def only(analysis: Analysis) -> Finding:
    (finding,) = analysis.findings
    return finding


def processes(text: str) -> list[Process]:
    return read_log("x.log", io.BytesIO(text.encode())).processes


def test_real_tensorflow_with_released_models_does_not_grow() -> None:
    """Real log: nothing growing or critical."""
    analysis = analyze([RELEASED])
    assert analysis.verdict == "ok"
    verdicts = {name: growth.verdict for name, growth in only(analysis).growth.items()}
    assert verdicts == {
        "threads": "warm-up",
        "cgroup_pids": "warm-up",
        "maps": "slow",
        "rss_bytes": "slow",
    }


def test_real_tensorflow_with_retained_models_grows_by_8_threads_a_fold() -> None:
    """Real log."""
    analysis = analyze([RETAINED])
    assert analysis.verdict == "growing"
    threads = only(analysis).growth["threads"]
    assert (threads.verdict, threads.slope) == ("growing", 8)


def test_the_rebuilt_incident() -> None:
    """730 maps and 550 MiB a fold, threads and PIDs stable, and no cause certain."""
    analysis = analyze([INCIDENT])
    finding = only(analysis)
    assert analysis.verdict == "crashed"
    growth = finding.growth
    assert (growth["maps"].verdict, growth["maps"].slope) == ("growing", 730)
    assert (growth["rss_bytes"].verdict, growth["rss_bytes"].slope) == ("growing", 550 * 2**20)
    assert growth["threads"].verdict == growth["cgroup_pids"].verdict == "stable"
    assert growth["maps"].limit == 65530
    assert growth["cgroup_pids"].peak == 590
    crash = finding.process.crash
    assert crash is not None
    assert (crash.signature, crash.thread, crash.errno) == ("tensorflow_pthread_create", "tf_", 11)
    assert crash.last_label == "Fold 3/3 after Stage 1 fit"
    assert {cause.confidence for cause in finding.causes} == {"possible", "unlikely"}
    assert {"pids_cgroup", "max_map_count"} < {cause.cause for cause in finding.causes}


def test_isolated_folds_one_after_another_in_one_log_do_not_grow() -> None:
    """Each begins with the labels before its first fold, at start-up values: a new process."""
    text = ""
    for fold in (1, 2, 3):
        text += "[THREADS] before TF import: proc=1, cgroup=2/7680, maps=53/65530, rss=9MB\n"
        text += "[THREADS] after TF import: proc=3, cgroup=4/7680, maps=1782/65530, rss=613MB\n"
        text += (
            f"[THREADS] Fold {fold}/3 START: proc=8, cgroup=9/7680, maps=1851/65530, rss=620MB\n"
        )
        text += (
            f"[THREADS] Fold {fold}/3 END: proc=40, cgroup=41/7680, maps=2900/65530, rss=900MB\n"
        )
    found = processes(text)
    assert [process.folds for process in found] == [[1], [2], [3]]


def test_a_restart_in_one_log_begins_a_new_process() -> None:
    """Also without labels before the first fold: the fold goes back and the counts fall."""
    line = "[THREADS] Fold {}/3 START: proc={}, cgroup=9/7680, maps={}/65530, rss=620MB\n"
    first = line.format(1, 8, 1851) + line.format(2, 30, 2900)
    assert [p.folds for p in processes(first + line.format(1, 8, 1850))] == [[1, 2], [1]]
    assert [p.folds for p in processes(first + line.format(3, 50, 3900))] == [[1, 2, 3]]


def test_a_label_repeated_in_one_process_does_not_cut_it() -> None:
    """A cell run twice: the counts have not fallen."""
    line = "[THREADS] before TF import: proc=1, cgroup=2/7680, maps={}/65530, rss=9MB\n"
    assert len(processes(line.format(53) + line.format(53) + line.format(60))) == 1


def test_every_broken_line_is_counted_with_its_number() -> None:
    """None is dropped in silence, and the good ones around it count."""
    good = "[THREADS] Fold 1/2 START: proc=8, cgroup=9/7680, maps=1851/65530, rss=620MB\n"
    table = read_log("x", io.BytesIO((good + "[THREADS] torn: pro\n" + good + good[:49]).encode()))
    (source,) = table.sources
    assert (source.checkpoints, source.lines) == (2, 4)
    assert [skipped.line for skipped in source.skipped] == [2, 4]


def test_a_last_line_that_may_be_cut_is_not_trusted() -> None:
    """cgroup=9/76 of cgroup=9/7680, at the end of a file without a newline."""
    text = "[THREADS] a: proc=8, cgroup=9/76"
    (source,) = read_log("x", io.BytesIO(text.encode())).sources
    assert [skipped.reason for skipped in source.skipped] == ["the file ends inside this line"]
    assert read_log("x", io.BytesIO(text.encode() + b"\n")).sources[0].checkpoints == 1


def leaking(number: int, fold: int, stage: str | None, **more: Any) -> Reading:
    """Give a reading of a process that keeps 730 maps of each fold."""
    known: dict[str, Any] = {"threads": 10, "maps": 1000 + 730 * fold, "rss_bytes": 2**30}
    known |= {"cgroup_pids": 20, "limits": {"pids_cgroup": 7680, "max_map_count": 65530}}
    return reading(fold, float(number), stage=stage, **({"start_ticks": 5} | known | more))


def test_a_journal_is_judged_like_a_log(tmp_path: Path) -> None:
    """Peaks between labels count for the limit, not for the slope."""
    records = [leaking(fold, fold, "START") for fold in (1, 2, 3)]
    write_journal(tmp_path, *records, leaking(4, 3, None, maps=60000))
    finding = only(analyze([str(tmp_path)]))
    maps = finding.growth["maps"]
    assert (maps.verdict, maps.slope, maps.peak) == ("critical", 730, 60000)
    assert finding.process.pid == 7


def test_a_counter_that_rose_makes_the_cause_certain(tmp_path: Path) -> None:
    """With the log beside the journal saying what the crash looked like."""
    write_journal(
        tmp_path / "fold-1",
        leaking(1, 1, "START", pids_limit_hits=0),
        leaking(2, 1, None, pids_limit_hits=3, cgroup_pids=7680),
        Event(time=5.0, pid=7, name="exited", facts={"exit_code": 134, "signal": "SIGABRT"}),
    )
    shutil.copy(INCIDENT, tmp_path / "fold-1" / "output.log")
    finding = only(analyze([str(tmp_path)]))
    crash = finding.process.crash
    assert crash is not None
    assert crash.signature == "tensorflow_pthread_create"
    best = finding.causes[0]
    assert (best.cause, best.confidence) == ("pids_cgroup", "certain")
    assert best.evidence[0] == "pids_limit_hits rose from 0 to 3 during the run"
    assert [source.checkpoints for source in analyze([str(tmp_path)]).sources] == [2, 45]


def test_a_process_that_a_signal_ended_without_a_word(tmp_path: Path) -> None:
    """SIGKILL leaves nothing in a log; the runner saw it, and the cause stays open."""
    write_journal(
        tmp_path,
        leaking(1, 1, "START", oom_kills=0),
        Event(time=5.0, pid=7, name="exited", facts={"exit_code": 137, "signal": "SIGKILL"}),
    )
    finding = only(analyze([str(tmp_path)]))
    crash = finding.process.crash
    assert crash is not None
    assert (crash.signal, crash.seconds_after_last_sample) == ("SIGKILL", 4.0)
    assert crash.last_label == "Fold 1/3 START"
    assert {cause.confidence for cause in finding.causes} == {"possible"}


def test_a_kernel_line_of_an_unknown_cgroup_is_likely(tmp_path: Path) -> None:
    """It names the cgroup that refused; whose that is, a log alone does not say."""
    log = tmp_path / "dmesg.log"
    log.write_text("[12.3] cgroup: fork rejected by pids controller in /docker/ab\n")
    finding = only(analyze([str(log)]))
    assert [(c.cause, c.confidence) for c in finding.causes] == [("pids_cgroup", "likely")]


def test_a_use_near_the_limit_is_likely_and_no_more(tmp_path: Path) -> None:
    """A reading is from before the crash."""
    log = tmp_path / "a.log"
    log.write_text(
        "[THREADS] a: proc=8, cgroup=7600/7680, maps=9/65530, rss=1MB\n"
        "RuntimeError: can't start new thread\n"
    )
    causes = only(analyze([str(log)])).causes
    assert (causes[0].cause, causes[0].confidence) == ("pids_cgroup", "likely")
    assert "certain" not in {cause.confidence for cause in causes}


def test_a_directory_of_logs_and_several_paths() -> None:
    """Each log is judged by itself."""
    assert len(analyze([LOGS]).findings) == 3
    assert len(analyze([RELEASED, RETAINED]).findings) == 2


UTF_32 = "\ufeff" + "[THREADS] a: proc=8\n" * 99


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.log", None, "no such file or directory"),
        ("empty.log", b"", "the file is empty"),
        ("binary.log", b"\x7fELF\x00\x01" * 999, "a binary file, not a log"),
        ("utf-32.log", UTF_32.encode("utf-32-le"), "a binary file, not a log"),
        ("utf-32.log", UTF_32.encode("utf-32-be"), "a binary file, not a log"),
        ("journal.jsonl", b"", "no record of a journal"),
        ("journal.jsonl", b"\0" * 99, "no record of a journal"),
    ],
)
def test_bad_input_is_one_line_that_names_it(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """What, where."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        analyze([str(path)])
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


LINE_OF_ANY = "[THREADS] a: proc=8, cgroup=9/7680, maps=9/65530, rss=1MB\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read(tmp_path: Path, encoding: str) -> None:
    """As PowerShell writes it, and more than a block of it."""
    text = LINE_OF_ANY * 9_000 + "Training complete!\n"
    path = tmp_path / "a.log"
    path.write_bytes(("\ufeff" + text).encode(encoding))
    (found,) = analyze([str(path)]).findings
    assert (len(found.process.checkpoints), found.ending and found.ending.line) == (9_000, 9_001)


def test_writers_beyond_a_number_are_counted_and_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their memory would have no bound; what ended one of them is told all the same."""
    monkeypatch.setattr(from_log, "MOST_WRITERS", 5)
    log = tmp_path / "a.log"
    log.write_text(
        "".join(f"[rank{rank}]: {LINE_OF_ANY}" for rank in range(8))
        + "[rank7]: RuntimeError: DataLoader worker (pid 123) is killed by signal: Killed.\n"
    )
    analysis = analyze([str(log)])
    (source,) = analysis.sources
    assert (len(analysis.findings), source.skipped_count, source.checkpoints) == (5, 3, 8)
    assert [finding.process.rank for finding in analysis.findings if finding.process.crash]


def test_a_directory_without_logs_is_refused(tmp_path: Path) -> None:
    """And says what it looked for."""
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(InputError, match=r"no journal\.jsonl and no \*\.log"):
        analyze([str(tmp_path)])


def test_what_is_no_file_is_refused_and_a_pipe_is_read(tmp_path: Path) -> None:
    """A directory in the place of a journal, a device, a pipe and the kernel's log among logs, and a pipe by name."""
    os.mkdir(tmp_path / "journal.jsonl")
    with pytest.raises(InputError, match=r"no journal\.jsonl"):
        analyze([str(tmp_path)])
    with pytest.raises(InputError, match="neither a file nor a directory"):
        analyze(["/dev/zero"])
    pipe = tmp_path / "pipe.log"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=r"no journal\.jsonl"):
        analyze([str(tmp_path)])
    with open(RELEASED, "rb") as file:
        content = file.read()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    assert analyze([str(pipe)]).verdict == "ok"
    writer.join()
    os.symlink("/proc/kmsg", tmp_path / "kernel.log")  # which waits for the kernel's next line
    with pytest.raises(InputError, match="a file of the kernel"):
        analyze([str(tmp_path)])


def test_what_a_run_set_aside_is_not_of_the_run(tmp_path: Path) -> None:
    """A killed attempt in previous-1 does not crash the run that was resumed since."""
    end = Event(time=5.0, pid=7, name="exited", facts={"exit_code": 137, "signal": "SIGKILL"})
    write_journal(tmp_path / "previous-1" / "fold-1", leaking(1, 1, "START"), end)
    write_journal(tmp_path / "fold-1", leaking(1, 1, "START"))
    analysis = analyze([str(tmp_path)])
    assert (analysis.verdict, len(analysis.findings)) == ("ok", 1)


def test_a_broken_file_in_a_directory_is_a_source_with_its_reason(tmp_path: Path) -> None:
    """A worker killed before its first record leaves an empty journal; the rest is judged."""
    write_journal(tmp_path / "fold-1", leaking(1, 1, "START"))
    (tmp_path / "fold-2").mkdir()
    (tmp_path / "fold-2" / "journal.jsonl").write_bytes(b"")
    (tmp_path / "empty.log").write_bytes(b"")
    analysis = analyze([str(tmp_path)])
    reasons = {os.path.basename(s.path): [k.reason for k in s.skipped] for s in analysis.sources}
    assert reasons["empty.log"] == ["the file is empty"]
    assert len(analysis.findings) == 1
    os.unlink(tmp_path / "fold-1" / "journal.jsonl")
    with pytest.raises(InputError, match=r"empty|no record"):
        analyze([str(tmp_path)])


def test_runs_beside_each_other_are_not_mixed(tmp_path: Path) -> None:
    """Each directory with a run.json is a run of its own."""
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "run.json").write_text("{}")
        for fold in (1, 2):
            maps = 1000 if run == "a" else 9000
            write_journal(tmp_path / run / f"fold-{fold}", leaking(1, fold, "START", maps=maps))
    findings = analyze([str(tmp_path)]).findings
    assert {os.path.basename(finding.process.group) for finding in findings} == {"a", "b"}
    assert {finding.growth["maps"].verdict for finding in findings} == {"stable"}


def test_a_message_after_which_the_process_went_on_is_no_crash(tmp_path: Path) -> None:
    """It was handled; later readings of the same process prove it."""
    line = "[THREADS] Fold {}/3 START: proc=8, cgroup=9/7680, maps=1851/65530, rss=620MB\n"
    log = tmp_path / "a.log"
    log.write_text(
        line.format(1) + "RuntimeError: can't start new thread - falling back\n" + line.format(2)
    )
    finding = only(analyze([str(log)]))
    assert finding.process.crash is None
    assert list(finding.process.recovered) == ["python_new_thread"]


def test_two_lines_that_two_writers_put_into_one_are_both_read() -> None:
    """And a torn one in front of a whole one is counted."""
    whole = "[THREADS] a: proc=1, cgroup=2/3, maps=4/5, rss=6MB"
    (source,) = read_log("x", io.BytesIO((whole + whole + "\n").encode())).sources
    assert (source.checkpoints, source.skipped) == (2, [])
    (source,) = read_log("x", io.BytesIO((whole[:20] + whole + "\n").encode())).sources
    assert (source.checkpoints, [skipped.line for skipped in source.skipped]) == (1, [1])


def test_numbers_that_no_kernel_says_are_refused() -> None:
    """400 digits: a broken line, not a broken analysis."""
    huge = "9" * 400
    for pair in (f"proc={huge}, cgroup=1/2", f"proc=1, cgroup=1/2, maps=1/2, rss={huge}MB"):
        (source,) = read_log("x", io.BytesIO(f"[THREADS] a: {pair}\n".encode())).sources
        assert (source.checkpoints, len(source.skipped)) == (0, 1)


def test_a_counter_of_another_cgroup_proves_nothing(tmp_path: Path) -> None:
    """The process was moved into one whose counter stood at 1 already."""
    log = tmp_path / "output.log"
    log.write_text("RuntimeError: can't start new thread\n")
    before = replace(leaking(1, 1, "START", pids_limit_hits=0), cgroup="/a")
    after = replace(leaking(2, 1, "END", pids_limit_hits=1), cgroup="/b")
    write_journal(tmp_path, before, after)
    assert "certain" not in {cause.confidence for cause in only(analyze([str(tmp_path)])).causes}


def test_an_end_that_the_runner_brought_about_is_a_stop(tmp_path: Path) -> None:
    """Ctrl-C."""
    facts = {"exit_code": 143, "signal": "SIGTERM", "by_runner": True}
    end = Event(time=5.0, pid=7, name="exited", facts=facts)
    write_journal(tmp_path, leaking(1, 1, "START"), end)
    analysis = analyze([str(tmp_path)])
    stop = analysis.findings[0].process.crash
    assert stop is not None
    assert (stop.signature, stop.stops, analysis.outcome) == ("ended_by_runner", True, "stopped")


def test_what_a_fold_left_behind_is_named(tmp_path: Path) -> None:
    """Threads by pool, one fold against the one before it at the same stage."""
    pools = [{"python": 5}, {"python": 5, "tf_Compute": 8}, {"python": 5, "tf_Compute": 16, "x": 1}]
    records = [
        replace(leaking(fold, fold, "AFTER CLEANUP"), pools=pools[fold - 1]) for fold in (1, 2, 3)
    ]
    write_journal(tmp_path, *records)
    left = only(analyze([str(tmp_path)])).pool_leaks
    assert [(part.fold, dict(part.pools)) for part in left] == [
        (2, {"tf_Compute": 8}),
        (3, {"tf_Compute": 8, "x": 1}),
    ]


def test_two_ranks_interleaved_in_one_log_do_not_grow() -> None:
    """The same labels twice, at two levels, in an order that changes."""
    line = "[THREADS] Fold {}/8 {}: proc={}, cgroup=9/7680, maps={}/65530, rss=620MB\n"
    for seed in range(40):
        chance, text = random.Random(seed), ""
        for fold in range(1, 9):
            for stage, more in (("START", 0), ("after fit", 200), ("AFTER CLEANUP", 20)):
                ranks = [line.format(fold, stage, n + more // 20, 60 * n + more) for n in (36, 52)]
                chance.shuffle(ranks)
                text += "".join(ranks)
        verdicts = {
            judge(process.series(name), floor=RESOURCES[name].floor, folds_planned=8).verdict
            for process in processes(text)
            for name in RESOURCES
        }
        assert verdicts <= {"stable", "warm-up", "inconclusive"}


def test_isolated_folds_of_real_size_in_one_log_never_grow() -> None:
    """A process per fold, with the noise of real ones: the verdict is ok for every seed."""
    stages = ("START", "after fit", "AFTER CLEANUP")
    for seed in range(40):
        chance, text = random.Random(seed), ""
        for fold in range(1, 6):
            text += "[THREADS] before TF import: proc=1, cgroup=2/7680, maps=53/65530, rss=9MB\n"
            for number, stage in enumerate(stages):
                maps, rss = (1850 + 40 * number, 620 + 100 * number)
                text += (
                    f"[THREADS] Fold {fold}/5 {stage}: proc={8 + 7 * number}, cgroup=9/7680,"
                    f" maps={round(maps * chance.gauss(1, 0.01))}/65530,"
                    f" rss={round(rss * chance.gauss(1, 0.02))}MB\n"
                )
        assert [process.folds for process in processes(text)] == [[1], [2], [3], [4], [5]]


def test_a_path_is_taken_as_it_is_given(tmp_path: Path) -> None:
    """Alone or among others, a str or a Path: never letter by letter."""
    path = tmp_path / "a.log"
    path.write_text("[THREADS] a: proc=8, cgroup=9/7680, maps=9/65530, rss=1MB\n")
    for paths in (str(path), path, [path], [str(path)], iter([path])):
        (source,) = analyze(paths).sources
        assert (source.path, source.checkpoints) == (str(path), 1)


def test_a_run_that_cannot_be_judged_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong in it; alone it is a defect to report."""

    def split(group: list[Process]) -> list[list[Process]]:
        if "bad" in group[0].source:
            raise KeyError("a defect")
        return [group]

    for name in ("bad", "good"):
        write_journal(tmp_path / name, reading(1))
    monkeypatch.setattr("analyzer.judging.split_runs", split)
    for name in ("bad", "good"):
        (tmp_path / name / "run.json").write_text("{}")
    found = analyze(tmp_path)
    assert ["good" in finding.process.source for finding in found.findings] == [True]
    reasons = [skipped.reason for source in found.sources for skipped in source.skipped]
    assert reasons == ["cannot be judged: KeyError: 'a defect'"]
    with pytest.raises(KeyError):
        analyze(tmp_path / "bad")
