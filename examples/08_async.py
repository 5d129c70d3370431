"""The same workspace from asyncio: `w.aio` has every verb of `w`, to be awaited.

python examples/08_async.py
"""

import asyncio
import tempfile

from mdcoord import Workspace
from mdcoord.errors import NothingReady


async def work(w: Workspace, name: str) -> list[str]:
    """One agent of several in this process: work until nothing is ready."""
    done = []
    while True:
        try:
            async with w.aio.tasks.claim(agent=name, session=name) as claim:
                await claim.progress(0.5)
                await w.aio.events.publish("work", "task_done", task=claim.id, by=name)
                await claim.complete()
                done.append(claim.id)
        except NothingReady:
            return done


async def main() -> None:
    with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w:
        for number in range(6):
            await w.aio.tasks.create(f"Task {number}", id=f"t{number}")

        shares = await asyncio.gather(work(w, "ai-engineer"), work(w, "data-engineer"))
        done = sorted(id for share in shares for id in share)
        print("each task done once:", done)

        heard = [event["task"] async for event in w.aio.events.tail("work")]
        print("and heard of it:    ", sorted(heard))


asyncio.run(main())

# It prints:
#   each task done once: ['t0', 't1', 't2', 't3', 't4', 't5']
#   and heard of it:     ['t0', 't1', 't2', 't3', 't4', 't5']
