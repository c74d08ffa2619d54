"""Which exceptions are the training's own, though telemetry was at work when they came."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from telemetry.errors import InputError
from telemetry.interruption import is_from_signal_handler, is_sent_by_a_thread, pass_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


class DeadlineError(Exception):
    """What a training raises to end what takes too long."""


def holds_it(_number: int, _frame: FrameType | None) -> None:
    raise DeadlineError


def lets_go_of_it(_number: int, frame: FrameType | None) -> None:
    del frame
    raise DeadlineError


def makes_a_list_of_it(*arguments: object) -> None:
    arguments = ()
    raise DeadlineError(arguments)


class AnObject:
    """A handler that is an object."""

    def __call__(self, *arguments: object) -> None:
        """Raise."""
        arguments = ()
        raise DeadlineError(arguments)


@contextmanager
def handling(handler: Callable[..., object]) -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("handler", [holds_it, lets_go_of_it, makes_a_list_of_it, AnObject()])
def test_what_a_signal_handler_raises_is_the_training_s(handler: Callable[..., object]) -> None:
    """Whatever it does with the frame that it is called with."""
    with handling(handler):
        with pytest.raises(DeadlineError) as raised:
            signal.raise_signal(signal.SIGUSR1)
        assert is_from_signal_handler(raised.value)
        with pytest.raises(DeadlineError):
            pass_on(raised.value)


def test_an_ordinary_error_is_telemetry_s_to_keep() -> None:
    """Of Python, of its library, of the user's own function, of telemetry."""

    def of_the_user() -> None:
        raise DeadlineError

    for failing in (lambda: 1 // 0, lambda: int("x"), of_the_user):
        with pytest.raises((ArithmeticError, ValueError, DeadlineError)) as raised:
            failing()
        pass_on(raised.value)
    pass_on(InputError("it"))


def test_what_another_thread_sends_is_the_training_s() -> None:
    """It comes up in telemetry's own code, which never raises such an exception."""
    code = compile("def work():\n    raise error\n", "work.py", "exec")
    for module, expected in (("telemetry.kernel.reader", True), ("my_logging.handlers", False)):
        names: dict[str, object] = {"__name__": module, "error": DeadlineError()}
        exec(code, names)  # noqa: S102 - a function of another module
        work = names["work"]
        assert callable(work)
        with pytest.raises(DeadlineError) as raised:
            work()
        assert is_sent_by_a_thread(raised.value) is expected


def test_a_handler_that_interrupts_the_question_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own signal.getsignal keeps a ValueError."""
    fired = reached = 0

    def over(*_: object) -> None:
        nonlocal fired
        fired += 1
        raise ValueError

    def fail() -> None:
        raise DeadlineError

    with pytest.raises(DeadlineError) as raised:
        fail()
    with handling(over), monkeypatch.context() as patched:
        patched.setattr(signal, "Signals", lambda _: signal.raise_signal(signal.SIGUSR1))
        try:
            pass_on(raised.value)
        except ValueError:
            reached += 1
    assert fired == reached
