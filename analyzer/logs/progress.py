r"""Lines that say that a training goes on, or begins again, without saying anything of resources.

A failure below which the same writer makes progress was survived. They are looked for behind a failure
only, so their cost does not grow with the log.
"""

from __future__ import annotations

import re

from analyzer.logs.blocks import HEAD_BYTES
from telemetry.late_pattern import late_pattern

_PLACES = r"epochs?|steps?|iter(?:ation)?s?|global_step|batch(?:es)?|trials?|folds?|round|generation|tree|updates?"
PROGRESS = late_pattern(
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
        # INFO DAGScheduler: Job 6 finished: count at Fit.scala:1100, took 388.1 s
        r"|\b(?:Job|ResultStage|ShuffleMapStage) \d+ (?:\([^\n)]{0,200}\) )?finished(?: in \d|: )"
        # Map (3/8) (a2) switched from RUNNING to FINISHED    of Flink
        r"|\bswitched from RUNNING to FINISHED\b"
    ).encode(),
    re.IGNORECASE | re.MULTILINE,
)
"""In the bytes of a line."""
_NO_PROGRESS = late_pattern(
    rb"wandb:|Traceback|^\s*File \"|\b(?:Error|Exception|failed|FAILED|aborting|Lost task|Killed)\b|\braise\b|^(?:\S+ )?[\w.]+(?:Error|Exception): (?!-?\d)|[Rr]esum(?:e|ing)|\bWork\w+\(SeqNum"
    rb"|\b[Ss]av(?:ed|ing)\b[^\n]{0,40}\b[Cc]heckpoint|\b[Cc]heckpoint\b[^\n]{0,40}\b[Ss]aved\b|\b[Pp]reemption\b"
)
"""On a line, it is of a summary, of an error or of code."""
_ESCAPE = late_pattern(
    rb"(?:\x1b|\\u001[bB])\[[\d;?]*[A-Za-z]|\\[nrt]|\]\w?:[ \t]{0,4}\[Step \d+/\d+\]"
)
"""Of a terminal and of JSON: its last letter is no part of the word behind it. Last, the step of a build in TeamCity."""
_FRAME = late_pattern(rb'File "[^"\n]+", line \d+')
CODE_BYTES = 2**11
"""Of one frame, which a traceback shows below it, with what it is underlined by."""
_BAR = late_pattern(rb"\d+%\||\d+/\d+ \[|it/s|s/it")

_LOOKS = (
    rb"(?:df|free|ps|cat|ls|dmesg|ulimit|nvidia-smi|rocm-smi|top|printenv|head|tail|[ef]?grep|stat|du|mount|uname|sysctl|id|whoami"
    rb"|hostname|nproc|lscpu|date|uptime|pip|which)\b(?![^\n]*\b(?:python|torchrun|train))"
)
"""Programs that only show something, if they do not stand in front of one that trains."""
_ONLY_LOOKS = (
    rb"(?:docker|podman|nerdctl)(?:-compose| compose)? (?:exec|run)(?: \S+){1,6}? "
    + _LOOKS
    + rb"|(?:ba|da|z)?sh -l?c ['\"]?"
    + _LOOKS
    + rb"|srun(?: -\S+){0,6} "
    + _LOOKS
    + rb"|(?:docker|podman|nerdctl)(?:-compose)?(?: container| system| compose| image)? (?:inspect|ps|logs|stats|events|info|images?|version|top|port|diff|df|ls|kill|stop|rm|down)\b"
    rb"|ray (?:status|memory|logs|summary|list|get|timeline|stop|job (?:logs|status|list))\b|foldwatch (?:analyze|limits|explain|export)\b"
    rb"|python[\d.]* (?:-V|--version|-c |-m (?:torch\.utils\.collect_env|pip|site|json\.tool|foldwatch (?:analyze|limits|explain)))"
    rb"|(?:accelerate|deepspeed) (?:env|--version)|make (?:-n|--version)|\S+ --(?:version|help)\s*$"
)
"""Commands that begin no attempt, though they name what one begins with: people look what happened to the last."""
ATTEMPT = late_pattern(
    (
        rb"^[^\n]{0,60}?[$#%>] (?:[\w/.-]+=\S+ )*(?:sudo |nohup |time |env )*(?!"
        + _ONLY_LOOKS
        + rb")"
        rb"(?:\S*/)?(?:python[\d.]*|bash|sh|zsh|torchrun|srun|sbatch|mpirun|horovodrun|accelerate|deepspeed|docker|podman|make|nohup|"
        rb"singularity|apptainer|foldwatch|ray|\./\S+|conda run|poetry run|uv run)\b"
    ),
    re.MULTILINE,
)
"""A shell's prompt with a command behind it: another attempt begins."""
SHOWS_LOG = late_pattern(
    rb"^[^\n]{0,60}[$#%>] (?:sudo )?(?:stern|(?:(?:kubectl|oc|k)|docker(?:-compose| compose)?|podman|nerdctl|nomad alloc)(?: -\S+(?: [\w./-]+)?){0,4} logs) ",
    re.MULTILINE,
)
"""A shell's prompt with a command that shows what a container wrote: that is older than the state that is shown above."""
RUNS_AGAIN = late_pattern(
    rb"(?:^|[^t] )\bState: +Running|\bRunning +[1-9]|\bUp \d+ \w|\"Running\": ?true"
    # The last container of a pod went through, whatever became of the one before it.
    rb"|\bState: +Terminated\s+Reason: +Completed",
    re.MULTILINE,
)
"""Above such a state: another container took the place of the one that ended, and what is shown is what that one wrote."""
RESTARTED = late_pattern(
    rb"SLURM_RESTART_COUNT=[1-9]|Starting worker group|Scheduled restart job|nohup: ignoring input|Requeued? job|restart counter is at"
    rb"|\) \S+ \S+ Job executing on host|\bspawned: '|\bcontainer (?:re)?start [0-9a-f]{4,64} \("
)
"""Another attempt of the whole run begins, whoever says so."""
ANNOUNCED = late_pattern(rb"Scheduled restart job|Requeued? job|restart counter is at")
"""Of these lines, what says that one will begin."""
_NUMBER = late_pattern(r"\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?")
_NO_SHAPE = late_pattern(
    r"\b[Ww]orker|\bpid\b|[Bb]oot|[Rr]estart|[Kk]ill|[Ss]tarting|[Ss]tarted|[Cc]onnect|[Ee]rror|ERROR|[Ff]ail|[Ww]arn|WARN|[Ee]xception|Traceback|"
    r"[Aa]bort|[Ff]atal|[Rr]etry|[Ee]xit|^\s*(?:File \"|at |@ |#\d|\[ ?\d+\] /|\^)|core dumped|[Tt]hread \d"
)
SHAPE_LETTERS = 2
"""In what a training says, at least."""
SHAPE_LENGTH = 100
"""Characters of a line that are compared."""


def find_progress(content: bytes | bytearray, start: int, end: int) -> int | None:
    """Return where progress stands between two offsets; None without any.

    One bar alone is none: what draws it draws it once more as it is torn down.
    """
    text = _ESCAPE.sub(_blanks, content[start:end])
    bar: bytes | None = None
    at = 0
    while (match := PROGRESS.search(text, at)) is not None:
        drawn = max(text.rfind(b"\n", 0, match.end()), text.rfind(b"\r", 0, match.end())) + 1
        stops = (text.find(b"\n", match.end()), text.find(b"\r", match.end()))
        line_end = min((stop for stop in stops if stop >= 0), default=len(text))
        line = bytes(text[drawn:line_end])
        at = max(line_end, match.end())
        if _NO_PROGRESS.search(line) or _is_code(content, start + drawn):
            continue
        if _BAR.search(line) is None or (bar is not None and bar != line):
            return start + match.start()
        bar = line
    begun = ATTEMPT.search(text)
    return None if begun is None else start + begun.start()


def _is_code(content: bytes | bytearray, line_start: int) -> bool:
    """Whether a line is of the code that a traceback shows below a frame: ``model.fit(x, epochs=3)``."""
    begin = max(0, line_start - CODE_BYTES)
    *above, line = bytes(content[begin : line_start + HEAD_BYTES]).split(b"\n")[
        : content.count(b"\n", begin, line_start) + 1
    ]
    code = [line]
    for one in reversed(above):
        if (frame := _FRAME.search(one)) is not None:
            return all(part[frame.start() :].startswith(b"  ") for part in code)
        code.append(one)
    return False


def _blanks(escape: re.Match[bytes]) -> bytes:
    return (b"\r" if escape[0] == rb"\r" else b" ").ljust(len(escape[0]))


def shape_of(line: str) -> str | None:
    """Return a line with its numbers taken out; None for one that is no line of a training's progress.

    A training says the same thing over and over, with other numbers: that it goes on saying it below
    a failure tells that it went on, in whatever words.
    """
    text = line.strip()
    shape, count = _NUMBER.subn("#", text[: 2 * SHAPE_LENGTH])
    letters = sum(map(str.isalpha, shape))
    if (
        not count
        or letters < SHAPE_LETTERS
        or len(text) > 2 * SHAPE_LENGTH
        or _NO_SHAPE.search(text)
    ):
        return None
    return shape[:SHAPE_LENGTH]
