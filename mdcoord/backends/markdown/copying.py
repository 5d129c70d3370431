"""Documents on their way to another store: what each of them means, one file after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator

from mdcoord.backends.markdown.catalog import RACY, stamps
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.history import version_of
from mdcoord.backends.markdown.oserrors import translated
from mdcoord.backends.markdown.reader import Reader, State
from mdcoord.backends.naming import names
from mdcoord.backends.values import Copy, Unreadable
from mdcoord.errors import BackendUnavailable, InvalidDocument, InvalidName
from mdcoord.formats.document import decode
from mdcoord.formats.revise import Scribe
from mdcoord.model import ID_FIELD, Key, Value
from mdcoord.rules.leases import Lease


class Copies:
    """Reads the documents of a folder and of its archive. Holds no more than their names."""

    def __init__(self, files: FileIO, scribe: Scribe, reader: Reader) -> None:
        self._files = files
        self._scribe = scribe
        self._reader = reader

    def ids(self, kind: str) -> list[str]:
        """The ids of all documents of a kind, sorted."""
        return [name[len(kind) + 1 :] for name in self._names(self._files.root, kind)]

    def of(self, kind: str, ids: Iterable[str]) -> Iterator[Copy | Unreadable]:
        """Those of these documents that are there, with saves that are still to be merged."""
        for name in ids:
            found = self._copy(Key(kind, name))
            if found is not None:
                yield found

    def digests(self, kind: str, ids: Iterable[str]) -> dict[str, str]:
        """What names their texts and leases, by id; what the tool wrote needs no understanding for that."""
        found: dict[str, str] = {}
        for key in (Key(kind, name) for name in ids):
            copy = self._as_written(key) or self._copy(key)
            if isinstance(copy, Copy):
                found[key.id] = copy.digest
        return found

    def _copy(self, key: Key) -> Copy | Unreadable | None:
        try:
            found = self._reader.find(key, lambda: self._files.peek(key.name))
        except FileNotFoundError:
            return None
        except (InvalidDocument, BackendUnavailable):
            return next(self._as_it_is(key, self._reader.path(key)), None)
        return Copy(key, found.draft.text, found.draft.fields, found.state.lease)

    def _as_written(self, key: Key) -> Copy | None:
        """The document, without its fields, if it is as the tool wrote it."""
        state, path = State.parse(self._files.peek(key.name)), self._reader.path(key)
        try:
            raw = self._files.read(path)
            if state.coming is None and state.version == version_of(raw):
                return Copy(key, decode(raw, where=path), None, state.lease)
        except (FileNotFoundError, InvalidDocument, BackendUnavailable):
            pass
        return None

    def marks(self, kind: str) -> dict[str, str | None]:
        """For each document of a kind, how its file and its lease's are marked by the system.

        None while a mark is young: two changes can share it.
        """
        marks: dict[str, str | None] = {}
        settled = time.time_ns() - RACY
        for name, document in stamps(self._files.root, kind + "-"):
            try:
                info = os.stat(self._files.lock_path(name[:-3]))
                lease = (info.st_ctime_ns, info.st_size, info.st_ino)
            except FileNotFoundError:
                lease = (0, 0, 0)
            good = max(document[0], lease[0]) < settled
            # One text takes less memory than all these numbers.
            marks[name[len(kind) + 1 : -3]] = f"{document}{lease}" if good else None
        return marks

    def left_leases(self, kind: str) -> dict[str, Lease]:
        """The leases of documents that have no file, by id."""
        head = kind + "-"
        locked = {name.removeprefix(head) for name in self._files.locked_names() if name.startswith(head)}
        keys = [Key(kind, name) for name in sorted(locked.difference(self.ids(kind)))]
        gone = [key for key in keys if not os.path.lexists(self._reader.path(key))]
        return {key.id: lease for key in gone if (lease := self._reader.state(key).lease) is not None}

    def archived(self, folder: str, kind: str) -> Iterator[Copy | Unreadable]:
        """The documents of a kind in the archive, by their names there."""
        for name in self._names(folder, kind):
            path = os.path.join(folder, name + ".md")
            try:
                key = self.archived_key(folder, name)
            except FileNotFoundError:
                continue  # it was restored just now
            except InvalidName as error:
                yield Unreadable(Key(kind, name[len(kind) + 1 :]), path, error.message, hint=error.hint)
            else:
                yield from self._as_it_is(key, path, name)

    def archived_key(self, folder: str, name: str) -> Key:
        """The document that a name in the archive belongs to. Raises FileNotFoundError, InvalidName."""
        path = os.path.join(folder, name + ".md")
        plain, stem = Key.of(*name.partition("-")[::2]), name.rpartition(".")[0]
        try:
            fields = self._scribe.open(plain, decode(self._files.read(path), where=path), path).fields
        except (InvalidDocument, BackendUnavailable):
            fields = {}
        return _owner(name, fields.get(ID_FIELD[plain.kind]), os.path.exists(f"{folder}/{stem}.md"))

    def _as_it_is(self, key: Key, path: str, archived: str = "") -> Iterator[Copy | Unreadable]:
        """The text of a file, and what it says where it can be read."""
        try:
            text = decode(self._files.read(path), where=path)
        except FileNotFoundError:
            return
        except (InvalidDocument, BackendUnavailable) as error:
            yield Unreadable(key, path, error.message, error.details.get("line"), hint=error.hint)
            return
        try:
            fields = self._scribe.open(key, text, path).fields
        except InvalidDocument:
            fields = None
        yield Copy(key, text, fields, self._reader.state(key).lease, archived)

    def _names(self, folder: str, kind: str) -> list[str]:
        try:
            with translated(folder):
                found = os.listdir(folder)
        except FileNotFoundError:
            return []
        return sorted(name[:-3] for name in found if name.startswith(kind + "-") and name.endswith(".md"))


def _owner(name: str, said: Value, stem_is_there: bool) -> Key:
    """The document that a name in the archive belongs to; `said` is what its id field says.

    `task-v1.2` may be the document of that name, or one more of `task-v1`. Raises InvalidName.
    """
    kind, _, identifier = name.partition("-")
    stem, _, number = identifier.rpartition(".")
    whole = Key.of(kind, identifier)
    if not (stem and number.isdigit()):
        return whole
    shorter = Key.of(kind, stem)
    same = names(said, shorter) or (stem_is_there and not names(said, whole))
    return shorter if same else whole
