"""One document for a person: its title, its fields, and what people wrote below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.output import clean, paint, pairs, uncontrolled
from mdcoord.model import ID_FIELD
from mdcoord.records import TypedRecord


def details(record: TypedRecord, **more: str) -> str:
    """A document as aligned text; `more` are further lines below its fields."""
    skipped = {"schema", "title", ID_FIELD[record.kind]}
    title = record.get("title")
    head = f"{record.id}  {title}" if isinstance(title, str) and title else record.id
    rows = [(name, shown(value)) for name, value in record.fields.items() if name not in skipped]
    if record.get("_stale"):
        rows.append(("stale", "yes"))
    rows += [*more.items(), ("file", record.path or "")]
    return "\n".join(part for part in (paint(clean(head), "1"), pairs(rows), _prose(record.body)) if part)


def shown(value: Any) -> str:
    """A value of a field as text: a time with its age, a short list on one line, the rest as a block."""
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, str):
        passed = age(value)
        return f"{value} ({passed})" if passed else value.rstrip("\n")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return _listed(value)
    return _mapped(value)


def _listed(items: list[Any]) -> str:
    if all(isinstance(item, str | int | float) for item in items):
        short = ", ".join(map(str, items))
        return short if len(short) < 100 and "\n" not in short else "\n".join(f"- {item}" for item in items)
    return "\n".join(f"- {inline(item)}" for item in items)


def _mapped(value: Mapping[str, Any]) -> str:
    if any(isinstance(item, dict | list) for item in value.values()):
        import json

        return json.dumps(value, ensure_ascii=False, indent=2)
    return "\n".join(f"{name}: {inline(item)}" for name, item in value.items())


def inline(item: Any) -> str:
    """A value of a field on one line."""
    if isinstance(item, Mapping):
        return ", ".join(f"{name}: {inline(value)}" for name, value in item.items())
    return ", ".join(map(inline, item)) if isinstance(item, list) else str(item)


def _prose(body: str) -> str:
    """What people wrote outside of the generated views."""
    if "<!-- mdcoord:view" in body:
        from mdcoord.formats.views import strip_views

        body = strip_views(body)
    lines = [uncontrolled(line) for line in body.strip("\n").split("\n")]
    return "\n" + "\n".join(lines) if any(lines) else ""
