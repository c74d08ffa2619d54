"""A real Slurm of two nodes on this host, as root: Debian's slurm-wlm and munge, without systemd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from tests.support.ports import free_port
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "srun", "munged")
NODES = ("a", "b")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
{nodes}
PartitionName=main Nodes={names} Default=YES OverSubscribe=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=8000"


def is_installed() -> bool:
    """Whether all of it is there, and this is root."""
    return os.geteuid() == 0 and all(map(shutil.which, PROGRAMS))


@contextmanager
def slurm(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run one with its files in ``folder``; give the environment in which srun and sbatch reach it."""
    host = socket.gethostname()
    nodes = [NODE.format(name=name, host=host, port=free_port()) for name in NODES]
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=host,
            folder=folder,
            port=free_port(),
            nodes="\n".join(nodes),
            names=",".join(NODES),
        )
    )
    (folder / "state").mkdir()
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    with ExitStack() as running:
        running.enter_context(_munge(folder / "munge"))
        for command in (["slurmctld", "-D"], *(["slurmd", "-D", "-N", name] for name in NODES)):
            running.enter_context(_daemon(command, folder, environment))
        wait_until(lambda: _idle(environment) == len(NODES), 60, "Slurm's nodes")
        yield environment


def _idle(environment: Mapping[str, str]) -> int:
    """Count the nodes that Slurm itself calls idle."""
    asked = ["sinfo", "--noheader", "--Node", "--states=idle", "--format=%N"]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    return len(set(done.stdout.split()))


@contextmanager
def _munge(folder: Path) -> Iterator[None]:
    """Run a munged of our own: Slurm knows its users by it."""
    folder.mkdir(mode=0o755)
    key = folder / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    paths = {"key-file": key, "socket": folder / "socket", "pid-file": folder / "pid"}
    paths |= {"log-file": folder / "log", "seed-file": folder / "seed"}
    options = [f"--{name}={path}" for name, path in paths.items()]
    with _daemon(["munged", "--foreground", "--force", *options], folder, os.environ):
        wait_until((folder / "socket").exists, 20, "munged")
        yield


@contextmanager
def _daemon(command: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    with (
        open(folder / f"{'-'.join(command[:4:2])}.out", "wb") as log,
        subprocess.Popen(command[:], env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
