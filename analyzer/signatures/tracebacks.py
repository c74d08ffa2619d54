"""A Python traceback as logs hold it: prefixed by a logger, cut by other writers, chained to another.

The exception is the last word of a process that died of it, whether or not a signature knows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NumberedLine = TypeVar("NumberedLine", bound=tuple[int, str])

TRACEBACK = "Traceback (most recent call last)"
IGNORED = "Exception ignored in"
"""In the line above a traceback: Python printed it and went on."""
TRACEBACK_LINES = 400
"""A longer one is of a recursion, which Python itself shortens."""
FOREIGN_LINES = 40
"""Of other writers inside a traceback, at most; then its end is taken for lost."""

_FRAME = late_pattern(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>\S+))?')
_BOX, _IN_BOX = "╭", ("│", "╰")
"""What Rich draws a traceback in, as Typer, Flyte and ZenML show it."""
_BOXED_FRAME = late_pattern(
    r"^│ (?P<path>[^│:]+\.pyx?):(?P<line>\d+) in(?: (?P<function>[^\s│]+))?"
)
_EXCEPTION = late_pattern(
    r"^(?P<type>[A-Za-z_]\w*(?:\.[A-Za-z_<]\w*>?)*)(?::(?:\s(?P<message>.*))?)?\s*$"
)
_EXCEPTION_NAME = late_pattern(
    r"(?:Error|Exception|Interrupt|Exit|Failure|Warning|Killed\w*|Died|Timeout|Lost|Group)$"
)
_GROUP = late_pattern(r"^\s*(?:\| ?|\+[-+]*)")
"""In front of each line of an exception group."""
_CHAINED = (
    "During handling of the above exception, another exception occurred",
    "The above exception was the direct cause of the following exception",
)
_LIBRARY = late_pattern(
    r"(?:site|dist)-packages|\.zip/|/lib/python\d|^<|\.pyx$|/lib64/python\d|\\lib\\"
)
_ESCAPED_NEWLINE = "\\n"


FILE_WRITTEN = "file_write_frame"
"""The frame of a traceback that ends where a file is written, and shows nothing that lies in /dev/shm."""
_IN_MEMORY = late_pattern(
    r"/dev/shm|\bshm|_shm|SemLock|multiprocessing/(?!process|pool|spawn|popen)|shared_?mem|memmapping|\bmmap\b|plasma|tmpfs",  # noqa: S108 - a pattern, not a file
    re.IGNORECASE,
)
_WRITES = late_pattern(
    r"\b(?:torch/serialization|safetensors/\w+|numpy/lib/\w+|pandas/io/\S+|h5py/\S+|zarr/\S+|shutil|zipfile\S*|tarfile|gzip|bz2|lzma"
    r"|json/\w+|csv|logging/\w+|pathlib\S*|PIL/\S+|fsspec/\S+|arrow_writer|huggingface_hub/\S+|joblib/numpy_pickle\w*|wandb/\S+|mlflow/\S+)\.py\""
    r"|\.(?:write|writelines|write_\w+|save\w*|dump|tofile|to_(?:csv|parquet|hdf|pickle|json|feather)|copy\w+|flush|close|extract\w*|mkdir)\("
    r"|\b(?:open|copyfile|copytree|makedirs)\("
)
"""In the last frame of a traceback, its path or its code."""


def writes_file(lines: Sequence[str]) -> bool:
    """Whether a traceback with these lines ends where a file is written; what is shared lies in memory."""
    last = max(
        (
            place
            for place, line in enumerate(lines)
            if _FRAME.match(line) or _BOXED_FRAME.match(line)
        ),
        default=None,
    )
    if last is None or _IN_MEMORY.search("\n".join(lines)):
        return False
    return _WRITES.search("\n".join(lines[last:])) is not None


class LoggedException(NamedTuple):
    """What a traceback comes to."""

    text: str
    """``ValueError: bad``, as it stands in the log."""
    lines_below: int
    """How many lines it stands below the first line of its traceback."""
    frame: str | None
    """The innermost of the user's own code, as ``train.py:61 in main``."""
    is_chained: bool
    """Whether another traceback follows that was raised while this one was handled."""
    writes_file: bool = False
    """Whether it arose where a file is written that lies on a disk, as far as its frames show."""

    @property
    def name(self) -> str:
        """The exception's class, without its module."""
        return self.text.partition(":")[0].rpartition(".")[2].strip()


def read_traceback(lines: Sequence[str]) -> LoggedException | None:
    """Read the traceback that begins in the first of ``lines``; None where its end is not among them.

    Args:
        lines: The line with the marker, and those that the same writer wrote below it.
    """
    above, _, behind = lines[0].partition(TRACEBACK)
    if _ESCAPED_NEWLINE in behind:  # a collector made one line of it
        lines = [TRACEBACK, *behind.split(_ESCAPED_NEWLINE)[1:]]
        found = read_traceback(lines)
        return found and found._replace(lines_below=0)
    frame: str | None = None
    is_own = is_below_frame = False
    foreign = 0
    above = above.partition(_BOX)[0]
    for number, line in enumerate(_without(above, lines[1 : TRACEBACK_LINES + 1]), start=1):
        if match := _FRAME.match(line) or _BOXED_FRAME.match(line):
            is_library = _LIBRARY.search(match["path"]) is not None
            if not is_own or not is_library:
                name = match["path"].replace("\\", "/").rpartition("/")[2]
                frame = f"{name}:{match['line']}" + (
                    f" in {match['function']}" if match["function"] else ""
                )
                is_own = not is_library
            is_below_frame = True
        elif line[:1].isspace() or not line or line.startswith(_IN_BOX):
            continue
        elif (match := _EXCEPTION.match(line)) and (
            is_below_frame or _EXCEPTION_NAME.search(match["type"])
        ):
            below = lines[number + 1 : number + 7]
            if any("warnings.warn(" in text for text in below):
                return None  # a warning that tells of it
            is_chained = any(words in text for words in _CHAINED for text in below)
            is_written = writes_file(lines[:number])
            return LoggedException(line.strip(), number, frame, is_chained, is_written)
        else:
            is_below_frame = False
            foreign += 1
            if foreign > FOREIGN_LINES or TRACEBACK in line:
                return None
    return None


def without_ignored(lines: Iterable[NumberedLine]) -> Iterator[NumberedLine]:
    """Leave out the tracebacks that Python printed and went on: of a destructor, at the interpreter's end."""
    is_ignored = False
    for one in lines:
        if IGNORED in one[1]:
            is_ignored = True
        elif is_ignored:
            is_ignored = one[1][:1].isspace() or TRACEBACK in one[1]
        else:
            yield one


def _without(prefix: str, lines: Sequence[str]) -> Iterator[str]:
    """Take off what a logger put in front of every line; its numbers change, as times and line numbers do."""
    shape = re.compile(
        "".join(
            r"\d+" if part.isdigit() else re.escape(part) for part in re.split(r"(\d+)", prefix)
        )
    )
    is_group = "Exception Group" in prefix
    for line in lines:
        match = shape.match(line) if prefix else None
        text = line if match is None else line[match.end() :]
        yield _GROUP.sub("", text) if is_group or text.lstrip()[:1] in {"|", "+"} else text
