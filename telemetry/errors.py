"""The errors a user can meet, each with the exit code it ends the command with.

Exit codes: 0 nothing found, 1 a fold failed, 2 bad usage or input, 3 growth or a limit crash found,
130 interrupted.
"""


class FoldwatchError(Exception):
    """One line that says the fault, its place and the remedy; ``exit_code`` ends the command."""

    exit_code = 2


class InputError(FoldwatchError):
    """An argument, a path or a file's content cannot be used."""


class MissingExtraError(InputError, ImportError):
    """A package of an optional extra is not installed.

    It is an ImportError too, for a notebook that asks whether a feature is there.

    Args:
        need: The feature and the package, or the package alone: ``frames need pandas``.
        extra: The extra of foldwatch that installs it.
    """

    def __init__(self, need: str, *, extra: str) -> None:
        super().__init__(f"{need}: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Return the command that installs an extra of foldwatch."""
    return f"pip install 'foldwatch[{extra}]'"


class FoldsFailedError(FoldwatchError):
    """At least one fold ended without a whole result."""

    exit_code = 1
