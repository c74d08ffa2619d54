"""Lines that say that a run is through, among the last that it wrote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzer.logs.progress import PROGRESS
from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

_FINISHED = late_pattern(
    r"""
      \b(?:finished(?!:\s+\w{3},)|completed|succeeded|beendet|abgeschlossen|success(?:ful(?:ly)?\b(?!\ (?:stopped(?!\ SparkContext)|opened|created|started|registered|connected|removed|loaded|assigned|pulled|mounted|attached|provisioned|scheduled|initialized|authenticated|logged)))?)\b
    | \b(?:complete|done|ended|goodbye|bye|end)\b[.!]*\s*$ | \bdone\b(?:[,:!]|\ in\ \d)
    | \bdone\ (?:training|fitting|evaluating|testing|processing|generating)\b(?!\ (?:epoch|step|fold|batch|trial|round|tree|part|task)\b)
    | \b(?:training|run|job|fit|search|study|evaluation|pipeline|experiment)\b[^:\n]{0,30}\b(?:complete|done|ended|ok)\b
    | \bmax_(?:epochs|steps)(?:=\d+`?)?\ reached | \breached\ max_\w+
    | \bexit(?:ed|ing|s)?\b(?:\ with)?[ _-]?(?:return\ )?(?:code|status)?\s*[:=]?\s*\(?0\)?(?![\d.])
    | \breturn(?:ed)?\ (?:code|value)\s*[:=]?\s*0(?![\d.])
    | \bJob\ succeeded\b | \bCOMPLETED\b | ^\s*real\s+\d+m[\d.]+s | \bReturn\ value\ 0\b | \bshutdown\ complete\b
    | \btrain_runtime['"]?\s*[:=] | ^\s*(?:accuracy|(?:macro|weighted)\ avg)\s[\s\d.]*\d\s*$
    | (?:^|=\ )\d+\ passed\b(?!.*\bfailed) | ^Succeeded\s*:\ \d
    | \bstopped\ \(rc=0\)
    | \bis\ up\ to\ date\.?\s*$ | \bpipelines\ are\ up\ to\ date\b | \bdvc\ push\b
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
"""In one of the last lines: the run is through."""
_RESULT = late_pattern(
    r"""
      \b(?:saved?|saving|wrote|written|exported|stored|uploaded|upload|pushed|promoted|archived|artefacts|artifacts)\b
    | \bbest[ _]?(?:trial|params?|parameters|score|model|metric|config|test|iteration|val\w*)\b | (?-i:\bRESULTS?\b)
    | \b(?:Training|Total|elapsed|run)[ _](?:time|run\ time|runtime)\b | \belapsed\b | \bTotal:\ [\d.]+\ [hms]
    | (?<![-./\w])(?:final|test|holdout|mean|overall|average|oob|dev|clean)\b[^\n]{0,30}?[:=]?\ ?-?[\d.]*\d
    | \bCleaning\ up\ orphan\ processes | \b[PR]@\d\s | \bEPE\b | %WER | \bLoss\ for\ final\ step | \bwandb:\ (?:Synced|Find\ logs|.*View\ run) | \bearly\ stopping\b | ->\ stop\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""In the very last lines: what a run says once it is through."""
_UNFINISHED = late_pattern(
    r"\b(?:not|never|un(?:successful\w*|finished)|fail(?:s|ed|ing|\w*)?\b(?!\s*[:=]\s*0)|error\b(?!\s*(?:rate|stats|=|:))|exception|"
    r"abort\w*|crash(?:ed|es|ing)\b(?!\s*[:=]\s*0)|timed\s?out|before|until|when|if|kill\w*|cancel\w*|invalid|terminated|in\s*complete|expected|will\ be|to\ be|loading|start-?up|initiali[sz]ation|warm-?up|done\ waiting|[Ee]xit(?:ed)?\ with\ [1-9])",
    re.IGNORECASE,
)
_CLEANING_UP = late_pattern(
    r"\b(?:Successfully stopped SparkContext|[Tt]earing down|Deactivated successfully|diagnostic log upload|W&B process to finish)\b|^\s*Exit status: 0$"
    r"|^(?:Stopping|Removing|Killing) \S+ +\.\.\. |\.(?:service|scope): Succeeded\.$"
    r"|^Artifact\b.*\b(?:finalized|uploaded|completed)\b|^Cache saved\b|^Finished uploading artifact|^(?:##\[section\])?Finishing: "
    r"|^(?:Archive is up to date|Archiving artifacts|Saving cache|Created cache|Uploading artifacts|Recording test results)\b"
    r"|^File upload succeed|^Async Command End"
)
"""What somebody else says as it tidies up, however the run ended."""
_WENT_WELL = late_pattern(
    r"^This progress looks :\)|\bNothing to be done\b|\(1\) Normal termination \(return value 0\)"
    r"|\bJob job_\d+_\d+ completed successfully|\bswitched from state RUNNING to FINISHED\b"
    r"|\b(?:[Ff]inal (?:app )?|application )status:? SUCCEEDED\b|\bis in state JOB_STATE_DONE\b"
)
"""The last word of a workflow manager, an engine or a scheduler on a run, in words that a failure has as well."""
_WENT_BADLY = late_pattern(
    r"^This progress looks :\(|\bExiting because a job execution failed|\bcompleted,? with (?:errors|failures)\b"
    r"|\b(?:[Jj]ob|[Pp]ipeline|[Ww]orkflow|[Tt]raining) (?:has )?failed[.!]?\s*$|\bJOB_STATE_FAILED\b|\bBackoffLimitExceeded\b"
)
"""The last word of a workflow manager on a run: some of its tasks succeeded, and all the same it failed."""
_LAST_STEP = late_pattern(r"\b(\d+)\s*/\s*\1\b|\b100(?:\.0+)?%")
_STEP = late_pattern(r"\b\d+\s*/\s*\d+\b|\d+(?:\.\d+)?%(?:\||\s)")
_HEADER = late_pattern(r"^\s*(?:epoch|fold|trial|stage)\s+\d+\s*/\s*\d+\W*$", re.IGNORECASE)
RESULT_LINES = 4
"""A result is told in so many of the last lines; further up it may be a checkpoint's."""


def place_of_finish(lines: Sequence[str], *, below_failure: bool = False) -> int | None:
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
        if _WENT_BADLY.search(line):
            return None
        if _WENT_WELL.search(line):
            return place
        if not (_UNFINISHED.search(line) or (below_failure and _CLEANING_UP.search(line))):
            if _FINISHED.search(line) and not (is_indented and "(" in line):
                if not (_TRIAL.search(line) or _is_part(line)):
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


_TRIAL = late_pattern(
    r"\b(?:trial|epoch|fold|step|iter|task|batch|round|stage|tree|job|part)\w*\W{0,3}\d+\b(?!\s*[/%])[^\n]*\b(?:finished|done|completed|succeeded)"
    r"|\b(?:finished|done|completed) (?:trial|epoch|fold|step|iter|task|batch|round|stage|tree|job|part)\w*\W{0,3}\d"
    r"|\bswitched from RUNNING to FINISHED\b",
    re.IGNORECASE,
)
"""One of many is through, not the run."""
_OF_ALL = late_pattern(
    r"\b(\d+)\s*(?:/|(?:out )?of)\s*(\d+)\s+(?:steps|tasks|jobs|rules|targets|stages|nodes|processes|runs|flows|files|shards|folds|trials|partitions|chunks|models|seeds|configs|workers)\b"
)


def _is_part(line: str) -> bool:
    """Whether a workflow manager says that some of its tasks are through, and not yet all: ``4 of 6 steps``."""
    done = _OF_ALL.search(line)
    return done is not None and int(done[1]) < int(done[2])
