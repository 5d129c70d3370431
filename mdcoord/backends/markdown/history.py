"""The last versions of each document, kept beside the locks and outside of git.

They answer one question: from which version did a person make the one that is in the file now? An editor
that was opened before a tool's update and saved after it brings an old base back; knowing the base,
nothing is lost.

One append-only file a document, unsynced: after a power cut some versions may be missing, and then a
stale save is taken for an ordinary one. Entries begin with a NUL, which no document contains, and tell
length and hash of what follows, so a torn entry is never believed and never hides the next. When the file
grows long, its older entries are packed into one; versions of one document are so alike that a thousand
fit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.oserrors import translated
from mdcoord.errors import BackendUnavailable, NotDurable

UNPACKED: Final = 20
"""Versions that stay as they are when a file of versions is packed."""

_FULL: Final = 256 * 1024
_HEAD: Final = re.compile(rb"\x00(version|save|packed) (\d{1,9}) ([0-9a-f]{32})\n")


def version_of(data: bytes) -> str:
    """The version that content has: the first half of its SHA-256."""
    return sha256(data).hexdigest()[:32]


class Version(NamedTuple):
    """One remembered version: its name (a hash of the bytes), the bytes, and whether a person saved it.

    What the tool wrote is remembered before it is put in place, what a person saved together with the
    version that the tool made from it.
    """

    name: str
    data: bytes
    saved: bool = False

    @property
    def text(self) -> str:
        """The content as text."""
        return self.data.decode("utf-8", "replace")


class Past:
    """The remembered versions of one document, oldest first; places in it are indices."""

    def __init__(self, versions: Iterable[Version]) -> None:
        self.versions: Sequence[Version] = list(versions)

    def find(self, name: str | None) -> int | None:
        """Where a version is, the last time if it was there more than once."""
        return next((i for i in reversed(range(len(self.versions))) if self.versions[i].name == name), None)

    def last_own(self) -> int | None:
        """Where the last version is that the tool wrote, or was about to write."""
        return next((i for i in reversed(range(len(self.versions))) if not self.versions[i].saved), None)

    def closest(self, text: str, places: Iterable[int], preferred: int | None = None) -> int | None:
        """What a text was most likely made from: the newest version with the fewest different lines."""
        lines = set(text.splitlines())

        def distance(place: int) -> tuple[int, bool, int]:
            different = lines.symmetric_difference(self.versions[place].text.splitlines())
            return len(different), place != preferred, -place

        return min(places, key=distance, default=None)

    def tool(self, latest: str | None) -> int | None:
        """Where the version is that the tool wrote last; `latest` is its name, as far as that is known."""
        place = self.find(latest)
        return self.last_own() if place is None else place

    def base(self, text: str, tool: int) -> int:
        """What a save was made from; the version at `tool` is the tool's latest.

        Versions after it are of writers that were killed or gave up. What came of them nobody was told, so a
        save may take no change back with them; what it has of them counts as the person's.
        """
        place = self.closest(text, range(tool + 1), tool)
        return tool if place is None else place

    def contains(self, leftover: bytes, there: bytes, tool: int | None) -> bool:
        """Whether dropping a killed writer's temporary file loses nothing, `there` being what is in place."""
        if not leftover or leftover == there:
            return True
        name, now = version_of(leftover), self.find(version_of(there))
        known = [version for version in self.versions if version.name == name]
        if not known:
            # Half-written by the writer itself, before it put anything in place.
            unborn = self.versions[0 if tool is None else tool + 1 :]
            return any(version.data.startswith(leftover) for version in unborn if not version.saved)
        # What unites saves can be the same as one of them.
        saved = any(version.saved for version in known)
        return not saved or name in self._united(tool) or name in self._united(now)

    def _united(self, place: int | None) -> set[str]:
        """The saves that the tool's version at a place was made of."""
        names: set[str] = set()
        if place is None or self.versions[place].saved:
            return names
        name = self.versions[place].name  # which may be remembered again
        while place and (self.versions[place - 1].saved or self.versions[place - 1].name == name):
            place -= 1
            names.add(self.versions[place].name)
        return names


class History:
    """Remembers versions of documents by the document's name. Callers hold the document's lock to write."""

    def __init__(self, files: FileIO) -> None:
        self._files = files
        self._folder = os.path.join(files.state, "history")

    def remember(self, name: str, data: bytes, saves: Iterable[bytes] = ()) -> None:
        """Add a version that is about to be written, after the saves that it contains."""
        entries = b"".join(_entry(b"save", save) for save in saves) + _entry(b"version", data)
        path = self.path(name)
        try:
            size = self._files.append(path, entries, sync=False)
        except FileNotFoundError:
            self._files.prepare()  # somebody removed the state folder
            size = self._files.append(path, entries, sync=False)
        except NotDurable as error:
            # To the caller, whose document this is not, nothing happened.
            raise BackendUnavailable(error.message, hint="try again", path=path) from error
        limit = max(_FULL, 2 * UNPACKED * len(data))
        if size > limit:
            self._pack(path, limit)

    def past(self, name: str) -> Past:
        """All remembered versions of a document that are whole."""
        return Past(_versions(self._read(self.path(name))))

    def forget(self, name: str) -> None:
        """Drop all versions of a document that left the workspace, if possible."""
        try:
            self._files.discard(self.path(name))
        except BackendUnavailable:
            pass  # they do no harm

    def _pack(self, path: str, limit: int) -> None:
        import zlib

        packs: list[bytes] = []
        entries: list[bytes] = []
        for kind, content in _entries(self._read(path)):
            (packs if kind == b"packed" else entries).append(_entry(kind, content))
        if len(entries) <= UNPACKED:
            return
        packs.append(_entry(b"packed", zlib.compress(b"".join(entries[:-UNPACKED]), 1)))
        while len(packs) > 1 and sum(map(len, packs)) > limit // 2:
            del packs[0]
        self._files.replace(path, b"".join(packs + entries[-UNPACKED:]), sync=False)

    def _read(self, path: str) -> bytes:
        try:
            with translated(path), open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def path(self, name: str) -> str:
        """The file of a document's versions."""
        return f"{self._folder}{os.sep}{name}"


def _entry(kind: bytes, content: bytes) -> bytes:
    return b"\0%s %d %s\n%s" % (kind, len(content), version_of(content).encode(), content)


def _entries(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each entry that is whole."""
    position = 0
    while head := _HEAD.search(data, position):
        content = data[head.end() : head.end() + int(head[2])]
        if version_of(content) == head[3].decode():
            yield head[1], content
            position = head.end() + len(content)
        else:
            position = head.start() + 1


def _versions(data: bytes) -> Iterator[Version]:
    for kind, content in _entries(data):
        if kind == b"packed":
            import zlib

            yield from _versions(zlib.decompress(content))
        else:
            yield Version(version_of(content), content, kind == b"save")
