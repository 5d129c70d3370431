"""Whom one server serves: a name, a session, and the tasks that it holds.

A server on stdio has one client. Who that is, is settled once, by the options and the environment of the
server or by what the client calls itself, and no argument of a tool can change it. The session is random, so
two servers of one agent are two claimants.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from mdcoord.errors import ClaimLost, MdcoordError, UsageError
from mdcoord.model import Value
from mdcoord.records import Agent, EventRecord
from mdcoord.services.claim import Claim
from mdcoord.services.consumers import Subscription
from mdcoord.workspace import Workspace

Open = Callable[[str, str], Workspace]
"""Opens the workspace for an agent and a session."""

_UNNAMED: Final = "mcp-client"
_NAME: Final = 40


class Session:
    """One client of one server. Safe to use from several threads.

    `agent` is its name, if the server was given one; else what the client calls itself, with a random end, is
    its name from the first call on.
    """

    def __init__(self, open: Open, agent: str | None = None) -> None:
        self.id = os.urandom(6).hex()
        self._open = open
        self._agent = agent
        self._lock = threading.Lock()
        self._workspace: Workspace | None = None
        self._claims: dict[str, Claim] = {}
        self._told: set[str] = set()
        self._followed: dict[str, Subscription] = {}
        self._following = threading.Lock()
        self._registered = False
        self._closed = False

    def meet(self, client: str | None) -> None:
        """Settle who the client is, by what it calls itself, unless that is settled."""
        if self._agent is None:
            name = re.sub(r"[^a-z0-9]+", "-", (client or "").lower()).strip("-")[:_NAME].strip("-")
            self._agent = f"{name or _UNNAMED}-{self.id[:4]}"

    @property
    def agent(self) -> str:
        """The client's name."""
        self.meet(None)
        return self._agent or _UNNAMED

    @property
    def workspace(self) -> Workspace:
        """The workspace, opened when it is first needed: it may be made while the server runs.

        Raises NotFound, ConfigError, and UsageError at the end of the server.
        """
        with self._lock:
            if self._closed:
                raise UsageError("this server is ending", hint="start it again")
            if self._workspace is None:
                self._workspace = self._open(self.agent, self.id)
            return self._workspace

    @property
    def held(self) -> dict[str, Claim]:
        """The claims of this session by task, lost ones included."""
        with self._lock:
            return dict(self._claims)

    def claim(self, id: str | None, can: Iterable[str] | None, ttl: float | None) -> Claim:
        """Claim a task for this session; it is renewed until it ends or the server does.

        Raises NothingReady, NotReady, Busy, UsageError.
        """
        claim = self.workspace.tasks.claim(id, can=can, ttl=ttl)
        with self._lock:
            closed = self._closed
            if not closed:
                # Whoever was told of a lost claim and goes on to another task knows it.
                self._claims = {task: one for task, one in self._claims.items() if task not in self._told}
                self._claims[claim.id] = claim
                self._told.clear()
        if closed:
            claim.release()
            raise UsageError("this server is ending", hint="start it again")
        return claim

    def mine(self, id: str) -> Claim:
        """The claim of this session on a task. Raises ClaimLost, NotFound."""
        task = self.workspace.tasks.get(id)
        claim = self.held.get(task.id)
        if claim is not None:
            return claim
        holder = task.holder
        raise ClaimLost(
            f"{task.key.name} is not held by this session: "
            + (f"it is held by {holder.agent}" if holder else f"it is {task.status}"),
            hint="coord_claim_task claims it when it is free",
            task=task.id,
        )

    def forget(self, claim: Claim) -> None:
        """Hold a claim no longer: it is ended, or the client knows that it is lost."""
        with self._lock:
            if self._claims.get(claim.id) is claim:
                del self._claims[claim.id]
                self._told.discard(claim.id)

    @contextmanager
    def forgetting(self, claim: Claim) -> Iterator[None]:
        """Where the block finds the claim lost, the client learns it by that error: hold it no longer."""
        try:
            yield
        except ClaimLost:
            self.forget(claim)
            raise

    def new_events(self, channel: str, limit: int) -> Sequence[EventRecord]:
        """The next events of a channel, for the consumer of the agent's name.

        Those of the call before are acknowledged. Raises NotFound, Busy.
        """
        with self._following:  # a subscription is for one thread at a time
            known = self._followed.get(channel)
            if known is None:
                events = self.workspace.events
                known = events.subscribe(channel, consumer=self.agent, follow=False, ack=False)
                self._followed[channel] = known
            known.ack()
            return known.take(limit)

    def unfollow(self, channel: str) -> None:
        """Hand over again what was not acknowledged."""
        with self._following:
            self._followed.pop(channel, None)

    def register(self, **facts: Any) -> Agent:
        """Make the client known as an agent that is this process. Raises UsageError, Busy."""
        agent = self.workspace.agents.register(self.agent, pid=os.getpid(), **facts)
        self._registered = True
        return agent

    def give_back(self, claim: Claim) -> None:
        """Release a claim; whatever goes wrong, it ends with its time to live."""
        self.forget(claim)
        try:
            claim.release()
        except MdcoordError:
            pass

    def notices(self) -> dict[str, Value]:
        """What every answer announces, if there is any: `unread` messages and `lost` claims.

        A lost claim is announced until the client claims a task, or tries to do something with the lost one.
        """
        with self._lock:
            lost = [task for task, claim in self._claims.items() if claim.lost]
            self._told.update(lost)
        unread = self._unread()
        return {**({"unread": unread} if unread else {}), **({"lost": lost} if lost else {})}

    def close(self) -> None:
        """Release all claims and close the workspace. May be called again."""
        with self._lock:
            self._closed = True
            claims, self._claims = self._claims, {}
            workspace, self._workspace = self._workspace, None
        for claim in claims.values():
            self.give_back(claim)
        if workspace is not None:
            if self._registered:
                self._leave(workspace)
            workspace.close()

    def _leave(self, workspace: Workspace) -> None:
        """Say goodbye, unless another process works under this name by now."""
        try:
            if workspace.agents.get(self.agent).pid == os.getpid():
                workspace.agents.set(self.agent, status="offline")
        except MdcoordError:
            pass  # that the process is gone tells, too

    def _unread(self) -> int:
        workspace = self._workspace
        if workspace is None:
            return 0
        try:
            return workspace.messages.inbox(pid=os.getpid()).unread
        except (MdcoordError, OSError):
            return 0  # the answer to what was asked does not depend on it

    def __repr__(self) -> str:
        return f"<Session {self._agent} {self.id}>"
