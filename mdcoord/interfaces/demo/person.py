"""A person with an editor, who knows nothing of locks, and saves what was opened, too late."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mdcoord.interfaces.demo.journal import Journal


class Person:
    """Edits one file by hand while a tool writes to it. `look` is called again and again and never waits.

    The file is read into the editor; when the tool has written to it since, the old text is saved with the
    additions, by rename as most editors do. `done` is true once the tool has written over the stale save.
    """

    def __init__(self, file: Path, added: Mapping[str, str], journal: Journal) -> None:
        self._file = file
        self._added = added
        self._journal = journal
        self._opened: str | None = None
        self._saved: str | None = None
        self.done = False

    def look(self) -> None:
        """Do the next step, if its time has come."""
        text = self._file.read_text(encoding="utf-8")
        if self._opened is None:
            self._opened = text
            self._journal.note("opened", file=self._file.name)
        elif self._saved is None:
            if text != self._opened:
                self._save(edited(self._opened, self._added))
        elif text != self._saved:
            self.done = True

    def _save(self, text: str) -> None:
        swap = self._file.with_name(f".{self._file.name}.swp")
        swap.write_text(text, encoding="utf-8")
        os.replace(swap, self._file)
        self._saved = text
        self._journal.note("saved", file=self._file.name)


def edited(text: str, added: Mapping[str, str]) -> str:
    """The text with a comment and an unknown key in its front matter, and a line of prose at its end."""
    head, fence, body = text.partition("\n---\n")
    key = f"{added['key']}: {added['value']}"
    return f"{head}\n{added['comment']}\n{key}{fence}{body.rstrip()}\n\n{added['prose']}\n"
