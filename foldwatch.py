"""The command line: puts the three packages' commands together and maps errors to exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; nothing prints a traceback at a user."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # also while the commands are being loaded
        return _fail("interrupted", code=INTERRUPTED)
    finally:
        _flush()


def _run(arguments: list[str] | None) -> int:
    import typer  # noqa: PLC0415 - inside, so that Ctrl-C while it loads ends in one line too

    from telemetry.errors import FoldwatchError  # noqa: PLC0415 - see above

    try:
        code = int(_app(arguments)(args=arguments, standalone_mode=False) or 0)
    except typer.TyperException as error:  # a wrong option or argument, in typer's own words
        return _fail(error.format_message(), code=2)
    except FoldwatchError as error:
        return _fail(str(error), code=error.exit_code)
    except typer.Abort:
        code = INTERRUPTED
    except OSError as error:  # a full disk, a file that went away: whatever no command translated
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", code=2)
    return _fail("interrupted", code=code) if code == INTERRUPTED else code


def _app(arguments: list[str] | None) -> typer.Typer:
    """Put the commands together; for ``analyze`` its own alone, which loads in half the time."""
    import typer  # noqa: PLC0415 - see `_run`

    app = typer.Typer(
        name="foldwatch",
        help="Sees a training run's thread, PID, memory-map and memory ceilings coming.",
        no_args_is_help=True,
    )
    app.callback()(lambda: None)  # a command that is alone keeps its name
    names = ["analyzer.cli"]
    if (sys.argv[1:] if arguments is None else arguments)[:1] != ["analyze"]:
        names = ["trainer.cli", *names, "analyzer.serve_cli", "telemetry.cli"]
    for name in names:
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
