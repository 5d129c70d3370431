"""Reading a document: what lies in the file, and what it means.

A person's editor takes no lock. So the content is compared with the version that the tool wrote last: when
it is another one, and was made from an older version, both sides are merged in memory. Reading never
writes.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.history import History, Past, version_of
from mdcoord.backends.refusals import nothing
from mdcoord.errors import Conflict, InvalidDocument
from mdcoord.formats.document import decode
from mdcoord.formats.revise import Draft, Scribe
from mdcoord.model import ANY, Key, Record
from mdcoord.rules.leases import Lease

_encode = json.JSONEncoder(separators=(",", ":")).encode

_ATTEMPT: Final = rb'\{"v":(?:"\w*"|null),"lease":\{"attempt":(\d+),'

_PATIENCE: Final = 0.5
"""Seconds for which an unreadable file that is younger than two seconds is taken to be half saved."""


_PLAIN: Final = re.compile(rb'\{"v":"([0-9a-f]{32})"\}\Z')
"""A line that says a version and nothing else, as nearly all do: read without JSON."""


class State(NamedTuple):
    """The line in a document's lock file: the version that the tool wrote last, and the lease.

    `told` is there when the tool itself put that version together, of what people had saved: the version that
    it was told to write last. While a write changes more than the version, `coming` is the state after it:
    should the writer be killed, the document tells which of the two is true. One that is known only so is not
    `noted` yet.
    """

    version: str | None
    lease: Lease | None
    told: str | None = None
    coming: State | None = None
    noted: bool = True

    @classmethod
    def parse(cls, line: bytes) -> State:
        """The state that a line says; an empty state for an empty or a torn line."""
        if plain := _PLAIN.match(line):
            return cls(plain[1].decode(), None)
        try:
            return cls._of(json.loads(line)) if line else cls(None, None)
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(None, None)  # torn in a power cut: the document is the truth

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> State:
        lease, coming = data.get("lease"), data.get("next")
        return cls(
            data.get("v"),
            Lease.from_dict(lease) if lease else None,
            data.get("told"),
            cls._of(coming) if coming else None,
        )

    def line(self, coming: bytes = b"") -> bytes:
        """The line that says this state; `coming` is the line of the one that is coming, if that is made."""
        said = f'{{"v":{_encode(self.version)}'.encode()
        if self.coming and not coming:
            coming = self.coming.line()
        if self.told is not None:
            said += f',"told":{_encode(self.told)}'.encode()
        if coming:
            said += b',"next":' + coming
        if self.lease is not None:
            said += b',"lease":' + _encode(self.lease.as_dict()).encode()
        return said + b"}"

    def beside(self, version: str) -> State:
        """The state beside a document of this version."""
        if self.coming and self.coming.version == version:
            return self.coming._replace(noted=False)
        return self._replace(coming=None)


class Found(NamedTuple):
    """A document as it lies on disk (`raw`), and what it means after a stale save was merged (`draft`)."""

    raw: bytes
    version: str
    draft: Draft
    state: State

    @property
    def foreign(self) -> bool:
        """Whether somebody else than the tool wrote what is in the file."""
        return self.version != self.state.version

    def record(self, key: Key, path: str) -> Record:
        """The document as callers see it."""
        return Record(key, self.draft.fields, self.draft.body, self.version, path, self.state.lease)


class Together(NamedTuple):
    """A document that was changed here and elsewhere.

    `version` is the file's, `text` what belongs into it now. `done` says that it is there, as the tool's own.
    """

    version: str
    text: str
    done: bool


class Reader:
    """Reads the documents of one folder."""

    def __init__(self, files: FileIO, scribe: Scribe, history: History) -> None:
        self._files = files
        self._scribe = scribe
        self._history = history

    def path(self, key: Key) -> str:
        """The file of a document."""
        return f"{self._files.root}{os.sep}{key.name}.md"

    def state(self, key: Key) -> State:
        """The state beside a document, read without its lock."""
        while True:
            line = self._files.peek(key.name)
            state = State.parse(line)
            if state.coming is None:
                return state
            try:
                state = state.beside(version_of(self._files.read(self.path(key))))
            except FileNotFoundError:
                return state
            if self._files.peek(key.name) == line:
                return state

    def attempt(self, key: Key) -> int:
        """The number of the last claim, without a look at the rest of the state."""
        line = self._files.peek(key.name)
        if found := re.match(_ATTEMPT, line):
            return int(found[1])
        lease = self.state(key).lease
        return lease.attempt if lease else 0

    def find(self, key: Key, state_line: Callable[[], bytes]) -> Found:
        """Read a document and, if a stale save is in the file, merge it.

        Waits a moment for half-saved files.
        """
        deadline = None
        while True:
            line = state_line()
            raw = self._files.read(self.path(key))
            version = version_of(raw)
            state = State.parse(line).beside(version)
            if state.version != version and state_line() != line:
                continue  # a tool wrote it in this very moment
            try:
                return self._understood(key, raw, version, state)
            except InvalidDocument:
                now = time.monotonic()
                deadline = now + _PATIENCE if deadline is None else deadline
                if now >= deadline or not _young(self.path(key)):
                    raise
            time.sleep(0.02)

    def _understood(self, key: Key, raw: bytes, version: str, state: State) -> Found:
        path = self.path(key)
        text = decode(raw, where=path)
        if state.version is not None and not text.removeprefix("\ufeff").strip():
            raise self._emptied(key)
        draft = None
        if state.version is not None and version != state.version:
            draft = self._merged(key, version, text, state.version, path)
        return Found(raw, version, draft or self._scribe.open(key, text, path), state)

    def _emptied(self, key: Key) -> InvalidDocument:
        """The error for a file that a full disk or a failed save left blank: nobody deletes a record so."""
        return InvalidDocument(
            f"{key} is empty, but it was not",
            hint="save its content again (undo in the editor, a backup, git) and go on; "
            f"what the tool last wrote is in {self._history.path(key.name)}",
            path=self.path(key),
            line=1,
        )

    def _merged(self, key: Key, version: str, text: str, latest: str, where: str) -> Draft | None:
        """What a text means that is not the tool's latest version; None when it stands for itself."""
        past = self._history.past(key.name)
        tool = past.tool(latest)
        if tool is None or self.is_own(past, version, tool, where):
            return None
        base = past.base(text, tool)
        before, after = past.versions[base].text, past.versions[tool].text
        if base == tool:
            return self._scribe.keep_view_edits(key, before, self._scribe.open(key, text, where))
        return self._scribe.merge(key, before, after, text, where)

    def is_own(self, past: Past, version: str, tool: int | None, where: str) -> bool:
        """Whether the tool put a version in place that is not the one it remembers as its latest."""
        here = past.find(version)
        if here is None:
            return self._files.marked(where) == version  # a power cut took the memory of it
        # Who put it in place was killed just then.
        return tool is not None and here >= tool and not past.versions[here].saved

    def united(self, key: Key, other: str) -> Together:
        """The document together with `other`, which became elsewhere of the version that the tool wrote last.

        Raises FileNotFoundError, InvalidDocument, Busy while somebody has the file open for writing, and
        Conflict where nobody knows what the tool wrote.
        """
        path, found = self.path(key), self._saved(key)
        told = found.state.told
        if found.raw == other.encode("utf-8", "surrogatepass"):
            return Together(found.version, other, not (found.foreign or told))
        past = self._history.past(key.name)
        tool = past.tool(found.state.version)
        if self.is_own(past, found.version, tool, path) if found.foreign else not told:
            return Together(found.version, other, False)
        if told:
            tool = past.find(told)
        if tool is None:
            raise Conflict(f"{key} is another one here, and what it was before is not known", path=path)
        base, mine = past.versions[tool].text, found.draft.text
        if mine == base:
            return Together(found.version, other, False)
        text = mine if other == base else self._scribe.merge(key, base, other, mine, path).text
        return Together(found.version, text, False)

    def _saved(self, key: Key) -> Found:
        """The document; what others than the tool wrote has come to its end. Raises Busy."""
        while True:
            found = self.find(key, lambda: self._files.peek(key.name))
            if not found.foreign or self._files.leftover(self.path(key)) == found.raw:
                return found

    def record(self, key: Key) -> Record:
        """The document with its lease."""
        return self.find(key, lambda: self._files.peek(key.name)).record(key, self.path(key))

    def listed(self, key: Key, known: Record | None) -> Record:
        """The document, without its lease; the record that is known already, if the file still says that."""
        line, raw = self._files.peek(key.name), self._files.read(self.path(key))
        version = version_of(raw)
        # What a save means that is not the tool's latest version depends on what the tool wrote since.
        latest = line.startswith(b'{"v":"%s"' % version.encode())
        if known is not None and known.version == version and (latest or State.parse(line).version is None):
            return known
        if not latest:
            return self.record(key)
        draft = self._scribe.open(key, decode(raw, where=self.path(key)), self.path(key))
        return Record(key, draft.fields, draft.body, version, self.path(key))

    def overruled(self, record: Record) -> tuple[str, ...]:
        """The fields that mean something else than the file says; none when the file changed meanwhile."""
        key, path = record.key, self.path(record.key)
        if self.state(key).version in (None, record.version):
            return ()
        raw = self._files.read(path)
        if version_of(raw) != record.version:
            return ()
        said, meant = self._scribe.open(key, decode(raw, where=path), path).fields, record.fields
        names = said.keys() | meant.keys()
        return tuple(sorted(name for name in names if said.get(name, ANY) != meant.get(name, ANY)))

    def require_coming(self, key: Key) -> None:
        """Return when a missing document is there again: git removes a file before it writes it anew."""
        known = self.state(key).version
        if known is None or not self._files.await_file(self.path(key)):
            raise nothing(key, self.path(key))


def _young(path: str) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime < 2.0
    except FileNotFoundError:
        return True
