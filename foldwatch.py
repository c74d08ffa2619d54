"""The command line: puts the three packages' commands together and maps errors to exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

INTERRUPTED = 130
FLAGS = {"--json", "--exit-zero"}
"""The options of ``analyze`` that take no value."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; nothing prints a traceback at a user."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # also while the commands are being loaded
        return _fail("interrupted", code=INTERRUPTED)
    finally:
        _flush()


def _run(arguments: list[str] | None) -> int:
    from telemetry.errors import FoldwatchError  # noqa: PLC0415 - inside, so that Ctrl-C while it loads ends in one line too

    words = sys.argv[1:] if arguments is None else arguments
    try:
        return _analyze_plainly(words) if _is_plain(words) else _run_typer(words)
    except FoldwatchError as error:
        return _fail(str(error), code=error.exit_code)
    except OSError as error:  # a full disk, a file that went away: whatever no command translated
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", code=2)


def _is_plain(words: list[str]) -> bool:
    """Whether this is ``analyze`` with paths and flags alone."""
    flags = [word for word in words if word.startswith("-") and word != "-"]
    return words[:1] == ["analyze"] and len(words) - len(flags) > 1 and FLAGS.issuperset(flags)


def _analyze_plainly(words: list[str]) -> int:
    """Analyze without typer, which takes longer to load than most logs to read."""
    from analyzer.command import analyze_command  # noqa: PLC0415 - see `_run`

    paths = [word for word in words[1:] if word not in FLAGS]
    return analyze_command(paths, as_json="--json" in words, exit_zero="--exit-zero" in words)


def _run_typer(words: list[str]) -> int:
    import typer  # noqa: PLC0415 - see `_run`

    try:
        code = int(_app()(args=words, standalone_mode=False) or 0)
    except typer.TyperException as error:  # a wrong option or argument, in typer's own words
        return _fail(error.format_message(), code=2)
    except typer.Abort:
        code = INTERRUPTED
    return _fail("interrupted", code=code) if code == INTERRUPTED else code


def _app() -> typer.Typer:
    """Put the commands together."""
    import typer  # noqa: PLC0415 - see `_run`

    app = typer.Typer(
        name="foldwatch",
        help="Sees a training run's thread, PID, memory-map and memory ceilings coming.",
        no_args_is_help=True,
    )
    for name in ("trainer.cli", "analyzer.cli", "telemetry.cli"):
        app.add_typer(import_module(name).app)
    return app


def _fail(message: str, *, code: int) -> int:
    if message:  # empty where typer has printed the help already
        print(f"foldwatch: {message}", file=sys.stderr)
    return code


def _flush() -> None:
    """Write what is left; where nobody reads it, let the interpreter's own last flush find nothing."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    sys.exit(main())
