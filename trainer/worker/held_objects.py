"""`HeldObjects`: objects that must be gone when a fold ends, dropped and searched for at its clean-up."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

import telemetry
from telemetry.thread_line import clean_label
from trainer.worker.cleanup import clean_up, custom_gradients

if TYPE_CHECKING:
    from types import TracebackType

    from trainer.worker.cleanup import CleanUp


class HeldObjects:
    """Objects by name; as a context manager it cleans up at the end of the block.

    If the block raises, the objects are dropped without a search: the exception's traceback holds them.
    """

    def __init__(self, title: str, *, fold: int | None = None) -> None:
        self.title = title
        self.objects: dict[str, object] = {}
        self.report: CleanUp | None = None
        """The last clean-up; None before the first."""
        self._fold = fold
        self._gradients = custom_gradients()

    def __call__(self, **objects: object) -> None:
        """Hold ``objects`` until the clean-up, by their names."""
        self.objects.update(objects)

    def clean_up(self, *names: str) -> CleanUp:
        """Drop the objects of these names, or all; report which of them are still alive, and why.

        The report is printed on standard output and written to the journal, if there is one, as a
        ``cleanup`` event.

        Raises:
            KeyError: No object of that name is held.
        """
        dropped = {name: self.objects.pop(name) for name in names or tuple(self.objects)}
        report = clean_up(dropped, gradients=None if names else self._gradients)
        title = self.title + "".join(f", {name}" for name in names)
        with suppress(OSError, UnicodeError):  # a full disk must not lose a fold that is trained
            print(clean_label(f"clean-up of {title}: {report}"), flush=True)
        facts = {"title": self.title} if self._fold is None else {"fold": self._fold}
        telemetry.event("cleanup", **facts, **report.facts())
        self.report = report
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.clean_up()
        else:
            self.objects.clear()


def hold(title: str) -> HeldObjects:
    """Hold objects during a ``with`` block, and check at its end that they are gone.

    At the end of the block the objects are dropped, Keras's session is cleared, garbage is collected, and
    TensorFlow's custom gradients of the block are removed. A line on standard output shows threads, memory maps
    and memory before and after, and names each object that is still alive with the reference that keeps
    it alive::

        def train(number, held):
            model = make_model()
            held(model=model)
            model.fit(...)

        for number in range(1, 6):
            with foldwatch.hold(f"fold {number}") as held:
                train(number, held)

    Create the objects in a function that returns before the block ends: a variable of the script itself would keep
    its object alive, and be reported.

    Args:
        title: Names the block in the report, e.g. ``fold 3``.

    Returns:
        A context manager. Calling it with keyword arguments holds more objects; its ``report`` is the
        clean-up's, with ``survivors``, ``before``, ``after`` and ``changed``.
    """
    return HeldObjects(title)
