"""The errors a user can meet, each with the exit code it ends the command with.

Owns the mapping from error to exit code (0 nothing found, 1 a fold failed, 2 bad usage or input,
3 growth or a limit crash found, 130 interrupted). Nothing here knows how a message is printed.
"""


class FoldwatchError(Exception):
    """One line that says what is wrong, where, and what to do; ``exit_code`` ends the command."""

    exit_code = 2


class InputError(FoldwatchError):
    """An argument, a path or a file's content cannot be used."""


class FoldsFailedError(FoldwatchError):
    """At least one fold ended without a whole result."""

    exit_code = 1
