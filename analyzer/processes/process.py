"""One process: its readings, its signs of a crash, which of them is the root, and how it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.processes.checkpoints import Checkpoint, CheckpointTable, raise_peaks
from analyzer.processes.last_lines import find_finished
from analyzer.processes.rank_values import RankValues
from analyzer.processes.root_sign import find_root
from analyzer.signatures.search import EXCEPTION, SignatureMatch, in_its_frame

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable, Mapping, Sequence

    from analyzer.logs.known_formats import KnownFormat
    from analyzer.processes.attributed import Books
    from analyzer.processes.black_box import LastMinute
    from analyzer.processes.children import Children
    from analyzer.processes.last_lines import LastLine
    from analyzer.processes.native_threads import NativeThreads
    from analyzer.processes.printed_limits import PrintedLimit
    from analyzer.processes.settled import Settled
    from telemetry.holders import Holders
    from telemetry.journal.records import Event, Header
    from telemetry.journal.run_layout import FoldOutcome
    from telemetry.reading import Limit, Reading


@dataclass(slots=True, kw_only=True)
class Process:
    """One process lifetime in one source, in the order of its samples."""

    source: str
    group: str
    """What it belongs to: the run directory, or the source itself."""
    pid: int | None = None
    rank: str | None = None
    """Which of several it is, where their lines are in one log: a pod, a rank, an actor."""
    log_lines: int = 0
    run_finished: LastLine | None = None
    """The line that says that all of the run is through, whoever wrote it."""
    printed_limits: Sequence[PrintedLimit] = ()
    header: Header | None = None
    """What its journal says of it and its host; None where nothing does."""
    last_lines: Sequence[LastLine] = ()
    """The last that it wrote into its log."""
    checkpoints: CheckpointTable = field(default_factory=CheckpointTable)
    formats: Mapping[str, KnownFormat] = field(default_factory=dict)
    """By resource, the built-in format that its readings come from; empty for readings of any other kind."""
    samples: CheckpointTable = field(default_factory=CheckpointTable)
    """All that its journal has, also between labels; empty for a log, whose readings all have a label."""
    peaks: dict[str, int] = field(default_factory=dict)
    """The highest value of each resource, labelled or between labels."""
    rank_values: RankValues = field(default_factory=RankValues)
    """Of its labels; empty for a text log."""
    matches: dict[str, SignatureMatch] = field(default_factory=dict)
    """The first sign of each signature, in their order: the root cause is the earliest."""
    recovered: dict[str, SignatureMatch] = field(default_factory=dict)
    """Signs after which the process went on: handled, so not what ended it."""
    handled_exceptions: int = 0
    """Tracebacks below which the process went on."""
    last_handled: SignatureMatch | None = None
    """The last of the exceptions below which it went on."""
    frames: dict[str, int] = field(default_factory=dict)
    """The last line of each frame of a traceback that tells what the error below it means."""
    first_readings: dict[str | None, Reading] = field(default_factory=dict)
    """The journal's first reading of it in each cgroup, for counters compare only within one."""
    counted: dict[str | None, deque[Reading]] = field(default_factory=dict)
    """By cgroup, the labelled readings at which one of its counters was another than before."""
    last_reading: Reading | None = None
    """The journal's last reading of it, what a sample left out filled in; None for a text log."""
    fullest: dict[str, Reading] = field(default_factory=dict)
    """By limit, the reading that was nearest to its limit."""
    holders: dict[str, Holders] = field(default_factory=dict)
    children: Children | None = None
    """What was recorded of its child processes; None where nothing was."""
    settled: dict[int, Settled] = field(default_factory=dict)
    """By fold, or below 0 where no fold is named: its memory as it was settled last."""
    exit: Event | None = None
    """How it ended, as its runner saw it; None where nobody did."""
    books: Books | None = None
    """What grew inside which of its calls; None if it did not follow them."""
    native_threads: NativeThreads | None = None
    """What had started its threads, as its supervisor saw it; None if that did not look."""
    black_box: LastMinute | None = None
    launcher_saw_end: bool = False
    """Whether what launched it noted that it had ended with all its children, if perhaps not how."""
    outlived_its_record: bool = False
    interpreter_ended: bool = False
    """Whether its own interpreter shut down in order, with whatever exit status."""
    is_cut: bool = False
    """Whether its record ends within a line: a record is written at once, so it was copied too early, or the disk was full."""
    fold_outcome: FoldOutcome | None = None
    """How its fold ended, as its runner wrote beside its journal; None without such a file."""

    @property
    def readings(self) -> CheckpointTable:
        """All of its readings, labelled or not."""
        return self.samples or self.checkpoints

    @property
    def argv(self) -> Sequence[str]:
        """What it was started with; empty where that is not recorded."""
        return self.header.argv if self.header else ()

    @property
    def is_recorded(self) -> bool:
        """Whether there is a journal of it."""
        return self.last_reading is not None

    @property
    def span(self) -> tuple[float, float] | None:
        """When its first and its last reading was made; None where no reading has a time."""
        own = self.checkpoints.times
        times = [time for time in (*own[:1], *own[-1:]) if not math.isnan(time)]
        times += [one.time for one in (*self.first_readings.values(), self.last_reading) if one]
        return (min(times), max(times)) if times else None

    @property
    def folds(self) -> list[int]:
        """The folds that its labels name."""
        return sorted({label.fold for label in self.checkpoints.labels() if label.fold is not None})

    @property
    def folds_planned(self) -> int | None:
        """N of the last ``Fold K/N`` that is new."""
        planned = (label.folds for label in reversed([*self.checkpoints.labels()]) if label.folds)
        return next(planned, None)

    @property
    def crash(self) -> SignatureMatch | None:
        """What ended it; None where it did not fail and nobody ended it: see `root_sign`."""
        return find_root(
            self.signs,
            matches=self.matches.values(),
            is_named=self.is_named_by,
            log_lines=self.log_lines,
        )

    @property
    def signs(self) -> list[SignatureMatch]:
        """Its signs of an end, without an exception whose line a signature knows."""
        lines = {sign.line for sign in self.matches.values() if sign.signature != EXCEPTION}
        return [
            sign
            for sign in self.matches.values()
            if sign.signature != EXCEPTION
            or not (sign.line in lines or sign.details.get("known_as") in self.matches)
        ]

    @property
    def finished_by(self) -> LastLine | None:
        """The line of its last ones that says it is through, below every sign of an end."""
        below = max((sign.line or 0 for sign in self.matches.values()), default=0)
        late = self.run_finished if self.run_finished and self.run_finished.line > below else None
        return find_finished(self.last_lines, self.matches.values()) or late

    def note_match(self, crash: SignatureMatch) -> None:
        """Take a sign of a crash that comes after the samples so far."""
        if crash.is_frame:
            self.frames[crash.signature] = crash.line or 0
        elif sign := in_its_frame(crash, self.frames):
            last_label = self.checkpoints[-1].label.text if self.checkpoints else None
            sign = sign._replace(last_label=last_label)
            if sign.is_handled:
                self._survive(sign.signature, sign)
            elif sign.signature == EXCEPTION:
                self._note_exception(sign)
            else:
                self.matches.setdefault(sign.signature, sign)

    def _note_exception(self, sign: SignatureMatch) -> None:
        """Take an exception, which names the one that it was raised from."""
        before = next(reversed(self.matches.values()), None)
        if before is not None and "is_chained" in before.details:
            sign = sign._replace(details={**sign.details, "raised_from": before.text})
        self.matches[f"{EXCEPTION} {sign.line}"] = sign

    def is_named_by(self, sign: SignatureMatch) -> bool | None:
        """Whether a kernel line is about this process or its cgroup; None where that is not known."""
        if (pid := sign.details.get("pid")) is not None:
            return None if self.pid is None else int(pid) == self.pid
        own = self.last_reading.cgroup if self.last_reading else None
        if (cgroup := sign.details.get("cgroup")) is None or own is None:
            return None
        return own.endswith(cgroup) or f"{cgroup}/" in f"{own}/"

    def take_matches(self, other: Process) -> None:
        """Take what the same process's log says of its end; it comes before what the runner saw."""
        self.log_lines = other.log_lines
        self.matches = {**other.matches, **self.matches}
        self.recovered = {**other.recovered, **self.recovered}

    def limit(self, resource: str) -> Limit:
        """Return the last known limit of ``resource``."""
        return self.readings.limit(resource)

    def series(self, resource: str) -> dict[str, dict[int, float]]:
        """Return, by stage, the last value of ``resource`` in each fold."""
        return self.checkpoints.series(resource)

    def add(self, sample: Checkpoint, pools: Mapping[str, int] | None = None) -> None:
        """Take a labelled sample, and its threads by pool; what looked like a crash before it was none."""
        self.mark_recovered()
        self.checkpoints.append(sample, pools)
        raise_peaks(self.peaks, sample.values)

    def mark_recovered(self) -> None:
        """Take it that the process went on: what looked like a crash was none."""
        if self.matches:
            ended = {  # the kernel's word on its own end stays: what it wrote before may come after that
                name: sign
                for name, sign in self.matches.items()
                if sign.signal == "SIGKILL" and sign.names_its_cause and self.is_named_by(sign)
            }
            self.note_recovered(name for name in self.matches if name not in ended)
            self.matches = ended

    def note_recovered(self, names: Iterable[str]) -> None:
        """Take it that these of its signs were handled; of exceptions that no signature knows the number counts."""
        for name in names:
            self._survive(name, self.matches[name])

    def _survive(self, name: str, sign: SignatureMatch) -> None:
        if sign.signature == EXCEPTION:
            self.handled_exceptions += 1
            self.last_handled = sign
        else:
            self.recovered[name] = sign


def has_result(process: Process) -> bool:
    """Whether the whole result of its fold lies beside its journal: then the fold is finished."""
    return process.fold_outcome is not None and process.fold_outcome.is_finished
