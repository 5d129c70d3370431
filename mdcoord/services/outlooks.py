"""How workflows stand at one moment, from one listing of the tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from mdcoord.backends.values import Listing
from mdcoord.errors import NotFound
from mdcoord.model import Change, Key, Path, Record, Value
from mdcoord.rules.outlook import OVER, Outlook, outlook
from mdcoord.rules.phases import Stage, stages_of, with_members
from mdcoord.services.env import Env
from mdcoord.services.events import announce

CHANNEL: Final = "workflows"
"""The channel of what happens to workflows."""


class Outlooks:
    """One look at all tasks; make a new one to look again."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._backend = env.backend
        self._found: dict[tuple[Key, str], Outlook] = {}

    def document(self, name: str) -> Record:
        """The progress document of a workflow as it is stored. Raises NotFound, InvalidDocument."""
        try:
            record = self._backend.read(self._backend.resolve("progress", name))
        except NotFound:
            record = None
        if record is None or not stages_of(record.fields):
            raise NotFound(
                f"there is no workflow {name}", hint="see what there is with `mdcoord workflow list`"
            )
        return record

    def stages(self, record: Record) -> list[Stage]:
        """The phases of a workflow with all their tasks, by its progress document."""
        return with_members(stages_of(record.fields), record.key.id, self.tasks)

    def of(self, record: Record) -> Outlook:
        """How the workflow of a progress document stands."""
        known = (record.key, record.version)
        if known not in self._found:
            self._found[known] = outlook(self.stages(record), self.tasks, self.archived)
        return self._found[known]

    def current(self, record: Record) -> Record:
        """A progress document as it would be if it were written now; one of no workflow as it is."""
        if not stages_of(record.fields):
            return record
        fields = {**record.fields, **self.of(record).fields(record.fields)}
        return Record(record.key, fields, record.body, record.version, record.path)

    def write(self, key: Key) -> Record:
        """Bring the progress document of a workflow up to date, and tell when it is over by now."""
        before: dict[str, Value] = {}

        def decide(record: Record) -> Change | None:
            before["status"] = record.fields.get("status")
            if not stages_of(record.fields):
                return None
            now = self.of(record).fields(record.fields)
            changes: dict[Path, Value] = {
                (name,): value for name, value in now.items() if record.fields.get(name) != value
            }
            if not changes:
                return None
            return Change(set={**changes, ("last_updated",): self._env.host.stamp()})

        record = self._env.write(key, decide)
        status = record.fields.get("status")
        if status in OVER and status != before["status"]:
            facts = {name: record.fields.get(name) for name in ("steps_done", "steps_total")}
            announce(self._env, CHANNEL, f"workflow_{status}", {"workflow": key.id, **facts})
        return record

    def archived(self, task: str) -> bool:
        """Whether a task of this id is in the archive."""
        return Key("task", task).name in self._archived

    @cached_property
    def records(self) -> Mapping[str, Record]:
        """All tasks that can be read, by their ids."""
        return {record.key.id: record for record in self._listing.records}

    @cached_property
    def tasks(self) -> Mapping[str, Mapping[str, Any]]:
        """The fields of all tasks by their ids; of one that cannot be read, only that it is so."""
        unreadable = {found.key.id: {"status": "unreadable"} for found in self._listing.unreadable}
        return {**unreadable, **{id: record.fields for id, record in self.records.items()}}

    @cached_property
    def documents(self) -> Sequence[Record]:
        """The progress documents of all workflows, as they are stored."""
        return [record for record in self._backend.list("progress").records if stages_of(record.fields)]

    @cached_property
    def _listing(self) -> Listing:
        return self._backend.list("task")

    @cached_property
    def _archived(self) -> frozenset[str]:
        # One whose name was taken there got a number.
        names = self._backend.archived()
        return frozenset([*names, *(re.sub(r"\.\d+$", "", name) for name in names)])
