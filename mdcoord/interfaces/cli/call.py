"""What one command line says about where and who: workspace, backend, agent, the form of the output."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from mdcoord.errors import MdcoordError

if TYPE_CHECKING:
    from mdcoord.upkeep.assess import Assessment
    from mdcoord.workspace import Workspace

AGENT_VARIABLES: Final = ("MDCOORD_AGENT", "CLAUDE_INSTANCE_ID")
"""Where the agent's name comes from when no option says it, first one first."""

COUNTED: Final = 1.0
"""Seconds for which the count of messages is good in a long answer, or one that goes on and on."""


class Call:
    """The options that every command takes, before or after the sub-command. The later one counts.

    `named_agent` is what `--agent` says, without the environment; `caller` is the workspace that a command
    has opened, where it is known who calls.
    """

    def __init__(self) -> None:
        self.root: str | None = None
        self.backend: str | None = None
        self.named_agent: str | None = None
        self.json = False
        self.caller: Workspace | None = None
        self._envelope: Mapping[str, Any] = {}
        self._counted = -COUNTED

    @property
    def agent(self) -> str | None:
        """Who calls: `--agent`, else the environment."""
        return self.named_agent or next(filter(None, map(os.environ.get, AGENT_VARIABLES)), None)

    def workspace(self, **how: Any) -> Workspace:
        """Open the workspace, as `open` does; it is closed when the command ends.

        Raises NotFound, ConfigError.
        """
        workspace = self._kept(self.open(**how))
        self.caller = workspace if workspace.agent else None
        return workspace

    @property
    def envelope(self) -> Mapping[str, Any]:
        """What every JSON object of the answer carries besides its own, at most a second old.

        `_unread`: how many messages wait for the caller, where it is known and there are any.
        """
        if self.caller and time.monotonic() >= self._counted + COUNTED:
            self._envelope = _unread(self.caller)
            self._counted = time.monotonic()
        return self._envelope

    def open(self, **how: Any) -> Workspace:
        """Open the workspace, if need be as another `agent` or `session`, or `lenient`; the caller closes it.

        Raises NotFound, ConfigError.
        """
        from mdcoord.workspace import Workspace

        return Workspace.open(self.root, backend=self.backend, **{**self._who(), **how})

    def create_workspace(self, folder: str | None, *, track: bool) -> Workspace:
        """Make the workspace of a project's folder, or open what is there. Raises BackendUnavailable.

        Without a folder: of the one that `--root` or MDCOORD_ROOT name, else of the current one.
        """
        from mdcoord.workspace import Workspace

        where = folder or self.root or os.environ.get("MDCOORD_ROOT") or "."
        return self._kept(Workspace.create(where, track=track, backend=self.backend, **self._who()))

    def assess(self, folder: str | None, **wanted: Any) -> Assessment:
        """Go through the checklist for a project's folder: see `Workspace.assess`."""
        from mdcoord.workspace import Workspace

        return Workspace.assess(folder or self.root, backend=self.backend, **wanted, **self._who())

    def _kept(self, workspace: Workspace) -> Workspace:
        click.get_current_context().call_on_close(workspace.close)
        return workspace

    def _who(self) -> dict[str, Any]:
        from mdcoord.host import Host
        from mdcoord.interfaces.cli.session import session_of

        host = Host()
        return {"agent": self.agent, "session": session_of(os.environ, host), "host": host}


def _unread(workspace: Workspace) -> Mapping[str, Any]:
    try:
        inbox = workspace.inbox()
    except MdcoordError:
        return {}  # the answer to what was asked does not depend on it
    return {"_unread": inbox.unread} if inbox and inbox.unread else {}
