"""Two agents share tasks that wait for each other: each takes the best task that it can do and that is ready.

python examples/02_two_agents_with_dependencies.py
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from mdcoord import Workspace
from mdcoord.errors import NothingReady


def work(project: str, name: str) -> list[str]:
    """What an agent does: take tasks until none is left. Agents are usually processes; threads do as well."""
    done = []
    with Workspace.open(project, agent=name) as w:
        while w.tasks.list("status in ('pending', 'in_progress')"):
            try:
                # Without `can`, the capabilities count with which the agent registered.
                with w.tasks.claim() as claim:
                    claim.complete(result=f"done by {name}")
                    done.append(claim.id)
            except NothingReady:
                time.sleep(0.02)  # what is left is being done, or waits for a task of the other agent
    return done


with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w:
    w.tasks.create("Process the dataset", id="dataset", needs=["data"])
    w.tasks.create("Check the GPU", id="gpu", needs=["training"], priority=1)
    w.tasks.create("Train model", id="train", needs=["training"], depends_on=["dataset", "gpu"], priority=9)
    w.tasks.create("Write the report", id="report", needs=["data"], depends_on=["train"])
    w.agents.register("data-engineer", can=["data"])
    w.agents.register("ai-engineer", can=["training"])

    # Priority decides among tasks that are ready; `train` is the most urgent, and has to wait all the same.
    print("train is not ready:", "; ".join(w.tasks.why("train")))

    with ThreadPoolExecutor() as pool:
        agents = ["data-engineer", "ai-engineer"]
        for name, done in zip(agents, pool.map(work, [project] * 2, agents), strict=True):
            print(f"{name} did {', '.join(done)}")

# It prints:
#   train is not ready: it depends on task dataset, which is pending; it depends on task gpu, which is pending
#   data-engineer did dataset, report
#   ai-engineer did gpu, train
