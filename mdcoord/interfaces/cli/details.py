"""One document for a person: its title, its fields, and what people wrote below them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from mdcoord.errors import MdcoordError
from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.output import clean, json_line, paint, pairs, uncontrolled
from mdcoord.model import ID_FIELD
from mdcoord.records import TypedRecord

_EMPTY_VIEW: Final = r"<!-- mdcoord:view \S+ -->\r?\n<!-- /mdcoord:view -->\r?\n?"


def details(record: TypedRecord, **more: str) -> str:
    """A document as aligned text; `more` are further lines below its fields, or what is shown of these."""
    skipped = {"schema", "title", ID_FIELD[record.kind]}
    title = record.get("title")
    head = f"{record.id}  {title}" if isinstance(title, str) and title else record.id
    stale = {"stale": "yes"} if record.get("_stale") else {}
    fields = {name: shown(value) for name, value in record.fields.items() if name not in {*skipped, *more}}
    rows = [*fields.items(), *stale.items(), *more.items(), ("file", record.path or "")]
    return "\n".join(part for part in (paint(clean(head), "1"), pairs(rows), _prose(record.body)) if part)


def shown(value: Any) -> str:
    """A value of a field as text: a time with its age, a short list on one line, the rest as a block."""
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, str):
        passed = age(value)
        return f"{value} ({passed})" if passed else value.rstrip("\n")
    if isinstance(value, list):
        return _listed(value)
    return _mapped(value) if isinstance(value, Mapping) else cell(value)


def _listed(items: list[Any]) -> str:
    if all(isinstance(item, str | int | float) for item in items):
        short = ", ".join(map(str, items))
        return short if len(short) < 100 and "\n" not in short else "\n".join(f"- {item}" for item in items)
    return "\n".join(f"- {inline(item)}" for item in items)


def _mapped(value: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {cell(item)}" for name, item in value.items() if item is not None)


def inline(item: Any) -> str:
    """A value of a field on one line, for reading."""
    if isinstance(item, Mapping):
        return ", ".join(f"{name}: {inline(value)}" for name, value in item.items())
    return ", ".join(map(inline, item)) if isinstance(item, list) else cell(item)


def cell(value: Any) -> str:
    """A value of a field on one line, exactly: text as it is, a list of texts with commas, else JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json_line(value)


def _prose(body: str) -> str:
    """What people wrote outside of the generated views."""
    if "<!-- mdcoord:view" in body:
        from mdcoord.formats.views import strip_views

        try:
            body = re.sub(_EMPTY_VIEW, "", strip_views(body))
        except MdcoordError:
            pass  # a mark without its other half: `check` tells, and here the text is shown as it is
    lines = [uncontrolled(line) for line in body.strip("\n").split("\n")]
    return "\n" + "\n".join(lines) if any(lines) else ""
