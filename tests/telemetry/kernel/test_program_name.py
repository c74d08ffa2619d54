"""The name by which people know a process."""

from __future__ import annotations

import os

import pytest

from telemetry.kernel.program_name import program_name, read_program_name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["python", "neigh.py"], "neigh.py"),
        (["/usr/bin/python3.11", "-u", "-W", "error", "/srv/a/train.py", "--lr", "1"], "train.py"),
        (["python", "-m", "torch.distributed.run", "x.py"], "torch.distributed.run"),
        (["python", "-Im", "x"], "x"),
        (["python", "-P", "-mfoldwatch", "run"], "foldwatch"),
        (["python", "-c", "from multiprocessing.spawn import spawn_main; ..."], "python -c"),
        (["bash", "-ec", "exit"], "bash -c"),
        (["-bash"], "bash"),
        (["sh", "run.sh"], "run.sh"),
        (["bash", "/dev/fd/3"], "bash"),
        (["python"], "python"),
        (["ray::train"], "ray::train"),
        (["postgres: writer /var/x"], "postgres"),
        (["/opt/jdk/bin/java", "-Xmx4g", "Main"], "java"),
        (["node", "/srv/app.js"], "app.js"),
        ([], None),
        ([""], None),
        (["sk-abcdef0123456789"], "***"),
        (["a\nb,c"], "a_b_c"),
    ],
)
def test_a_script_is_named_and_not_its_interpreter(words: list[str], name: str | None) -> None:
    """Masked and cleaned: it is what another process says of itself."""
    assert program_name(words) == name


def test_of_this_process_it_is_known_and_of_none_it_is_not() -> None:
    """Nothing is raised for a process that has gone."""
    assert read_program_name(os.getpid())
    assert read_program_name(2**22 + 1) is None
