r"""Lines that say how a training fares without saying anything of resources: it goes on, begins, is through.

A failure below which the same writer makes progress was survived. These are looked for behind a failure
and at the end of a log only, so their cost does not grow with the log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLACES = r"epochs?|steps?|iter(?:ation)?s?|global_step|batch(?:es)?|trials?|folds?|round|generation|tree|updates?"
PROGRESS = re.compile(
    (
        # Epoch 3/10, step: 120, iter [50/730], Epoch: [0][415/1736], {'epoch': 1.2}, Trial 9 finished
        rf"(?:^|[^\w.'/=-])(?:{_PLACES})\b['\"]?[ \t]*[:=\[(#-]*[ \t]*\[?\d"
        # 12/4000 [====>....]      3250/3308 [1:10:30<01:15,  1.30s/it]
        r"|\b\d+/\d+ \[(?:[=>.]{5}|\d+:\d\d)"
        # ' - loss: 0.5 - val_loss: 0.4'   'loss=0.31'
        r"|\b(?:train_|val_|valid_|eval_)?(?:loss|acc|accuracy|auc|rmse)['\"]?(?:[ ]?[:=][ ]?|[ ])-?\d"
        # [100]\tvalidation_0-rmse:0.2310    of XGBoost and LightGBM
        r"|^\[\d+\]\s+\S+:\d"
        # INFO TaskSetManager: Finished task 1.3 in stage 0.0
        r"|\bFinished task \d"
    ).encode(),
    re.IGNORECASE | re.MULTILINE,
)
"""In the bytes of a line."""
_NO_PROGRESS = re.compile(
    rb"wandb:|Traceback|^\s*File \"|\b(?:Error|Exception|failed|FAILED|aborting|Lost task|Killed)\b|\braise\b|[Rr]esum(?:e|ing)|\bWork\w+\(SeqNum"
)
"""On a line, it is of a summary, of an error or of code."""
_BAR = re.compile(rb"\d+%\||\d+/\d+ \[|it/s|s/it")

_FINISHED = re.compile(
    r"""
      \b(?:finished(?!:\s+\w{3},)|completed|succeeded|beendet|abgeschlossen|success(?:ful(?:ly)?\b(?!\ (?:stopped|opened|created|started|registered|connected|removed|loaded)))?)\b
    | \b(?:complete|done|ended|goodbye|bye|end)\b[.!]*\s*$ | \bdone\b(?:[,:!]|\ in\ \d)
    | \b(?:training|run|job|fit|search|study|evaluation|pipeline|experiment)\b[^:\n]{0,30}\b(?:complete|done|ended|ok)\b
    | \bmax_(?:epochs|steps)(?:=\d+`?)?\ reached | \breached\ max_\w+
    | \bexit(?:ed|ing|s)?\b(?:\ with)?[ _-]?(?:return\ )?(?:code|status)?\s*[:=]?\s*\(?0\)?(?![\d.])
    | \breturn(?:ed)?\ (?:code|value)\s*[:=]?\s*0(?![\d.])
    | \bJob\ succeeded\b | \bCOMPLETED\b | ^\s*real\s+\d+m[\d.]+s | \bReturn\ value\ 0\b | \bshutdown\ complete\b
    | =\ \d+\ passed\b(?!.*\bfailed) | ^Succeeded\s*:\ \d
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
"""In one of the last lines: the run is through."""
_RESULT = re.compile(
    r"""
      \b(?:saved?|saving|wrote|written|exported|stored|uploaded|upload|pushed|promoted|archived|artefacts|artifacts)\b
    | \bbest[ _]?(?:trial|params?|parameters|score|model|metric|config|test|iteration|val\w*)\b | (?-i:\bRESULTS?\b)
    | \b(?:Training|Total|elapsed|run)[ _](?:time|run\ time|runtime)\b | \btrain_runtime\b | \belapsed\b | \bTotal:\ [\d.]+\ [hms]
    | \b(?:final|test|holdout|mean|overall|average|oob|dev|clean)\b[^\n]{0,30}?[:=]?\ ?-?[\d.]*\d
    | \bCleaning\ up\ orphan\ processes | \b[PR]@\d\s | \bEPE\b | %WER | \bLoss\ for\ final\ step | \bwandb:\ (?:Synced|Find\ logs|.*View\ run) | \bearly\ stopping\b | ->\ stop\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""In the very last lines: what a run says once it is through."""
_UNFINISHED = re.compile(
    r"\b(?:not|never|un(?:successful\w*|finished)|fail(?:s|ed|ing|\w*)?\b(?!\s*[:=]\s*0)|error\b(?!\s*(?:rate|stats|=|:))|exception|"
    r"abort\w*|before|until|when|if|kill\w*|cancel\w*|invalid|terminated|in\s*complete|expected|will\ be|to\ be|loading|[Ee]xit(?:ed)?\ with\ [1-9])",
    re.IGNORECASE,
)
_LAST_STEP = re.compile(r"\b(\d+)\s*/\s*\1\b|\b100(?:\.0+)?%")
_STEP = re.compile(r"\b\d+\s*/\s*\d+\b|\d+(?:\.\d+)?%(?:\||\s)")
_HEADER = re.compile(r"^\s*(?:epoch|fold|trial|stage)\s+\d+\s*/\s*\d+\W*$", re.IGNORECASE)
RESULT_LINES = 4
"""A result is told in so many of the last lines; further up it may be a checkpoint's."""
FINISHED_LINES = 40
ATTEMPT = re.compile(
    (
        rb"^[^\n]{0,60}?[$#%>] (?:[\w/.-]+=\S+ )*(?:sudo |nohup |time |env )*"
        rb"(?:\S*/)?(?:python[\d.]*|bash|sh|zsh|torchrun|srun|sbatch|mpirun|horovodrun|accelerate|deepspeed|docker|podman|make|nohup|"
        rb"singularity|apptainer|foldwatch|ray|\./\S+|conda run|poetry run|uv run)\b"
    ),
    re.MULTILINE,
)
"""A shell's prompt with a command behind it: another attempt begins."""
RESTARTED = re.compile(
    rb"SLURM_RESTART_COUNT=[1-9]|Starting worker group|Scheduled restart job|nohup: ignoring input|Requeued? job|restart counter is at"
)
"""Another attempt of the whole run begins, whoever says so."""
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?")
_NO_SHAPE = re.compile(
    r"\b[Ww]orker|\bpid\b|[Bb]oot|[Rr]estart|[Kk]ill|[Ss]tarting|[Ss]tarted|[Cc]onnect|[Ee]rror|ERROR|[Ff]ail|[Ww]arn|WARN|[Ee]xception|Traceback|"
    r"[Aa]bort|[Ff]atal|[Rr]etry|[Ee]xit|^\s*(?:File \"|at |@ |#\d|\[ ?\d+\] /|\^)|core dumped|[Tt]hread \d"
)
SHAPE_LETTERS = 2
SHAPE_BYTES = 100
ENDING_LINES = 40
"""Written last, and looked at for an ending: a job's epilogue is longer, a run's own is not."""


@dataclass(frozen=True, slots=True)
class ProgressMark:
    """That a writer went on, or began again, below a failure."""

    line: int
    text: str


def find_progress(content: bytes | bytearray, start: int, end: int) -> int | None:
    """Return where progress stands between two offsets; None without any.

    One bar alone is none: what draws it draws it once more as it is torn down.
    """
    bar: bytes | None = None
    at = start
    while (match := PROGRESS.search(content, at, end)) is not None:
        line_start = content.rfind(b"\n", 0, match.end()) + 1
        drawn = max(line_start, content.rfind(b"\r", line_start, match.end()) + 1)
        stops = [
            stop
            for stop in (
                content.find(b"\n", match.end(), end),
                content.find(b"\r", match.end(), end),
            )
            if stop >= 0
        ]
        line_end = min(stops, default=end)
        line = bytes(content[max(drawn, start) : line_end])
        at = max(line_end, match.end())
        if _NO_PROGRESS.search(line):
            continue
        if _BAR.search(line) is None or (bar is not None and bar != line):
            return match.start()
        bar = line
    begun = ATTEMPT.search(content, start, end)
    return None if begun is None else begun.start()


def finding_finished(lines: Sequence[str], *, below_failure: bool = False) -> int | None:
    """Return the place of the line that says that a run is through; None where none of the last does.

    Args:
        lines: The last that a run wrote, in their order. Below a sign of progress only what is said
            below it counts, unless it is the last step of all that were planned.
        below_failure: Whether they stand below a sign of a failure: then a result or a last step says
            nothing, for summaries are written after failures too.
    """
    for below, text in enumerate(reversed(lines)):
        place = len(lines) - 1 - below
        line = text.rsplit("\r", 1)[-1]
        is_indented = not line[:1].strip()
        if not _UNFINISHED.search(line):
            if _FINISHED.search(line) and not (is_indented and "(" in line):
                if not _TRIAL.search(line):
                    return place
            elif (
                not below_failure
                and below < RESULT_LINES
                and _RESULT.search(line)
                and not is_indented
            ):
                return place
        if PROGRESS.search(line.encode()):
            steps = _STEP.findall(line)
            is_last = bool(steps) and len(_LAST_STEP.findall(line)) == len(steps)
            return place if is_last and not below_failure and not _HEADER.match(line) else None
    return None


_TRIAL = re.compile(
    r"\b(?:trial|epoch|fold|step|iter|task|batch|round|stage|tree|job|part)\w*\W{0,3}\d+\b(?!\s*/)[^\n]*\b(?:finished|done|completed|succeeded)",
    re.IGNORECASE,
)
"""One of many is through, not the run."""


def shape_of(line: str) -> str | None:
    """Return a line with its numbers taken out; None for one that is no line of a training's progress.

    A training says the same thing over and over, with other numbers: that it goes on saying it below
    a failure tells that it went on, in whatever words.
    """
    text = line.strip()
    shape, count = _NUMBER.subn("#", text[: 2 * SHAPE_BYTES])
    letters = sum(map(str.isalpha, shape))
    if (
        not count
        or letters < SHAPE_LETTERS
        or len(text) > 2 * SHAPE_BYTES
        or _NO_SHAPE.search(text)
    ):
        return None
    return shape[:SHAPE_BYTES]
