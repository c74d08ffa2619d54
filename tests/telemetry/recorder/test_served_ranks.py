"""Ranks of a run that were all given the same port: the first one serves all of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from tests.support.paths import ROOT
from tests.support.programs import run_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SERVING = (
    "import sys, telemetry\n"
    "telemetry.start(run_dir=sys.argv[1], port=int(sys.argv[2]))\n"
    "with telemetry.fold(1, of=2): telemetry.checkpoint('START')\n"
    "print('ready', flush=True)\n"
    "input()\n"
)
JOINING = SERVING.removesuffix("input()\n")


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def first_rank(tmp_path: Path, port: int) -> Iterator[None]:
    """Rank 0, which has the port."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVING, str(tmp_path), str(port)],
        env=os.environ | {"RANK": "0", "WORLD_SIZE": "2"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() not in {"ready\n", ""}:
            pass
        yield
        process.communicate("\n", timeout=60)


def metrics(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.usefixtures("first_rank")
def test_a_rank_that_finds_the_port_taken_is_served_by_the_other(tmp_path: Path, port: int) -> None:
    """Nothing failed then; both are in one scrape, once each."""
    outcome = run_python(
        "-c", JOINING, str(tmp_path), str(port), environment={"RANK": "1", "WORLD_SIZE": "2"}
    )
    assert (outcome.code, outcome.err) == (0, "")
    lines = [line for line in metrics(port).splitlines() if line.startswith("foldwatch_threads{")]
    assert len(lines) == 2
    assert all(any(f'rank="{rank}"' in line for line in lines) for rank in (0, 1))


@pytest.mark.usefixtures("first_rank")
@pytest.mark.parametrize("environment", [{"RANK": "1"}, {}])
def test_a_port_that_somebody_else_has_is_a_failure(
    environment: dict[str, str], tmp_path: Path, port: int
) -> None:
    """Another run's is; and where no rank is known nobody serves for others."""
    other = tmp_path / "other" if environment else tmp_path
    outcome = run_python("-c", JOINING, str(other), str(port), environment=environment)
    assert outcome.code == 0
    assert "metrics failed" in outcome.err
