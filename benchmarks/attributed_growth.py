"""Is what grows from fold to fold said to grow in the right function? Over programs of which it is known.

    python -m benchmarks.attributed_growth SEED [NAME ...]     # all of benchmarks/attribution_seeds by default

The seed decides how much grows, how busy the innocent functions are, and what comes first. Each program runs in a process
of its own, one after another, and `foldwatch analyze --json` is asked as a user would. A wrong name is worse than none.

There are two sets, by two authors who did not look at the attribution: the first of 12 culprits and 6 clean programs, the
second of 14 and 8. The attribution was rewritten after the first had been judged, so the second tells whether it was fitted
to that.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import attribution_seeds
from tests.support.programs import run_python

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SECONDS = 600
GROWS = {"slow", "growing", "critical"}
"""The verdicts of a resource that say so."""


@dataclass(frozen=True)
class Truth:
    """What a program's folds leave behind, and who may be named for it.

    Several functions are right where one calls another: the innermost of the program, and the one inside which all of it
    happens.
    """

    resource: str
    functions: frozenset[str]
    libraries: frozenset[str] = frozenset()
    """Beginnings of their files' names."""

    def allows(self, named: Name) -> bool:
        """Tell whether that is the culprit."""
        if named.function is not None:
            return named.function.rpartition(".")[2] in self.functions
        return bool(named.library) and named.library.startswith(tuple(self.libraries))


@dataclass(frozen=True)
class Name:
    """The function, or the library, that is named first for a resource."""

    function: str | None
    file: str
    library: str

    def __str__(self) -> str:
        return f"{self.function} ({self.file})" if self.function else self.library


def culprit(resource: str, *functions: str, libraries: Sequence[str] = ()) -> Truth:
    return Truth(resource, frozenset(functions), frozenset(libraries))


TENSORFLOW = ("libtensorflow", "_pywrap_tensorflow")
CULPRITS: Mapping[str, Truth] = {
    "python_threads": culprit("threads", "open_dataset"),
    "c_pthreads": culprit("threads", "open_decoder", libraries=["libdecoder"]),
    "openblas_pool": culprit("threads", "load_solver", libraries=["libscipy_openblas"]),
    "tf_data_pool": culprit("threads", "open_pipeline", libraries=TENSORFLOW),
    "c_mmap": culprit("maps", "index_shards", libraries=["libshards"]),
    "jit_code": culprit("maps", "compile_step", "build_model", libraries=TENSORFLOW),
    "malloc_arenas": culprit("rss_bytes", "embed", "build_features"),
    "descriptors": culprit("open_fds", "open_logs"),
    "loader_workers": culprit("descendants", "start_loader"),
    "numpy_buffers": culprit("rss_bytes", "validate"),
    "keras_graphs": culprit("rss_bytes", "score", "evaluate", libraries=TENSORFLOW),
    "shared_memory": culprit("rss_bytes", "share_batch"),
    # Of the second author.
    # `guarded` starts the threads; `restore`, which it wraps, and `beat`, which they run, start none.
    "heartbeat_threads": culprit("threads", "guarded", "prepare"),
    "callback_pthreads": culprit(
        "threads", "open_codec", "on_row", "scan_rows", libraries=["libcodec"]
    ),
    "blas_limits": culprit("threads", "cluster", libraries=["libscipy_openblas"]),
    # `batches` makes the pool; `validate` calls it too, and reads to the end.
    "half_read_pipelines": culprit("threads", "batches", "peek", libraries=TENSORFLOW),
    "forest_maps": culprit("maps", "split_node", "grow_tree", libraries=["libforest"]),
    # `emit` maps what `specialise` keeps; `probe` calls it too, and unmaps.
    "hot_loop_jit": culprit("maps", "emit", "specialise", "run_queries"),
    "done_callbacks": culprit("rss_bytes", "keep_vectors", "embed"),
    "log_handlers": culprit("open_fds", "get_logger"),
    "worker_context": culprit("descendants", "__enter__", "load_epoch"),
    "scorer_closure": culprit("rss_bytes", "score", "select_model"),
    "callback_graphs": culprit("rss_bytes", "penalty", "on_epoch_end", "fit", libraries=TENSORFLOW),
    "snapshot_segments": culprit("rss_bytes", "__init__", "publish"),
    "asyncio_agents": culprit("descendants", "start_agent", "open_room", "roll_out"),
    "kept_tracebacks": culprit("rss_bytes", "loss", "run_steps"),
}
CLEAN = (
    "clean_pools",
    "clean_arrays",
    "clean_caches",
    "clean_keras",
    "clean_workers",
    "clean_tables",
    # Of the second author.
    "clean_background",
    "clean_exceptions",
    "clean_generators",
    "clean_fit",
    "clean_asyncio",
    "clean_cycles",
    "clean_estimators",
    "clean_flat",
)


def record(name: str, seed: str, folder: str) -> None:
    """Run a program to its end, with ``folder`` as its run directory."""
    module = f"{attribution_seeds.__name__}.{name}"
    done = run_python("-m", module, folder, seed, seconds=SECONDS)
    if done.code:
        raise RuntimeError(f"{name} ended with {done.code}: {done.err}")


def growth_of_resources(folder: str) -> dict[str, Any]:
    """Return, by resource, what the analysis says of its growth from fold to fold."""
    done = run_python("-m", "foldwatch", "analyze", folder, "--json", "--exit-zero")
    (process,) = json.loads(done.out)["processes"]
    return dict(process["resources"])


def named_first(growth: Mapping[str, Any]) -> Name | None:
    """Return who is named for a resource, before anything else that it has grown by."""
    parts = growth["growth_of"]
    if not parts or not (parts[0]["function"] or parts[0]["library"]):
        return None
    (function, line, library) = (parts[0][key] for key in ("function", "line", "library"))
    file = os.path.basename(line or "").partition(":")[0]
    return Name(function, file, os.path.basename(library or ""))


def is_right(name: str, named: Name) -> bool:
    """Tell whether a program's culprit is named, in the program's own file."""
    truth = CULPRITS.get(name)
    if truth is None or (named.function and named.file != f"{name}.py"):
        return False
    return truth.allows(named)


def judge(name: str, seed: str, folder: str) -> dict[str, object]:
    """Run a program, and say who is named for what has grown.

    What else grows with the culprit's resource, as maps with threads, counts where a wrong name is given for it, not for
    a right one.
    """
    record(name, seed, folder)
    growths = growth_of_resources(folder)
    growing = {name: growth for name, growth in growths.items() if growth["verdict"] in GROWS}
    names = {resource: named_first(growth) for resource, growth in growing.items()}
    resource = CULPRITS[name].resource if name in CULPRITS else None
    named = names.get(resource) if resource else next(filter(None, names.values()), None)
    wrong = [one for one in names.values() if one and not is_right(name, one)]
    return {
        "program": name,
        "resource": resource,
        "verdict": growing[resource]["verdict"] if resource in growing else "not growing",
        "named": named and str(named),
        "right": bool(named and is_right(name, named)) if resource else not wrong,
        "wrong_name": bool(wrong),
        "cannot_tell": bool(resource) and named is None,
        "reason": _reason(growths),
    }


def _reason(growths: Mapping[str, Any]) -> str:
    """Say by how much a resource grows, and of what it is made; also of one that is flat if it has a function named."""
    return "; ".join(
        f"{resource} {growth['verdict']} +{growth['per_fold'] or 0:.4g}: {_parts(growth)}"
        for resource, growth in growths.items()
        if growth["verdict"] in GROWS or any(part["function"] for part in growth["growth_of"])
    )


def _parts(growth: Mapping[str, Any]) -> str:
    parts = (
        f"{part['name']} {part['share']:.0%}" + (f" in {part['line']}" if part["line"] else "")
        for part in growth["growth_of"][:3]
    )
    return ", ".join(parts) or "of nothing that is known"


def judged(seed: str, names: Sequence[str]) -> Iterator[dict[str, object]]:
    """Judge one program after another; count at the end."""
    results = []
    for name in names:
        folder = tempfile.mkdtemp(prefix="attributed-growth-")
        try:
            results.append(judge(name, seed, os.path.join(folder, "run")))
        finally:
            shutil.rmtree(folder)
        yield results[-1]
    yield summary(results)


def summary(results: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Count what is said of culprits, and how many clean programs have a function named."""
    culprits = [result for result in results if result["program"] in CULPRITS]
    clean = [result for result in results if result["program"] in CLEAN]
    kinds = ("right", "cannot_tell", "wrong_name")
    return {
        "culprits": len(culprits),
        **{kind: sum(bool(result[kind]) for result in culprits) for kind in kinds},
        "do_not_grow": sum(result["verdict"] == "not growing" for result in culprits),
        "clean": len(clean),
        "named_in_clean": sum(bool(result["wrong_name"]) for result in clean),
    }


def main(seed: str, *names: str) -> None:
    """Print one JSON object a line."""
    for result in judged(seed, names or (*CULPRITS, *CLEAN)):
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
