"""Reads a file without front matter, as the bold-field format has it, as the record that it means.

    **Task ID**: task-123
    **Status**: in_progress

Only what is understood becomes a field: known labels with readable values, unknown labels in bold under their
own key. Everything else stays where it is, in the text. Nothing is computed and nothing is made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from mdcoord.errors import UsageError
from mdcoord.formats.boldfields import (
    AGENT,
    AGENT_METRICS,
    BREAKER,
    CONTEXT,
    ENTRY,
    EVENTS,
    MESSAGE,
    METRICS,
    NOTHING_WORDS,
    PROJECT,
    TASK,
    Fields,
    Table,
    merge,
    present,
)
from mdcoord.formats.boldtext import Bullet, Label, Section, label_of, named, sections
from mdcoord.formats.fields import plain
from mdcoord.formats.labels import format_value, parse_timestamp, parse_value
from mdcoord.model import ID_FIELD


def adopt(kind: str, text: str, name: str) -> Fields:
    """The fields of a bold-field file; `name` (the file's, without `.md`) stands in for a missing id."""
    title, parts = sections(text)
    fields: Fields = {}
    _READERS[kind](fields, title, parts)
    own_id = name if kind == "task" else name.removeprefix(kind + "-")
    fields.setdefault(ID_FIELD[kind], own_id)
    first = [key for key in (ID_FIELD[kind], "title") if key in fields]
    fields = {key: fields[key] for key in [*first, *fields] if key != "schema"}
    return {key: value for key, value in fields.items() if _storable({key: value})}


def _storable(value: Any) -> bool:
    try:
        plain(value)
    except UsageError:
        return False
    return True


# ---------------------------------------------------------------- labels


def _read_labels(labels: Iterable[Label], table: Table, into: Fields, unknown: Fields | None = None) -> None:
    """Known labels into their fields, unknown bold ones, where they are wanted, under their own key."""
    for label in labels:
        if label.key in table:
            table.read(label, into)
        elif unknown is not None and label.bold and label.value:
            unknown.setdefault(label.key, parse_value(label.value))


def _read_numbers(section: Section, into: Fields, known: Table | None = None) -> None:
    """A section of figures: its JSON blocks and every labelled value (`Current loss: 0.42` is the loss)."""
    for value in section.json_values():
        if isinstance(value, dict):
            merge(into, value)
    for label in section.labels():
        if known and label.key in known:
            known.read(label, into)
        elif label.value:
            into.setdefault(label.key.removeprefix("current_"), parse_value(label.value))


def _read_others(section: Section, into: Fields) -> None:
    """A section that the format does not know: its bold labels, or its JSON, under the section's key."""
    found: Fields = {}
    _read_labels(section.labels(), Table(), {}, unknown=found)
    values = section.json_values()
    if values and not found:
        into.setdefault(section.key, values[0])
    elif found and section.key:
        into.setdefault(section.key, found)


# ---------------------------------------------------------------- lists


def _entries(section: Section) -> list[Fields]:
    """Tasks below `###` headings, or as list entries with their fields below them."""
    parts = section.parts()
    named_parts = [(part.title, part.bullets()) for part in parts]
    found = named_parts or [(bullet.text, bullet.below) for bullet in section.bullets()]
    return [
        _entry(title, bullets) for title, bullets in found if title.lower().strip(".") not in NOTHING_WORDS
    ]


def _entry(heading: str, bullets: list[Bullet]) -> Fields:
    title, remark = named(heading)
    key = "task_id" if remark.startswith("task-") else "project_id"
    entry: Fields = {"title": title} | ({key: remark} if remark else {})
    metadata: Fields = {}
    for bullet in bullets:
        label = label_of(bullet.text)
        if label and label.key == "metrics" and not label.value:
            _read_plain(bullet.below, metadata)
        elif label and label.key in ENTRY:
            ENTRY.read(label, entry)
        elif label and label.value:
            entry.setdefault(label.key, parse_value(label.value))
    if metadata:
        merge(entry, {"metadata": metadata})
    return entry


def _read_plain(bullets: list[Bullet], into: Fields) -> None:
    for bullet in bullets:
        label = label_of(bullet.text)
        if label and label.value:
            into.setdefault(label.key, parse_value(label.value))


def _items(section: Section) -> list[str]:
    return [bullet.text for bullet in section.bullets() if bullet.text.lower() not in NOTHING_WORDS]


def _reference(text: str) -> Any:
    """``Dataset: `path` `` as {"Dataset": "path"}, a path alone as it is, anything else as its text."""
    label, colon, path = (part.strip() for part in text.replace("**", "").partition(":"))
    if colon and label and "`" not in label and re.fullmatch(r"`[^`]+`|[^\s`]*/[^\s`]*", path):
        return {label: path.strip("`")}
    return parse_value(text) if format_value(parse_value(text)) == text and text.startswith("`") else text


def _task_ids(text: str) -> list[str]:
    """The tasks that an entry of a list of dependencies names, in parentheses or at its beginning."""
    inside = re.findall(r"\((task-[A-Za-z0-9._-]*[A-Za-z0-9])\)", text)
    first = re.match(r"`?(task-[A-Za-z0-9._-]*[A-Za-z0-9])\b", text)
    return inside or ([first[1]] if first else [])


def _log(section: Section) -> list[Fields]:
    """`[time] message` lines, the oldest first however the text orders them."""
    lines = section.block_lines() or [bullet.text for bullet in section.bullets()]
    found = (re.fullmatch(r"\[([^\]]+)\]\s*(.+)", line.strip()) for line in lines)
    entries = [{"at": at, "message": m[2]} for m in found if m and (at := parse_timestamp(m[1]))]
    newest_first = len(entries) > 1 and entries[0]["at"] > entries[-1]["at"]
    return entries[::-1] if newest_first else entries


# ---------------------------------------------------------------- kinds


def _heading(title: str, word: str) -> str:
    """The heading without its leading word: `Task: Train model` -> `Train model`."""
    return re.sub(rf"^{word}(\s+Status)?\s*(:\s*|$)", "", title, flags=re.I)


def _put(into: Fields, key: str, value: Any) -> None:
    """Set what is not known yet, unless there is nothing to set."""
    if value not in (None, "", [], {}):
        into.setdefault(key, value)


def _read_task(into: Fields, title: str, parts: list[Section]) -> None:
    _read_labels(parts[0].labels(), TASK, into, unknown=into)
    _put(into, "title", _heading(title, "Task"))
    for section in parts[1:]:
        if section.key in _TASK_SECTIONS:
            _TASK_SECTIONS[section.key](into, section)
        elif section.key not in TASK:
            _read_others(section, into)


def _task_metrics(into: Fields, section: Section) -> None:
    metadata: Fields = {}
    _read_numbers(section, metadata)
    merge(into, present(metadata=metadata))


def _task_times(into: Fields, section: Section) -> None:
    _read_labels(section.labels(), TASK, into, unknown=into)


def _task_depends_on(into: Fields, section: Section) -> None:
    _put(into, "depends_on", [task for text in _items(section) for task in _task_ids(text)])


def _result(into: Fields, section: Section) -> None:
    values = section.json_values()
    found: Fields = {}
    _read_labels(section.labels(), Table(), {}, unknown=found)
    _put(into, "result", values[0] if values else found or section.text)


_TASK_SECTIONS: dict[str, Callable[[Fields, Section], None]] = {
    "timeline": _task_times,
    "progress": _task_times,
    "metrics": _task_metrics,
    "metadata": _task_metrics,
    "context_references": lambda into, s: _put(into, "context", [_reference(text) for text in _items(s)]),
    "context": lambda into, s: _put(into, "context", [_reference(text) for text in _items(s)]),
    "dependencies": _task_depends_on,
    "next_steps": lambda into, s: _put(into, "next_steps", _items(s)),
    "acceptance_criteria": lambda into, s: _put(into, "acceptance", _items(s)),
    "acceptance": lambda into, s: _put(into, "acceptance", _items(s)),
    "logs": lambda into, s: _put(into, "logs", _log(s)),
    "instructions": lambda into, s: _put(into, "instructions", s.text),
    "notes": lambda into, s: _put(into, "notes", s.text),
    "error": lambda into, s: _put(into, "error", s.text),
    "result": _result,
}


def _read_agent(into: Fields, title: str, parts: list[Section]) -> None:
    name = _heading(title, "Agent")
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        into["agent_id"] = name
    _read_labels(parts[0].labels(), AGENT, into, unknown=into)
    for section in parts[1:]:
        if section.key in _AGENT_SECTIONS:
            _AGENT_SECTIONS[section.key](into, section)
        elif section.key not in AGENT:
            _read_others(section, into)


def _agent_metrics(into: Fields, section: Section) -> None:
    metrics: Fields = {}
    _read_numbers(section, metrics, AGENT_METRICS)
    merge(into, present(metrics=metrics))


def _breaker(into: Fields, section: Section) -> None:
    breaker: Fields = {}
    _read_labels(section.labels(), BREAKER, breaker, unknown=breaker)
    _put(into, "circuit_breaker", breaker)


_AGENT_SECTIONS: dict[str, Callable[[Fields, Section], None]] = {
    "active_tasks": lambda into, s: _put(into, "active_tasks", _entries(s)),
    "recent_completions": lambda into, s: _put(into, "recent_completions", _entries(s)),
    "metrics": _agent_metrics,
    "circuit_breaker": _breaker,
    "capabilities": lambda into, s: _put(into, "capabilities", _items(s)),
    "specializations": lambda into, s: _put(into, "specializations", _items(s)),
    "notes": lambda into, s: _put(into, "notes", s.text),
}


def _read_context(into: Fields, title: str, parts: list[Section]) -> None:
    _read_labels(parts[0].labels(), CONTEXT, into, unknown=into)
    match = re.fullmatch(r"(?:(.*?)\s+)?Context(?:\s*:\s*(.*))?", title)
    _put(
        into,
        "domain",
        re.sub(r"[^a-z0-9]+", "-", match[1].lower()).strip("-") if match and match[1] else None,
    )
    _put(into, "title", match[2] if match else title)
    data: Fields = {}
    for section in parts:
        if section.key == "dependencies":
            _put(into, "dependencies", [_reference(text) for text in _items(section)])
        else:
            _read_data(section, data)
    _put(into, "data", data)


def _read_data(section: Section, data: Fields) -> None:
    """Mappings in JSON blocks together; a table or bold labels under the section's key."""
    for value in section.json_values():
        if isinstance(value, dict):
            merge(data, value)
        else:
            _put(data, section.key, value)
    found: Fields = {}
    _read_labels(section.labels(), Table(), {}, unknown=found)
    if section.key:
        _put(data, section.key, section.table() or found)


def _read_metrics(into: Fields, title: str, parts: list[Section]) -> None:
    values: Fields = {}
    _read_labels(parts[0].labels(), METRICS, into, unknown=values)
    _put(into, "title", _heading(title, "Metrics"))
    for section in parts[1:]:
        rows = section.table()
        if section.key == "samples":
            _put(into, "samples", rows)
        elif rows:
            _put(values, section.key, rows)
        _read_numbers(section, values)
    _put(into, "values", values)


def _read_project(into: Fields, title: str, parts: list[Section]) -> None:
    _put(into, "title", _heading(title, "Progress"))
    _read_labels(parts[0].labels(), PROJECT, into, unknown=into)
    for section in parts[1:]:
        if section.key == "blockers":
            _put(into, "blockers", _items(section))
        elif section.key == "progress":
            _read_labels(section.labels(), PROJECT, into, unknown=into)
        else:
            _read_others(section, into)


def _read_message(into: Fields, title: str, parts: list[Section]) -> None:
    _read_labels(parts[0].labels(), MESSAGE, into, unknown=into)
    _put(into, "subject", _heading(title, "Message"))
    for section in parts[1:]:
        if section.key == "description":
            _put(into, "description", section.text)
        elif section.key == "acknowledgements":
            found = (
                re.fullmatch(r"\*\*([^*]+)\*\* at (\S+?)(?::\s+(.*))?", text) for text in _items(section)
            )
            _put(into, "acks", [present(by=m[1], at=m[2], comment=m[3]) for m in found if m])


def _read_events(into: Fields, title: str, parts: list[Section]) -> None:
    _read_labels(parts[0].labels(), EVENTS, into)
    _put(into, "title", title)


_READERS: dict[str, Callable[[Fields, str, list[Section]], None]] = {
    "agent": _read_agent,
    "task": _read_task,
    "events": _read_events,
    "context": _read_context,
    "metrics": _read_metrics,
    "message": _read_message,
    "progress": _read_project,
}
