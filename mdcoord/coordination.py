"""The asynchronous client of one instance: its messages, its notifications, who is there.

    from mdcoord.coordination import MessageType, get_coordination_client

    async with await get_coordination_client(instance_id="backend") as client:
        await client.publish_message(
            msg_type=MessageType.READY_FOR_REVIEW,
            subject="feature-branch",
            description="Ready for review",
            to_instance="orchestrator",
        )

It has no rules of its own: each call is one of `Workspace.messages`, made in a thread. While its process
lives, the instance is seen to be there; when it ends, that is seen at once on the same machine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mdcoord.errors import UsageError
from mdcoord.records import Message
from mdcoord.rules.addressing import instance_id as normal_id
from mdcoord.services.instances import Instance
from mdcoord.services.messages import MessageType
from mdcoord.workspace import Workspace

__all__ = ["CoordinationClient", "MessageType", "get_coordination_client"]


async def get_coordination_client(
    instance_id: str | None = None,
    *,
    root: str | Path | None = None,
    workspace: Workspace | None = None,
) -> CoordinationClient:
    """The client of an instance; without a name, of the one that MDCOORD_AGENT or CLAUDE_INSTANCE_ID name.

    It opens the workspace of the folder `root` (None: the nearest one), or uses the one that is given and
    leaves it open. Raises UsageError (no instance is named anywhere), InvalidName, NotFound, ConfigError.
    """
    opened = workspace
    if opened is None:
        opened = await asyncio.to_thread(Workspace.open, root, agent=instance_id)
    try:
        client = CoordinationClient(opened, instance_id, owned=workspace is None)
        await client.unread_count()
    except BaseException:
        if workspace is None:
            await asyncio.to_thread(opened.close)
        raise
    return client


class CoordinationClient:
    """One instance. Use it as an asynchronous context manager, or close it."""

    def __init__(self, workspace: Workspace, instance_id: str | None = None, *, owned: bool = False) -> None:
        name = instance_id or workspace.agent
        if not name:
            raise UsageError("no instance is named", hint="pass instance_id=…, or set CLAUDE_INSTANCE_ID")
        self.instance_id = normal_id(name)
        self.workspace = workspace
        self._messages = workspace.aio.messages
        self._owned = owned
        self._handed_out: list[str] = []

    async def publish_message(
        self,
        msg_type: MessageType | str,
        subject: str,
        description: str = "",
        to_instance: str | None = None,
        *,
        in_reply_to: str | None = None,
        message_id: str | None = None,
    ) -> Message:
        """Send a message to one instance, or to all others; see `Messages.send`."""
        await self._sign()
        sent: Message = await self._messages.send(
            str(msg_type),
            subject,
            description,
            to=to_instance,
            reply_to=in_reply_to,
            id=message_id,
            sender=self.instance_id,
        )
        return sent

    async def check_messages(
        self,
        *,
        pending: bool = False,
        all: bool = False,
        from_instance: str | None = None,
        msg_type: MessageType | str | None = None,
        limit: int | None = None,
    ) -> Sequence[Message]:
        """The messages for this instance, oldest first, or with `all` those of everybody.

        With `pending` only those that are not acknowledged; see `Messages.list`.
        """
        await self._sign()
        found: Sequence[Message] = await self._messages.list(
            to=None if all else self.instance_id,
            sender=from_instance,
            type=None if msg_type is None else str(msg_type),
            pending=pending,
            limit=limit,
        )
        return found

    async def ack_message(self, message_id: str, comment: str | None = None) -> Message:
        """Acknowledge a message; see `Messages.ack`."""
        await self._sign()
        acknowledged: Message = await self._messages.ack(message_id, comment, by=self.instance_id)
        return acknowledged

    async def get_presence(self) -> Sequence[Instance]:
        """All instances that are known, and whether they are there."""
        await self._sign()
        found: Sequence[Instance] = await self._messages.presence()
        return found

    async def get_notifications(self, *, peek: bool = False) -> Sequence[Message]:
        """The messages that this instance was not told of yet, oldest first.

        They count as told with the next call or when the client is closed, so whoever dies before that is
        told again. With `peek` they stay in the queue.
        """
        await self._told()
        found = [one async for one in self._messages.notifications(self.instance_id, peek=True)]
        if not peek:
            self._handed_out = [one.id for one in found]
        return found

    async def unread_count(self) -> int:
        """How many messages wait for an acknowledgement."""
        return int((await self._sign()).unread)

    async def close(self) -> None:
        """Let go of the workspace. May be called again."""
        await self._told()
        if self._owned:
            await asyncio.to_thread(self.workspace.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._handed_out = []  # nobody knows how far the caller got with them
        await self.close()

    def __repr__(self) -> str:
        return f"<CoordinationClient {self.instance_id} {self.workspace!r}>"

    async def _sign(self) -> Any:
        return await self._messages.inbox(self.instance_id, pid=os.getpid())

    async def _told(self) -> None:
        handed_out, self._handed_out = self._handed_out, []
        if handed_out:
            await self._messages.told(handed_out, self.instance_id)
