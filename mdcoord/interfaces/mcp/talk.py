"""The tools by which agents tell each other things. Each docstring is what an agent reads."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from mdcoord.errors import NotFound
from mdcoord.interfaces.mcp.answers import LONG, Answer, present, row
from mdcoord.interfaces.mcp.look import FIELDS, ROWS
from mdcoord.interfaces.mcp.session import Session
from mdcoord.interfaces.mcp.tool import about
from mdcoord.model import Key
from mdcoord.records import Message

MessageType = Literal[
    "READY_FOR_REVIEW",
    "REVIEW_COMPLETE",
    "REVIEW_FAILED",
    "CONTRACT_CHANGE_PROPOSED",
    "CONTRACT_APPROVED",
    "META_CHANGE_REQUEST",
    "GENERAL",
    "NOTIFICATION",
]

SEEN: Final = 100
"""How many instances are listed at most."""


def coord_register(
    session: Session,
    can: Annotated[list[str] | None, about("Capabilities")] = None,
    type: str | None = None,
    status: str = "available",
    max_concurrent_tasks: int | None = None,
) -> Answer:
    """Say what you can do, and how you are: work is handed out by it. What is not given again stays."""
    agent = session.register(
        can=can or (), type=type, status=status, max_concurrent_tasks=max_concurrent_tasks
    )
    return Answer({"id": agent.id})


def coord_publish_event(
    session: Session,
    channel: Annotated[str, about("`log` is the communication log")],
    name: str,
    data: dict[str, Any] | None = None,
) -> Answer:
    """Tell all others what happened."""
    event = session.workspace.events.publish(channel, name, **{"agent": session.agent, **(data or {})})
    return Answer({"cursor": event.cursor})


def coord_new_events(session: Session, channel: str, limit: int = ROWS) -> Answer:
    """Get the events of a channel that you have not had; asking again says that you have these."""
    found = session.new_events(channel, max(1, limit))
    rows = [row(event, FIELDS["events"], LONG) for event in found]
    return Answer(data=rows, undo=lambda: session.unfollow(channel))


def coord_set_context(session: Session, id: str, data: dict[str, Any], title: str | None = None) -> Answer:
    """Share facts under a name; keys that are not given stay."""
    context = session.workspace.context.set(id, data, title=title)
    return Answer({"id": context.id, "keys": len(context.data)})


def coord_publish_message(
    session: Session,
    type: MessageType,
    subject: str,
    description: str = "",
    to: Annotated[str | None, about("An agent; else all, or whom you reply to")] = None,
    reply_to: Annotated[str | None, about("Message id")] = None,
) -> Answer:
    """Send a message. `warning` says when the recipient may not see it soon."""
    messages = session.workspace.messages
    sent = messages.send(type, subject, description, to=to, reply_to=reply_to)
    doubt = messages.doubt(sent.to) if sent.to else None
    return Answer({"id": sent.id, **({"warning": f"{doubt}; the message waits"} if doubt else {})})


def coord_check_messages(
    session: Session,
    pending: Annotated[bool, about("Only what waits for an ack")] = True,
    all: Annotated[bool, about("Also what is not for you")] = False,
    sender: str | None = None,
    limit: int = ROWS,
) -> Answer:
    """List messages for you, oldest first; `unread` counts those that you have not acknowledged."""
    messages = session.workspace.messages
    to = None if all or sender == session.agent else session.agent
    found = messages.list(to=to, sender=sender, pending=pending)
    shown = found[: max(0, limit)]
    answer = Answer({"count": len(found)}, [_message(message) for message in shown])
    messages.told([message.id for message in shown])
    return answer


def coord_ack_message(session: Session, id: str, comment: str | None = None) -> Answer:
    """Acknowledge a message for you: read and dealt with."""
    return Answer({"id": session.workspace.messages.ack(id, comment).id, "acknowledged": True})


def coord_get_presence(session: Session, instance: str | None = None) -> Answer:
    """See which agents are online, stale or offline, and how many messages wait for each."""
    found = [present(one.as_dict()) for one in session.workspace.messages.presence()]
    if instance is None:
        return Answer({"count": len(found)}, found[:SEEN])
    name = Key.of("agent", instance).id
    for one in found:
        if one["agent_id"] == name:
            return Answer(data=one)
    raise NotFound(f"nobody called {name!r} was ever here", hint="coord_get_presence without it lists all")


def coord_get_notifications(session: Session, limit: int = ROWS) -> Answer:
    """Get the messages that you were not told of yet, once; acknowledge them when they are dealt with."""
    shown: list[dict[str, Any]] = []
    for message in session.workspace.messages.notifications():
        if len(shown) == limit:
            break
        shown.append(_message(message))
    return Answer({"count": len(shown)}, shown)


def _message(message: Message) -> dict[str, Any]:
    fields = [*FIELDS["message"], *(("acks",) if message.acks else ())]
    return row(message, fields, LONG)
