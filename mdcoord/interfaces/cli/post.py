"""What every command does about messages when it knows who calls: it tells of new ones, once.

Their number is in each JSON object of the answer as `_unread` (see `Call.envelope`). New messages are told on
stderr when the command is done, a line each; only then is noted that they were told. An error is one JSON
object on stderr and stays one: it carries the number, and the next command tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from mdcoord.errors import InvalidDocument, MdcoordError, NotFound
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import clean, cut, json_line, note

if TYPE_CHECKING:
    from mdcoord.records import Message
    from mdcoord.services.messages import Messages
    from mdcoord.workspace import Workspace

AT_ONCE: Final = 5
"""How many messages one command tells of; the next one goes on."""

_SUBJECT: Final = 80
"""So many columns of a subject."""


def deliver(call: Call, error: MdcoordError | None) -> None:
    """Tell the caller of a command that is done, or that failed with this error, of new messages."""
    if call.json and error is not None:
        error.details.update(call.envelope)
        return
    try:
        if call.caller is not None:
            _tell(call.caller, as_json=call.json)
    except (MdcoordError, OSError):
        pass  # what could not be told is told by the next command


def _tell(caller: Workspace, *, as_json: bool) -> None:
    inbox = caller.inbox()
    untold = inbox.untold if inbox else []
    if not untold:
        return
    messages = caller.messages
    told = [*_readable(messages, untold[:AT_ONCE])]
    if told:
        note("\n".join(_fact(message) if as_json else _line(message) for message in told))
        messages.told([message.id for message in told])
    if len(untold) > AT_ONCE and not as_json:
        note(f"mdcoord: and {len(untold) - AT_ONCE} more: mdcoord message notifications")


def _readable(messages: Messages, names: Iterable[str]) -> Iterator[Message]:
    for name in names:
        try:
            yield messages.get(name)
        except (NotFound, InvalidDocument):
            continue


def _fact(message: Message) -> str:
    facts = {"message_id": message.id, "from": message.sender, "subject": message.subject}
    return json_line({"notification": message.type, **facts})


def _line(message: Message) -> str:
    subject, who = cut(clean(message.subject or ""), _SUBJECT), clean(f"{message.type} from {message.sender}")
    return f"mdcoord: {who}: {subject}  (mdcoord message show {message.id})"
