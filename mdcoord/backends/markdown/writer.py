"""Writing a document: nobody's work is lost.

A write takes the document's lock, reads the file, decides, prepares the new text, swaps it in and looks at
what it got out (`swap`): what somebody saved meanwhile goes back, and the write starts again from it. What
killed writers left behind is merged or put aside.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from mdcoord.backends.base import Decide
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.flock import Lock
from mdcoord.backends.markdown.history import History, Past, version_of
from mdcoord.backends.markdown.reader import Found, Reader, State
from mdcoord.backends.markdown.swap import Leftover
from mdcoord.backends.refusals import agree, taken
from mdcoord.errors import BackendUnavailable, Busy, InvalidDocument, NotDurable, NotFound
from mdcoord.formats.document import decode
from mdcoord.formats.revise import Draft, Scribe
from mdcoord.model import KEEP, Expect, Key, Record
from mdcoord.rules.leases import Lease

_Result = TypeVar("_Result")

_ROUNDS: Final = 20
"""How often a write starts again because somebody saved the file meanwhile."""
_SLOTS: Final = 8
"""How many temporary files of killed writers a document can have: of writes, and of mending after them."""


class _Again(Exception):
    """Somebody changed the file under our hands; look again."""


class Writer:
    """Writes the documents of one folder. Callers hold the document's lock and pass it."""

    def __init__(self, files: FileIO, scribe: Scribe, history: History, reader: Reader) -> None:
        self._files = files
        self._scribe = scribe
        self._history = history
        self._reader = reader

    def create(self, key: Key, draft: Draft, lock: Lock) -> tuple[Record, NotDurable | None]:
        """Make a document that is not there. Raises AlreadyExists."""
        data = draft.text.encode()
        state, problem = self.put(key, data, None, lock)
        return Found(data, version_of(data), draft, state).record(key, self._reader.path(key)), problem

    def put(self, key: Key, data: bytes, lease: Lease | None, lock: Lock) -> tuple[State, NotDurable | None]:
        """Make a document that is not there of these bytes, readable or not. Raises AlreadyExists.

        A lease of None leaves the one that is there.
        """
        path, version = self._reader.path(key), version_of(data)
        if os.path.lexists(path):
            raise taken(key.name, path)
        state = State(version, lease or State.parse(lock.load()).lease)
        self._history.remember(key.name, data)
        problem = self._make(path, data, version, key)
        self.note(lock, state.line(), key)
        return state, problem

    def put_archived(
        self, path: str, data: bytes, lease: Lease | None, key: Key, lock: Lock
    ) -> NotDurable | None:
        """Make a file of the archive. A lease is kept for the next document of this key.

        Raises AlreadyExists.
        """
        if os.path.lexists(path):
            raise taken(key.name, path)
        problem = self._make(path, data, "", key)
        if lease:
            self.note(lock, State.parse(lock.load())._replace(lease=lease).line(), key)
        return problem

    def replace(
        self, key: Key, text: str, lease: Lease | None, expect: Expect, lock: Lock, *, sure: bool = False
    ) -> str:
        """Put another text in the place of a document's. Raises NotFound, Conflict, InvalidDocument, Busy.

        A save that says just this is taken as the tool's own, and the file stays as it is. For `sure` see
        `_commit`.
        """
        draft = self._scribe.open(key, text, self._reader.path(key))

        def step() -> Record:
            found = self._found(key, expect, lock)
            if found.raw == text.encode():
                adopted = self._adopt(key, found, lease or found.state.lease, lock)
                return adopted.record(key, self._reader.path(key))
            return self._commit(key, found, draft, lease or found.state.lease, lock, sure=sure)

        return self._undisturbed(key, step, lock).version

    def _adopt(self, key: Key, found: Found, lease: Lease | None, lock: Lock) -> Found:
        """Take what is in the file as the tool's own."""
        self._history.remember(key.name, found.raw)
        state = State(found.version, lease)
        lock.store(state.line())
        return found._replace(state=state)

    def write(self, key: Key, decide: Decide, expect: Expect, lock: Lock) -> Record:
        """Change a document as the callable decides. See `Backend.write`."""
        return self._undisturbed(key, lambda: self._write(key, decide, expect, lock), lock)

    def settled(self, key: Key, lock: Lock) -> Found:
        """The document, which is the tool's own then: stale saves and what killed writers left are merged."""

        def step() -> Found:
            found = self._reader.find(key, lock.load)
            if found.draft.text.encode() != found.raw:
                self._put(key, found, found.draft, lock)
                raise _Again
            return found

        return self._undisturbed(key, step, lock, left=True)

    def _undisturbed(
        self, key: Key, step: Callable[[], _Result], lock: Lock, *, left: bool = False
    ) -> _Result:
        """Take a step, again when somebody saved the file meanwhile.

        What killed writers left is dealt with first, if they are known to have `left` anything. Raises Busy,
        NotFound.
        """
        for _round in range(_ROUNDS):
            try:
                if left:
                    self._absorb_leftovers(key, lock)
                    left = False
                return step()
            except Leftover:
                left = True
            except _Again:
                pass
            except FileNotFoundError:
                self._reader.require_coming(key)
        raise Busy(
            f"{key} is being saved by others again and again", hint="try again", path=self._reader.path(key)
        )

    def forget(self, key: Key, lease: Lease | None, lock: Lock) -> None:
        """Drop what is known of a document that is gone.

        The high-water mark of attempts stays: a task of the same name never hands out a number again.
        """
        self.note(lock, State(None, lease).line(), key)
        self._history.forget(key.name)

    def temporaries(self, key: Key) -> list[str]:
        """Where temporary files of a document can be."""
        return [self._files.temporary(self._reader.path(key), slot) for slot in range(_SLOTS)]

    def sweep(self, key: Key, temp: str) -> None:
        """Deal with a temporary file of a killed writer, taking the document's lock for it."""
        with self._files.lock(key.name) as lock:
            if os.path.lexists(self._reader.path(key)):
                with suppress(NotFound):  # somebody removed it just now: the next one to sweep sees to it
                    self.settled(key, lock)
            elif os.path.lexists(temp):
                self.put_aside(temp, key)

    def _make(self, path: str, data: bytes, version: str, key: Key) -> NotDurable | None:
        while True:
            try:
                self._files.create(path, data, version=version)
            except Leftover as leftover:
                self.put_aside(str(leftover), key)
            except FileExistsError:
                raise taken(key.name, path) from None
            except NotDurable as problem:
                return problem
            else:
                return None

    def note(self, lock: Lock, line: bytes, key: Key) -> None:
        """Store the state of a document that was written or removed just now."""
        try:
            lock.store(line)
        except BackendUnavailable as error:
            raise NotDurable(
                f"{key} is written, but its state is not: {error.message}",
                hint="look at the document before you go on",
                path=lock.path,
            ) from error

    def _write(self, key: Key, decide: Decide, expect: Expect, lock: Lock) -> Record:
        path = self._reader.path(key)
        found = self._found(key, expect, lock)
        record = found.record(key, path)
        change = decide(record)
        if change is None:
            return record
        lease = found.state.lease if change.lease is KEEP else change.lease
        if not change.touches_document:
            state = found.state._replace(lease=lease)
            lock.store(state.line())
            return found._replace(state=state).record(key, path)
        return self._commit(key, found, self._scribe.revise(key, found.draft, change), lease, lock)

    def _found(self, key: Key, expect: Expect, lock: Lock) -> Found:
        """The document in the version that a write relies on. Raises FileNotFoundError, Conflict."""
        found = self._reader.find(key, lock.load)
        agree(key, found.version, expect, self._reader.path(key))
        return found

    def _commit(
        self,
        key: Key,
        found: Found,
        draft: Draft,
        lease: Lease | None,
        lock: Lock,
        *,
        sure: bool = False,
        told: str | None = None,
        saves: Sequence[bytes] = (),
        slot: int = 0,
    ) -> Record:
        """Put a new text and lease in place.

        A text that is `sure` counts as written before it is in place: should that come to nothing, the file
        is a stale save. `told` is the version that the tool was told to write before it put this one together
        of saves. Raises _Again, FileNotFoundError when somebody saved the file meanwhile.
        """
        path, data = self._reader.path(key), draft.text.encode()
        version = version_of(data)
        state = State(version, lease, told)
        line = state.line()
        if not sure and (told or found.state[1:] != state[1:]):
            lock.store(found.state.line(coming=line))
        self._history.remember(key.name, data, [*([found.raw] if found.foreign else []), *saves])
        if not lock.intact:
            raise BackendUnavailable(
                f"the lock file of {key} was removed while it was held", hint="try again", path=lock.path
            )
        if sure:
            lock.store(line)
        problem: NotDurable | None = None
        try:
            if not self._files.swap(path, data, found.raw, version=version, slot=slot):
                raise _Again
        except NotDurable as error:
            problem = error
        self.note(lock, line, key)
        if problem:
            raise problem
        return Found(data, version, draft, state).record(key, path)

    def _absorb_leftovers(self, key: Key, lock: Lock) -> None:
        """Deal with temporary files of killed writers: what may be a save is merged, not dropped."""
        for temp in self._leftovers(key):
            self._absorb(key, temp, lock)

    def _leftovers(self, key: Key) -> list[str]:
        return [temp for temp in self.temporaries(key) if os.path.lexists(temp)]

    def _absorb(self, key: Key, temp: str, lock: Lock) -> None:
        saved = self._files.leftover(temp)
        found = self._owned(key, lock)
        past = self._history.past(key.name)
        tool = past.tool(found.state.version)
        if saved.strip() and not past.contains(saved, found.raw, tool):
            saves = {temp: saved} | ({self._reader.path(key): found.raw} if found.foreign else {})
            draft = None if tool is None else self._united(key, found, past, tool, saves)
            if draft is None:
                self._files.keep(temp, self._reader.path(key))
                return
            self._put(key, found, draft, lock, saves=[saved], slot=self._free_slot(key))
        self._files.discard(temp)

    def _owned(self, key: Key, lock: Lock) -> Found:
        """The document; what a killed writer put in place is noted to be the tool's own."""
        found = self._reader.find(key, lock.load)
        if found.foreign:
            past, path = self._history.past(key.name), self._reader.path(key)
            if self._reader.is_own(past, found.version, past.tool(found.state.version), path):
                return self._adopt(key, found, found.state.lease, lock)
        return found

    def _united(
        self, key: Key, found: Found, past: Past, tool: int, saves: Mapping[str, bytes]
    ) -> Draft | None:
        """The tool's version with all saves, by their files, the last one last; None if one is unreadable.

        What is there is that version unless it is a save: a power cut may have taken the memory of it.
        """
        text = past.versions[tool].text if found.foreign else found.draft.text
        try:
            for path in sorted(saves, key=self._files.saved_at):
                save = decode(saves[path], where=path)
                base = past.versions[past.base(save, tool)].text
                draft = self._scribe.merge(key, base, text, save, path)
                text = draft.text
        except InvalidDocument:
            return None
        return draft

    def _put(self, key: Key, found: Found, draft: Draft, lock: Lock, **how: Any) -> None:
        """Put in place what was merged; the write that follows tells whether it is durable.

        Nobody told the tool to write this: to whoever keeps a copy of the document elsewhere it is a save.
        """
        told = found.state.told or found.state.version
        noticing(lambda: self._commit(key, found, draft, found.state.lease, lock, told=told, **how))

    def _free_slot(self, key: Key) -> int:
        busy = set(self._leftovers(key))
        for slot in range(0, _SLOTS, 2):
            if not busy & {self._files.temporary(self._reader.path(key), slot + more) for more in (0, 1)}:
                return slot
        raise Busy(
            f"{key} has too many temporary files of killed writers",
            hint="look at the .mdc-*.tmp files beside it",
            path=self._reader.path(key),
        )

    def put_aside(self, temp: str, key: Key | None) -> None:
        """Deal with a temporary file whose document is gone, or not known."""
        saved = self._files.leftover(temp)
        past = self._history.past(key.name) if key else Past(())
        own = self._files.marked(temp) == version_of(saved) or past.contains(saved, b"", None)
        if own:
            self._files.discard(temp)
        else:
            self._files.keep(temp, self._reader.path(key) if key else temp)


def noticing(step: Callable[[], object]) -> NotDurable | None:
    """Do a step; its NotDurable is returned, so that what belongs to it is done before it is raised."""
    try:
        step()
    except NotDurable as problem:
        return problem
    return None
