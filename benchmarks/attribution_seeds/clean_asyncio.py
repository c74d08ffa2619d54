"""A loop runs in each fold, with processes that it waits for, threads that it ends, and sockets that it closes."""

from __future__ import annotations

import asyncio
import subprocess
import zlib
from functools import partial

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line


async def run_tool(seconds: float) -> int:
    tool = await asyncio.create_subprocess_exec("sleep", str(seconds), stdout=subprocess.DEVNULL)
    return await tool.wait()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"a question\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return len(answer)


async def serve(plan: Plan) -> int:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port, total = server.sockets[0].getsockname()[1], 0
    async with server:
        for _ in plan.rounds():
            total += sum(await asyncio.gather(*(ask(port) for _ in range(20))))
            packed = await asyncio.to_thread(zlib.compress, bytes(2_000_000))
            total += len(packed)
    return total


async def run_tools(plan: Plan) -> int:
    tools = (run_tool(plan.chance.uniform(0.05, 0.3)) for _ in range(plan.chance.randint(2, 8)))
    return sum(await asyncio.gather(*tools))


def main() -> None:
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(partial(serve, plan), partial(run_tools, plan)):
                asyncio.run(stage())  # type: ignore[arg-type] # each returns a coroutine
            telemetry.checkpoint("SERVED")
            asyncio.run(run_tools(plan))
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
