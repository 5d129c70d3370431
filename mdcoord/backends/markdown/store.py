"""The Markdown backend: one file a document, readable and editable by anyone, and nothing lost.

A write takes the document's lock, reads the file, decides, prepares the new text, swaps it in and looks
at what it got out (`swap`). A person's editor takes no lock, so at every read and write the content is
compared with the version that the tool wrote last: when it is another one, and was made from an older
version, both sides are merged.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mdcoord.backends.base import DEFAULT_WAIT, Backend, Decide, Event, Listing, Revise, Unreadable
from mdcoord.backends.markdown.catalog import Catalog
from mdcoord.backends.markdown.fileio import FileIO, translated
from mdcoord.backends.markdown.flock import Lock
from mdcoord.backends.markdown.history import History, Past, version_of
from mdcoord.backends.markdown.memos import Memos
from mdcoord.backends.markdown.swap import Leftover
from mdcoord.errors import (
    AlreadyExists,
    BackendUnavailable,
    Busy,
    Conflict,
    InvalidDocument,
    NotDurable,
    NotFound,
)
from mdcoord.formats.document import decode
from mdcoord.formats.revise import Draft, Scribe
from mdcoord.formats.templating import Templates
from mdcoord.leases import Lease
from mdcoord.model import (
    ABSENT,
    ANY,
    ID_FIELD,
    KEEP,
    KINDS,
    Change,
    Expect,
    Key,
    Record,
    Value,
    normalise_name,
)

if TYPE_CHECKING:
    from mdcoord.backends.markdown.log import EventLog

_PATIENCE: Final = 0.5
"""Seconds for which an unreadable file that is younger than two seconds is taken to be half saved."""
_ROUNDS: Final = 20
"""How often a write starts again because somebody saved the file meanwhile."""
_SLOTS: Final = 8
"""How many temporary files of killed writers a document can have at most: of writes, and of mending after
them.
"""
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


class _Again(Exception):
    """Somebody changed the file under our hands; look again."""


class _State(NamedTuple):
    """The line in a document's lock file: the version that the tool wrote last, and the lease."""

    version: str | None
    lease: Lease | None

    @classmethod
    def parse(cls, line: bytes) -> _State:
        try:
            data = json.loads(line) if line else {}
            lease = data.get("lease")
            return cls(data.get("v"), Lease.from_dict(lease) if lease else None)
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(None, None)  # torn in a power cut: the document is the truth

    def line(self) -> bytes:
        data: dict[str, Any] = {"v": self.version}
        if self.lease is not None:
            data["lease"] = self.lease.as_dict()
        return json.dumps(data, separators=(",", ":")).encode()


class _Found(NamedTuple):
    """A document as it lies on disk (`raw`), and what it means after a stale save was merged (`draft`)."""

    raw: bytes
    version: str
    draft: Draft
    state: _State

    @property
    def foreign(self) -> bool:
        """Whether somebody else than the tool wrote what is in the file."""
        return self.version != self.state.version


class MarkdownBackend(Backend):
    """Documents in the folder `root`; locks, leases and history in `state` (never in git, never removed).

    `durability` is `full`, `data` or `none` (see `fileio`); `templates` are folders with the workspace's
    own templates. Works on local file systems; over a network it is as good as that network's flock.
    """

    name = "markdown"

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        state: str | os.PathLike[str] | None = None,
        durability: str = "full",
        templates: Sequence[str] | None = None,
    ) -> None:
        self.location = os.path.realpath(root)
        state = os.path.join(self.location, ".state") if state is None else os.path.abspath(state)
        self._files = FileIO(self.location, state, durability)
        own = [os.path.join(self.location, "templates")] if templates is None else list(templates)
        self._scribe = Scribe(Templates(own))
        self._history = History(self._files)
        self._catalog = Catalog(self._files, self._listable)
        self._memos = Memos(self._files)
        self._prepared = False

    # -- documents ---------------------------------------------------------------------------------------

    def read(self, key: Key) -> Record:
        while True:
            try:
                return self._listable(key)
            except FileNotFoundError:
                self._require_coming(key)

    def text(self, key: Key) -> str:
        while True:
            try:
                return decode(self._files.read(self._path(key)), where=self._path(key))
            except FileNotFoundError:
                self._require_coming(key)

    def exists(self, key: Key) -> bool:
        return os.path.lexists(self._path(key))

    def create(
        self, kind: str, fields: Mapping[str, Any], *, body: str = "", name: str | None = None
    ) -> Record:
        self._prepare()
        key = Key.of(kind, name) if name is not None else None
        while True:
            chosen = key or Key(kind, "".join(random.SystemRandom().choices(_ALPHABET, k=8)))
            try:
                return self._create(chosen, fields, body)
            except AlreadyExists:
                if key is not None:
                    raise

    def _create(self, key: Key, fields: Mapping[str, Any], body: str) -> Record:
        draft = self._scribe.create(key, fields, body)
        data = draft.text.encode()
        path, version = self._path(key), version_of(data)
        with self._files.lock(key.name, DEFAULT_WAIT) as lock:
            if os.path.lexists(path):
                raise self._taken(key)
            state = _State(version, _State.parse(lock.load()).lease)
            self._history.remember(key.name, data)
            problem = self._make(key, data, version)
            self._note(lock, state, key)
        record = _record(key, path, _Found(data, version, draft, state))
        self._catalog.noted(record)
        if problem:
            raise problem
        return record

    def _make(self, key: Key, data: bytes, version: str) -> NotDurable | None:
        while True:
            try:
                self._files.create(self._path(key), data, version=version)
            except Leftover as leftover:
                self._put_aside(str(leftover), key)
            except FileExistsError:
                raise self._taken(key) from None
            except NotDurable as problem:
                return problem
            else:
                return None

    def _note(self, lock: Lock, state: _State, key: Key) -> None:
        """Store the state of a document that was written or removed just now."""
        try:
            lock.store(state.line())
        except BackendUnavailable as error:
            raise NotDurable(
                f"{key} is written, but its state is not: {error.message}",
                hint="look at the document before you go on",
                path=lock.path,
            ) from error

    def write(
        self, key: Key, change: Change | Decide, expect: Expect = ANY, *, wait: float = DEFAULT_WAIT
    ) -> Record:
        self._prepare()
        decide: Decide = change if callable(change) else lambda _record: change
        with self._files.lock(key.name, wait) as lock:
            for _round in range(_ROUNDS):
                try:
                    record = self._write(key, decide, expect, lock)
                    break
                except Leftover:
                    self._absorb_leftovers(key, lock)
                except _Again:
                    continue
            else:
                raise Busy(
                    f"{key} is being saved by others again and again", hint="try again", path=self._path(key)
                )
        self._catalog.noted(record)
        self._catalog.save()
        return record

    def _write(self, key: Key, decide: Decide, expect: Expect, lock: Lock) -> Record:
        path = self._path(key)
        try:
            found = self._find(key, lock.load)
        except FileNotFoundError:
            self._require_coming(key)
            raise _Again from None
        record = _record(key, path, found)
        _require(record, expect)
        change = decide(record)
        if change is None:
            return record
        lease = found.state.lease if change.lease is KEEP else change.lease
        if not change.touches_document:
            state = _State(found.state.version, lease)
            lock.store(state.line())
            return _record(key, path, found._replace(state=state))
        return self._commit(key, found, self._scribe.revise(key, found.draft, change), lease, lock)

    def _commit(
        self,
        key: Key,
        found: _Found,
        draft: Draft,
        lease: Lease | None,
        lock: Lock,
        *,
        saves: Sequence[bytes] = (),
        slot: int = 0,
    ) -> Record:
        """Put a new text and lease in place. Raises _Again when somebody saved the file meanwhile."""
        path, data = self._path(key), draft.text.encode()
        version = version_of(data)
        self._history.remember(key.name, data, [*([found.raw] if found.foreign else []), *saves])
        if not lock.intact:
            raise BackendUnavailable(
                f"the lock file of {key} was removed while it was held", hint="try again", path=lock.path
            )
        problem: NotDurable | None = None
        try:
            if not self._files.swap(path, data, found.raw, version=version, slot=slot):
                raise _Again
        except FileNotFoundError:
            raise _Again from None
        except NotDurable as error:
            problem = error
        state = _State(version, lease)
        self._note(lock, state, key)
        if problem:
            raise problem
        return _record(key, path, _Found(data, version, draft, state))

    def _absorb_leftovers(self, key: Key, lock: Lock) -> None:
        """Deal with temporary files of killed writers: what may be somebody's save is merged, not
        dropped.
        """
        for temp in self._leftovers(key):
            self._absorb(key, temp, lock)

    def _leftovers(self, key: Key) -> list[str]:
        return [temp for temp in self._temporaries(key) if os.path.lexists(temp)]

    def _temporaries(self, key: Key) -> list[str]:
        return [self._files.temporary(self._path(key), slot) for slot in range(_SLOTS)]

    def _absorb(self, key: Key, temp: str, lock: Lock) -> None:
        saved = self._files.leftover(temp)
        found = self._find(key, lock.load)
        past = self._history.past(key.name)
        tool = past.tool(found.state.version)
        if not past.contains(saved, found.raw, tool):
            draft = None if tool is None else self._united(key, past, tool, found.draft, saved, temp)
            if draft is None:
                self._files.keep(temp, self._path(key))
                return
            self._put(key, found, draft, lock, saves=[saved], slot=self._free_slot(key))
        self._files.discard(temp)

    def _united(self, key: Key, past: Past, tool: int, there: Draft, saved: bytes, temp: str) -> Draft | None:
        """A document together with a save that was swapped out; None for a text that cannot be read."""
        try:
            text = decode(saved, where=temp)
            base = past.versions[past.base(text, tool)].text
            return self._scribe.merge(key, base, there.text, text, temp)
        except InvalidDocument:
            return None

    def _put(self, key: Key, found: _Found, draft: Draft, lock: Lock, **how: Any) -> None:
        """Put in place what was merged; the write that follows tells whether it is durable."""
        _noticing(lambda: self._commit(key, found, draft, found.state.lease, lock, **how))

    def _free_slot(self, key: Key) -> int:
        busy = set(self._leftovers(key))
        for slot in range(0, _SLOTS, 2):
            if not busy & {self._files.temporary(self._path(key), slot + more) for more in (0, 1)}:
                return slot
        raise Busy(
            f"{key} has too many temporary files of killed writers",
            hint="look at the .mdc-*.tmp files beside it",
            path=self._path(key),
        )

    def _put_aside(self, temp: str, key: Key | None) -> None:
        """Deal with a temporary file whose document is gone, or not known."""
        saved = self._files.leftover(temp)
        past = self._history.past(key.name) if key else Past(())
        own = self._files.marked(temp) == version_of(saved) or past.contains(saved, b"", None)
        if own:
            self._files.discard(temp)
        else:
            self._files.keep(temp, self._path(key) if key else temp)

    def sweep(self) -> None:
        left = self._files.temporaries(self.location)
        if not left:
            return
        # A writer makes its lock file first, so that there is one for each temporary file that is in use.
        owners = {
            temp: key
            for key in filter(None, map(_key_of, self._files.locked_names()))
            for temp in self._temporaries(key)
        }
        for temp in left:
            key = owners.get(temp)
            if key is None:
                self._put_aside(temp, None)
            elif key.kind == "events":
                self._log.settle(key.id, temp)
            else:
                self._sweep(key, temp)

    def _sweep(self, key: Key, temp: str) -> None:
        with self._files.lock(key.name) as lock:
            if os.path.lexists(self._path(key)):
                self._existing(key, lock)
            elif os.path.lexists(temp):
                self._put_aside(temp, key)

    def set_aside(self) -> Sequence[str]:
        return self._files.set_aside()

    def delete(self, key: Key, expect: Expect = ANY) -> None:
        self._prepare()
        with self._files.lock(key.name) as lock:
            found = self._existing(key, lock)
            _require(_record(key, self._path(key), found), expect)
            problem = _noticing(partial(self._files.remove, self._path(key)))
            self._forget(key, found.state.lease, lock)
        if problem:
            raise problem

    # -- archive -----------------------------------------------------------------------------------------

    def archive(self, key: Key, check: Decide | None = None) -> str:
        self._prepare()
        folder = self._archive_folder(make=True)
        with self._files.lock(key.name) as lock:
            found = self._existing(key, lock)
            if check is not None:
                check(_record(key, self._path(key), found))
            name, problem = self._move(key, folder)
            self._forget(key, found.state.lease, lock)
        if problem:
            raise problem
        return name

    def _move(self, key: Key, folder: str) -> tuple[str, NotDurable | None]:
        name, number = key.name, 0
        while True:
            target = os.path.join(folder, name + ".md")
            try:
                return name, _noticing(partial(self._files.move, self._path(key), target))
            except FileExistsError:
                number += 1
                name = f"{key.name}.{number}"

    def _forget(self, key: Key, lease: Lease | None, lock: Lock) -> None:
        """Drop what is known of a document that is gone.

        The high-water mark of attempts stays: a task of the same name never hands out a number again.
        """
        self._note(lock, _State(None, lease), key)
        self._history.forget(key.name)

    def restore(self, name: str) -> Record:
        self._prepare()
        name = normalise_name(name)
        source = os.path.join(self._archive_folder(), name + ".md")
        stem, _, number = name.rpartition(".")
        plain = stem if number.isdigit() and stem else name
        kind, _, identifier = plain.partition("-")
        key = Key.of(kind, identifier)
        path = self._path(key)
        with self._files.lock(key.name) as lock:
            try:
                raw = self._files.read(source)
                draft = self._scribe.open(key, decode(raw, where=source), source)
                state = _State.parse(lock.load())
                problem = _noticing(partial(self._files.move, source, path))
            except FileExistsError:
                raise self._taken(key) from None
            except FileNotFoundError:
                raise NotFound(
                    f"there is no {name} in the archive",
                    hint="see what is there with `mdcoord archive list`",
                    path=source,
                ) from None
        if problem:
            raise problem
        return _record(key, path, _Found(raw, version_of(raw), draft, state))

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

    def _existing(self, key: Key, lock: Lock) -> _Found:
        """The document, which is the tool's own then: stale saves and what killed writers left are merged."""
        while True:
            try:
                self._absorb_leftovers(key, lock)
                found = self._find(key, lock.load)
                if found.draft.text.encode() == found.raw:
                    return found
                self._put(key, found, found.draft, lock)
            except FileNotFoundError:
                self._require_coming(key)
            except (_Again, Leftover):
                continue

    # -- listing -----------------------------------------------------------------------------------------

    def list(self, kind: str, *, max_age: float = 0.0) -> Listing:
        return self._catalog.listing(kind, max_age)

    def lease(self, key: Key) -> Lease | None:
        return _State.parse(self._files.peek(key.name)).lease

    def _by_id_field(self, key: Key, name: str) -> Key:
        field = ID_FIELD[key.kind]
        hits = [
            record.key
            for record in self.list(key.kind, max_age=1.0).records
            if str(record.fields.get(field, "")).lower().removeprefix(key.kind + "-") == key.id
        ]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise NotFound(
                f"{name!r} is the {field} of several documents: " + ", ".join(map(str, hits)),
                hint="use the file's name",
            )
        raise _nothing(key, self._path(key))

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

    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[Event]:
        return self._log.tail(channel, after, limit)

    def start(self, channel: str) -> str:
        return self._log.start(channel)

    def last(self, channel: str, count: int) -> Sequence[Event]:
        return self._log.last(channel, count)

    def channels(self) -> Sequence[str]:
        return self._log.channels()

    def rotate(self, channel: str, keep: int) -> int:
        self._prepare()
        return self._log.rotate(channel, keep)

    def problems(self, channel: str) -> Sequence[Unreadable]:
        key = Key.of("events", channel)
        found = self._log.problems(channel)
        return [Unreadable(key, self._path(key), problem.message, problem.line) for problem in found]

    # -- memos -------------------------------------------------------------------------------------------

    def memo(self, topic: str, name: str) -> Value:
        return self._memos.get(topic, name)

    def memos(self, topic: str) -> Mapping[str, Value]:
        return self._memos.all(topic)

    def keep(self, topic: str, name: str, revise: Revise, *, wait: float = DEFAULT_WAIT) -> Value:
        self._prepare()
        kept = self._memos.keep(topic, name, revise, wait)
        self._catalog.save()
        return kept

    def close(self) -> None:
        pass

    # -- how a file is read --------------------------------------------------------------------------------

    def _path(self, key: Key) -> str:
        return os.path.join(self.location, key.name + ".md")

    def _prepare(self) -> None:
        if not self._prepared:
            self._files.prepare()
            self._prepared = True

    def _find(self, key: Key, state_line: Callable[[], bytes]) -> _Found:
        """Read a document and, if a stale save is in the file, merge it.

        Waits a moment for half-saved files.
        """
        deadline = None
        while True:
            line = state_line()
            raw = self._files.read(self._path(key))
            state = _State.parse(line)
            if state.version != version_of(raw) and state_line() != line:
                continue  # a tool wrote it in this very moment
            try:
                return self._understood(key, raw, state)
            except InvalidDocument:
                now = time.monotonic()
                deadline = now + _PATIENCE if deadline is None else deadline
                if now >= deadline or not _young(self._path(key)):
                    raise
            time.sleep(0.02)

    def _understood(self, key: Key, raw: bytes, state: _State) -> _Found:
        path, version = self._path(key), version_of(raw)
        text = decode(raw, where=path)
        draft = None
        if state.version is not None and version != state.version:
            draft = self._merged(key, version, text, state.version, path)
        return _Found(raw, version, draft or self._scribe.open(key, text, path), state)

    def _merged(self, key: Key, version: str, text: str, latest: str, where: str) -> Draft | None:
        """What a text means that is not the tool's latest version; None when it stands for itself."""
        past = self._history.past(key.name)
        here, tool = past.find(version), past.tool(latest)
        if tool is None:
            return None
        if here is not None and here >= tool and not past.versions[here].saved:
            return None  # put in place by a writer that was killed before it could say so
        if here is None and self._files.marked(where) == version:
            return None  # the tool's own; a power cut took the memory of it
        base = past.base(text, tool)
        before, after = past.versions[base].text, past.versions[tool].text
        if base == tool:
            return self._scribe.keep_view_edits(key, before, self._scribe.open(key, text, where))
        return self._scribe.merge(key, before, after, text, where)

    def _listable(self, key: Key, known: Record | None = None) -> Record:
        if known is not None and self._still_is(known):
            return known
        return _record(key, self._path(key), self._find(key, lambda: self._files.peek(key.name)))

    def _still_is(self, known: Record) -> bool:
        # What a save means that is not the tool's latest version depends on what the tool wrote since.
        latest = _State.parse(self._files.peek(known.key.name)).version
        return (
            latest in (None, known.version)
            and version_of(self._files.read(self._path(known.key))) == known.version
        )

    def _require_coming(self, key: Key) -> None:
        """Return when a missing document is there again: git removes a file before it writes it anew."""
        known = _State.parse(self._files.peek(key.name)).version
        if known is None or not self._files.await_file(self._path(key)):
            raise _nothing(key, self._path(key))

    def _taken(self, key: Key) -> AlreadyExists:
        return AlreadyExists(
            f"there is already a {key}", hint="choose another id, or change that one", path=self._path(key)
        )


def _key_of(name: str) -> Key | None:
    """The document that a lock belongs to, None for other locks."""
    kind, _, identifier = name.partition("-")
    return Key(kind, identifier) if kind in KINDS and identifier else None


def _record(key: Key, path: str, found: _Found) -> Record:
    return Record(key, found.draft.fields, found.draft.body, found.version, path, found.state.lease)


def _noticing(step: Callable[[], object]) -> NotDurable | None:
    """Do a step; its NotDurable is returned, so that what belongs to it is done before it is raised."""
    try:
        step()
    except NotDurable as problem:
        return problem
    return None


def _nothing(key: Key, path: str) -> NotFound:
    return NotFound(
        f"there is no {key}", hint=f"see what there is with `mdcoord query {key.kind}`", path=path
    )


def _require(record: Record, expect: Expect) -> None:
    if expect is ABSENT:
        raise Conflict(f"{record.key} exists", hint="read it and decide anew", path=record.path)
    if expect is not ANY and expect != record.version:
        raise Conflict(
            f"{record.key} changed since it was read",
            hint="read it again and decide anew",
            path=record.path,
            expected=expect,
            found=record.version,
        )


def _young(path: str) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime < 2.0
    except FileNotFoundError:
        return True
