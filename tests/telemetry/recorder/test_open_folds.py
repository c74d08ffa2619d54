"""Which fold a label names: of threads that outlive the fold that started them, and of coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading
from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path

START = (
    "import asyncio, sys, threading, telemetry\n"
    "from concurrent.futures import ThreadPoolExecutor\n"
    "telemetry.start(run_dir=sys.argv[1], interval=1000)\n"
    "def run(work, *arguments):\n"
    "    thread = threading.Thread(target=work, args=arguments)\n"
    "    thread.start()\n"
    "    return thread\n"
    "def later(name):\n"
    "    go = threading.Event()\n"
    "    thread = run(lambda: (go.wait(), telemetry.checkpoint(name)))\n"
    "    return lambda: (go.set(), thread.join())\n"
)


def labels(code: str, folder: Path) -> list[str]:
    """Run ``code`` after START and return the labels of its checkpoints, each with the fold that it is of."""
    outcome = run_python("-c", START + code, str(folder))
    assert (outcome.code, outcome.err) == (0, ""), outcome
    records = JournalFollower(str(folder / "journal.jsonl")).finish()
    return [
        f"{record.label}: {record.fold}"
        for record in records
        if isinstance(record, Reading) and record.label
    ]


def test_a_thread_that_outlives_its_fold_is_in_no_other(tmp_path: Path) -> None:
    """What was started outside of folds, and what a pool has started, is in the one that is open."""
    code = (
        "before, pool = later('before'), ThreadPoolExecutor(1)\n"
        "with telemetry.fold(1, of=2):\n"
        "    of_1, of_1_too = later('of 1'), later('of 1 too')\n"
        "    of_1()\n"
        "    pool.submit(telemetry.checkpoint, 'of the pool').result()\n"
        "between = later('between')\n"
        "with telemetry.fold(2, of=2):\n"
        "    of_1_too()\n"
        "    before()\n"
        "    between()\n"
        "    pool.submit(telemetry.checkpoint, 'of the pool').result()\n"
    )
    assert labels(code, tmp_path) == [
        "Fold 1/2 of 1: 1",
        "Fold 1/2 of the pool: 1",
        "of 1 too: None",
        "Fold 2/2 before: 2",
        "Fold 2/2 between: 2",
        "Fold 2/2 of the pool: 2",
    ]


def test_a_thread_of_a_fold_in_a_thread_is_in_no_other_either(tmp_path: Path) -> None:
    """Once the other fold is the only one that is open."""
    code = (
        "left, started = threading.Event(), threading.Event()\n"
        "def first():\n"
        "    global late\n"
        "    with telemetry.fold(1, of=2):\n"
        "        late = later('late')\n"
        "        started.wait()\n"
        "    left.set()\n"
        "def second():\n"
        "    with telemetry.fold(2, of=2):\n"
        "        started.set()\n"
        "        left.wait()\n"
        "        late()\n"
        "        run(telemetry.checkpoint, 'of 2').join()\n"
        "threads = [run(first), run(second)]\n"
        "for thread in threads: thread.join()\n"
    )
    assert labels(code, tmp_path) == ["late: None", "Fold 2/2 of 2: 2"]


def test_a_decorator_is_around_what_a_coroutine_does(tmp_path: Path) -> None:
    """Not around the call that only makes it; tasks of one decorated function do not mix."""
    code = (
        "async def work(name):\n"
        "    'Its text.'\n"
        "    await asyncio.sleep(0)\n"
        "    telemetry.checkpoint(name)\n"
        "    return name\n"
        "asyncio.run(telemetry.stage('saving')(work)('in a stage'))\n"
        "in_fold = telemetry.fold(1, of=2)(work)\n"
        "assert (in_fold.__doc__, in_fold.__name__) == ('Its text.', 'work')\n"
        "assert asyncio.run(in_fold('in a fold')) == 'in a fold'\n"
        "async def both():\n"
        "    await asyncio.gather(in_fold('of 1'), telemetry.fold(2, of=2)(work)('of 2'))\n"
        "asyncio.run(both())\n"
    )
    assert labels(code, tmp_path) == [
        "before saving: None",
        "in a stage: None",
        "after saving: None",
        "Fold 1/2 in a fold: 1",
        "Fold 1/2 of 1: 1",
        "Fold 2/2 of 2: 2",
    ]


def test_a_decorated_coroutine_runs_where_nothing_is_recorded() -> None:
    """With FOLDWATCH=off."""
    code = (
        "import asyncio, telemetry\n"
        "@telemetry.fold(1, of=2)\n"
        "@telemetry.stage('s')\n"
        "async def work(): return 5\n"
        "print(asyncio.run(work()))\n"
    )
    outcome = run_python("-c", code, environment={"FOLDWATCH": "off"})
    assert (outcome.code, outcome.out) == (0, "5\n"), outcome


FOLDS = (
    "def of(number, times=2):\n"
    "    with telemetry.fold(number, of=3):\n"
    "        for _ in range(times):\n"
    "            telemetry.checkpoint(f'of {number}')\n"
    "            yield number\n"
)


def test_generators_that_take_turns_are_each_in_their_own_fold(tmp_path: Path) -> None:
    """What goes on with them is in none while several are open; of one, or as a block of contextlib's, it is in that one."""
    code = FOLDS + (
        "from contextlib import contextmanager\n"
        "for _ in zip(of(1), of(2)): telemetry.checkpoint('beside')\n"
        "for _ in of(3, times=1): telemetry.checkpoint('of the only one')\n"
        "@contextmanager\n"
        "def block(number):\n"
        "    with telemetry.fold(number, of=3): yield\n"
        "with block(1), block(2): telemetry.checkpoint('of the inner one')\n"
    )
    assert labels(code, tmp_path) == [
        "Fold 1/3 of 1: 1",
        "Fold 2/3 of 2: 2",
        "beside: None",
        "Fold 1/3 of 1: 1",
        "Fold 2/3 of 2: 2",
        "beside: None",
        "Fold 3/3 of 3: 3",
        "Fold 3/3 of the only one: 3",
        "Fold 2/3 of the inner one: 2",
    ]


def test_a_decorator_is_around_what_a_generator_does(tmp_path: Path) -> None:
    """It is sent what is sent, and what is thrown, as without the decorator."""
    code = (
        "@telemetry.fold(1, of=2)\n"
        "def echo():\n"
        "    try: telemetry.checkpoint((yield 'first'))\n"
        "    except ValueError: telemetry.checkpoint((yield 'caught'))\n"
        "    return 5\n"
        "@telemetry.fold(2, of=2)\n"
        "async def async_echo():\n"
        "    try: telemetry.checkpoint((yield 'first'))\n"
        "    except ValueError: telemetry.checkpoint((yield 'caught'))\n"
        "plain = echo()\n"
        "assert next(plain) == 'first' and plain.throw(ValueError()) == 'caught'\n"
        "try: plain.send('sent')\n"
        "except StopIteration as end: assert end.value == 5\n"
        "async def go_through():\n"
        "    echoes = async_echo()\n"
        "    assert await anext(echoes) == 'first'\n"
        "    assert await echoes.athrow(ValueError()) == 'caught'\n"
        "    try: await echoes.asend('sent too')\n"
        "    except StopAsyncIteration: pass\n"
        "    closed = async_echo()\n"
        "    await anext(closed)\n"
        "    await closed.aclose()\n"
        "    telemetry.checkpoint('none')\n"
        "asyncio.run(go_through())\n"
    )
    assert labels(code, tmp_path) == ["Fold 1/2 sent: 1", "Fold 2/2 sent too: 2", "none: 2"]


def test_a_fold_that_is_left_elsewhere_is_in_no_label(tmp_path: Path) -> None:
    """By another thread, or while a task or a copy of the context goes on; and it may be left twice."""
    code = FOLDS + (
        "import contextvars\n"
        "generator = of(1)\n"
        "next(generator)\n"
        "run(lambda: list(generator)).join()\n"
        "telemetry.checkpoint('main')\n"
        "async def late(go): await go.wait(); telemetry.checkpoint('late')\n"
        "async def main():\n"
        "    go = asyncio.Event()\n"
        "    with telemetry.fold(1, of=3): task = asyncio.create_task(late(go))\n"
        "    with telemetry.fold(2, of=3):\n"
        "        telemetry.checkpoint('of 2')\n"
        "        go.set()\n"
        "        await task\n"
        "asyncio.run(main())\n"
        "block = telemetry.fold(3, of=3)\n"
        "with block: context = contextvars.copy_context()\n"
        "block.__exit__(None, None, None)\n"
        "context.run(telemetry.checkpoint, 'copied')\n"
    )
    assert labels(code, tmp_path) == [
        "Fold 1/3 of 1: 1",
        "Fold 1/3 of 1: 1",
        "main: None",
        "Fold 2/3 of 2: 2",
        "late: None",
        "copied: None",
    ]


@pytest.mark.parametrize("function", ["enter", "leave", "_note_end_of_fold"])
def test_a_fold_is_left_though_a_signal_handler_raises_meanwhile(
    function: str, tmp_path: Path
) -> None:
    """Nothing would leave it later, and all that comes would be taken for its own."""
    code = (
        "import signal\n"
        "def over(*_): raise TimeoutError\n"
        "signal.signal(signal.SIGUSR1, over)\n"
        "def interrupt(frame, event, _):\n"
        f"    if event == 'call' and frame.f_code.co_name == '{function}':\n"
        "        signal.raise_signal(signal.SIGUSR1)\n"
        "sys.setprofile(interrupt)\n"
        "try:\n"
        "    with telemetry.fold(1, of=2): pass\n"
        "except TimeoutError: telemetry.checkpoint('over')\n"
        "run(telemetry.checkpoint, 'in a thread').join()\n"
    )
    assert labels(code, tmp_path) == ["over: None", "in a thread: None"]
