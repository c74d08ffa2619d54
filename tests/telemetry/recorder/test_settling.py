"""`telemetry.settle`: the allocator gives back what it keeps, and the journal says what that was."""

from __future__ import annotations

import glob
import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event
from telemetry.recorder.allocator import find_allocator
from telemetry.recorder.framework_pools import read_framework_pools
from telemetry.thread_line import MEBIBYTE
from tests.support.programs import run_python
from tests.support.requirements import need

if TYPE_CHECKING:
    from pathlib import Path

FREED = """\
import json, os, sys, telemetry
telemetry.start(run_dir=sys.argv[1])
with telemetry.fold(2, of=3):
    telemetry.checkpoint("START")
    rows = [bytearray(1000) for _ in range(60_000)]
    last = rows.pop()
    del rows
    telemetry.checkpoint("AFTER CLEANUP")
    telemetry.settle()
"""


def settled_in(place: Path) -> list[dict[str, Any]]:
    records = JournalFollower(str(place / "journal.jsonl")).finish()
    return [dict(r.facts) for r in records if isinstance(r, Event) and r.name == "settled"]


def test_what_malloc_keeps_goes_back(tmp_path: Path) -> None:
    """Of 60 MB that are free below a block in use; the fold and the allocator are named, and each kind of memory."""
    assert run_python("-c", FREED, str(tmp_path)).err == ""
    (facts,) = settled_in(tmp_path)
    before, after = facts["before"], facts["after"]
    assert (facts["fold"], facts["folds"], facts["allocator"]) == (2, 3, "glibc")
    assert before["rss"] - after["rss"] > 40 * MEBIBYTE
    assert before["in_use"] == pytest.approx(after["in_use"], abs=MEBIBYTE)
    assert before["kept"] > 40 * MEBIBYTE
    assert after["rss"] == after["anon"] + after["file"] + after["shmem"]
    assert after["python_blocks"] > 1000
    assert 0 < facts["seconds"] < 10
    assert "own_pools" not in facts
    assert facts["maps"]["[heap]"] == 1


@pytest.mark.parametrize("variable", ["FOLDWATCH_SETTLE", "FOLDWATCH"])
def test_it_can_be_switched_off(tmp_path: Path, variable: str) -> None:
    """Alone, or with all recording."""
    run_python("-c", FREED, str(tmp_path), environment={variable: "off"})
    path = tmp_path / "journal.jsonl"
    assert not path.exists() or settled_in(tmp_path) == []


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("libjemalloc.so.2", "jemalloc"),
        ("libtcmalloc_minimal.so.4", "tcmalloc"),
        ("libmimalloc.so.2*", "mimalloc"),
    ],
)
def test_another_allocator_is_known_by_what_serves_malloc(
    tmp_path: Path, library: str, name: str
) -> None:
    """One that is preloaded; what it does not count is absent."""
    found = glob.glob(f"/usr/lib/*/{library}")
    need(bool(found), f"{library}, to preload it")
    outcome = run_python("-c", FREED, str(tmp_path), environment={"LD_PRELOAD": found[0]})
    assert outcome.code == 0, outcome.err
    (facts,) = settled_in(tmp_path)
    assert facts["allocator"] == name
    assert ("in_use" in facts["after"]) == (name != "mimalloc")
    assert facts["after"]["rss"] <= facts["before"]["rss"]


def test_an_allocator_that_is_only_loaded_besides_is_not_taken_for_it() -> None:
    """A library may bring one along that serves itself alone."""
    found = glob.glob("/usr/lib/*/libmimalloc.so.2*")
    need(bool(found), "libmimalloc.so.2, to load it")
    code = (
        "import ctypes, sys; ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)\n"
        "from telemetry.recorder.allocator import find_allocator; print(find_allocator().name)"
    )
    assert run_python("-c", code, found[0]).out == "glibc\n"


def test_nothing_that_fails_reaches_the_training(tmp_path: Path) -> None:
    """No allocator, one that raises, and a framework that does."""
    code = """\
import sys, types, telemetry
from telemetry.recorder import settling
telemetry.start(run_dir=sys.argv[1])
sys.modules["torch"] = types.SimpleNamespace(cuda=None)
settling.find_allocator = lambda: None
telemetry.settle()
def fail():
    raise OSError("no")
settling.find_allocator = fail
telemetry.settle()
"""
    outcome = run_python("-c", code, str(tmp_path))
    assert outcome.code == 0
    assert "Traceback" not in outcome.err
    assert "foldwatch: settle failed: no;" in outcome.err
    assert "foldwatch: torch failed: AttributeError" in outcome.err
    (facts,) = settled_in(tmp_path)
    assert "allocator" not in facts
    assert facts["own_pools"] == ["torch"]


def test_glibc_counts_what_is_handed_out() -> None:
    """By its own count, in this process."""
    allocator = find_allocator()
    assert allocator is not None
    assert allocator.name == "glibc"
    before = allocator.held().in_use_bytes
    block = bytearray(64 * MEBIBYTE)
    during = allocator.held().in_use_bytes
    assert before is not None
    assert during is not None
    assert len(block) <= during - before < len(block) + 8 * MEBIBYTE


TORCH = SimpleNamespace(
    cuda=SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        memory_allocated=lambda device: 100 + device,
        memory_reserved=lambda device: 200 + device,
    )
)
JAX = SimpleNamespace(
    local_devices=lambda: [
        SimpleNamespace(memory_stats=lambda: {"bytes_in_use": 5, "pool_bytes": 8}),
        SimpleNamespace(memory_stats=lambda: None),
    ]
)


def test_what_the_frameworks_own_pools_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for them: of all devices together, kept is what is free in the pool."""
    monkeypatch.setitem(sys.modules, "torch", TORCH)
    monkeypatch.setitem(sys.modules, "jax", JAX)
    bridge = SimpleNamespace(_backends={"cuda": 1})
    monkeypatch.setitem(sys.modules, "jax._src.xla_bridge", bridge)
    failures: list[str] = []
    found = read_framework_pools(lambda name, why: failures.append(f"{name}: {why}"))
    assert {k: v for k, v in found.items() if not k.startswith("tensorflow")} == {
        "torch_in_use": 201,
        "torch_kept": 200,
        "jax_in_use": 5,
        "jax_kept": 3,
    }
    assert json.dumps(failures) == "[]"


def test_a_framework_without_a_device_in_use_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking it would take the device."""
    asleep = SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: False))
    monkeypatch.setitem(sys.modules, "torch", asleep)
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace())
    monkeypatch.delitem(sys.modules, "jax._src.xla_bridge", raising=False)
    found = read_framework_pools(lambda name, why: pytest.fail(f"{name}: {why}"))
    assert not [name for name in found if name.startswith(("torch", "jax"))]
