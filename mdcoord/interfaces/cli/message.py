"""`mdcoord message`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import details
from mdcoord.interfaces.cli.options import list_options, named, text_of
from mdcoord.interfaces.cli.output import answer, clean, note, paint, put, put_all, uncontrolled, write
from mdcoord.interfaces.cli.warning import notice, warn

if TYPE_CHECKING:
    from mdcoord.records import Message
    from mdcoord.workspace import Workspace

HEADS = ("MESSAGE", "TYPE", "FROM", "TO", "SENT", "ACKNOWLEDGED BY", "SUBJECT")

_HERE = "mdcoord.interfaces.cli.message"


@click.group(
    "message",
    cls=Group,
    members={
        name: f"{_HERE}:{function}"
        for name, function in (
            ("send", "send"),
            ("list", "listing"),
            ("show", "show"),
            ("ack", "ack"),
            ("notifications", "notifications"),
            ("presence", "presence"),
        )
    },
    example="mdcoord message list --pending --agent orchestrator",
)
def message() -> None:
    """Write to other agents; read what they wrote; see who is there."""


@verb("send", example="mdcoord message send READY_FOR_REVIEW feature-x 'All tests pass' --to orchestrator")
@click.argument("type")
@click.argument("subject")
@click.argument("description", default="")
@click.option("--to", metavar="NAME", help="Only to this agent; else to all, or to whom you reply.")
@click.option("--reply-to", metavar="ID", help="The message that this one answers.")
@click.option("--id", metavar="ID", help="Name it yourself; sending the very same again changes nothing.")
def send(
    call: Call,
    type: str,
    subject: str,
    description: str,
    to: str | None,
    reply_to: str | None,
    id: str | None,
) -> None:
    """Send a message. A description of - is read from stdin.

    TYPE is READY_FOR_REVIEW, REVIEW_COMPLETE, REVIEW_FAILED, CONTRACT_CHANGE_PROPOSED, CONTRACT_APPROVED,
    META_CHANGE_REQUEST, GENERAL or NOTIFICATION.
    """
    messages = call.workspace().messages
    sent = messages.send(type, subject, text_of(description) or "", to=to, reply_to=reply_to, id=id)
    put(call, sent.as_dict(), sent.id)
    doubt = messages.doubt(sent.to) if sent.to else None
    if doubt:
        notice(call, "recipient_away", f"{doubt}; the message waits", to=sent.to, message=doubt)


@verb("list", example="mdcoord message list --pending --agent orchestrator")
@click.option("--pending", is_flag=True, help="Only those that are not acknowledged.")
@click.option("--all", "everything", is_flag=True, help="Also those that are not for you.")
@click.option("--from", "sender", metavar="NAME", help="Only what this agent sent; it may be you.")
@click.option("--type", metavar="TYPE", help="Only those of this type.")
@list_options
def listing(
    call: Call,
    pending: bool,
    everything: bool,
    sender: str | None,
    type: str | None,
    where: str | None,
    sort: str | None,
    limit: int | None,
) -> None:
    """List the messages for you, oldest first.

    All messages, where nobody says who you are.
    """
    workspace = call.workspace()
    messages, mine = workspace.messages, sender is not None and sender == workspace.agent
    to = None if everything or mine else workspace.agent
    found = messages.list(where, to=to, sender=sender, type=type, pending=pending, sort=sort, limit=limit)
    put_all(call, found, HEADS, _row, empty="no messages")
    warn(call, workspace, "message", where, sort, found=found)
    _told(workspace, found)


@verb("show", example="mdcoord message show k3x9q2ab")
@named("message", "id")
def show(call: Call, id: str) -> None:
    """Show a message."""
    workspace = call.workspace()
    found = workspace.messages.get(id)
    put(call, found.as_dict(), lambda: details(found))
    _told(workspace, [found])


@verb("ack", example="mdcoord message ack k3x9q2ab --comment 'Merged into main'")
@named("message", "id")
@click.option("--comment", metavar="TEXT", help="What you have to say about it; - is stdin.")
def ack(call: Call, id: str, comment: str | None) -> None:
    """Acknowledge a message that is for you."""
    found = call.workspace().messages.ack(id, text_of(comment))
    put(call, found.as_dict(), f"{found.id} acknowledged")


@verb("notifications", example="mdcoord message notifications --agent backend")
@click.option("--peek", is_flag=True, help="They stay in the queue.")
def notifications(call: Call, peek: bool) -> None:
    """Show in full what you have not been told of yet."""
    found = None
    for found in call.workspace().messages.notifications(peek=peek):
        write(answer(call, found) if call.json else _text(found))
        sys.stdout.flush()  # when the next one is asked for, this one counts as told
    if found is None and not call.json:
        note("no notifications")
    call.caller = None  # what this command leaves in the queue is to stay there


@verb("presence", example="mdcoord message presence")
def presence(call: Call) -> None:
    """See who is online, stale or offline.

    Also how many messages wait for each.
    """
    put_all(
        call,
        call.workspace().messages.presence(),
        ("AGENT", "PRESENCE", "LAST SEEN", "STATUS", "UNREAD"),
        lambda one: (
            one.agent_id,
            one.presence,
            age(one.last_seen),
            one.status or "",
            str(one.unread or ""),
        ),
        empty="nobody was ever here",
    )


def _told(workspace: Workspace, found: Sequence[Message]) -> None:
    """Note that the caller has seen these messages, now that they are printed."""
    if workspace.agent:
        sys.stdout.flush()
        workspace.messages.told([one.id for one in found])


def _row(found: Message) -> tuple[str, ...]:
    acks = [str(ack.get("by")) for ack in found.acks if isinstance(ack, dict)]
    return (
        found.id,
        found.type or "",
        found.sender or "",
        found.to or "all",
        age(found.created_at),
        ", ".join(dict.fromkeys(acks)),
        found.subject or "",
    )


def _text(found: Message) -> str:
    head = f"{found.id}  {found.type} from {found.sender}, {age(found.created_at)}: {found.subject}"
    lines = [f"  {uncontrolled(line)}" for line in (found.description or "").split("\n") if line]
    reply = [clean(f"  in reply to {found.in_reply_to}")] if found.in_reply_to else []
    return "\n".join([paint(clean(head), "1"), *reply, *lines])
