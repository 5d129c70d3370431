"""What a person or a program should know about a list, on stderr: what it leaves out, why it may be empty."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mdcoord.errors import InvalidDocument
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import clean, json_line, note
from mdcoord.records import TYPES

if TYPE_CHECKING:
    from mdcoord.workspace import Workspace

LISTED = 600.0
"""The list that was printed is what counts, however many seconds it took: nothing is read twice."""


def warn(
    call: Call,
    workspace: Workspace,
    kind: str,
    where: str | None = None,
    sort: str | None = None,
    *,
    found: Sequence[Any] = (),
) -> None:
    """Name the files of a kind that cannot be read, which hold up nobody; with --json as one object each.

    Where a query found nothing, also name its fields that no record has: mostly texts without their quotes;
    and always those of `sort` that none of the records `found` has.
    """
    for file in workspace.unreadable(kind, max_age=LISTED):
        text = f"left out: {located(file.path, file.line, file.message)}"
        place = {"path": file.path, "line": file.line}
        notice(call, InvalidDocument.code, text, **place, message=file.message, hint=file.hint)
    if where is not None and not found:
        for name in _unknown(workspace, kind, where):
            message, hint = f"no {kind} has a field {name!r}", "a text stands in quotes"
            notice(call, "unknown_field", f"{message} ({hint})", field=name, message=message, hint=hint)
    if sort is not None and kind != "events":
        warn_of_fields(call, kind, [name.strip().lstrip("-") for name in sort.split(",")], found)


def warn_of_fields(call: Call, kind: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Name the fields that were asked for and that no record which was found has, nor its kind knows."""
    asked = [name.strip() for name in names if name.strip()]
    if not (asked and rows):
        return
    known = {"body", "_body"}.union(vars(TYPES[kind]), *rows)
    for name in asked:
        if not known & {name, name.split(".")[0]}:
            message, hint = f"no {kind} that was found has a field {name!r}", "look for a slip"
            notice(call, "unknown_field", f"{message} ({hint})", field=name, message=message, hint=hint)


def located(path: str, line: int | None, message: str) -> str:
    """What is wrong in which file and line, each of them said once."""
    place = path if line is None else f"{path}:{line}"
    return clean(message if message.startswith(path) else f"{place}: {message}")


def _unknown(workspace: Workspace, kind: str, where: str) -> list[str]:
    from mdcoord.formats.query import compile_query

    rows = [] if kind == "events" else workspace.query(kind)
    return (
        sorted(compile_query(where, now=time.time).fields.difference({"body", "_body"}, *rows))
        if rows
        else []
    )


def notice(call: Call, code: str, text: str, **facts: Any) -> None:
    """One warning on stderr; with --json as an object with its code and facts."""
    note(json_line({"warning": code, **facts}) if call.json else f"mdcoord: {clean(text)}")
