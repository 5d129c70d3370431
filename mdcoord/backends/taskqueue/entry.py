"""A document as a task of TaskQueue, and a task as a document.

The server knows a title, a description, three statuses and what was done; everything else has its place in a
marked block at the end of the description: the document's id and its exact text.

```
Fit it on the new data.

<!-- mdcoord:document {"id": "train", "title": "b0d4e1…", "words": "9f86d0…", "status": "in progress", …} -->
---
schema: mdcoord/task/1
…
<!-- /mdcoord:document -->
```

The block also says what title, words, status and details the server was given with it. Where these are others
now, somebody changed them there, and that change is made to the document, too. A task without a block was
made by somebody else and is a document as well, `tq-17` for the server's `task-17`.

A task that is approved can neither be changed nor removed there. A document that goes on after that has a new
task, and one that is removed a task that says so: of several with one id, the last one counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from mdcoord.backends.taskqueue.queue import Task
from mdcoord.errors import InvalidDocument, InvalidName
from mdcoord.formats.revise import Draft, Scribe
from mdcoord.model import Change, Key, Path, Value

DONE: Final = "done"

_STATUSES: Final = {"pending": "not started", "in_progress": "in progress", "completed": DONE}
_MEANINGS: Final = {there: here for here, there in _STATUSES.items()}
_MARK: Final = "<!-- mdcoord:document"
_START: Final = re.compile(rf"^{_MARK} (\{{.*\}}) -->\n", re.MULTILINE)
_END: Final = "\n<!-- /mdcoord:document -->"
_FOREIGN: Final = "tq-"


class Shown(NamedTuple):
    """What the server shows of a document in its own fields. `details` count only where it is done."""

    title: str
    words: str
    status: str
    details: str

    def noted(self) -> dict[str, str]:
        """What a block says about it: hashes of the texts, and the status."""
        texts = {"title": self.title, "words": self.words, "details": self.details}
        return {**{name: _digest(text) for name, text in texts.items()}, "status": self.status}


class Wanted(NamedTuple):
    """What the server is to have for a document."""

    key: Key
    shown: Shown
    text: str
    gone: bool = False

    def header(self, status: str) -> dict[str, Any]:
        """What the block is to say when the server's task has this status."""
        noted = self.shown._replace(status=status).noted()
        return {"id": self.key.id, **noted, **({"gone": True} if self.gone else {})}

    def description(self, status: str) -> str:
        """The task's description."""
        lead = f"{self.shown.words}\n\n" if self.shown.words else ""
        return f"{lead}{_MARK} {json.dumps(self.header(status), ensure_ascii=False)} -->\n{self.text}{_END}"


class Entry(NamedTuple):
    """A task of the server as a document. `text` and `noted` are None for a task that has no block."""

    key: Key
    task: Task
    shown: Shown
    text: str | None = None
    header: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """The server's id, good for this turn."""
        return str(self.task["id"])

    @property
    def approved(self) -> bool:
        """Whether the server refuses every change."""
        return bool(self.task.get("approved"))

    @property
    def completed_here(self) -> bool:
        """Whether mdcoord completed it."""
        return bool(self.header and self.header.get("status") == DONE)

    @property
    def gone(self) -> bool:
        """Whether the document was removed."""
        return bool(self.header and self.header.get("gone"))

    def holds(self, wanted: Wanted) -> bool:
        """Whether the server has what it was given, whatever somebody made of it since."""
        return self.text == wanted.text and self.header == wanted.header(wanted.shown.status)


def entry_of(task: Task) -> Entry:
    """A task of the server, read as it is."""
    description = _said(task, "description")
    start = _START.search(description)
    header = _header(start[1]) if start else None
    if start is None or header is None:
        number = str(task["id"]).removeprefix("task-")
        return Entry(Key("task", f"{_FOREIGN}{number}"), task, _shown(task, description))
    end = description.rfind(_END, start.end())
    text = description[start.end() : end] if end >= 0 else None
    around = (description[: start.start()], description[end + len(_END) :] if end >= 0 else "")
    words = "\n\n".join(filter(None, map(str.strip, around)))
    return Entry(Key.of("task", header["id"]), task, _shown(task, words), text, header)


def entries(tasks: Iterable[Task]) -> dict[Key, Entry]:
    """The entries that count, by their keys, in the order in which the server has them."""
    found: dict[Key, Entry] = {}
    for task in tasks:
        entry = entry_of(task)
        found.pop(entry.key, None)
        found[entry.key] = entry
    return {key: entry for key, entry in found.items() if not entry.gone}


def draft_of(entry: Entry, scribe: Scribe, where: str) -> Draft:
    """The document of a task, with what somebody changed in the server. Raises InvalidDocument."""
    if entry.header is None:
        return scribe.create(entry.key, _made_there(entry))
    if entry.text is None:
        raise InvalidDocument(
            f"{where}: the block of mdcoord in the description has no end",
            hint=f"put a line {_END.strip()} after the document in it",
            path=where,
            line=1,
        )
    draft = scribe.open(entry.key, entry.text, where)
    change = _changed_there(entry)
    return scribe.revise(entry.key, draft, change) if change.touches_document else draft


def wanted_for(key: Key, text: str, fields: Mapping[str, Value]) -> Wanted:
    """What the server is to have for a document: its text, and what its fields say."""
    title, words, result = (fields.get(name) for name in ("title", "instructions", "result"))
    status = _STATUSES.get(str(fields.get("status")), _STATUSES["pending"])
    shown = Shown(
        _text(title).strip() or key.id,
        words.strip().replace(_MARK, f"{_MARK} ") if isinstance(words, str) else "",
        status,
        (_text(result) or "completed") if status == DONE else "",
    )
    return Wanted(key, shown, text)


def wanted_gone(key: Key) -> Wanted:
    """What the server is to have for a document that was removed and that it does not let go of."""
    return Wanted(key, Shown(f"(removed) {key.id}", "", DONE, "removed"), "", gone=True)


def _changed_there(entry: Entry) -> Change:
    """What somebody changed since mdcoord wrote the task."""
    shown, before = entry.shown, entry.header or {}
    now = shown.noted()
    changed = {name for name, value in now.items() if before.get(name, value) != value}
    values: dict[Path, Value] = {}
    if "title" in changed:
        values["title",] = shown.title
    if "words" in changed:
        values["instructions",] = shown.words
    if "status" in changed:
        values["status",] = _MEANINGS.get(shown.status, "pending")
    if changed & {"status", "details"} and shown.status == DONE:
        values |= {("result",): shown.details, ("progress",): 1}
    return Change(set=values)


def _made_there(entry: Entry) -> dict[str, Value]:
    task, shown = entry.task, entry.shown
    values: dict[str, Value] = {
        "task_id": task["id"],
        "title": shown.title,
        "status": _MEANINGS.get(shown.status, "pending"),
        "instructions": shown.words,
        "tool_recommendations": _said(task, "toolRecommendations"),
        "rule_recommendations": _said(task, "ruleRecommendations"),
        "result": shown.details,
        "progress": 1 if shown.status == DONE else None,
    }
    return {name: value for name, value in values.items() if value}


def _shown(task: Task, words: str) -> Shown:
    status = _said(task, "status")
    details = _said(task, "completedDetails") if status == DONE else ""
    return Shown(_said(task, "title"), words, status, details)


def _said(task: Task, name: str) -> str:
    """A text of a task; files that others made may lack some, or have half a character."""
    return str(task.get(name) or "").encode("utf-8", "replace").decode()


def _header(text: str) -> dict[str, Any] | None:
    """What a block says; None for what only looks like one."""
    try:
        header = json.loads(text)
        Key.of("task", header["id"])
    except (ValueError, TypeError, LookupError, InvalidName):
        return None
    return header if isinstance(header, dict) else None


def _text(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
