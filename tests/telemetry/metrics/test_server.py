"""The port of a training that forks: it is the parent's alone."""

from __future__ import annotations

import pytest

from tests.support.programs import run_python

START = (
    "import os, select, socket, urllib.request\n"
    "from telemetry.metrics.server import serve\n"
    "from tests.support.builders import full_snapshot\n"
    "port = serve(full_snapshot, port=0)\n"
)


def test_a_forked_child_does_not_hold_the_port() -> None:
    """Its parent goes on answering; once that has ended, the next training has the port."""
    code = (
        "parent = os.pidfd_open(os.getpid())\n"
        "if os.fork() == 0:\n"
        "    select.select([parent], [], [])\n"  # until it has ended
        "    socket.create_server(('127.0.0.1', port)).close()\n"
        "    print('free', flush=True)\n"
        "    os._exit(0)\n"
        "for _ in range(2):\n"
        "    with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics', timeout=10) as answer:\n"
        "        print(answer.status, flush=True)\n"
        "os._exit(0)\n"
    )
    outcome = run_python("-c", START + code)
    assert (outcome.code, outcome.out) == (0, "200\n200\nfree\n"), outcome


def test_a_forked_child_closes_no_file_of_the_training() -> None:
    """Which has closed every descriptor, and opened a file under the number of the port's."""
    code = (
        "held = [int(name) for name in os.listdir('/proc/self/fd')]\n"
        "own = os.open(os.devnull, os.O_RDONLY)\n"
        "for descriptor in held:\n"
        "    if descriptor > 2: os.dup2(own, descriptor)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    for descriptor in held: os.fstat(descriptor)\n"
        "    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"
        "os._exit(0)\n"
    )
    outcome = run_python("-c", START + code)
    assert (outcome.code, outcome.out) == (0, "7\n"), outcome


@pytest.mark.slow
def test_a_forked_child_does_not_hold_a_client() -> None:
    """Who waits for the end of the answer would wait for the child's."""
    code = (
        "client = socket.create_connection(('127.0.0.1', port), timeout=5)\n"
        "urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics').close()\n"  # it is attended to by now
        "parent = os.pidfd_open(os.getpid())\n"
        "if os.fork() == 0:\n"
        "    client.close()\n"
        "    select.select([parent], [], [])\n"
        "    os._exit(0)\n"
        "client.sendall(b'GET /metrics HTTP/1.1\\r\\n\\r\\n')\n"
        "while client.recv(65536): pass\n"
        "print('ended', flush=True)\n"
        "os._exit(0)\n"
    )
    outcome = run_python("-c", START + code)
    assert (outcome.code, outcome.out) == (0, "ended\n"), outcome
