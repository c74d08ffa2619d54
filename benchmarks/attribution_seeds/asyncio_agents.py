"""start_agent(), a coroutine of a loop that the fold runs, leaves its process running; run_tools() waits for all of its own."""

from __future__ import annotations

import asyncio
import atexit
import subprocess
from functools import partial

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

AGENTS: list[subprocess.Popen[bytes]] = []


def kill_agents() -> None:
    for agent in AGENTS:
        agent.kill()
        agent.wait()


async def start_agent(delay: float) -> int:
    await asyncio.sleep(delay)
    AGENTS.append(subprocess.Popen(["sleep", "400"]))  # noqa: ASYNC220 - what leaks here
    await asyncio.sleep(delay)
    return AGENTS[-1].pid


async def open_room(agents: int) -> list[int]:
    return await asyncio.gather(*(start_agent(0.05 * number) for number in range(1, agents + 1)))


def roll_out(agents: int) -> int:
    return len(asyncio.run(open_room(agents)))


async def run_tool(text: bytes) -> int:
    tool = await asyncio.create_subprocess_exec(
        "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    output, _ = await tool.communicate(text)
    return len(output)


async def run_tools(plan: Plan) -> int:
    total = 0
    for _ in plan.rounds():
        total += sum(await asyncio.gather(*(run_tool(b"line\n" * 1000) for _ in range(4))))
    return total


def evaluate(plan: Plan) -> int:
    return asyncio.run(run_tools(plan))


def train_epoch(plan: Plan) -> float:
    return sum(sorted(plan.chance.random() for _ in range(200_000)))


def main() -> None:
    atexit.register(kill_agents)
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                partial(roll_out, plan.amount(3)),
                partial(evaluate, plan),
                partial(train_epoch, plan),
            ):
                stage()
            telemetry.checkpoint("PLAYED")
            train_epoch(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
