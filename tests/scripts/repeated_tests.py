"""Tests that do not grow, though each has something that a repeat could trip over. Copied and run under the pytest plugin."""

from __future__ import annotations

import os
import threading
import unittest
from typing import TYPE_CHECKING, ClassVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEPT: list[object] = []
COUNTS = {"module": 0, "test": 0, "once": 0, "saw-tooth": 0, "late": 0}


@pytest.fixture(scope="module", autouse=True)
def shared() -> Iterator[list[str]]:
    """Give what is set up once, whatever is repeated; its end is printed."""
    COUNTS["module"] += 1
    yield ["shared"]
    assert COUNTS["module"] == 1
    print("the module has ended")


@pytest.fixture
def own() -> Iterator[int]:
    """Give what is set up for each repeat."""
    COUNTS["test"] += 1
    yield COUNTS["test"]
    KEPT.clear()


pytestmark = pytest.mark.foldwatch(maps=5)


def test_fixtures(own: int, shared: list[str], tmp_path: Path) -> None:
    assert shared == ["shared"]
    assert not KEPT
    KEPT.append(own)
    (tmp_path / "new").mkdir()


def test_its_fixture_was_set_up_for_each_repeat() -> None:
    assert COUNTS["test"] == 5


@pytest.mark.parametrize("size", [1, 10])
def test_parametrised(size: int) -> None:
    assert bytes(size)


class TestClass:
    """Each repeat has an instance of its own."""

    def test_instance(self) -> None:
        assert not hasattr(self, "seen")
        self.seen = True


class UnitTestClass(unittest.TestCase):
    """Is set up once as a class, and each repeat by itself."""

    made: ClassVar[int] = 0

    @classmethod
    def setUpClass(cls) -> None:
        cls.made += 1

    def setUp(self) -> None:
        self.file = open(os.devnull, encoding="ascii")  # noqa: SIM115 - closed by what follows it

    def tearDown(self) -> None:
        self.file.close()

    def test_case(self) -> None:
        assert self.made == 1
        assert not self.file.closed


@pytest.mark.anyio
async def test_async() -> None:
    assert threading.current_thread() is threading.main_thread()


@pytest.fixture
def anyio_backend() -> str:
    """Run it by asyncio alone."""
    return "asyncio"


def test_skipped() -> None:
    pytest.skip("for a reason of its own")


@pytest.mark.xfail(strict=True)
def test_expected_to_fail() -> None:
    raise NotImplementedError


@pytest.mark.xfail(reason="known to leak", strict=True)
def test_expected_to_leak() -> None:
    os.open(os.devnull, os.O_RDONLY)


def test_grows_once() -> None:
    COUNTS["once"] += 1
    if COUNTS["once"] == 2:
        KEPT.append(b"x" * 2**25)


def test_plateau() -> None:
    if len(KEPT) < 9:  # as a pool that fills up
        KEPT.append(os.open(os.devnull, os.O_RDONLY))


def test_saw_tooth() -> None:
    COUNTS["saw-tooth"] += 1
    opened = [one for one in KEPT if isinstance(one, int)]
    if len(opened) > 3:
        for one in opened:
            os.close(one)
            KEPT.remove(one)
    KEPT.append(os.open(os.devnull, os.O_RDONLY))


@pytest.mark.foldwatch(fds=1)
def test_allowed() -> None:
    os.open(os.devnull, os.O_RDONLY)


@pytest.mark.foldwatch(fds=None)
def test_not_judged() -> None:
    os.open(os.devnull, os.O_RDONLY)


@pytest.mark.foldwatch(repeat=1)
def test_left_alone() -> None:
    os.open(os.devnull, os.O_RDONLY)


def test_fails_in_part(subtests: pytest.Subtests) -> None:
    for number in (1, 2):
        with subtests.test(number=number):
            assert number == 1, "a part"


def test_fails() -> None:
    assert COUNTS["module"] == 2, "as itself"


def test_fails_later() -> None:
    COUNTS["late"] += 1
    assert COUNTS["late"] < 3, "the third time"
