"""Collects the brief of a task: its instructions, context, earlier results and criteria, and what is missing.

Who works on a task knows nothing but what is written down, so everything that a task names is looked up here:

* `instructions` is a text, or the path of a file (one word that has a `/` or an ending like `.md`, or
  anything that is the name of a file);
* each entry of `context` is the name of a context document (`proj1-dataset`), a path, a link (`https://…`),
  or a text of several words; `{label: name or path}` gives it a label.

Paths count from the project's folder on. Sizes are bounded; what is cut says how much there is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from mdcoord.errors import InvalidDocument, InvalidName, MdcoordError, NotFound
from mdcoord.formats.brief import Brief, Check, Part
from mdcoord.formats.derived import listed
from mdcoord.model import Value
from mdcoord.projectfiles import FileText
from mdcoord.records import Context, Task
from mdcoord.rules.acceptance import REQUIRED, criteria
from mdcoord.rules.gate import FIELD as GATE
from mdcoord.rules.gate import REQUIRED as GATE_REQUIRED
from mdcoord.rules.leases import Lease
from mdcoord.rules.readiness import DONE, OPEN, UNDONE
from mdcoord.rules.standing import timeout_of
from mdcoord.services.env import Env
from mdcoord.services.notes import Contexts
from mdcoord.services.tasks import Tasks

PIECE: Final = 64 * 1024
"""Bytes of one piece of material."""

WHOLE: Final = 256 * 1024
"""Bytes of all material together."""

ATTEMPTS: Final = 5
"""How many lines about earlier attempts are told, the newest."""

_PATH: Final = re.compile(r"(?=\S*/)\S+|\S+\.[A-Za-z0-9]{1,8}")
_LINK: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+")

Read = Callable[[str, int], FileText]
"""Reads a file of the project, so many bytes of it at most."""

Exists = Callable[[str], bool]
"""Whether a path names something in the project."""


class Briefs:
    """Makes briefs for one caller."""

    def __init__(self, env: Env, tasks: Tasks, contexts: Contexts, read: Read, exists: Exists) -> None:
        self._env = env
        self._tasks = tasks
        self._contexts = contexts
        self._read = read
        self._exists = exists

    def of(self, name: str) -> Brief:
        """The brief of a task. What it names and cannot be had is among the `problems`. Raises NotFound."""
        task = self._tasks.get(name)
        room = _Room(WHOLE)
        instructions = [*self._instructions(task, room)]
        context = [self._reference(label, given, room) for label, given in _references(task.fields)]
        results = [self._result(other, room) for other in listed(task.fields.get("depends_on"))]
        parts = [*instructions, *context, *results]
        return Brief(
            id=task.id,
            title=task.title or task.id,
            facts=self._facts(task),
            instructions=instructions,
            constraints=self._constraints(task),
            attempts=_attempts(task),
            context=context,
            results=results,
            acceptance=[Check(one.number, one.text, one.done, one.by) for one in criteria(task.fields)],
            acceptance_required=task.fields.get(REQUIRED) is True,
            next_steps=[str(step) for step in listed(task.fields.get("next_steps"))],
            commands=_commands(task),
            problems=[f"{part.source}: {part.problem}" for part in parts if part.problem],
        )

    def _facts(self, task: Task) -> list[str]:
        lease: Lease | None = task.record.lease
        holder = lease.holder if lease else None
        held = ""
        if holder and holder.session:
            held = f", held by {holder.agent} (attempt {task.attempt}) until {holder.expires_at}"
        facts = [f"status: {task.status}{held}"]
        for name in ("project_id", "type", "priority", "created_at", "eta"):
            if task.fields.get(name):
                facts.append(f"{name.removesuffix('_id')}: {task.fields[name]}")
        return [*facts, f"file: {task.path}"] if task.path else facts

    def _constraints(self, task: Task) -> list[str]:
        fields, timeout = task.fields, timeout_of(task.fields, self._env.rules)
        told = [str(one) for one in listed(fields.get("constraints"))]
        if task.needs:
            told.append(f"whoever does it must be able to: {', '.join(map(str, task.needs))}")
        if timeout:
            told.append(f"each attempt may take {timeout:g} seconds; after that others may have the task")
        if rivals := listed(fields.get("conflicts_with")):
            told.append(f"it must not run at the same time as: {', '.join(map(str, rivals))}")
        if fields.get(GATE) == GATE_REQUIRED:
            told.append("it cannot be completed before the project's quality gate has passed in this attempt")
        if task.status == "pending":
            told += [f"not ready: {reason}" for reason in self._tasks.why(task.id)]
        return told

    def _instructions(self, task: Task, room: _Room) -> list[Part]:
        parts = []
        given = task.instructions or ""
        wanted = given.strip().strip("`")
        if _LINK.fullmatch(wanted):
            parts.append(Part(wanted, "link"))
        elif self._is_path(wanted):
            parts.append(self._file("instruction file", wanted, room))
        elif wanted:
            parts.append(room.fit("its field `instructions`", "", given))
        prose = _prose(task)
        if prose:
            parts.append(room.fit("the text of its document", "", prose))
        return parts

    def _reference(self, label: str, given: Value, room: _Room) -> Part:
        """The part that an entry of `context` names."""
        wanted = str(given).strip().strip("`")
        if not isinstance(given, str):
            return room.data("its field `context`", label, given)
        if _LINK.fullmatch(wanted):
            return Part(wanted, label or "link")
        found = self._document(label, wanted, room)
        if found is not None:
            return found
        if self._is_path(wanted):
            return self._file(label, wanted, room)
        if len(wanted.split()) > 1:
            return room.fit("its field `context`", label, given)
        return Part(wanted, label, problem="there is neither a context document nor a file of this name")

    def _document(self, label: str, wanted: str, room: _Room) -> Part | None:
        """A context document, by its name or its file; None when it is no name of one."""
        name = wanted.rpartition("/")[2].removesuffix(".md") if _names_document(wanted) else wanted
        try:
            found: Context = self._contexts.get(name)
        except (NotFound, InvalidName):
            return None
        except MdcoordError as error:
            return Part(wanted, label or "context", problem=error.message)
        source = f"context document {found.id}" + (f" ({found.path})" if found.path else "")
        part = room.data(source, label or found.title or "", found.data)
        prose = _prose(found)
        if prose and part.text is not None:
            more = room.fit(source, label, prose)
            return Part(source, part.label, f"{part.text}\n\n{more.text}", cut=part.cut or more.cut)
        return part

    def _is_path(self, wanted: str) -> bool:
        return bool(_PATH.fullmatch(wanted)) or ("\n" not in wanted and self._exists(wanted))

    def _file(self, label: str, path: str, room: _Room) -> Part:
        found = self._read(path, room.left())
        if found.text is None:
            return Part(path, label, size=found.size, problem=found.problem)
        room.take(found.text)
        return Part(path, label, found.text, size=found.size, cut=found.cut)

    def _result(self, other: Value, room: _Room) -> Part:
        """What a task gave on which this one depends."""
        name = str(other)
        try:
            task = self._tasks.get(name)
        except MdcoordError as error:
            return Part(f"task {name}", problem=error.message)
        source = f"task {task.id}"
        if task.status in UNDONE:
            why = f": {task.error}" if task.error else ""
            return Part(source, task.title or "", problem=f"there is no result, it is {task.status}{why}")
        if task.status not in DONE:
            return Part(source, task.title or "", problem=f"no result yet, it is {task.status}")
        if task.result is None:
            return room.fit(source, task.title or "", "It is completed and left no result.")
        return room.data(source, task.title or "", task.result)


class _Room:
    """How much material still fits."""

    def __init__(self, size: int) -> None:
        self._size = size

    def left(self) -> int:
        """Bytes that the next piece may have."""
        return min(PIECE, self._size)

    def take(self, text: str) -> None:
        """So much is gone."""
        self._size = max(0, self._size - len(text.encode("utf-8", "replace")))

    def fit(self, source: str, label: str, text: str) -> Part:
        """A text as far as it fits."""
        data = text.encode("utf-8", "replace")
        kept = data[: self.left()].decode("utf-8", "ignore") if len(data) > self.left() else text
        self.take(kept)
        return Part(source, label, kept, size=len(data), cut=kept is not text)

    def data(self, source: str, label: str, value: Value) -> Part:
        """A value as indented JSON, as far as it fits; whole values stay values."""
        if isinstance(value, str):
            return self.fit(source, label, value)
        text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
        part = self.fit(source, label, text)
        return part if part.cut else Part(source, label, text, data=value, size=part.size)


def _references(fields: Mapping[str, Any]) -> list[tuple[str, Value]]:
    """The entries of `context` with their labels."""
    found: list[tuple[str, Value]] = []
    for entry in listed(fields.get("context")):
        found += _labelled(entry) if isinstance(entry, Mapping) else [("", entry)]
    return found


def _labelled(entry: Mapping[str, Any]) -> list[tuple[str, Value]]:
    return [(str(label), given) for label, given in entry.items()]


def _names_document(path: str) -> bool:
    """Whether a path is that of a context document: `.claude/coordination/context-proj1-dataset.md`."""
    return path.rpartition("/")[2].startswith("context-") and path.endswith(".md")


def _attempts(task: Task) -> list[str]:
    """What became of the attempts before this one."""
    lines = [line for line in task.logs if isinstance(line, Mapping) and line.get("outcome")]
    told = [f"{line.get('at')}: {line.get('message')}" for line in lines[-ATTEMPTS:]]
    if task.error and not any(task.error in line for line in told):
        told.append(f"the last error: {task.error}")
    return told


def _commands(task: Task) -> list[tuple[str, str]]:
    """The commands by which whoever does it reports, each with what it is for."""
    name, token = task.id, "--token TOKEN"
    claim = [(f"mdcoord task claim {name} --agent NAME", "make it yours")]
    gate = [(f"mdcoord quality run --task {name}", "check it; needed before it can be completed")]
    return [
        *(claim if task.status in OPEN else []),
        (f"mdcoord task progress {name} 0.5 --log 'what is done' {token}", "how far it is"),
        *([(f"mdcoord task accept {name} 1 {token}", "a criterion is met")] if task.acceptance else []),
        *(gate if task.fields.get(GATE) == GATE_REQUIRED else []),
        (f'mdcoord task complete {name} --result \'{{"path": "…"}}\' {token}', "it is done, with its result"),
        (f"mdcoord task fail {name} 'what went wrong' {token}", "it cannot be done so"),
        (f"mdcoord task release {name} {token}", "give it back unharmed"),
    ]


def _prose(record: Task | Context) -> str:
    """What people wrote into a document, below and between its views."""
    from mdcoord.formats.views import prose_of

    try:
        return prose_of(record.body).strip()
    except InvalidDocument:
        return record.body.strip()
