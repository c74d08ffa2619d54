"""More than one machine: two daemons in two network namespaces, real Prometheis, the shipped files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.journal.writer import JournalWriter
from tests.support.alert_stack import scaled
from tests.support.builders import header, reading
from tests.support.paths import GRAFANA, ROOT
from tests.support.requirements import need
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHON = sys.executable


@dataclass(frozen=True)
class Namespace:
    """A network of its own, joined to this one by a pair of virtual interfaces."""

    name: str
    here: str
    there: str
    """The two ends' addresses."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def free_network(number: int) -> str:
    """Return the first three bytes of addresses that nothing here has, a run that was killed included."""
    used = subprocess.run(
        ["ip", "-4", "address"], check=True, capture_output=True, text=True
    ).stdout
    networks = (f"10.231.{third}" for third in range(number, 256, 2))
    return next(network for network in networks if f"{network}." not in used)


@contextmanager
def namespace(number: int) -> Iterator[Namespace]:
    """Make a network namespace, as another machine has one."""
    need(os.geteuid() == 0 and shutil.which("ip"), "root and ip (Debian's package iproute2)")
    name = f"fw{number}{uuid.uuid4().hex[:6]}"
    network = free_network(number)
    made = Namespace(name, f"{network}.1", f"{network}.2")
    ip("netns", "add", name)
    try:
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        ip("address", "add", f"{made.here}/30", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "address", "add", f"{made.there}/30", "dev", f"{name}b")
        ip("-n", name, "link", "set", f"{name}b", "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield made
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "delete", f"{name}a")
        ip("netns", "delete", name)


@contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=output, env=os.environ | environment
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextmanager
def prometheus_at(address: str, config: Path, path: str, *options: str) -> Iterator[str]:
    """Run a Prometheus; give its address once it is ready."""
    command = [path, f"--config.file={config}", f"--web.listen-address={address}", *options]
    command.append(f"--storage.tsdb.path={config.parent / config.stem}-data")
    with running(command, config.with_suffix(".log")):
        url = f"http://{address}"

        def is_ready() -> bool:
            try:
                with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        wait_until(is_ready, 30, "the server")
        yield url


def free_addresses(number: int) -> list[str]:
    with ExitStack() as held:
        sockets = [
            held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)
        ]
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def query(url: str, expression: str) -> dict[str, Any]:
    """Ask for an instant vector; return the values by the label host."""
    asked = f"{url}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return {series["metric"].get("host", ""): series["value"][1] for series in found}


def shipped(name: str, folder: Path, **replacements: str) -> Path:
    """Copy a shipped configuration, with shorter intervals and with the test's addresses."""
    with open(os.path.join(GRAFANA, name), encoding="utf-8") as file:
        text = scaled(file.read(), 15)
    for before, after in replacements.items():
        assert before in text
        text = text.replace(before, after)
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.root
@pytest.mark.slow
def test_daemons_on_two_machines_reach_one_prometheus(tmp_path: Path, prometheus: str) -> None:
    """By their target files, with a token; and from there a central one, both ways that are shipped.

    Every series says run, host and rank; one machine that goes away is seen as down.
    """
    (tmp_path / "foldwatch-token").write_text("t0ken\n")
    at_node, at_centre = free_addresses(2)
    (tmp_path / "targets").mkdir()
    with ExitStack() as stack:
        daemons = []
        for number in (1, 2):
            net = stack.enter_context(namespace(number))
            runs = tmp_path / f"runs-{number}"
            writer = JournalWriter(str(runs / "cv" / "journal.jsonl"))
            writer.write(header(f"node-{number}", str(number)))
            writer.write(reading(1, time.time(), threads=number * 100))
            writer.close()
            command = [
                *("ip", "netns", "exec", net.name, PYTHON, "-m", "foldwatch", "serve", str(runs)),
                *("--address", net.there, "--file-sd", f"{tmp_path}/targets/node-{number}.json"),
                *("--token-file", str(tmp_path / "foldwatch-token")),
            ]
            log = tmp_path / f"daemon-{number}.log"
            daemons.append(stack.enter_context(running(command, log)))
        central = stack.enter_context(
            prometheus_at(
                at_centre,
                shipped(
                    "prometheus-federation.yml",
                    tmp_path,
                    **{
                        '"prometheus-rack-1:9090", "prometheus-rack-2:9090"': f'"{at_node}"',
                        "foldwatch_.*": "foldwatch_threads",
                    },
                ),
                prometheus,
                "--web.enable-remote-write-receiver",
            )
        )
        near = stack.enter_context(
            prometheus_at(
                at_node,
                shipped(
                    "prometheus-remote-write.yml",
                    tmp_path,
                    **{
                        "prometheus-central:9090": at_centre,
                        "foldwatch_.*|up": "foldwatch_memory_maps|foldwatch_run_info|up",
                    },
                ),
                prometheus,
            )
        )
        threads = 'foldwatch_threads{run="cv",rank=~"1|2"}'
        both = {"node-1": "100", "node-2": "200"}
        wait_until(lambda: query(near, threads) == both, 40, "both ranks at the near Prometheus")
        wait_until(lambda: query(central, threads) == both, 40, "both ranks at the central one")
        wait_until(lambda: len(query(central, "foldwatch_run_info")) == 2, 40, "two runs")
        assert query(near, "count(up == 1)") == {"": "2"}
        daemons[0].send_signal(signal.SIGTERM)
        assert daemons[0].wait(20) == 0
        wait_until(lambda: query(near, "count(up == 0)") == {"": "1"}, 40, "one target down")
        assert query(near, 'foldwatch_threads{host="node-2"}') == {"node-2": "200"}


@pytest.mark.parametrize("name", ["prometheus-federation.yml", "prometheus-remote-write.yml"])
def test_the_shipped_configurations_pass_promtool(tmp_path: Path, promtool: str, name: str) -> None:
    """As they are."""
    shutil.copy(os.path.join(GRAFANA, name), tmp_path)
    (tmp_path / "foldwatch-token").touch()
    done = subprocess.run(
        [promtool, "check", "config", str(tmp_path / name)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_passes_systemd(tmp_path: Path) -> None:
    """Without a warning."""
    need(shutil.which("systemd-analyze"), "systemd-analyze (Debian's package systemd)")
    unit = shutil.copy(os.path.join(GRAFANA, "foldwatch.service"), tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_container_starts_what_there_is() -> None:
    """Its command line is one that `foldwatch serve` takes, and that asks for a token."""
    with open(os.path.join(GRAFANA, "Dockerfile"), encoding="utf-8") as file:
        (line,) = [line for line in file if line.startswith("ENTRYPOINT ")]
    command = json.loads(line.removeprefix("ENTRYPOINT "))
    assert command[0] == "foldwatch"
    done = subprocess.run(
        [PYTHON, "-m", *command[:2], "/", *command[3:]],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 2
    assert "--allow-anonymous" in done.stderr
