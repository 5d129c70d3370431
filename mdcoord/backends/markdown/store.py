"""The Markdown backend: one file a document, readable and editable by anyone, and nothing lost.

Documents are read by `reader`, which merges stale saves, and written by `writer`, which loses nothing;
`catalog` remembers listings, `log` keeps events, `memos` what services note. Here they are put together.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from mdcoord.backends.base import DEFAULT_WAIT, Backend, Decide, Gate, Revise
from mdcoord.backends.markdown import flock
from mdcoord.backends.markdown.catalog import Catalog
from mdcoord.backends.markdown.copying import Copies
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.history import History, version_of
from mdcoord.backends.markdown.home import HERE, Home, here, here_to_the_end
from mdcoord.backends.markdown.memos import Memos
from mdcoord.backends.markdown.oserrors import translated
from mdcoord.backends.markdown.reader import Found, Reader, State, Together
from mdcoord.backends.markdown.writer import Writer, noticing
from mdcoord.backends.naming import archive_name, archive_names, names, random_name
from mdcoord.backends.refusals import agree, not_archived, taken
from mdcoord.backends.values import Copy, Event, Listing, Unreadable
from mdcoord.errors import (
    AlreadyExists,
    BackendUnavailable,
    InvalidDocument,
    MdcoordError,
    NotDurable,
)
from mdcoord.formats.document import decode
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates
from mdcoord.model import (
    ABSENT,
    ANY,
    ID_FIELD,
    KINDS,
    Change,
    Expect,
    Key,
    Record,
    Value,
    normalise_name,
)
from mdcoord.rules.leases import Lease

if TYPE_CHECKING:
    from mdcoord.backends.markdown.log import EventLog


class MarkdownBackend(Backend):
    """Documents in the folder `root`; locks, leases and history in `state` (never in git, never removed).

    `durability` is `full`, `data` or `none` (see `fileio`); `templates` are folders with the workspace's
    own templates. When the workspace has moved to another store (see `home`), reads and writes raise Moved;
    not where `elsewhere` says that this is known. Works on local file systems; over a network it is as good
    as that network's flock.
    """

    name = "markdown"
    forkable = True

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        state: str | os.PathLike[str] | None = None,
        durability: str = "full",
        templates: Sequence[str] | None = None,
        elsewhere: bool = False,
    ) -> None:
        self.location = os.path.realpath(root)
        state = os.path.join(self.location, ".state") if state is None else os.path.abspath(state)
        self._files = FileIO(self.location, state, durability)
        self.home = Home(self._files, self.name, ignored=elsewhere)
        self._files.writable = self.home.writable
        own = [os.path.join(self.location, "templates")] if templates is None else list(templates)
        self._scribe = Scribe(Templates(own))
        self._history = History(self._files)
        self._reader = Reader(self._files, self._scribe, self._history)
        self._writer = Writer(self._files, self._scribe, self._history, self._reader)
        self._catalog = Catalog(self._files, self._reader.listed)
        self._memos = Memos(self._files)
        self._prepared = False

    @property
    def waits(self) -> int:
        return flock.waits

    # -- documents ---------------------------------------------------------------------------------------

    @here
    def read(self, key: Key) -> Record:
        while True:
            try:
                return self._reader.record(key)
            except FileNotFoundError:
                self._reader.require_coming(key)

    @here
    def text(self, key: Key) -> str:
        while True:
            try:
                return decode(self._files.read(self._reader.path(key)), where=self._reader.path(key))
            except FileNotFoundError:
                self._reader.require_coming(key)

    @here
    def exists(self, key: Key) -> bool:
        return os.path.lexists(self._reader.path(key))

    def create(
        self, kind: str, fields: Mapping[str, Any], *, body: str = "", name: str | None = None
    ) -> Record:
        self._prepare()
        key = Key.of(kind, name) if name is not None else None
        while True:
            chosen = key or Key(kind, random_name())
            draft = self._scribe.create(chosen, fields, body)
            try:
                with self._files.lock(chosen.name, DEFAULT_WAIT) as lock:
                    record, problem = self._writer.create(chosen, draft, lock)
            except AlreadyExists:
                if key is not None:
                    raise
            else:
                break
        self._catalog.noted(record)
        if problem:
            raise problem
        return record

    def write(
        self, key: Key, change: Change | Decide, expect: Expect = ANY, *, wait: float = DEFAULT_WAIT
    ) -> Record:
        self._prepare()
        decide: Decide = change if callable(change) else lambda _record: change
        with self._files.lock(key.name, wait) as lock:
            record = self._writer.write(key, decide, expect, lock)
        self._catalog.noted(record)
        self._catalog.save()
        return record

    def sweep(self) -> None:
        left = self._files.temporaries(self.location)
        if not left:
            return
        # A writer makes its lock file first, so that there is one for each temporary file that is in use.
        owners = {
            temp: key
            for key in filter(None, map(_key_of, self._files.locked_names()))
            for temp in self._writer.temporaries(key)
        }
        problem: MdcoordError | None = None
        for temp in left:
            try:
                self._sweep(temp, owners.get(temp))
            except MdcoordError as error:  # the others are not to wait for it
                problem = problem or error
        if problem:
            raise problem

    def _sweep(self, temp: str, owner: Key | None) -> None:
        if owner is None:
            self._writer.put_aside(temp, None)
        elif owner.kind == "events":
            self._log.settle(owner.id, temp)
        else:
            self._writer.sweep(owner, temp)

    @here
    def set_aside(self) -> Sequence[str]:
        return self._files.set_aside()

    @here
    def overruled(self, record: Record) -> Sequence[str]:
        try:
            return self._reader.overruled(record)
        except (FileNotFoundError, InvalidDocument):
            return ()

    def delete(self, key: Key, expect: Expect = ANY) -> None:
        self._prepare()
        with self._files.lock(key.name) as lock:
            found = self._writer.settled(key, lock)
            agree(key, found.version, expect, self._reader.path(key))
            problem = noticing(partial(self._files.remove, self._reader.path(key)))
            self._writer.forget(key, found.state.lease, lock)
        if problem:
            raise problem

    # -- archive -----------------------------------------------------------------------------------------

    def archive(self, key: Key, check: Decide | None = None) -> str:
        self._prepare()
        folder = self._archive_folder(make=True)
        with self._files.lock(key.name) as lock:
            found = self._writer.settled(key, lock)
            if check is not None:
                check(found.record(key, self._reader.path(key)))
            name, problem = self._move(key, folder)
            self._writer.forget(key, found.state.lease, lock)
        if problem:
            raise problem
        return name

    def _move(self, key: Key, folder: str) -> tuple[str, NotDurable | None]:
        names = archive_names(key)
        while True:
            name = next(names)
            target = os.path.join(folder, name + ".md")
            with suppress(FileExistsError):
                return name, noticing(partial(self._files.move, self._reader.path(key), target))

    def restore(self, name: str) -> Record:
        self._prepare()
        name = normalise_name(name)
        source = os.path.join(self._archive_folder(), name + ".md")
        key = self._archived_key(name)
        path = self._reader.path(key)
        with self._files.lock(key.name) as lock:
            try:
                raw = self._files.read(source)
                draft = self._scribe.open(key, decode(raw, where=source), source)
                state = State.parse(lock.load())
                problem = noticing(partial(self._files.move, source, path))
            except FileExistsError:
                raise taken(key.name, self._reader.path(key)) from None
            except FileNotFoundError:
                raise not_archived(name, source) from None
        if problem:
            raise problem
        return Found(raw, version_of(raw), draft, state).record(key, path)

    @here
    def _archived_key(self, name: str) -> Key:
        """The document that a name in the archive belongs to. Raises NotFound, InvalidName."""
        folder = self._archive_folder()
        try:
            return Copies(self._files, self._scribe, self._reader).archived_key(folder, name)
        except FileNotFoundError:
            raise not_archived(name, os.path.join(folder, name + ".md")) from None

    @here
    def archived(self) -> Sequence[str]:
        folder = self._archive_folder()
        try:
            with translated(folder):
                names = os.listdir(folder)
        except FileNotFoundError:
            return []
        return sorted(name[:-3] for name in names if name.endswith(".md") and not name.startswith("."))

    def _archive_folder(self, make: bool = False) -> str:
        folder = os.path.join(self.location, "archive")
        if make:
            self._files.make_folder(folder)
        if os.path.islink(folder):
            raise BackendUnavailable(
                f"{folder} is a symbolic link", hint="put a real folder there", path=folder
            )
        return folder

    # -- moving to another store -------------------------------------------------------------------------

    @here_to_the_end
    def copies(self, kind: str, *, archived: bool = False) -> Iterator[Copy | Unreadable]:
        found = self._copies
        return found.archived(self._archive_folder(), kind) if archived else found.of(kind, found.ids(kind))

    @here_to_the_end
    def copies_of(self, kind: str, ids: Sequence[str]) -> Iterator[Copy | Unreadable]:
        return self._copies.of(kind, ids)

    @here
    def digests(self, kind: str, ids: Sequence[str]) -> Mapping[str, str]:
        return self._copies.digests(kind, ids)

    @here
    def ids(self, kind: str) -> Sequence[str]:
        return self._copies.ids(kind)

    @here
    def marks(self, kind: str) -> Mapping[str, Value]:
        return self._copies.marks(kind)

    @here
    def left_leases(self, kind: str) -> Mapping[str, Lease]:
        return self._copies.left_leases(kind)

    @property
    def _copies(self) -> Copies:
        return Copies(self._files, self._scribe, self._reader)

    def moving(self, wait: float = DEFAULT_WAIT) -> AbstractContextManager[Gate]:
        return self.home.closed(wait)

    def arrive(self) -> None:
        self.home.remember(HERE)

    def put(self, copy: Copy, expect: Expect = ABSENT) -> str:
        self._prepare()
        key, data = Key.of(*copy.key), copy.text.encode()
        folder = self._archive_folder(make=True) if copy.archived else ""
        with self._files.lock(key.name) as lock:
            if copy.archived:
                path = os.path.join(folder, archive_name(key, copy.archived) + ".md")
                problem = self._writer.put_archived(path, data, copy.lease, key, lock)
            elif expect is ABSENT:
                problem = self._writer.put(key, data, copy.lease, lock)[1]
            else:
                return self._writer.replace(key, copy.text, copy.lease, expect, lock)
        if problem:
            raise problem
        return version_of(data)

    def united(self, key: Key, other: str) -> Together:
        """A document together with what became of it elsewhere since this store wrote it (see `mirror`).

        Raises NotFound, InvalidDocument, Busy while somebody saves it, and Conflict where it is not known
        what this store wrote.
        """
        while True:
            try:
                return self._reader.united(key, other)
            except FileNotFoundError:
                self._reader.require_coming(key)

    def follow(self, key: Key, text: str, expect: Expect) -> str:
        """Put in a document's place what became of it elsewhere (see `mirror`), and return its version.

        Raises like `put`. Once it has begun, this text counts as what the store wrote last, whatever comes of
        it: what is in the file then is merged with it.
        """
        self._prepare()
        with self._files.lock(key.name) as lock:
            return self._writer.replace(key, text, None, expect, lock, sure=True)

    def is_own(self, key: Key) -> bool:
        """Whether this store has ever written the document that is there, or was; people make some, too."""
        return self._reader.state(key).version is not None

    @here_to_the_end
    def history(self, channel: str) -> Iterator[Event]:
        return self._log.history(channel)

    def extend(self, channel: str, events: Sequence[Event]) -> None:
        self._prepare()
        self._log.extend(channel, events)

    # -- listing -----------------------------------------------------------------------------------------

    @here
    def list(self, kind: str, *, max_age: float = 0.0) -> Listing:
        return self._catalog.listing(kind, max_age)

    @here
    def lease(self, key: Key) -> Lease | None:
        return self._reader.state(key).lease

    def attempt(self, key: Key) -> int:
        return self._reader.attempt(key)

    @here
    def _named(self, key: Key) -> Sequence[Key]:
        field, records = ID_FIELD[key.kind], self.list(key.kind, max_age=1.0).records
        found = (record.key for record in records if names(record.fields.get(field), key))
        return [other for other in found if self.exists(other)]

    # -- events ------------------------------------------------------------------------------------------

    @cached_property
    def _log(self) -> EventLog:
        from mdcoord.backends.markdown.log import EventLog  # most commands look at no event

        return EventLog(self._files, self.location)

    def append(
        self, channel: str, name: str, data: Mapping[str, Any], *, time: str, id: str | None = None
    ) -> Event:
        self._prepare()
        return self._log.append(channel, name, data, time=time, id=id)

    @here_to_the_end
    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[Event]:
        return self._log.tail(channel, after, limit)

    @here
    def start(self, channel: str) -> str:
        return self._log.start(channel)

    @here
    def last(self, channel: str, count: int) -> Sequence[Event]:
        return self._log.last(channel, count)

    @here
    def channels(self) -> Sequence[str]:
        return self._log.channels()

    def rotate(self, channel: str, keep: int) -> int:
        self._prepare()
        return self._log.rotate(channel, keep)

    @here
    def problems(self, channel: str) -> Sequence[Unreadable]:
        key = Key.of("events", channel)
        found = self._log.problems(channel)
        return [Unreadable(key, self._reader.path(key), problem.message, problem.line) for problem in found]

    # -- memos -------------------------------------------------------------------------------------------

    @here
    def memo(self, topic: str, name: str) -> Value:
        return self._memos.get(topic, name)

    @here
    def memos(self, topic: str) -> Mapping[str, Value]:
        return self._memos.all(topic)

    @here
    def topics(self) -> Sequence[str]:
        return self._memos.topics()

    def keep(self, topic: str, name: str, revise: Revise, *, wait: float = DEFAULT_WAIT) -> Value:
        self._prepare()
        kept = self._memos.keep(topic, name, revise, wait)
        self._catalog.save()
        return kept

    def close(self) -> None:
        pass

    def _prepare(self) -> None:
        if not self._prepared:
            self._files.prepare()
            self._prepared = True


def _key_of(name: str) -> Key | None:
    """The document that a lock belongs to, None for other locks."""
    kind, _, identifier = name.partition("-")
    return Key(kind, identifier) if kind in KINDS and identifier else None
