"""Files of Backlog.md: a task, a document or a decision a file, with YAML above sections of Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from mdcoord.errors import InvalidDocument
from mdcoord.formats.document import Document
from mdcoord.formats.foreign.found import (
    PRIORITY,
    Found,
    Unusable,
    filled,
    held_by,
    plain_name,
    stamp,
    status_of,
)
from mdcoord.model import Value

_SECTION: Final = re.compile(r"<!-- SECTION:([A-Z_]+):BEGIN -->\s*\n(.*?)\n?<!-- SECTION:\1:END -->", re.S)
_CRITERIA: Final = re.compile(r"<!-- AC:BEGIN -->(.*?)<!-- AC:END -->", re.S)
_CRITERION: Final = re.compile(r"^\s*- \[([ xX])\] (?:#\d+ )?(.+?)\s*$", re.M)
_OLD_PART: Final = r"^## {}\s*\n(.*?)(?=^## |\Z)"
_UNQUOTED: Final = re.compile(r"(?<=[\[,:-])(\s+|(?<=\[))(@[\w.\-]+)", re.M)

_SAID: Final = frozenset(["id", "title", "labels", "dependencies", "parent_task_id", "type"])
"""Keys that our fields say in full; the others are kept beside."""


def read_task(text: str, where: str) -> Found | Unusable:
    """The task of a file."""
    parsed = _parsed(text, where)
    if isinstance(parsed, Unusable):
        return parsed
    raw, body = parsed
    if not raw.get("id") or not raw.get("title"):
        return Unusable(where, "it has no id and title, so it is no task")
    assignees = [name for name in map(plain_name, _list(raw.get("assignee"))) if name]
    agent = assignees[0] if assignees else None
    status, remarks = status_of(raw.get("status"), agent)
    sections = dict(_SECTION.findall(body))
    updated = stamp(raw.get("updated_date")) or stamp(raw.get("created_date"))
    fields: dict[str, Value] = {
        "title": str(raw["title"]),
        "type": raw.get("type"),
        "status": status,
        "priority": PRIORITY.get(str(raw.get("priority")).lower(), 0),
        "assigned_agent": agent,
        "labels": _list(raw.get("labels")),
        "created_at": stamp(raw.get("created_date")),
        "updated_at": updated,
        "completed_at": stamp(raw.get("completed_date")) or updated if status == "completed" else None,
        "eta": stamp(raw.get("due_date")),
        "instructions": sections.get("DESCRIPTION") or _part(body, "Description"),
        "context": [*_list(raw.get("references")), *_list(raw.get("documentation"))],
        "acceptance": _criteria(body),
        "result": sections.get("FINAL_SUMMARY"),
    }
    if len(assignees) > 1:
        remarks = (*remarks, "several assignees: the first one has it")
    return Found(
        "task",
        str(raw["id"]),
        filled(fields),
        body,
        tuple(_list(raw.get("dependencies"))),
        str(raw["parent_task_id"]) if raw.get("parent_task_id") else None,
        filled({name: value for name, value in raw.items() if name not in _SAID}),
        (*remarks, *(f"field {name!r}" for name in ("milestone", "ordinal") if raw.get(name))),
        held_by(raw.get("status")),
    )


def read_document(text: str, where: str, name: str) -> Found | Unusable:
    """The context document of a file of documentation or of a decision; `name` is the file's own."""
    parsed = _parsed(text, where)
    if isinstance(parsed, Unusable):
        return parsed
    raw, body = parsed
    made = stamp(raw.get("created_date") or raw.get("date"))
    updated = stamp(raw.get("updated_date")) or made
    fields = {"title": raw.get("title") or name, "created_at": made, "last_updated": updated}
    kept = filled({key: value for key, value in raw.items() if key not in ("id", "title")})
    return Found("context", str(raw.get("id") or name), filled(fields), body, kept=kept)


def _parsed(text: str, where: str) -> tuple[Mapping[str, Any], str] | Unusable:
    try:
        document = Document.parse(text, where=where)
    except InvalidDocument as error:
        mended = _mended(text)
        if mended == text:
            return Unusable(where, error.message)
        return _parsed(mended, where)
    return document.fields, document.body.lstrip("\n")


def _mended(text: str) -> str:
    """The text with quotes around names like @ada in its front matter: older versions wrote them bare."""
    head, fence, rest = text.partition("\n---")
    return _UNQUOTED.sub(r'\1"\2"', head) + fence + rest


def _criteria(body: str) -> list[Value]:
    block = _CRITERIA.search(body)
    listed = block[1] if block else _part(body, "Acceptance Criteria") or ""
    return [
        {"text": text, "done": True} if mark != " " else text for mark, text in _CRITERION.findall(listed)
    ]


def _part(body: str, heading: str) -> str | None:
    """What stands below a heading, in the files of versions that did not mark their sections."""
    match = re.search(_OLD_PART.format(re.escape(heading)), body, re.M | re.S)
    return match[1].strip() if match else None


def _list(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [] if value in (None, "") else [value]
    return [str(item) for item in items]
