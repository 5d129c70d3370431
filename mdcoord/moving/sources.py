"""Where other programs keep their tasks: reading their files, one record after the other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mdcoord.backends.taskqueue.entry import draft_of, entries, entry_of
from mdcoord.backends.taskqueue.queue import Task
from mdcoord.errors import BackendUnavailable, InvalidDocument, NotFound, UsageError
from mdcoord.formats.document import decode
from mdcoord.formats.foreign import backlog, beads, taskqueue, tasks
from mdcoord.formats.foreign.found import Found, Remark, Unusable
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates

Records = Iterator[Found | Unusable | Remark]


def read_backlog(folder: str) -> Records:
    """The tasks, documents and decisions of a Backlog.md folder, or of the project that has one."""
    root = next((place for place in _places(folder) if (place / "tasks").is_dir()), None)
    if root is None:
        raise NotFound(
            f"there is no Backlog.md folder at {folder}", hint="name the folder that has tasks/ in it"
        )
    for part in ("tasks", "completed", "drafts"):
        for path, text in _texts(root / part):
            yield backlog.read_task(text, path) if isinstance(text, str) else text
    for part in ("docs", "decisions"):
        for path, text in _texts(root / part):
            name = "-".join(Path(path).relative_to(root / part).with_suffix("").parts)
            yield backlog.read_document(text, path, name) if isinstance(text, str) else text
    for part in ("archive", "milestones"):
        count = len([*(root / part).rglob("*.md")])
        if count:
            yield Remark(f"file in {part}/, which stays there", count)


def read_beads(file: str) -> Records:
    """The issues of an export of beads."""
    return _lines(file, beads.read_issue)


def read_taskqueue(file: str) -> Records:
    """The projects and tasks of TaskQueue's file."""
    try:
        raw = json.loads(_content(file))
    except ValueError as error:
        raise InvalidDocument(
            f"{file} is no JSON: {error}", hint="name TaskQueue's tasks.json", path=file
        ) from None
    return taskqueue.read_projects(raw, file, _own)


def read_tasks(file: str) -> Records:
    """Tasks as plain lines of JSON."""
    return _lines(file, tasks.read_task)


READERS: Final[Mapping[str, Callable[[str], Records]]] = {
    "backlog": read_backlog,
    "beads": read_beads,
    "taskqueue": read_taskqueue,
    "tasks": read_tasks,
}
"""By the name of the program."""


def records_of(tool: str, source: str) -> Records:
    """The records of a program, by its name, in a file or a folder.

    Raises NotFound, BackendUnavailable, InvalidDocument, UsageError for a program that nobody knows.
    """
    if tool not in READERS:
        raise UsageError(f"there is no import from {tool!r}", hint="one of " + ", ".join(READERS))
    return READERS[tool](source)


def _own(tasks: Sequence[Task]) -> dict[str, Found | Remark | Unusable]:
    """The tasks of a project that mdcoord wrote: the documents in their blocks."""
    found: dict[str, Found | Remark | Unusable] = {}
    latest, scribe = entries(tasks), Scribe(Templates())
    for entry in map(entry_of, tasks):
        if entry.header is None:
            continue
        if entry.key not in latest or latest[entry.key].id != entry.id:
            found[entry.id] = Remark("task of a document that was removed, or has a later one", 1)
            continue
        try:
            draft = draft_of(entry, scribe, entry.id)
            found[entry.id] = Found("task", entry.key.id, draft.fields, text=draft.text)
        except InvalidDocument as error:
            found[entry.id] = Unusable(entry.id, error.message)
    return found


def _places(folder: str) -> Iterator[Path]:
    for name in ("backlog", ".backlog", "."):
        yield Path(folder) / name


def _texts(folder: Path) -> Iterator[tuple[str, str | Unusable]]:
    for path in sorted(folder.rglob("*.md")):
        if path.name.lower() == "readme.md":  # says what the folder is for
            continue
        try:
            yield str(path), decode(path.read_bytes(), where=str(path))
        except InvalidDocument as error:
            yield str(path), Unusable(str(path), error.message)
        except OSError as error:
            yield str(path), Unusable(str(path), str(error.strerror))


def _lines(file: str, read: Callable[[Mapping[str, Any], str], Found | Unusable]) -> Records:
    for number, line in enumerate(_content(file).splitlines(), 1):
        where = f"{file}:{number}"
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except ValueError as error:
            yield Unusable(where, f"no JSON: {error}")
            continue
        yield read(raw, where) if isinstance(raw, Mapping) else Unusable(where, "no JSON object")


def _content(file: str) -> bytes:
    try:
        with open(os.path.expanduser(file), "rb") as source:
            return source.read()
    except FileNotFoundError:
        raise NotFound(f"there is no file {file}", hint="name the file of the other program") from None
    except OSError as error:
        raise BackendUnavailable(
            f"{file}: {error.strerror}", hint="see that it is a file", path=file
        ) from None
