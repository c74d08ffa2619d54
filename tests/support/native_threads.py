"""A shared library that starts native threads, compiled for the test, and programs that load it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.requirements import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """
#include <pthread.h>
#include <unistd.h>
%s void *serve_leak(void *unused) { for (;;) pause(); return unused; }
int start_threads(int count)
{
    pthread_t thread;
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread, 0, serve_leak, 0)) return 1;
    return 0;
}
"""


def compiled(folder: Path, *, is_stripped: bool = False) -> str:
    """Compile the library in ``folder`` for pystack and return its path; ``is_stripped`` of the names that it need not have."""
    need(importlib.util.find_spec("pystack"), "pystack (extra explain)")
    need(compiler := shutil.which("cc") or shutil.which("gcc"), "a C compiler")
    source, library = folder / "leak.c", folder / "libleak.so"
    source.write_text(SOURCE % ("static" if is_stripped else ""))
    strip = ("-s",) if is_stripped else ()
    command = [str(compiler), "-shared", "-fPIC", *strip, "-o", str(library), str(source)]
    subprocess.run([*command, "-lpthread"], check=True)
    return str(library)


@contextmanager
def program(code: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python code that prints ``ready`` and waits for its standard input; end it with the block."""
    ending = (
        "\nprint('ready', flush=True)\nfor line in sys.stdin: print(line, end='', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"import ctypes, sys\n{code}{ending}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def goes_on(process: subprocess.Popen[bytes]) -> bool:
    """Whether a program of `program` still answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"there?\n")
    process.stdin.flush()
    return process.stdout.readline() == b"there?\n"
