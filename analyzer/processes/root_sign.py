"""Which of the signs of a process's end is the root: what ended it, and not what follows from that.

First the earliest sign that names a resource; a line of the kernel's that may be of another process comes
last among those, and a host that is gone once it was preempted is none. Then what says that somebody ended it, unless it failed before (a scheduler's ``state`` says
why it failed). Then the last exception,
or the first word of a death in native code. Then what a launcher says of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.signatures.general import IN_WORDS
from analyzer.signatures.search import ERROR_LINE, EXCEPTION
from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from analyzer.signatures.search import SignatureMatch

SUMMARY_LINES = 200
"""A launcher says how a process ended within so many lines of what the process said itself."""
NEAR_LINES = 5
"""Lines of one message stand no further apart."""
_PASSES_ON = late_pattern(
    r"^(?:\w+\.)*(?:Py4JJavaError|PythonException|SparkException|TrainingFailedError|TuneError|RayTaskError|InstantiationException"
    r"|AirflowException|PapermillExecutionError|CellExecutionError|ExecutionException|FailedJobError|UncompletedJobError"
    r"|DagsterExecutionStepExecutionError|ProcessRaisedException|_?RemoteTraceback|RemoteError|CalledProcessError"
    r"|StorageInternalError|PendingRollbackError|DatasetGenerationError|BackendCompilerFailed|InductorError|LoweringException"
    r"|LocalEntryNotFoundError|RetryError|Flyte\w*(?:User|System)\w*Exception)\b"
)
"""An exception by which an engine passes on another one, of a worker, of a storage or of the code that it called."""
GAVE_UP = late_pattern(
    r"consecutive failures|one or more processes exited with non-zero|[Tt]rials did not complete|No trials are completed|AllTrialsFailed"
    r"|\b[Aa]ll (?:the )?(?:\d+ )?(?:fits|trials|folds|runs|workers|jobs|tasks|candidates|attempts)\b[^\n]{0,20}\bfailed"
    r"|\b[Tt]oo many (?:failed|failures|failing|crash)|\b[Nn]o (?:successful|completed) (?:trial|run|fit|job)s?\b"
    r"|(?=[^\n]*\b(?:exceed|reach|hit)\w*)(?:\b(?:max\w*|limit)\b[^\n]{0,30})?\b(?:failures|failed (?:trials|runs|jobs|tasks))\b"
)
"""An exception by which what tries one thing after another gives up, since so many of them failed."""
_WAITED = late_pattern(
    r"^(?:\w+\.)*(?:Empty|Full|TimeoutError|CancelledError|EOFError|BrokenPipeError|ConnectionResetError)\b"
)
"""An exception of a queue, a pipe or a wait at whose other end a process is gone."""
CHAIN_LINES = 100
"""Of the traceback below it, which was raised while it was handled."""


def find_root(
    signs: Sequence[SignatureMatch],
    *,
    matches: Iterable[SignatureMatch],
    is_named: Callable[[SignatureMatch], bool | None],
    log_lines: int,
) -> SignatureMatch | None:
    """Return the root of the signs of a process; None where it has none.

    Args:
        signs: Those of its end, in their order.
        matches: These, and the exceptions whose line one of them knows.
        is_named: Whether a kernel line is about the process; None where that is not known.
        log_lines: Of its log.
    """
    taken_back = _first_stop([s for s in signs if s.stops and "preempted" in s.speaks_for])
    specific = [
        s
        for s in signs
        if not (s.is_secondary or s.is_generic or s.stops)
        and not (taken_back and s.speaks_for == ("host_lost",) and _is_above(taken_back, s))
    ]
    specific = [s for s in specific if not s.signature.endswith(IN_WORDS)] or specific
    own = [s for s in specific if not s.names_its_cause or is_named(s)]
    if root := next(iter(own or specific), None):
        return _told_by_exception(_narrowest(root, own or specific), matches)
    summaries = [s for s in signs if s.is_secondary and not s.stops]
    last = max((s.line or log_lines for s in summaries), default=None)
    generic = [
        s for s in signs if s.is_generic and not (s.is_secondary or _only_waited(s, summaries))
    ]
    if last is not None:
        generic = [s for s in generic if last - (s.line or last) <= SUMMARY_LINES]
    failed = _telling(generic, summaries)
    stop = _first_stop([s for s in signs if s.stops and not s.is_secondary])
    if stop is not None and not (
        failed and _is_above(failed, stop) and "state" not in stop.details
    ):
        return stop
    return failed or next(iter(summaries), None) or next((s for s in signs if s.stops), None)


def _only_waited(sign: SignatureMatch, summaries: Iterable[SignatureMatch]) -> bool:
    """Whether a sign is an exception of a wait for a process, while handling which its death was found."""
    if (
        sign.signature != EXCEPTION
        or "is_chained" not in sign.details
        or not _WAITED.search(sign.text)
    ):
        return False
    below = ((s.line or 0) - (sign.line or 0) for s in summaries if not s.is_generic)
    return any(0 < distance <= CHAIN_LINES for distance in below)


def _first_stop(stops: Sequence[SignatureMatch]) -> SignatureMatch | None:
    """Return the first sign that somebody ended the process; one that says who, before that it got SIGTERM."""
    first = next(iter(stops), None)
    if first is None or first.signature != "sigterm_received":
        return first
    return next((s for s in stops if s.signal != "SIGINT" and s is not first), first)


def _telling(
    generic: Sequence[SignatureMatch], summaries: Sequence[SignatureMatch]
) -> SignatureMatch | None:
    """Return the sign that says best what failed, of those that say only that something did.

    Earlier exceptions were handled. A summary that says more, as a watchdog's does, counts before the
    abort below it.
    """
    exceptions = [s for s in generic if s.signature in {EXCEPTION, ERROR_LINE}]
    root = next(iter(exceptions[-1:] or generic[:1]), None)
    if root is not None and root.signature == EXCEPTION and _is_passing_on(root):
        root = _passed_on(root, exceptions)
    telling = [s for s in summaries if not s.is_generic and root and _is_above(s, root)]
    return telling[0] if telling and not exceptions else root


def _passed_on(root: SignatureMatch, exceptions: Sequence[SignatureMatch]) -> SignatureMatch:
    """Return the last exception near ``root`` that is one of the user's code: ``root`` only passes it on."""
    inner = [
        sign
        for sign in exceptions
        if sign.signature == EXCEPTION
        and not _is_passing_on(sign)
        and abs((root.line or 0) - (sign.line or 0)) <= SUMMARY_LINES
    ]
    return next(reversed(inner), root)


def _is_passing_on(sign: SignatureMatch) -> bool:
    return bool(_PASSES_ON.search(sign.text) or GAVE_UP.search(sign.text))


def _told_by_exception(root: SignatureMatch, signs: Iterable[SignatureMatch]) -> SignatureMatch:
    """Return the root as the exception says it that the same signature knows, with its frame."""
    for sign in signs:
        if (
            sign.signature == EXCEPTION
            and sign.details.get("known_as") == root.signature
            and (sign.line or 0) - (root.line or 0) in range(SUMMARY_LINES)
        ):
            told = {n: sign.details[n] for n in ("frame", "raised_from") if n in sign.details}
            return root._replace(line=sign.line, text=sign.text, details={**root.details, **told})
    return root


def _is_above(sign: SignatureMatch, other: SignatureMatch) -> bool:
    return sign.line is not None and (other.line is None or sign.line < other.line)


def _narrowest(root: SignatureMatch, signs: Iterable[SignatureMatch]) -> SignatureMatch:
    """Return the line of the root's message that leaves the fewest causes."""
    near = [
        sign
        for sign in signs
        if root.line is not None
        and sign.line is not None
        and 0 <= sign.line - root.line <= NEAR_LINES
    ]
    narrower = [sign for sign in near if {*sign.causes} < {*root.causes}]
    return min(narrower, key=lambda sign: len(sign.causes), default=root)
