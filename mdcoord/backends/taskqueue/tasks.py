"""The documents of tasks as they are on the server: found, listed, written and verified, removed.

A write says what the server is to have, looks at what it has, and takes the next step until that is so. What
a dying server or another one made of a step shows at the next look.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mdcoord.backends.markdown.history import version_of
from mdcoord.backends.refusals import nothing
from mdcoord.backends.taskqueue.entry import (
    DONE,
    Entry,
    Wanted,
    draft_of,
    entries,
    entry_of,
    wanted_gone,
)
from mdcoord.backends.taskqueue.process import Died
from mdcoord.backends.taskqueue.queue import TRIES, Project, Queue, Task
from mdcoord.backends.values import Listing, Unreadable
from mdcoord.errors import InvalidDocument
from mdcoord.formats.revise import Draft, Scribe
from mdcoord.model import Key, Record
from mdcoord.rules.leases import Lease

_STEPS: Final = 3
"""What a document takes at most: create it, tell its status, approve it."""


class Changed(Exception):
    """Somebody changed the task in the server since it was read."""


def record_of(key: Key, draft: Draft, lease: Lease | None = None) -> Record:
    """A document as callers see it."""
    return Record(key, draft.fields, draft.body, version_of(draft.text.encode()), lease=lease)


class Tasks:
    """The task documents of a queue. Writers hold the document's lock, and pass what they have read."""

    def __init__(self, queue: Queue, scribe: Scribe) -> None:
        self._queue = queue
        self._scribe = scribe
        self._listed: dict[Key, tuple[Task, Record | Unreadable]] = {}
        self._seen: Project | None = None
        self._places: dict[Key, str] = {}

    def entry(self, key: Key) -> Entry | None:
        """The task as it stands on the server, readable or not; None where there is none."""
        return self._at_its_place(key) or self.entries().get(key)

    def entries(self) -> dict[Key, Entry]:
        """All tasks as they stand, by key."""
        with self._queue.turn():
            project = self._queue.project()
        found = entries(project.tasks) if project else {}
        self._seen = project and replace(project, tasks=())
        self._places = {key: entry.id for key, entry in found.items()}
        return found

    def _at_its_place(self, key: Key) -> Entry | None:
        """The task where it was last seen, if it is there: its own block says so.

        One that is approved may have a successor, so that is no place to find it.
        """
        project, place = self._seen, self._places.get(key)
        if project is None or place is None:
            return None
        with self._queue.turn():
            task = self._queue.task(project, place)
        entry = entry_of(task) if task else None
        good = entry and entry.key == key and not (entry.approved or entry.gone)
        return entry if good else None

    def require(self, key: Key) -> Entry:
        """The task. Raises NotFound."""
        entry = self.entry(key)
        if entry is None:
            raise nothing(key)
        return entry

    def draft(self, entry: Entry) -> Draft:
        """The document of a task. Raises InvalidDocument."""
        return draft_of(entry, self._scribe, self._where(entry))

    def text(self, entry: Entry) -> str:
        """The document's exact text, also where it cannot be read."""
        try:
            return self.draft(entry).text
        except InvalidDocument:
            return str(entry.task["description"]) if entry.text is None else entry.text

    def listing(self) -> Listing:
        """All task documents as they are now."""
        known, fresh = self._listed, {}
        for key, entry in sorted(self.entries().items()):
            task, row = known.get(key, (None, None))
            fresh[key] = (entry.task, row if row and task == entry.task else self._row(entry))
        self._listed = fresh
        rows = [row for _, row in fresh.values()]
        return Listing(
            [row for row in rows if isinstance(row, Record)],
            [row for row in rows if isinstance(row, Unreadable)],
        )

    def _row(self, entry: Entry) -> Record | Unreadable:
        try:
            return record_of(entry.key, self.draft(entry))
        except InvalidDocument as error:
            place = (error.details.get("line"), error.details.get("column"))
            return Unreadable(entry.key, self._where(entry), error.message, *place, hint=error.hint)

    def put(self, wanted: Wanted, before: Entry | None) -> None:
        """See to it that the server has a document. Raises Changed, BackendUnavailable."""
        with self._queue.turn():
            project = self._where_unchanged(before) if before else None
            if project is None:
                project = self._queue.made()
                now = entries(project.tasks).get(wanted.key)
                if (now and now.task) != (before and before.task):
                    raise Changed
            self._settle(project, wanted, before)

    def approve(self) -> None:
        """Approve what was completed by a process that was killed before it could."""
        with self._queue.turn():
            project = self._queue.project()
            if project is None or not project.approves:
                return
            for entry in map(entry_of, project.tasks):
                if entry.shown.status == DONE and entry.completed_here and not entry.approved:
                    self._queue.approve(project, entry.id)

    def remove(self, before: Entry) -> None:
        """See to it that the document is gone. Raises Changed, BackendUnavailable."""
        key = before.key
        with self._queue.turn():
            project = self._queue.made()
            mine = [entry for entry in map(entry_of, project.tasks) if entry.key == key]
            if not mine or mine[-1].task != before.task:
                raise Changed
            if any(entry.approved for entry in mine):
                self._settle(project, wanted_gone(key), mine[-1])
                return
            for _ in range(TRIES):
                for entry in mine:
                    try:
                        self._queue.delete(project, entry.id)
                    except Died:
                        break
                mine = [entry for entry in map(entry_of, self._queue.made().tasks) if entry.key == key]
                if not mine:
                    return
            raise self._queue.lost(f"the removal of {key}")

    def _where_unchanged(self, before: Entry) -> Project | None:
        """The project, if a task in it is to the letter what it was: then its ids still mean the same."""
        project = self._seen
        return project if project and self._queue.task(project, before.id) == before.task else None

    def _settle(self, project: Project, wanted: Wanted, now: Entry | None) -> None:
        for _ in range(TRIES * _STEPS):
            try:
                id = self._step(project, wanted, now)
                if id is None:
                    return
                task = self._queue.task(project, id)
                now = entry_of(task) if task else None
            except Died:
                now = entries(self._queue.made().tasks).get(wanted.key)
        raise self._queue.lost(str(wanted.key))

    def _step(self, project: Project, wanted: Wanted, now: Entry | None) -> str | None:
        """Take the next step to what is wanted and return the task's id; None when nothing is to be done."""
        shown = wanted.shown
        if now is None or (now.approved and not now.holds(wanted)):
            first = "not started"  # what the server gives every new task
            return self._queue.create(project, shown.title, wanted.description(first))
        if not now.holds(wanted):
            values = {"title": shown.title, "description": wanted.description(shown.status)}
            if shown.status == DONE:
                values["completedDetails"] = shown.details
            self._queue.update(project, now.id, **values, status=shown.status)
        elif now.task["status"] == DONE == shown.status and not now.approved and project.approves:
            self._queue.approve(project, now.id)
        else:
            return None
        return now.id

    def _where(self, entry: Entry) -> str:
        return f"{self._queue.file}: {entry.id}"
