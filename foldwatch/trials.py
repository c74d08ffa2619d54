"""`isolated_trials`: runs each trial of an Optuna study in a fresh process, and names what ended one that died.

The trial itself stays here, with the study: the process asks for each parameter, and reports to it, through a socket.
``python -m foldwatch.trials run|trial FOLDER`` is the runner of one trial, and its process.
"""

from __future__ import annotations

import os
import pickle
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection, wait
from threading import Lock
from typing import TYPE_CHECKING, Any

from telemetry.errors import FoldwatchError, InputError
from telemetry.journal.run_layout import RunLayout
from trainer.process.supervisor import signal_at_end_of
from trainer.run.cgroup_limits import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OBJECTIVE, SOCKET = "objective", "socket"
"""The names of files in a folder for one trial."""
FOLD = 1
OUTCOMES = {"returned", "raised"}
REFUSED = 2
"""Exit code of a runner that has not begun."""
OUTPUT = f"fold {FOLD} | ".encode()
"""Before each line of the trial's output on the standard error of its runner."""


class TrialDiedError(FoldwatchError):
    """The process of a trial has died, or a limit made it fail."""

    def __init__(
        self, message: str, cause: str = "", confidence: str = "", run_dir: str = ""
    ) -> None:
        super().__init__(message, cause, confidence, run_dir)
        self.cause, self.confidence, self.run_dir = cause, confidence, run_dir

    def __str__(self) -> str:
        return str(self.args[0])


class TrialProxy:
    """Stands for an ``optuna.Trial`` in the process of the trial."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, Lock()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of pickle and copy
            raise AttributeError(name)
        kind, value = self._ask("get", name)
        return partial(self._call, name) if kind == "method" else value

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        return self._ask("call", name, (arguments, named))[1]

    def _ask(self, kind: str, name: str, value: Any = None) -> tuple[str, Any]:
        with self._lock:
            self._connection.send_bytes(_pickler().dumps((kind, name, value)))
            kind, value = pickle.loads(self._connection.recv_bytes())  # noqa: S301 - from the study
        if kind == "raise":
            raise value
        return kind, value


def _answer(trial: Any, kind: str, name: str, value: Any) -> bytes:
    """Return what the trial answers, for its process."""
    try:
        found = getattr(trial, name)
        if kind == "call":
            arguments, named = value
            found = found(*arguments, **named)
        is_method = kind == "get" and callable(found)
        answer: bytes = _pickler().dumps(("method", None) if is_method else ("value", found))
    except Exception as error:  # noqa: BLE001 - it is raised in the process of the trial
        answer = _pickler().dumps(("raise", _sendable(error)))
    return answer


def _sendable(error: BaseException) -> BaseException:
    """Return the exception, or its words if it cannot be sent."""
    try:
        pickle.loads(_pickler().dumps(error))  # noqa: S301 - made here
    except Exception:  # noqa: BLE001 - whatever its class makes of it
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def isolated_trials(
    objective: Callable[[Any], Any],
    *,
    run_dir: str | os.PathLike[str],
    memory: str | None = None,
    cgroup_pids: int | None = None,
    timeout: float | None = None,
) -> Callable[[Any], Any]:
    """Return an objective that runs each trial in a process of its own: ``study.optimize(isolated_trials(f, ...))``.

    A trial that raises or prunes does so in the study as ever. One whose process dies, or that a limit made fail, raises
    `TrialDiedError`, which names the cause; with ``catch=foldwatch.TrialDiedError`` the study goes on. The trial's user
    attributes ``foldwatch_died``, ``foldwatch_cause`` and ``foldwatch_confidence`` hold it, too.

    Args:
        objective: The objective. What it refers to is sent to the process: by cloudpickle, if that or joblib is installed;
            else it has to be importable.
        run_dir: The directory of the study; each trial is recorded in ``trial-N`` inside, as a run of its own.
        memory: The limit on the memory of a trial, e.g. 8G, which needs the right to make cgroups.
        cgroup_pids: The limit on its processes and threads, likewise.
        timeout: The seconds after which a trial is killed.

    Raises:
        InputError: The objective cannot be sent to another process, or a limit makes no sense.
    """
    if memory is not None:
        parse_size(memory)
    for name, value in (("cgroup_pids", cgroup_pids), ("timeout", timeout)):
        if value is not None and not value > 0:
            raise InputError(f"{name}={value!r}: a limit is above 0; None for no limit")
    options = {"--memory": memory, "--cgroup-pids": cgroup_pids, "--timeout": timeout}
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    return partial(_run, _pickled(objective), os.path.abspath(run_dir), given)


def _pickler() -> Any:
    """Return cloudpickle, which takes what a script defines, if there is one; else pickle."""
    for name in ("cloudpickle", "joblib.externals.cloudpickle"):
        with suppress(ImportError):
            return import_module(name)
    return pickle


def _pickled(objective: Callable[[Any], Any]) -> bytes:
    pickler = _pickler()
    if pickler is pickle and getattr(objective, "__module__", "") == "__main__":
        raise InputError(
            "an objective of the script itself needs cloudpickle: pip install cloudpickle"
        )
    try:
        return pickle.dumps((sys.path, sys.argv, pickler.dumps(objective)))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise InputError(f"the objective cannot be sent to another process: {why}") from error


def _run(objective: bytes, study_dir: str, options: Sequence[str], trial: Any) -> Any:
    """Run one trial, and return what its objective returned."""
    run_dir = os.path.join(study_dir, f"trial-{trial.number}")
    folder = tempfile.mkdtemp(prefix="foldwatch-")  # for this user alone
    try:
        with open(os.path.join(folder, OBJECTIVE), "wb") as file:
            file.write(objective)
        with closing(socket.socket(socket.AF_UNIX)) as listening:
            listening.bind(os.path.join(folder, SOCKET))
            listening.listen(1)
            own = [sys.executable, "-P", "-m", "foldwatch.trials", "run", folder, str(os.getpid())]
            with subprocess.Popen(
                [*own, f"--output={run_dir}", *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            ) as process:
                try:
                    outcome, said = _serve(trial, listening, process.stderr)
                    process.wait()
                finally:
                    process.terminate()  # an exception here ends it; else it has ended
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    has_begun = process.returncode != REFUSED
    return _conclude(trial, run_dir, outcome, said, has_begun=has_begun)


def _serve(trial: Any, listening: socket.socket, stderr: Any) -> tuple[tuple[str, Any], str]:
    """Answer the process until it and its runner have ended; return its outcome, and the last words of the runner."""
    outcome: tuple[str, Any] = ("died", None)
    open_ends: set[Any] = {listening, stderr}
    said, rest = "", b""
    while open_ends - {listening}:
        ends: list[Any] = wait(list(open_ends))
        for ready in ends:
            if ready is listening:
                open_ends ^= {listening, Connection(listening.accept()[0].detach())}
            elif ready is not stderr:
                told = _heard(trial, ready)
                outcome = told or outcome
                if ready.closed:
                    open_ends.discard(ready)
            elif read := os.read(stderr.fileno(), 65_536):
                *lines, rest = (rest + read).split(b"\n")
                said = _shown(trial.number, lines) or said
            else:
                open_ends.discard(stderr)
    return outcome, said


def _heard(trial: Any, connection: Connection) -> tuple[str, Any] | None:
    """Take one message, and answer it; return an outcome. The connection is closed after the last one."""
    try:
        sent = connection.recv_bytes()
        kind, name, value = pickle.loads(sent)  # noqa: S301 - from its own child
        if kind in OUTCOMES:
            return kind, value
        connection.send_bytes(_answer(trial, kind, name, value))
    except (EOFError, OSError):
        connection.close()
    except Exception as error:  # noqa: BLE001 - what was sent exists in the process of the trial only
        connection.close()
        return "raised", error
    return None


def _shown(number: int, lines: Sequence[bytes]) -> str:
    """Show the output of a trial; return the last line that is the runner's own."""
    said = ""
    for line in lines:
        text = line.removeprefix(OUTPUT).decode(errors="replace")
        if line.startswith(OUTPUT):
            print(f"trial {number} | {text}", file=sys.stderr)
        else:
            said = text
    return said


def _conclude(
    trial: Any, run_dir: str, outcome: tuple[str, Any], said: str, *, has_begun: bool
) -> Any:
    """Return the value of a trial. Raises what it raised, or `TrialDiedError`."""
    from trainer.agent.fold_failure import read_failure  # noqa: PLC0415 - loads the analyzer

    kind, value = outcome
    if kind == "returned":
        return value
    # Of one that was refused, the file is of an earlier study.
    failure = read_failure(RunLayout(run_dir).failure(FOLD)) if has_begun else None
    if kind == "raised" and (failure is None or not failure.is_of_a_limit):
        raise value
    cause = failure.causes[0] if failure is not None and failure.causes else None
    name, confidence = ("", "") if cause is None else (cause.cause, cause.confidence.value)
    if failure is not None and failure.outcome == "timeout":
        name, confidence = "time_limit", "certain"
    why = said if failure is None else failure.root_cause
    for attribute, text in (("died", why), ("cause", name), ("confidence", confidence)):
        trial.set_user_attr(f"foldwatch_{attribute}", text)
    words = f"trial {trial.number}: {why}; more: foldwatch analyze {shlex.quote(run_dir)}"
    raise TrialDiedError(words, name, confidence, run_dir) from value


def _run_objective(folder: str) -> None:
    """In the process of the trial."""
    with open(os.path.join(folder, OBJECTIVE), "rb") as file:
        sys.path[:], sys.argv[:], pickled = pickle.load(file)  # noqa: S301 - written by the study
    own = socket.socket(socket.AF_UNIX)
    own.connect(os.path.join(folder, SOCKET))
    connection = Connection(own.detach())
    try:
        told = "returned", "", pickle.loads(pickled)(TrialProxy(connection))  # noqa: S301 - as above
        connection.send_bytes(_pickler().dumps(told))
    except BaseException as error:
        connection.send_bytes(_pickler().dumps(("raised", "", _sendable(error))))
        if type(error).__name__ != "TrialPruned":  # that is no failure
            raise


def _main(kind: str, folder: str, *arguments: str) -> None:
    if kind == "trial":
        _run_objective(folder)
    elif signal_at_end_of(int(arguments[0]), signal.SIGTERM):  # with the study, however that ends
        own = [sys.executable, "-P", "-m", "foldwatch.trials", "trial", folder]
        sys.argv[1:] = ["run", "--quiet", *arguments[1:], "--", *own]
        try:
            sys.exit(import_module("foldwatch.main").main())
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # the study may have been killed


if __name__ == "__main__":
    _main(*sys.argv[1:])
