"""What others see of a worker: the document of its agent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from mdcoord.errors import InvalidDocument, MdcoordError, NotFound
from mdcoord.rules.presence import OFFLINE
from mdcoord.services.desk import Desk
from mdcoord.services.env import Env

SIGN_OF_LIFE: Final = 30.0
"""Seconds between two signs of life."""

SETTLED: Final = 1.0
"""Seconds for which a worker is busy, or has nothing to do, before its document says so.

Many short tasks must not cost two more writes each.
"""


class Badge:
    """Says of one agent that it is there, and whether it is busy.

    Trouble with that keeps nobody from working.
    """

    def __init__(
        self,
        desk: Desk,
        env: Env,
        agent: str,
        can: Sequence[str] | None,
        jobs: int,
        note: Callable[[str], Any],
    ) -> None:
        self._desk = desk
        self._usual = env.team.max_concurrent_tasks
        self._agent = agent
        self._can = can or ()
        self._jobs = jobs
        self._note = note
        self._busy = self._shown = False
        self._since = self._due = 0.0

    def put_on(self) -> None:
        """Register the agent with this process. Raises InvalidName, Busy."""
        agents, limit = self._desk.agents, self._usual
        known = True
        try:
            limit = agents.get(self._agent).max_concurrent_tasks or limit
        except NotFound:
            known = False
        except InvalidDocument:
            pass  # registering tells
        more = self._jobs if self._jobs > limit else None
        if known and more:
            self._note(f"{self._agent} may hold {limit} at a time: max_concurrent_tasks in its document")
        try:
            agents.register(
                self._agent,
                can=self._can,
                pid=os.getpid(),
                max_concurrent_tasks=None if known else more,
            )
        except InvalidDocument as error:
            self._note(str(error))
        self._due = time.monotonic() + SIGN_OF_LIFE

    def show(self, *, busy: bool) -> None:
        """Give a sign of life, and tell of a change, if the time has come."""
        now = time.monotonic()
        if busy != self._busy:
            self._busy, self._since = busy, now
        changed = busy != self._shown and now - self._since >= SETTLED
        if not changed and now < self._due:
            return
        self._due = now + SIGN_OF_LIFE
        try:
            if changed:
                self._shown = busy
                self._desk.agents.set(self._agent, status="busy" if busy else "available")
            elif self._desk.agents.heartbeat(self._agent).status == OFFLINE:
                self._shown = False
                self.put_on()  # another worker of this name has said goodbye
        except NotFound:
            self._try(self.put_on)
        except MdcoordError as error:
            self._note(str(error))

    def take_off(self) -> None:
        """Say goodbye, unless another process works under this name by now."""
        self._try(self._leave)

    def _leave(self) -> None:
        if self._desk.agents.get(self._agent).pid == os.getpid():
            self._desk.agents.set(self._agent, status=OFFLINE)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except NotFound:
            pass  # somebody removed it
        except MdcoordError as error:
            self._note(str(error))
