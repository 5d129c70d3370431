"""Agents that write to each other: a review is asked for while the reviewer is away, and answered.

python examples/09_messages.py
"""

import asyncio
import tempfile

from mdcoord import Workspace
from mdcoord.coordination import MessageType, get_coordination_client


async def ask(project: str) -> None:
    """The feature's agent, with the asynchronous client."""
    async with await get_coordination_client(instance_id="backend", root=project) as client:
        await client.publish_message(
            msg_type=MessageType.READY_FOR_REVIEW,
            subject="feature-login",
            description="All tests pass.",
            to_instance="orchestrator",
        )


with tempfile.TemporaryDirectory() as project, Workspace.create(project) as w:
    asyncio.run(ask(project))

    # The reviewer comes later, and is told once of what came while it was away.
    with Workspace.open(project, agent="orchestrator") as reviewer:
        for message in reviewer.messages.notifications():
            print("told:   ", message.type, "from", message.sender, "-", message.subject)
        print("again:  ", [*reviewer.messages.notifications()])
        print("unread: ", reviewer.messages.unread(), "until it is acknowledged")
        for message in reviewer.messages.list(to="orchestrator", pending=True):
            reviewer.messages.send(MessageType.REVIEW_COMPLETE, "Merged", reply_to=message.id)
            reviewer.messages.ack(message.id, "Merged into main")

    with Workspace.open(project, agent="backend") as feature:
        (answer,) = feature.messages.notifications()
        asked = feature.messages.get(answer.in_reply_to or "")
        print("answer: ", answer.type, "to", asked.subject, "-", asked.acks[0]["comment"])
        print("waiting:", {one.agent_id: one.unread for one in feature.messages.presence()})

# It prints:
#   told:    READY_FOR_REVIEW from backend - feature-login
#   again:   []
#   unread:  1 until it is acknowledged
#   answer:  REVIEW_COMPLETE to feature-login - Merged into main
#   waiting: {'backend': 1, 'orchestrator': 0}
