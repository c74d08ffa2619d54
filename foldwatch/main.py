"""The command line: names the commands and maps errors to exit codes.

A command's module is loaded when the command runs, so ``--help`` and completion are quick.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from types import ModuleType

    import typer

INTERRUPTED = 130
COMMANDS = {
    "train": "Cross-validate a model, by default the reference pipeline, each fold in a fresh process.",
    "run": "Run any command once for each fold, in a fresh process, watched from outside.",
    "attach": "Record a process that runs already, with its tree, until it ends: metrics, page, alerts, verdict.",
    "reproduce": "See the crash happen in miniature, the alert before it, and the same folds finish isolated.",
    "analyze": "Say what grows per fold, how many folds are left, and which limit ended the run.",
    "explain": "Run one fold again under memray, and name the lines that allocated what it did not free.",
    "export": "Write old logs and journals as OpenMetrics: promtool tsdb create-blocks-from openmetrics.",
    "serve": "Follow every run below DIR; serve Prometheus metrics and a live page.",
    "top": "Show runs in the terminal, live: the worst first, what limits them, and what to do now.",
    "alert": "Send one test alert in every way that the options name, and say what came of each.",
    "limits": "Show every limit of a process, its source, and the one that binds.",
    "debug-info": "Print versions, kernel, cgroups, limits and environment for a bug report; secrets are masked.",
    "grafana": "Write the Grafana dashboards, Prometheus rules and configurations, and a docker-compose.yml.",
}
"""Summary by command; a test compares each with the command's own help."""
FLAGS = {"--json", "--all", "--exit-zero"}
"""The options of ``analyze`` that take no value."""


def command_module(name: str) -> ModuleType:
    """Load the module of a command."""
    return import_module(f"foldwatch.commands.{name.replace('-', '_')}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; nothing prints a traceback at a user."""
    try:
        _open_closed_streams()
        return _run(arguments)
    except KeyboardInterrupt:  # also while the commands are being loaded
        return _fail("interrupted", code=INTERRUPTED)
    except Exception as error:
        if not _is_interruption(error):
            raise
        return _fail("interrupted", code=INTERRUPTED)
    finally:
        _flush()


def _is_interruption(error: BaseException) -> bool:
    """Whether Ctrl-C caused it: a library that was being loaded may have raised another error from it."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, KeyboardInterrupt):
        seen = seen.__cause__ or seen.__context__
    return seen is not None


def _run(arguments: list[str] | None) -> int:
    from telemetry.errors import FoldwatchError  # noqa: PLC0415 - inside, so Ctrl-C while it loads also ends in one line

    args = sys.argv[1:] if arguments is None else arguments
    try:
        _check_packages()
        return _run_command_line(args)
    except FoldwatchError as error:
        return _fail(str(error), code=error.exit_code)
    except OSError as error:  # e.g. a full disk or a deleted file, if no command translated it
        from telemetry.file_fault import reason  # noqa: PLC0415 - for an error alone

        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{reason(error)}", code=2)
    except MemoryError:
        return _fail("no memory left to go on with; see `foldwatch limits`", code=2)
    except RuntimeError as error:
        if "can't start new thread" not in str(error):
            raise
        return _fail(f"{error}: a limit on tasks or memory; see `foldwatch limits`", code=2)


def _run_command_line(args: list[str]) -> int:
    """Run a command, without typer if that only costs time."""
    if args == ["--version"]:
        return _print_version()
    if _is_plain_top(args):
        return _top_plainly(args)
    return _analyze_plainly(args) if _is_plain(args) else _run_typer(args)


def _check_packages() -> None:
    """Raise InputError if a file of the current folder stands for a package of foldwatch."""
    from foldwatch.own_packages import check_own  # noqa: PLC0415 - see `_run`
    from telemetry.errors import InputError  # noqa: PLC0415

    try:
        check_own("analyzer", "trainer")
    except ImportError as error:
        raise InputError(str(error)) from error


def _is_plain(args: list[str]) -> bool:
    """Whether this is ``analyze`` with paths and flags alone."""
    flags = [arg for arg in args if arg.startswith("-") and arg != "-"]
    return args[:1] == ["analyze"] and len(args) - len(flags) > 1 and FLAGS.issuperset(flags)


def _is_plain_top(args: list[str]) -> bool:
    """Whether this is ``top`` without options."""
    return args[:1] == ["top"] and len(args) <= 2 and not args[-1].startswith("-")


def _top_plainly(args: list[str]) -> int:
    """Show runs without typer, which takes a fifth of the second that the first screen may take."""
    from foldwatch.top.session import show  # noqa: PLC0415 - see `_run`

    show(*args[1:] or ["."])
    return 0


def _analyze_plainly(args: list[str]) -> int:
    """Analyze without typer, which takes longer to load than most logs to read."""
    gc.disable()  # what is loaded stays: to look through it again and again takes a tenth of the start
    from foldwatch.analysis import analyze_command  # noqa: PLC0415 - see `_run`

    gc.freeze()
    gc.enable()
    paths = [arg for arg in args[1:] if arg not in FLAGS]
    return analyze_command(
        paths,
        as_json="--json" in args,
        show_all="--all" in args,
        exit_zero="--exit-zero" in args,
    )


def _run_typer(args: list[str]) -> int:
    import typer  # noqa: PLC0415 - see `_run`

    from telemetry.bounded_stream import bounded_standard_error  # noqa: PLC0415 - see `_run`

    with bounded_standard_error():
        return _run_command(typer, args)


def _run_command(typer: ModuleType, args: list[str]) -> int:
    try:
        code = int(
            _app()(args=_with_bare_compare(args), prog_name="foldwatch", standalone_mode=False) or 0
        )
    except typer.TyperException as error:  # a wrong option or argument, in typer's own words
        return _fail(" ".join(error.format_message().split()), code=2)
    except typer.Abort:
        code = INTERRUPTED
    return _fail("interrupted", code=code) if code == INTERRUPTED else code


def _with_bare_compare(args: list[str]) -> list[str]:
    """Give a ``--compare`` without a path an empty one: for typer, an option takes a value or never does."""
    return [
        "--compare=" if arg == "--compare" and after.startswith("-") and after != "-" else arg
        for arg, after in zip(args, [*args[1:], "--"], strict=False)
    ]


def _app() -> typer.core.TyperGroup:
    import typer.core  # noqa: PLC0415 - see `_run`
    import typer.main  # noqa: PLC0415

    class LaterCommand(typer.core.TyperCommand):
        """A command of which only the summary is known until it runs."""

        def make_context(self, info_name: str | None, *args: Any, **extra: Any) -> Any:
            module = command_module(str(info_name))
            command = typer.main.get_group(module.app).commands[str(info_name)]
            return command.make_context(info_name, *args, **extra)

    group = typer.Typer(
        name="foldwatch",
        help="Warns before a training run reaches its thread, PID, memory-map or memory limit.",
        no_args_is_help=True,
    )

    # A default, not an annotation: typer resolves annotations in the module, which does not import it.
    version = typer.Option(
        False,  # noqa: FBT003 - the default of a flag
        "--version",
        callback=_show_version,
        is_eager=True,
        help="Show the version and exit.",
    )

    @group.callback()
    def options(_version: bool = version) -> None:  # noqa: FBT001 - a flag of the command line
        """Take the options of every command."""

    app = cast("typer.core.TyperGroup", typer.main.get_command(group))  # it has a callback
    for name, summary in COMMANDS.items():
        app.add_command(LaterCommand(name, help=summary))
    return app


def _show_version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if is_asked:
        import typer  # noqa: PLC0415 - see `_run`

        _print_version()
        raise typer.Exit


def _print_version() -> int:
    from foldwatch import __version__  # noqa: PLC0415 - loaded on demand, as the package itself does

    print(f"foldwatch {__version__}")
    return 0


def _fail(message: str, *, code: int) -> int:
    if message and sys.stderr is not None:  # empty if typer has printed the help already
        plain = "".join(c if c.isprintable() or c == "\n" else " " for c in message)
        from telemetry.bounded_stream import bounded_standard_error  # noqa: PLC0415 - see `_run`

        with suppress(OSError), bounded_standard_error():  # full: the exit code says it still
            print(f"foldwatch: {plain}", file=sys.stderr)
    return code


def _open_closed_streams() -> None:
    """Put /dev/null where a standard stream was closed: the next file that is opened would take its number."""
    with suppress(OSError):  # no descriptor left: then none of the three is closed
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)


def _flush() -> None:
    """Flush the streams; where that fails, leave nothing for the interpreter's own flush."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
