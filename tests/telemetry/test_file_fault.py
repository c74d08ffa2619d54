"""A line about a file says what, why, and what to do."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from telemetry.file_fault import REMEDIES, reason


@pytest.mark.parametrize("number", sorted(set(REMEDIES) - {errno.EMFILE}))
def test_what_the_kernel_refuses_is_told_with_what_to_do(number: int) -> None:
    """The kernel's words come first, since they are what people search for."""
    why = os.strerror(number)
    assert reason(OSError(number, why, "/run/summary.json")) == f"{why}; {REMEDIES[number]}"


def test_the_limit_of_open_files_is_told_with_its_value() -> None:
    """It may be another one than the shell's."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert reason(error) == f"Too many open files; the limit is {limit} (ulimit -n)"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOENT, os.strerror(errno.ENOENT)), "No such file or directory"),
        (
            OSError(errno.ESTALE, "another attempt holds its lease"),
            "another attempt holds its lease",
        ),
        (OSError("a text alone"), "a text alone"),
    ],
)
def test_our_own_words_and_other_errors_stay_as_they_are(error: OSError, told: str) -> None:
    """A remedy of the kernel's error would be wrong for what we call by its number."""
    assert reason(error) == told
