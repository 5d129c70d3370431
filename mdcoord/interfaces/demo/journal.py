"""What each worker says it did: one line of JSON for every call that the library acknowledged.

The journals lie outside of the workspace and know nothing of it, so the report can hold them against the
files. A line is written after the call came back and in one write, so a process killed at any moment has at
most its last call not written down.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mdcoord.errors import InvalidDocument


class Entry(NamedTuple):
    """One line: who, what, when (seconds since 1970), and the facts."""

    who: str
    what: str
    at: float
    facts: Mapping[str, Any]


class Journal:
    """Appends to one file; `who` is its name without `.jsonl`."""

    def __init__(self, folder: Path, who: str) -> None:
        self._file = os.open(
            folder / f"{who}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
        )

    def note(self, what: str, /, **facts: Any) -> None:
        """Write one line."""
        os.write(self._file, json.dumps({"what": what, "at": time.time(), **facts}).encode() + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


class Reader:
    """Reads journals as they grow: `more` gives the lines that are new since the last time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def more(self) -> list[Entry]:
        """New whole lines of all journals, oldest first. Raises InvalidDocument for any other line."""
        found = [entry for path in sorted(self._folder.glob("*.jsonl")) for entry in self._from(path)]
        return sorted(found, key=lambda entry: entry.at)

    def _from(self, path: Path) -> list[Entry]:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            data = file.read()
        whole = (
            data.rfind(b"\n") + 1
        )  # the rest is being written, or its writer was killed before the call counted
        self._read[path] = self._read.get(path, 0) + whole
        return [_entry(path, line) for line in data[:whole].splitlines()]


def read_all(folder: Path) -> list[Entry]:
    """All lines of all journals, oldest first. Raises InvalidDocument."""
    return Reader(folder).more()


def _entry(path: Path, line: bytes) -> Entry:
    try:
        facts = json.loads(line)
        return Entry(path.stem, facts.pop("what"), float(facts.pop("at")), facts)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidDocument(
            f"a line of {path.name} cannot be read: {line[:60]!r}",
            hint="the journal was changed after the worker wrote it",
            path=str(path),
        ) from None
