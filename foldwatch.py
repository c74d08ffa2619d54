"""The command line: puts the three packages' commands together and maps errors to exit codes."""

from __future__ import annotations

import sys

import typer

import analyzer.cli
import telemetry.cli
import trainer.cli
from telemetry.errors import FoldwatchError

INTERRUPTED = 130

app = typer.Typer(
    name="foldwatch",
    help="Sees a training run's thread, PID, memory-map and memory ceilings coming.",
    no_args_is_help=True,
)
for part in (trainer.cli.app, analyzer.cli.app, telemetry.cli.app):
    app.add_typer(part)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; nothing prints a traceback at a user."""
    try:
        return int(app(args=arguments, standalone_mode=False) or 0)
    except typer.TyperException as error:  # a wrong option or argument, in typer's own words
        return _fail(error.format_message(), code=2)
    except FoldwatchError as error:
        return _fail(str(error), code=error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("interrupted", code=INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = None  # or the interpreter's last flush fails aloud
        return 0


def _fail(message: str, *, code: int) -> int:
    if message:  # empty where typer has printed the help already
        print(f"foldwatch: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
