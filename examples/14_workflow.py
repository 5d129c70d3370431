"""A workflow: tasks in phases, done by whoever is there; what they gave, and why one did not.

python examples/14_workflow.py
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor

from mdcoord import Workspace
from mdcoord.errors import NothingReady

DEFINITION = """\
---
workflow: report-${month}
params: {month: null}
defaults: {retry_limit: 1}
phases:
  - phase: collect
    allow_failures: true      # the report is written with what there is
    tasks: [Read the orders, Read the returns]
  - phase: write
    tasks:
      - {title: 'Write about ${month}', id: report, acceptance: [one page]}
---
"""


def agent(w: Workspace, name: str) -> None:
    """One of several agents: works until nothing is ready. It knows nothing of phases."""
    while True:
        try:
            with w.tasks.claim(agent=name, session=name, heartbeat=False) as claim:
                if claim.task.title == "Read the returns":
                    claim.fail("no access to the shop")
                else:
                    claim.complete(result=f"{claim.task.title}: done")
        except NothingReady:
            return


with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w, ThreadPoolExecutor() as agents:
    workflow = w.workflows.run(DEFINITION, params={"month": "may"})
    print("made: ", *workflow.made.tasks)
    print("again:", w.workflows.run(DEFINITION, params={"month": "may"}).made.tasks)
    print("added:", workflow.add("Read the refunds", phase="collect").id)
    agents.map(agent, [w, w], ["ada", "bob"])
    print("end:  ", workflow.wait(timeout=60).status)
    print("gave: ", *workflow.results().values)
    print("not:  ", workflow.results().failures)
    print(w.progress.text("report-may").split("## Phases\n\n")[1].split("\n<!--")[0])

# It prints:
#   made:  report-may-read-the-orders report-may-read-the-returns report-may-report
#   again: []
#   added: report-may-read-the-refunds
#   end:   completed
#   gave:  read-the-orders read-the-refunds report
#   not:   {'read-the-returns': 'no access to the shop'}
#   - [x] collect (completed, 3/3)
#   - [x] write (completed, 1/1)
