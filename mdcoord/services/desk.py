"""What somebody who works needs of a workspace."""

from __future__ import annotations

from typing import Protocol

from mdcoord.services.agents import Agents
from mdcoord.services.events import Events
from mdcoord.services.notes import ProgressDocuments
from mdcoord.services.tasks import Tasks


class Desk(Protocol):
    """A workspace, as far as workers know it."""

    @property
    def tasks(self) -> Tasks: ...
    @property
    def agents(self) -> Agents: ...
    @property
    def events(self) -> Events: ...
    @property
    def progress(self) -> ProgressDocuments: ...
    @property
    def root(self) -> object: ...
