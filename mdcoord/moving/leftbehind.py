"""The files of a workspace that lives elsewhere: put into the archive, and looked at for late saves.

After a move nobody reads the files any more. But an editor that had one of them open may save it again, and a
git checkout may bring it back: what stands there then is in no store, and must not go unnoticed. Such a file
is told from the others by its change time, which programs cannot set. A document that is no text is in no
store either, and stays where it is whenever the workspace moves.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.history import version_of
from mdcoord.backends.markdown.home import Home
from mdcoord.backends.markdown.log import EventLog
from mdcoord.backends.markdown.memos import Memos
from mdcoord.backends.markdown.reader import State
from mdcoord.errors import BackendUnavailable, InvalidDocument
from mdcoord.formats.document import Document, decode
from mdcoord.layout import state_folder
from mdcoord.model import KINDS
from mdcoord.moving.mirrorlog import PLACES, is_noted

FOLDER: Final = "pre-redis"
"""Where the files go, in the folder of the archive."""

_PREFIXES: Final = tuple(f"{kind}-" for kind in KINDS)


class LeftBehind:
    """The files in the root of a workspace."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._home = Home.of(state_folder(root))
        # Nothing is lost when a power cut takes back a move from one folder to the other.
        self._files = FileIO(str(root), str(state_folder(root)), "none")

    def late(self) -> list[Path]:
        """What the workspace has not, sorted: saved after it had moved away, or no text.

        None where it has not moved.
        """
        place = self._home.place().partition("://")
        if not place[1]:
            return []
        return [path for path in self._documents() if self._is_late(path)]

    def archive(self, *, archived: bool) -> int:
        """Put all files that nobody changed since the move into the archive, and return how many.

        Those of archived events come along, and with `archived` those of archived documents. What came later
        is somebody's save, or a mirror's copy.
        """
        since = self._home.since()
        found = [*self._documents(), *self._archived(_PREFIXES if archived else ("events-",))]
        files = [path for path in found if not _is_later(path, since) and self._is_text(path)]
        self._put_away(files)
        return len(files)

    def clear(self, staying: Collection[str]) -> list[str]:
        """Make room for documents and logs, but for those `staying`, by name.

        Returns the names in the archive of those saved after the move.
        """
        late = self._put_away([path for path in self.late() if path.stem not in staying])
        others = [path for path in self._documents() if path.stem not in staying]
        self._put_away([*others, *self._archived(("events-",))])
        return late

    def put_away(self, names: Iterable[str]) -> None:
        """Put documents of these names into the archive."""
        self._put_away([self._root / f"{name}.md" for name in names])

    def no_text(self) -> list[str]:
        """The names of the documents that are no text, sorted."""
        return [path.stem for path in self._documents() if not self._is_text(path)]

    def problem(self, path: Path) -> InvalidDocument | BackendUnavailable | None:
        """Why a file cannot be read; None where it can."""
        try:
            Document.parse(self._text(path))
        except (InvalidDocument, BackendUnavailable) as problem:
            return problem
        return None

    def _is_text(self, path: Path) -> bool:
        try:
            return path.name.startswith("events-") or self._text(path) is not None
        except (InvalidDocument, BackendUnavailable):
            return False

    def _text(self, path: Path) -> str:
        return decode(self._files.read(str(path)))

    def _archived(self, prefixes: tuple[str, ...]) -> list[Path]:
        files = sorted((self._root / "archive").glob("*.md"))
        return [path for path in files if path.name.startswith(prefixes)]

    def _documents(self) -> Iterator[Path]:
        with os.scandir(self._root) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        for name in sorted(names):
            if name.startswith(_PREFIXES) and name.endswith(".md"):
                yield self._root / name

    def _is_late(self, path: Path) -> bool:
        """Whether the workspace has it not; it has what a mirror writes there."""
        try:
            later = _is_later(path, self._home.since())
            return not (self._is_mirrored(path) if later else self._is_text(path))
        except FileNotFoundError:
            return False  # it was removed just now

    def _is_mirrored(self, path: Path) -> bool:
        kind, _, name = path.stem.partition("-")
        if kind != "events":
            state = State.parse(self._files.peek(path.stem))
            return state.told is None and state.version == version_of(path.read_bytes())
        newest = EventLog(self._files, str(self._root)).last(name, 1)
        return bool(newest) and is_noted(Memos(self._files).get(PLACES, name), newest[0])

    def _put_away(self, paths: Sequence[Path]) -> list[str]:
        """Put files into the archive; their places there."""
        if not paths:
            return []
        folder = os.path.join("archive", FOLDER)
        for made in ("archive", folder):
            self._files.make_folder(str(self._root / made))
        return [self._moved(path, folder) for path in paths]

    def _moved(self, path: Path, folder: str) -> str:
        for number in count():
            target = f"{folder}{os.sep}{f'{path.stem}.{number}.md' if number else path.name}"
            there = self._root / target
            try:
                self._files.move(str(path), str(there))
            except FileExistsError:
                if path.read_bytes() != there.read_bytes():
                    continue
                os.replace(path, there)  # so that what is saved just now is not lost
            return target
        raise AssertionError  # count() does not end


def _is_later(path: Path, since: int) -> bool:
    """Whether it was changed after this moment."""
    return os.stat(path, follow_symlinks=False).st_ctime_ns > since
