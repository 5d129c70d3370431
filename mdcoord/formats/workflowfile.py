"""The definition of a workflow as a Markdown file with front matter.

    ---
    workflow: release-${version}
    title: Release ${version}
    params: {version: null}
    defaults: {retry_limit: 1}
    phases:
      - phase: build
        tasks:
          - title: Compile
            needs: [c]
            priority: 5
          - title: Write the notes
      - phase: check
        allow_failures: true
        tasks: [Test on Linux, Test on Windows]
    ---

    What it is for; free text.

A task without an `id` has the words of its title as its id, so the same definition always means the same
tasks. `${name}` stands for a parameter; a parameter without a value must be given one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, NoReturn

from mdcoord.errors import InvalidDocument, InvalidName, UsageError
from mdcoord.formats.document import Document
from mdcoord.formats.workflowdef import Definition, Phase, TaskDef
from mdcoord.model import Path, Value, normalise_name

OWN: Final = frozenset(
    [
        *("schema", "task_id", "project_id", "workflow", "phase", "status", "attempt", "excused"),
        *("assigned_agent", "assigned_at", "created_at", "started_at", "updated_at", "completed_at"),
        *("progress", "result", "error", "logs", "idempotency_key"),
    ]
)
"""Fields of a task that a definition cannot set: mdcoord does, or they have another name there."""

_PARAMETER: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


def parse_workflow(text: str, params: Mapping[str, Value] | None = None, *, where: str = "") -> Definition:
    """Read a definition and put in the values of its parameters.

    Raises InvalidDocument with the line, and UsageError for parameters that it does not have or that have no
    value.
    """
    document = Document.parse(text, where=where)
    if not document.has_front_matter:
        raise InvalidDocument(
            f"{where or 'the definition'} has no front matter",
            hint="a workflow begins with `---`, `workflow: NAME` and `phases:`"
            + ("" if where or "\n" in text else "; this is to be the text itself, not the name of a file"),
            path=where,
            line=1,
        )
    return _Reader(document, where).definition(params or {})


_TASK: Final = frozenset(item.name for item in fields(TaskDef))
_LISTS: Final = frozenset(["needs", "depends_on", "conflicts_with", "context", "acceptance"])
_TEXTS: Final = frozenset(["id", "title", "assign", "not_before", "project", "type", "instructions", "body"])
_PHASE: Final = ("phase", "tasks", "allow_failures", "defaults")


class _Reader:
    """Reads one definition; knows its text, to say in which line something is wrong."""

    def __init__(self, document: Document, where: str) -> None:
        self._document = document
        self._where = where

    def definition(self, params: Mapping[str, Value]) -> Definition:
        """The whole of it."""
        top: dict[str, Any] = self._document.fields
        values = self._values(top.get("params"), params)
        filled = {name: _filled(value, values) for name, value in top.items() if name != "params"}
        name = filled.get("workflow")
        if not isinstance(name, str) or not name.strip():
            self._wrong(("workflow",), "a workflow needs a name", "workflow: release-1")
        try:
            name = normalise_name(name)
        except InvalidName as error:
            braces = "a parameter of `params:` is written ${name}" if "{" in name else error.hint
            self._wrong(("workflow",), error.message, braces)
        return Definition(
            name,
            [*self._phases(filled)],
            self._text(("title",), filled.get("title")),
            self._text(("project",), filled.get("project")),
            self._where,
        )

    def _values(self, declared: Any, given: Mapping[str, Value]) -> dict[str, Value]:
        if not isinstance(declared, Mapping | None):
            self._wrong(("params",), "params are names with values", "params: {version: null}")
        known = dict(declared or {})
        if strange := sorted(set(given) - set(known)):
            raise UsageError(
                f"{self._file()} has no parameter {strange[0]!r}",
                hint="it has: " + ", ".join(known)
                if known
                else f"it has none: add `params: {{{strange[0]}: null}}`",
            )
        values = {**known, **given}
        if missing := [name for name, value in values.items() if value is None]:
            raise UsageError(
                f"{self._file()} needs a value for {', '.join(missing)}", hint=f"--set {missing[0]}=VALUE"
            )
        return values

    def _phases(self, top: dict[str, Any]) -> Iterator[Phase]:
        listed = top.get("phases")
        if listed is None and "tasks" in top:
            yield Phase("work", [*self._tasks((), top, self._defaults((), top))])
            return
        if not isinstance(listed, list) or not listed:
            self._wrong(("phases",), "a workflow needs a list of phases", "or `tasks:`, if it has one only")
        seen: set[str] = set()
        for number, item in enumerate(listed):
            place: Path = ("phases", number)
            if not isinstance(item, dict) or not isinstance(item.get("phase"), str) or not item["phase"]:
                self._wrong(place, "a phase needs a name", "- phase: build")
            if item["phase"] in seen:
                self._wrong(place, f"two phases are called {item['phase']!r}", "name one of them otherwise")
            seen.add(item["phase"])
            if strange := [key for key in item if key not in _PHASE]:
                self._wrong((*place, strange[0]), f"a phase has no {strange[0]!r}", _known(_PHASE))
            allow = item.get("allow_failures", False)
            if not isinstance(allow, bool):
                self._wrong((*place, "allow_failures"), "allow_failures is true or false", "")
            defaults = {**self._defaults((), top), **self._defaults(place, item)}
            yield Phase(item["phase"], [*self._tasks(place, item, defaults)], allow)

    def _defaults(self, place: Path, holder: dict[str, Any]) -> dict[str, Any]:
        found = holder.get("defaults") or {}
        if not isinstance(found, dict) or {"id", "title"} & set(found):
            self._wrong((*place, "defaults"), "defaults are fields of all tasks", "not their id or title")
        return found

    def _tasks(self, place: Path, holder: dict[str, Any], defaults: dict[str, Any]) -> Iterator[TaskDef]:
        listed = holder.get("tasks") or []
        if not isinstance(listed, list):
            self._wrong((*place, "tasks"), "tasks are a list", "- title: Compile")
        for number, item in enumerate(listed):
            here = (*place, "tasks", number)
            own = {"title": item} if isinstance(item, str) else item
            if not isinstance(own, dict):
                self._wrong(here, "a task is a title, or fields with a title", "- title: Compile")
            yield self._task(here, {**defaults, **own})

    def _task(self, place: Path, found: dict[str, Any]) -> TaskDef:
        title = found.get("title")
        if not isinstance(title, str) or not title.strip():
            self._wrong(place, "a task needs a title", "- title: Compile")
        given: dict[str, Any] = {}
        more: dict[str, Value] = {}
        for name, value in found.items():
            if name in OWN or name == "fields":
                self._wrong((*place, name), f"a definition cannot say {name!r} of a task", _hint_for(name))
            if name in _TASK:
                given[name] = self._value((*place, name), name, value)
            else:
                more[name] = value
        task = TaskDef(**{name: value for name, value in given.items() if value is not None}, fields=more)
        try:
            normalise_name(task.name)
        except InvalidName as error:
            self._wrong(place, error.message, error.hint)
        return task

    def _value(self, place: Path, name: str, value: Any) -> Any:
        if name in _LISTS:
            items = value if isinstance(value, list) else [] if value is None else [value]
            free = name in ("context", "acceptance")
            if not free and not all(isinstance(item, str) for item in items):
                self._wrong(place, f"{name} is a list of texts", f"{name}: [one, two]")
            return items
        if name in _TEXTS:
            return self._text(place, value)
        if name == "allow_failure" and not isinstance(value, bool):
            self._wrong(place, "allow_failure is true or false", "")
        if name in ("priority", "retry_limit") and not _is_number(value):
            self._wrong(place, f"{name} is a number", f"{name}: 1")
        return value

    def _text(self, place: Path, value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool | list | dict):
            self._wrong(place, f"{place[-1]} is a text", "put it into quotes")
        return str(value)

    def _wrong(self, place: Path, message: str, hint: str) -> NoReturn:
        line = _line_of(self._document.text, place)
        at = f"{self._where}, line {line}" if self._where else f"line {line}"
        raise InvalidDocument(f"{at}: {message}", hint=hint, path=self._where, line=line)

    def _file(self) -> str:
        return self._where or "the definition"


def _filled(value: Value, values: Mapping[str, Value]) -> Value:
    """A value with its parameters put in. A text that is one parameter becomes what that is."""
    if isinstance(value, dict):
        return {name: _filled(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if not isinstance(value, str):
        return value
    whole = _PARAMETER.fullmatch(value)
    if whole and whole[1] in values:
        return values[whole[1]]
    # What is no parameter of the workflow stays: instructions may hold variables of a shell.
    return _PARAMETER.sub(lambda m: _plain(values[m[1]]) if m[1] in values else m[0], value)


def _plain(value: Value) -> str:
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)


def _line_of(text: str, place: Path) -> int:
    """The line of the value at a path, or of the last part of it that is there; from 1."""
    from mdcoord.formats.yamltext import fence, tree

    fences = fence.split(text)
    node = tree.read(text[fences.start : fences.end]) if fences else None
    if fences is None or node is None:
        return 1
    start = node.start
    for step in place:
        if isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            start = node.start
        elif step in (names := [key.value for key in node.keys]):
            index = names.index(step)
            start, node = node.keys[index].start, node.items[index]
        else:
            break
    return text.count("\n", 0, fences.start + start) + 1


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _known(names: Sequence[str]) -> str:
    return "it has " + ", ".join(names)


def _hint_for(name: str) -> str:
    other = {"assigned_agent": "assign", "project_id": "project", "task_id": "id"}.get(name)
    return f"say {other}" if other else "mdcoord does"
