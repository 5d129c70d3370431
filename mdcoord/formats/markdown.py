"""Values as Markdown that cannot become structure: none closes a view, starts a fence or a heading.

Whoever writes a record's value into a body goes through one of these: `one_line` after a label, `item` at the
start of a list entry or paragraph, `block` for text of several lines, `code`, `cell`, `json_block`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.encoder import encode_basestring as _quoted
from typing import Any

from mdcoord.formats.labels import NO, NOTHING, YES, guard_json, label_for, one_line_json

_LINE_BREAK = re.compile(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]"
_BLOCK_START = re.compile(
    r"#{1,6}(?=\s|$)|>|[-+*](?=\s|$)|~~~|\||<|\[[^\]]*\]:|=+$|([-*_])(\s*\1){2,}$"  # CommonMark, GFM
)
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


def one_line(value: Any) -> str:
    """Any JSON value for people, on one line, for a place after a label. Nothing (or empty) is `N/A`."""
    if isinstance(value, str):
        text = value.strip()
        if text.isprintable() and "--" not in text and "```" not in text:  # nearly all: ids, times, titles
            return text or NOTHING
        return _flattened(text) or NOTHING
    if value is None or value == [] or value == {}:
        return NOTHING
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(one_line, value))
    return _flattened(one_line_json(value))


def item(value: Any) -> str:
    """Like `one_line`, for the beginning of a list entry or paragraph: block starts are escaped."""
    text = one_line(value)
    if _BLOCK_START.match(text):
        return "\\" + text
    return _NUMBERED.sub(r"\1\\\2", text, count=1) if _NUMBERED.match(text) else text


def block(value: Any) -> str:
    """Text of several lines as a quote (nothing in it reaches outside); one line as a plain paragraph."""
    if not isinstance(value, str) or not _LINE_BREAK.search(value.strip()):
        return item(value)
    lines = _LINE_BREAK.split(_without_comments(value.strip("\r\n")))
    shown = (re.sub(_CONTROL, "�", line) for line in lines)
    return "\n".join(f"> {line}".rstrip().replace("```json", "``` json") for line in shown)


def code(value: Any) -> str:
    """Inline code; a text with back-ticks gets longer marks than any in it."""
    text = one_line(value)
    if "`" not in text:
        return f"`{text}`"
    marks = "`" * (max(map(len, re.findall("`+", text))) + 1)
    return f"{marks} {text} {marks}"


def cell(value: Any) -> str:
    """A table cell."""
    return one_line(value).replace("|", "\\|")


def json_block(value: Any) -> str:
    """A fenced block of JSON with one entry a line; marks of fences and comments in it are JSON escapes."""
    return f"```json\n{_pretty(value)}\n```"


def table(rows: list[Any]) -> str:
    """Flat mappings as a table with a column for every key that one has; any other list as a list."""
    if not is_table(rows):
        return "\n".join(f"- {item(row)}" for row in rows)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[cell(label_for(key)) for key in keys], ["---"] * len(keys)]
    lines += [[cell(row[key]) if key in row else "" for key in keys] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def reference(value: Any) -> str:
    """An entry of a list of references: `{label: path}` as ``label: `path` ``, anything else as an item."""
    if isinstance(value, Mapping) and value:
        return "; ".join(f"{item(label)}: {code(path)}" for label, path in value.items())
    return item(value)


def criterion(value: Any) -> str:
    """An entry of acceptance criteria: `{text, done}` with a box, ticked or not, anything else as an item."""
    if isinstance(value, Mapping) and "text" in value:
        return f"[{'x' if value.get('done') is True else ' '}] {one_line(value['text'])}"
    return item(value)


def is_table(value: Any) -> bool:
    """Whether this is a list of flat mappings, which people read best as a table."""
    return isinstance(value, list) and bool(value) and all(map(_is_flat_row, value))


def _is_flat_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and bool(row)
        and not any(isinstance(cell, list | dict) for cell in row.values())
    )


def _flattened(text: str) -> str:
    text = re.sub(_CONTROL, "�", _LINE_BREAK.sub(" ", text))
    return _without_comments(text).replace("```", "\\`\\`\\`").strip()


def _without_comments(text: str) -> str:
    return text.replace("<!--", "&lt;!--").replace("-->", "--&gt;")


def _pretty(value: Any) -> str:
    """JSON with one entry a line; a flat mapping, the usual case, entry by entry through the fast encoder."""
    if isinstance(value, dict) and not any(isinstance(entry, list | dict) for entry in value.values()):
        lines = [f"  {_quoted(str(key))}: {_scalar(entry)}" for key, entry in value.items()]
        text = "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"
    else:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    return guard_json(text).replace("```", "\\u0060\\u0060\\u0060")


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    return repr(value) if type(value) is int else json.dumps(value)
