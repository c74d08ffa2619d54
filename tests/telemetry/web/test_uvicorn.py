"""The undocumented names of uvicorn that the web server uses, and the bound that holds them."""

from __future__ import annotations

import asyncio
import inspect
import re
import tomllib
from pathlib import Path

import uvicorn
from uvicorn.protocols.http import h11_impl
from uvicorn.server import ServerState

ADVICE = (
    "compare telemetry/web/server.py's _Protocol with uvicorn/protocols/http/h11_impl.py, run"
    " tests/telemetry/web, then raise the bound in pyproject.toml"
)


async def _nothing(_scope: object, _receive: object, _send: object) -> None:
    """Stand for an application."""


def test_the_installed_version_is_within_the_bound() -> None:
    """A newer one may have changed what is not documented."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    [requirement] = [
        line
        for line in project["project"]["optional-dependencies"]["serve"]
        if line.startswith("uvicorn")
    ]
    bound = re.fullmatch(r"uvicorn>=[\d.]+,<(\d+)\.(\d+)", requirement)
    assert bound, f"{requirement}: uvicorn needs an upper bound: major.minor"
    installed = tuple(map(int, uvicorn.__version__.split(".")[:2]))
    assert installed < (int(bound[1]), int(bound[2])), f"uvicorn {uvicorn.__version__}: {ADVICE}"


def test_the_protocol_has_every_name_that_is_used() -> None:
    """Attributes of a connection, and the methods that are extended."""
    config = uvicorn.Config(_nothing, log_config=None)
    loop = asyncio.new_event_loop()
    try:
        protocol = h11_impl.H11Protocol(config, ServerState(), {}, loop)
    finally:
        loop.close()
    methods = {"connection_made", "data_received", "on_response_complete", "connection_lost"}
    attributes = {"connections", "cycle", "loop", "transport"}
    missing = {name for name in methods | attributes if not hasattr(protocol, name)}
    assert not missing, f"uvicorn {uvicorn.__version__} has no {missing}: {ADVICE}"
    assert isinstance(protocol.connections, set), ADVICE
    cycle = inspect.getsource(h11_impl.RequestResponseCycle.__init__)
    assert "self.response_complete = False" in cycle, ADVICE
