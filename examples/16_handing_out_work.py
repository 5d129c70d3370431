"""Who gets what: capabilities, limits, strategies, tasks that exclude each other, failures, dead letters.

python examples/16_handing_out_work.py
"""

import tempfile

from mdcoord import Workspace
from mdcoord.errors import NothingReady, NotReady

with tempfile.TemporaryDirectory() as folder, Workspace.create(folder, agent="coordinator") as w:
    w.agents.register("ada", can=["gpu", "docs"], specializations=["gpu"], max_concurrent_tasks=1)
    w.agents.register("bob", can=["docs"])
    w.tasks.create("Data", id="data", needs=["docs"], key="nightly-42")  # the same key never makes it twice
    w.tasks.create("Train", id="train", depends_on=["data"], needs=["gpu"], timeout="2h")
    w.tasks.create("Back up", id="backup", conflicts_with=["data"])
    w.tasks.create("Guess", id="guess", retry_limit=2)

    print(
        "assigned:  ", [(task.id, task.assigned_agent) for task in w.tasks.assign_all(strategy="round_robin")]
    )
    data = w.tasks.claim("data", agent=w.tasks.get("data").assigned_agent)
    try:
        w.tasks.claim("backup", agent=w.tasks.get("backup").assigned_agent)
    except NotReady as error:
        print("excluded:  ", error.details["reasons"][0])
    data.complete()

    train = w.tasks.claim("train", agent="ada")
    try:
        w.tasks.claim(agent="ada")
    except NothingReady as error:
        print("full:      ", error.message)
    train.release(lacks=["cuda"])  # ada is not offered it again
    print("to others: ", w.tasks.get("train").needs, w.tasks.why("train", agent="ada")[0])

    w.tasks.update("guess", delete=["assigned_agent", "assigned_at"])
    for _attempt in range(2):
        w.tasks.retry("guess")  # now, instead of after a pause that grows with each failure
        w.tasks.claim("guess", agent="bob").fail("no idea")
    print("dead:      ", [task.id for task in w.tasks.dead()])
    bob = w.agents.get("bob")
    print(
        "bob:       ",
        bob.presence,
        bob.metrics["failed_tasks"],
        "failed, breaker",
        bob.circuit_breaker["state"],
    )
    print("claims won:", w.metrics.coordination()["from_documents"]["claims_won"])

# It prints:
#   assigned:   [('data', 'ada'), ('backup', 'bob'), ('guess', 'bob')]
#   excluded:   it conflicts with task data, which is in progress
#   full:       ada holds train, and its max_concurrent_tasks is 1
#   to others:  ['gpu', 'cuda'] it needs cuda
#   dead:       ['guess']
#   bob:        online 2 failed, breaker CLOSED
#   claims won: 4
