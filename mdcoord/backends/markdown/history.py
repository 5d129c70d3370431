"""The last versions of each document, kept beside the locks and outside of git.

They answer one question: from which version did a person make the one that is in the file now? An editor that
was opened before a tool's update and saved after it brings an old base back; knowing the base, nothing is lost.

One append-only file a document, unsynced: after a power cut some versions may be missing, and then a stale save is taken
for an ordinary one. Entries begin with a NUL, which no document contains, so a torn entry never hides the next.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Final, NamedTuple

from mdcoord.backends.markdown.fileio import FileIO

KEPT: Final = 20
"""Versions that are kept when a file of versions is shortened."""

_MARK: Final = b"\x00version "
_FULL: Final = 256 * 1024


class Version(NamedTuple):
    """One remembered version: its name (a hash of the bytes) and the bytes."""

    name: str
    data: bytes


def version_of(data: bytes) -> str:
    """The version that content has: the first half of its SHA-256."""
    return sha256(data).hexdigest()[:32]


class History:
    """Remembers versions of documents by the document's name. Callers hold the document's lock to write."""

    def __init__(self, files: FileIO) -> None:
        self._files = files
        self._folder = os.path.join(files.state, "history")

    def remember(self, name: str, *contents: bytes) -> None:
        """Add versions, oldest first."""
        entries = b"".join(b"%s%d %s\n%s" % (_MARK, len(c), version_of(c).encode(), c) for c in contents)
        path = self._path(name)
        size = self._files.append(path, entries, sync=False)
        if size > max(_FULL, 2 * KEPT * len(contents[-1])):
            kept = self.versions(name)[-KEPT:]
            whole = b"".join(b"%s%d %s\n%s" % (_MARK, len(v.data), v.name.encode(), v.data) for v in kept)
            self._files.replace(path, whole, sync=False)

    def versions(self, name: str) -> list[Version]:
        """All remembered versions that are whole, oldest first."""
        try:
            with open(self._path(name), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return []
        found = []
        for entry in data.split(_MARK)[1:]:
            head, _, content = entry.partition(b"\n")
            length, _, version = head.partition(b" ")
            if length == b"%d" % len(content):
                found.append(Version(version.decode("ascii", "replace"), content))
        return found

    def forget(self, name: str) -> None:
        """Drop all versions of a document that left the workspace."""
        self._files.discard(self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)
