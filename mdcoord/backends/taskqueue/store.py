"""The TaskQueue backend: tasks are on a TaskQueue server, everything else is Markdown beside it.

That server has no claims, events, agents or messages. So this is a Markdown backend whose tasks are
elsewhere; leases, logs, memos and all other documents are as they are there. What it promises of a task holds
among all who use mdcoord on this machine. Other clients of the server take no lock: what they change in a
task is seen and kept, but a change that falls between mdcoord's last look and its write is overwritten.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final, TypeVar

from mdcoord.backends.base import DEFAULT_WAIT, Backend, Decide
from mdcoord.backends.markdown.flock import Lock
from mdcoord.backends.markdown.history import version_of
from mdcoord.backends.markdown.home import here, here_to_the_end
from mdcoord.backends.markdown.reader import State
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.naming import archive_names, random_name
from mdcoord.backends.refusals import agree, not_archived, taken
from mdcoord.backends.taskqueue.entry import Entry, Wanted, wanted_for
from mdcoord.backends.taskqueue.queue import Queue
from mdcoord.backends.taskqueue.tasks import Changed, Tasks, record_of
from mdcoord.backends.values import Copy, Listing, Unreadable
from mdcoord.errors import AlreadyExists, Busy, InvalidDocument
from mdcoord.formats.document import decode
from mdcoord.model import ABSENT, ANY, KEEP, Change, Expect, Key, Record, Value, normalise_name
from mdcoord.rules.leases import Lease

_Result = TypeVar("_Result")

_ROUNDS: Final = 20
"""How often a write starts again because somebody changed the task in the server meanwhile."""


class TaskQueueBackend(MarkdownBackend):
    """A workspace in the folder `root` whose tasks are in `queue`; the rest is as in MarkdownBackend."""

    name = "taskqueue"
    forkable = False

    def __init__(self, root: str | os.PathLike[str], queue: Queue, **rest: Any) -> None:
        super().__init__(root, **rest)
        self.queue = queue
        self._tasks = Tasks(queue, self._scribe)
        self._listing = Listing(())
        self._looked = -inf

    # -- reading -----------------------------------------------------------------------------------------

    @here
    def read(self, key: Key) -> Record:
        if key.kind != "task":
            return super().read(key)
        while True:
            line = self._files.peek(key.name)
            draft = self._tasks.draft(self._tasks.require(key))
            if self._files.peek(key.name) == line:
                return record_of(key, draft, State.parse(line).lease)

    @here
    def text(self, key: Key) -> str:
        return super().text(key) if key.kind != "task" else self._tasks.text(self._tasks.require(key))

    @here
    def exists(self, key: Key) -> bool:
        return super().exists(key) if key.kind != "task" else self._tasks.entry(key) is not None

    @here
    def list(self, kind: str, *, max_age: float = 0.0) -> Listing:
        if kind != "task":
            return super().list(kind, max_age=max_age)
        if time.monotonic() - self._looked > max_age or max_age <= 0:
            started = time.monotonic()
            self._listing = self._tasks.listing()
            self._looked = started
        return self._listing

    @here_to_the_end
    def copies(self, kind: str, *, archived: bool = False) -> Iterator[Copy | Unreadable]:
        if kind != "task" or archived:
            yield from super().copies(kind, archived=archived)
            return
        for key, entry in sorted(self._tasks.entries().items()):
            try:
                draft = self._tasks.draft(entry)
            except InvalidDocument:
                yield Copy(key, self._tasks.text(entry), None, self.lease(key))
            else:
                yield Copy(key, draft.text, draft.fields, self.lease(key))

    def copies_of(self, kind: str, ids: Sequence[str]) -> Iterator[Copy | Unreadable]:
        return super().copies_of(kind, ids) if kind != "task" else Backend.copies_of(self, kind, ids)

    def digests(self, kind: str, ids: Sequence[str]) -> Mapping[str, str]:
        return super().digests(kind, ids) if kind != "task" else Backend.digests(self, kind, ids)

    def ids(self, kind: str) -> Sequence[str]:
        return super().ids(kind) if kind != "task" else Backend.ids(self, kind)

    def marks(self, kind: str) -> Mapping[str, Value]:
        return super().marks(kind) if kind != "task" else Backend.marks(self, kind)

    def left_leases(self, kind: str) -> Mapping[str, Lease]:
        left = super().left_leases(kind)
        there = {key.id for key in self._tasks.entries()} if kind == "task" else set()
        return {name: lease for name, lease in left.items() if name not in there}

    def arrive(self) -> None:
        self.home.remember(f"{self.name}:{self.queue.file}#{self.queue.name}")

    # -- writing -----------------------------------------------------------------------------------------

    def create(
        self, kind: str, fields: Mapping[str, Any], *, body: str = "", name: str | None = None
    ) -> Record:
        if kind != "task":
            return super().create(kind, fields, body=body, name=name)
        while True:
            key = Key.of(kind, name if name is not None else random_name())
            draft = self._scribe.create(key, fields, body)
            try:
                with self._locked(key) as lock:
                    lease = State.parse(lock.load()).lease
                    self._make(wanted_for(key, draft.text, draft.fields), lease, lock)
            except AlreadyExists:
                if name is not None:
                    raise
            else:
                return record_of(key, draft, lease)

    def write(
        self, key: Key, change: Change | Decide, expect: Expect = ANY, *, wait: float = DEFAULT_WAIT
    ) -> Record:
        if key.kind != "task":
            return super().write(key, change, expect, wait=wait)
        decide: Decide = change if callable(change) else lambda _record: change
        with self._locked(key, wait) as lock:
            return self._undisturbed(key, lambda: self._write(key, decide, expect, lock))

    def put(self, copy: Copy, expect: Expect = ABSENT) -> str:
        if copy.key.kind != "task" or copy.archived:
            return super().put(copy, expect)
        key = Key.of(*copy.key)
        if expect is ABSENT:
            with self._locked(key) as lock:
                return self._make(self._wanted(copy), copy.lease or State.parse(lock.load()).lease, lock)
        draft = self._scribe.open(key, copy.text, key.name)

        def step() -> str:
            entry, before = self._expected(key, expect, lock)
            wanted = wanted_for(key, draft.text, draft.fields)
            return self._put(wanted, entry, copy.lease or before.lease, lock)

        with self._locked(key) as lock:
            return self._undisturbed(key, step)

    def delete(self, key: Key, expect: Expect = ANY) -> None:
        if key.kind != "task":
            super().delete(key, expect)
            return
        with self._locked(key) as lock:
            self._undisturbed(key, lambda: self._remove(self._expected(key, expect, lock)[0]))

    def archive(self, key: Key, check: Decide | None = None) -> str:
        if key.kind != "task":
            return super().archive(key, check)
        with self._locked(key) as lock:
            return self._undisturbed(key, lambda: self._archive(key, check, lock))

    def restore(self, name: str) -> Record:
        name = normalise_name(name)
        key = self._archived_key(name)
        if key.kind != "task":
            return super().restore(name)
        path = os.path.join(self._archive_folder(), name + ".md")
        with self._locked(key) as lock:
            try:
                text = decode(self._files.read(path), where=path)
            except FileNotFoundError:
                raise not_archived(name, path) from None
            draft, lease = self._scribe.open(key, text, path), State.parse(lock.load()).lease
            self._make(wanted_for(key, text, draft.fields), lease, lock)
            self._files.remove(path)
        return record_of(key, draft, lease)

    def sweep(self) -> None:
        super().sweep()
        self._tasks.approve()

    def close(self) -> None:
        super().close()
        self.queue.close()

    # -- steps, with the document's lock held ------------------------------------------------------------

    def _locked(self, key: Key, wait: float = DEFAULT_WAIT) -> Lock:
        self._prepare()
        return self._files.lock(key.name, wait)

    def _undisturbed(self, key: Key, step: Callable[[], _Result]) -> _Result:
        """Take a step, again when somebody changed the task in the server meanwhile. Raises Busy."""
        for _ in range(_ROUNDS):
            try:
                return step()
            except Changed:
                continue
        raise Busy(f"{key} is being changed in the TaskQueue server again and again", hint="try again")

    def _expected(self, key: Key, expect: Expect, lock: Lock) -> tuple[Entry, Record]:
        """The task in the version that a write relies on. Raises NotFound, Conflict, InvalidDocument."""
        entry = self._tasks.require(key)
        record = record_of(key, self._tasks.draft(entry), State.parse(lock.load()).lease)
        agree(key, record.version, expect)
        return entry, record

    def _write(self, key: Key, decide: Decide, expect: Expect, lock: Lock) -> Record:
        entry, record = self._expected(key, expect, lock)
        change = decide(record)
        if change is None:
            return record
        lease = record.lease if change.lease is KEEP else change.lease
        draft = self._tasks.draft(entry)
        if change.touches_document:
            draft = self._scribe.revise(key, draft, change)
            self._put(wanted_for(key, draft.text, draft.fields), entry, lease, lock)
        else:
            lock.store(State(record.version, lease).line())
        return record_of(key, draft, lease)

    def _make(self, wanted: Wanted, lease: Lease | None, lock: Lock) -> str:
        try:
            return self._put(wanted, None, lease, lock)
        except Changed:
            raise taken(wanted.key.name, self.queue.file) from None

    def _put(self, wanted: Wanted, before: Entry | None, lease: Lease | None, lock: Lock) -> str:
        """Write the document and its lease, and return its version."""
        self._tasks.put(wanted, before)
        self._written()
        version = version_of(wanted.text.encode())
        self._writer.note(lock, State(version, lease).line(), wanted.key)
        return version

    def _remove(self, entry: Entry) -> None:
        self._tasks.remove(entry)
        self._written()

    def _written(self) -> None:
        self._looked = -inf
        if self._files.durability != "none":
            self.queue.sync()

    def _archive(self, key: Key, check: Decide | None, lock: Lock) -> str:
        entry, record = self._expected(key, ANY, lock)
        if check is not None:
            check(record)
        name = self._archived_copy(key, self._tasks.text(entry), lock)
        self._remove(entry)
        return name

    def _archived_copy(self, key: Key, text: str, lock: Lock) -> str:
        folder = self._archive_folder(make=True)
        for name in archive_names(key):
            try:
                path = os.path.join(folder, name + ".md")
                problem = self._writer.put_archived(path, text.encode(), None, key, lock)
            except AlreadyExists:
                continue
            if problem:
                raise problem
            return name
        raise AssertionError("numbers do not end")

    def _wanted(self, copy: Copy) -> Wanted:
        key = Key.of(*copy.key)
        try:
            return wanted_for(key, copy.text, self._scribe.open(key, copy.text).fields)
        except InvalidDocument:
            return wanted_for(key, copy.text, {})
