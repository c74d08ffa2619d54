"""What started the threads of a process: real processes, looked at from outside."""

from __future__ import annotations

import json
import os
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.native_threads import compiled, goes_on, program
from tests.support.programs import run_python
from tests.support.requirements import need
from trainer.process import native_stacks
from trainer.process.native_stacks import LONGEST_SECONDS, entry_of, short_symbol

if TYPE_CHECKING:
    from pathlib import Path

EVER = 2**62
LEAK = "ctypes.CDLL(sys.argv[1]).start_threads(3)"


def many_maps(sharing: str) -> str:
    """Return code that makes 60,000 maps."""
    return (
        f"import mmap\nflags = mmap.MAP_ANONYMOUS | mmap.MAP_{sharing}\n"
        "kept = [mmap.mmap(-1, 4096, flags=flags, prot=1 + 2 * (n % 2)) for n in range(60_000)]\n"
    )


def look(pid: int, *, since: int = 0, until: int = EVER, **how: Any) -> dict[str, Any]:
    """Look as what supervises a fold does."""
    module = "trainer.process.native_stacks"
    done = run_python("-P", "-m", module, str(pid), str(since), str(until), **how)
    assert done.code == 0, done.err  # pystack writes more of an error there
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.mark.slow
def test_threads_are_told_by_entry_function_and_library(tmp_path: Path) -> None:
    """With a name of Python's threads only, and the process goes on."""
    code = f"{LEAK}\nimport threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    with program(code, compiled(tmp_path)) as process:
        found = look(process.pid)
        assert goes_on(process)
    native, python = sorted(found["threads"], key=lambda kind: kind["is_python"])
    assert (native["function"], native["library"]) == ("serve_leak", "libleak.so")
    assert (native["running"], native["grown"]) == (3, 3)
    assert python == {"pool": native["pool"], "is_python": True, "running": 1, "grown": 1}
    assert 0 < found["seconds"] < LONGEST_SECONDS


@pytest.mark.slow
def test_threads_that_started_before_or_after_the_fold_are_not_grown(tmp_path: Path) -> None:
    """By their start, so that it does not matter how late the look is taken."""
    with program(LEAK, compiled(tmp_path)) as process:
        started = max(one.ticks for one in native_stacks.read_starts(process.pid).values())
        before = look(process.pid, since=started)["threads"]
        after = look(process.pid, until=1)["threads"]
    assert [(kind["running"], kind["grown"]) for kind in (*before, *after)] == [(3, 0), (3, 0)]


@pytest.mark.slow
def test_of_a_stripped_library_its_name_alone_is_told(tmp_path: Path) -> None:
    """No function is made up."""
    with program(LEAK, compiled(tmp_path, is_stripped=True)) as process:
        (kind,) = look(process.pid)["threads"]
    assert kind["library"] == "libleak.so"
    assert "function" not in kind


@pytest.mark.slow
def test_the_pool_of_openblas_is_told() -> None:
    """As NumPy brings it."""
    code = "import os\nos.environ['OPENBLAS_NUM_THREADS'] = '4'\nimport numpy"
    with program(code) as process:
        kinds = look(process.pid)["threads"]
    need(kinds, "a NumPy with OpenBLAS and two cores")
    assert [kind["function"] for kind in kinds] == ["blas_thread_server"]
    assert "openblas" in kinds[0]["library"]


@pytest.mark.slow
def test_a_process_that_may_not_be_traced_says_so() -> None:
    """PR_SET_DUMPABLE refuses those without the capability, as Yama and seccomp do; it never stops."""
    need(os.geteuid() or shutil.which("setpriv"), "setpriv")
    with program("ctypes.CDLL(None).prctl(4, 0)") as process:
        if os.geteuid():
            found = look(process.pid)
        else:
            code = (
                "import subprocess, sys\n"
                "command = ['setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace']\n"
                "module = [sys.executable, '-P', '-m', 'trainer.process.native_stacks']\n"
                "sys.exit(subprocess.run([*command, *module, sys.argv[1], '0', '1']).returncode)\n"
            )
            found = json.loads(run_python("-c", code, str(process.pid)).out)
        assert goes_on(process)
    assert found.keys() == {"why"}
    assert "may not trace it (ptrace)" in found["why"]


@pytest.mark.slow
def test_a_process_with_very_many_maps_is_told_in_time(tmp_path: Path) -> None:
    """60,000 maps, which are near the kernel's limit."""
    with open("/proc/sys/vm/max_map_count", encoding="ascii") as file:
        need(int(file.read()) > 62_000, "vm.max_map_count above 62,000")
    code = f"{many_maps('PRIVATE')}{LEAK}"
    with program(code, compiled(tmp_path)) as process:
        found = look(process.pid)
        assert goes_on(process)
    assert found["threads"][0]["function"] == "serve_leak"


@pytest.mark.slow
def test_a_process_with_very_many_maps_of_files_is_left_alone() -> None:
    """They are what takes time; a map that processes share is one."""
    with open("/proc/sys/vm/max_map_count", encoding="ascii") as file:
        need(int(file.read()) > 62_000, "vm.max_map_count above 62,000")
    with program(many_maps("SHARED")) as process:
        assert look(process.pid)["why"].endswith("it would be stopped for too long")


DIES_IN_THE_MIDDLE = """
import os, sys
from trainer.process import native_stacks
def end(*_):
    os.kill(pid, 9)
    while not native_stacks.has_ended(pid):
        pass
pid, native_stacks.too_large = int(sys.argv[1]), end
native_stacks.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_process_that_has_ended_says_so() -> None:
    """In the middle, or before: pystack has other words for each moment."""
    with program("") as process:
        middle = run_python("-c", DIES_IN_THE_MIDDLE, str(process.pid), "0", "1")
        assert json.loads(middle.out) == {"why": "the process had ended"}
        assert look(process.pid) == {"why": "the process had ended"}


def test_what_pystack_cannot_do_is_said_in_its_words() -> None:
    """In one line."""
    words = native_stacks.reason_of(ValueError("no\nsymbols"))
    assert words == "pystack: no symbols"


def test_a_process_with_very_many_threads_is_left_alone() -> None:
    """The time that it would be stopped for grows with them."""
    assert native_stacks.too_large(5000, 10_000) is None
    words = "it has 5,001 threads: with more than 5,000 it would be stopped for too long"
    assert native_stacks.too_large(5001, 10_001) == words


def frames(*told: tuple[str, str]) -> Any:
    return [SimpleNamespace(symbol=symbol, library=library) for symbol, library in told]


@pytest.mark.parametrize(
    ("told", "entry"),
    [
        ((("__clone3", "/lib/libc.so.6"), ("???", "/a/libx.so.2")), (None, "libx.so.2")),
        (
            (
                ("start_thread", "/lib/libc.so.6"),
                ("execute_native_thread_routine", "/lib/libstdc++.so.6"),
                ("void std::__invoke_impl<void, X>(X)", "/a/libx.so"),
                ("Pool::Loop(std::function<void ()>)", "/a/libx.so"),
                ("Pool::Wait()", "/a/libx.so"),
            ),
            ("Pool::Loop", "libx.so"),
        ),
        (
            (
                ("tsl::(anonymous namespace)::PThread::ThreadFn(void*)", "/a/libtf.so.2"),
                ("tsl::Queue::Loop() (inlined)", "/a/libtf.so.2"),
            ),
            ("tsl::Queue::Loop", "libtf.so.2"),
        ),
        ((("compiled just in time", ""),), ("compiled just in time", None)),
        ((("start_thread", "/lib/ld-musl-x86_64.so.1"),), (None, None)),
        ((), (None, None)),
    ],
    ids=["stripped", "C++", "TensorFlow", "no library", "nothing else", "no frame"],
)
def test_the_entry_is_the_first_function_that_not_every_thread_runs(
    told: tuple[tuple[str, str], ...], entry: tuple[str | None, str | None]
) -> None:
    """Below the C library, the standard library of C++ and what only calls another function."""
    assert entry_of(frames(*told)) == entry


@pytest.mark.parametrize(
    ("symbol", "short"),
    [
        ("f", "f"),
        ("a::b(c (*)(int), d) const", "a::b"),
        ("a::f(int)::{lambda()#1}", "a::f(int)::{lambda()#1}"),
        ("(anonymous)", "(anonymous)"),
        ("f)", "f)"),
        ("???", None),
        ("", None),
    ],
)
def test_symbols_lose_their_arguments(symbol: str, short: str | None) -> None:
    """Only those at the end."""
    assert short_symbol(symbol) == short
