"""Who is still alive, and who holds it."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import pytest

from trainer.worker import leak_search
from trainer.worker.cleanup import clean_up
from trainer.worker.leak_search import EXPLAINED, find_survivors, watch

if TYPE_CHECKING:
    from collections.abc import Mapping


class Model:
    """Stands for what a fold makes; in a cycle, as Keras's models are."""

    def __init__(self) -> None:
        self.own = self


kept: list[Model] = []


def survivors(**objects: object) -> Mapping[str, str]:
    """Watch the objects, drop them here, and look who lives."""
    watched = watch(objects)
    objects.clear()
    gc.collect()
    return {survivor.name: str(survivor) for survivor in find_survivors(watched)}


def test_what_is_dropped_is_gone() -> None:
    """No false alarm: a cycle that the collector frees, and things that cannot be watched."""
    found = survivors(model=Model(), number=3, rows=[1], shape=(1, 2), name="a")
    assert found == {}


def test_a_list_of_a_module_is_named() -> None:
    """The usual leak: results appended to a global list."""
    kept.append(Model())
    try:
        found = survivors(model=kept[0])
    finally:
        kept.clear()
    held_by = f"a list of 1 in `kept` of module {__name__}"
    assert found == {"model": f"model (Model), held by {held_by}"}


@pytest.mark.slow
def test_an_attribute_a_closure_and_a_running_function_are_named() -> None:
    """Whatever holds it in Python, there is a word to look for."""
    holder, held = Model(), Model()
    holder.history = held  # type: ignore[attr-defined] # an attribute that somebody hangs on
    assert "`held` of the running test_an_attribute" in survivors(model=held)["model"]
    del held
    assert "`history` of a Model in `holder`" in survivors(model=holder.history)["model"]  # type: ignore[attr-defined] # see above
    del holder

    def closing(model: Model) -> object:
        return lambda: model

    called = closing(Model())
    (cell,) = called.__closure__  # type: ignore[attr-defined] # a lambda has one
    assert "a cell in " in survivors(model=cell.cell_contents)["model"]


def test_another_thread_s_variable_is_found() -> None:
    """A thread that a fold left running holds its model."""
    model, go = Model(), threading.Event()

    def work(mine: Model) -> None:
        go.wait()
        del mine

    thread = threading.Thread(target=work, args=(model,))
    thread.start()
    watched = watch({"model": model})
    del model
    (found,) = find_survivors(watched)
    go.set()
    thread.join()
    assert "`mine` of the running" in found.held_by


class Hostile:
    """An object that raises at whatever is asked of it, as a proxy without its request does."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


def test_an_object_that_raises_costs_the_explanation_only() -> None:
    """The fold is trained; its report must not end it."""
    holder = Hostile(Model())
    made = [thing for thing in gc.get_referents(holder) if isinstance(thing, Model)]
    found = survivors(model=made.pop())
    del holder
    assert found["model"].startswith("model (Model), held by ")


@pytest.mark.slow
def test_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many survivors are named; the way is looked for a few times only, if there is time for that."""
    monkeypatch.setattr(leak_search, "SEARCH_SECONDS", 600.0)
    kept.extend(Model() for _ in range(EXPLAINED + 2))
    try:
        found = survivors(**{f"model {number}": model for number, model in enumerate(kept)})
        unexplained = [words for words in found.values() if "(not looked for)" in words]
        assert (len(found), len(unexplained)) == (EXPLAINED + 2, 2)
    finally:
        kept.clear()


@pytest.mark.slow
def test_a_clean_up_says_what_was_freed_and_what_was_not() -> None:
    """Readings before and after; a thread that ends in between is counted."""
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()

    class Pool:
        """Ends its thread when it goes, as a dataset's iterator does."""

        def __del__(self) -> None:
            go.set()
            thread.join()

    kept.append(Model())
    try:
        done = clean_up({"pool": Pool(), "model": kept[0]})
    finally:
        kept.clear()
    assert done.changed.numbers["threads"] == -1
    threads = done.before.threads or 0
    assert str(done).startswith(f"threads {threads} -> {threads - 1}, maps ")
    assert "still alive: model (Model), held by a list of 1 in `kept`" in str(done)
    assert done.facts()["changed"]["threads"] == -1
    assert str(clean_up({"model": Model()})).endswith("; nothing of it is alive")
