"""Lines of an export of beads: one issue a line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mdcoord.formats.foreign.found import Found, Unusable, filled, held_by, plain_name, stamp, status_of
from mdcoord.model import Value

_WAITS: Final = frozenset(["blocks", "conditional-blocks", "waits-for"])
"""Dependencies for which a task has to wait."""

_NO_WORK: Final = frozenset(
    ["message", "agent", "role", "convoy", "gate", "event", "molecule", "slot", "rig"]
)
"""Types of issues that nobody is to claim."""

_SAID: Final = frozenset(
    ["id", "title", "description", "issue_type", "labels", "design", "notes", "comments", "close_reason"]
)
_BULLET: Final = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(?=\S)")


def read_issue(raw: Mapping[str, Any], where: str) -> Found | Unusable:
    """The task of an issue."""
    if not isinstance(raw.get("id"), str) or not raw.get("title"):
        return Unusable(where, "it has no id and title, so it is no issue")
    if raw.get("status") == "tombstone":
        return Unusable(where, f"{raw['id']} was deleted there")
    agent = plain_name(raw["assignee"]) if raw.get("assignee") else None
    status, remarks = status_of(raw.get("status"), agent, ended=bool(raw.get("closed_at")))
    type_ = raw.get("issue_type")
    if str(type_) in _NO_WORK and status in ("pending", "in_progress"):
        status, remarks = "cancelled", (*remarks, f"type {type_!r} is no work: held back as cancelled")
    links = _mappings(raw.get("dependencies"))
    fields: dict[str, Value] = {
        "title": str(raw["title"]),
        "type": type_,
        "status": status,
        "priority": _priority(raw.get("priority")),
        "assigned_agent": agent,
        "labels": raw.get("labels"),
        "created_at": stamp(raw.get("created_at")),
        "updated_at": stamp(raw.get("updated_at")),
        "completed_at": stamp(raw.get("closed_at")) if status == "completed" else None,
        "not_before": stamp(raw.get("defer_until")),
        "eta": stamp(raw.get("due_at")),
        "instructions": raw.get("description"),
        "acceptance": _criteria(raw.get("acceptance_criteria")),
        "logs": _comments(raw.get("comments")),
        "result": raw.get("close_reason"),
    }
    return Found(
        "task",
        raw["id"],
        filled(fields),
        _body(raw),
        tuple(_targets(links, _WAITS)),
        next(iter(_targets(links, {"parent-child"})), None),
        filled({name: value for name, value in raw.items() if name not in _SAID}),
        (*remarks, *_other_links(links)),
        held_by(raw.get("status")),
    )


def _priority(value: Any) -> int:
    """Theirs is 0 (critical) to 4, ours is higher for what goes first and 0 in the middle."""
    return 2 - value if isinstance(value, int) and not isinstance(value, bool) else 0


def _targets(links: Sequence[Mapping[str, Any]], types: frozenset[str] | set[str]) -> list[str]:
    return [
        str(link["depends_on_id"])
        for link in links
        if str(link.get("type")) in types and link.get("depends_on_id")
    ]


def _other_links(links: Sequence[Mapping[str, Any]]) -> list[str]:
    mapped = {*_WAITS, "parent-child"}
    return [
        f"dependency of type {link.get('type')!r}" for link in links if str(link.get("type")) not in mapped
    ]


def _mappings(items: Any) -> list[Mapping[str, Any]]:
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _criteria(text: Any) -> list[Value]:
    """One criterion a line of a list; else the whole text is one."""
    lines = [line for line in str(text or "").splitlines() if line.strip()]
    if lines and all(map(_BULLET.match, lines)):
        return [_BULLET.sub("", line).rstrip() for line in lines]
    return [str(text).strip()] if lines else []


def _comments(comments: Any) -> list[Value]:
    return [
        filled(
            {"at": stamp(item.get("created_at")), "agent": item.get("author"), "message": item.get("text")}
        )
        for item in _mappings(comments)
    ]


def _body(raw: Mapping[str, Any]) -> str:
    parts = [(name, str(raw[name]).strip()) for name in ("design", "notes") if raw.get(name)]
    return "\n".join(f"## {name.title()}\n\n{text}\n" for name, text in parts)
