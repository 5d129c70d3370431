"""Simple front matter, as the tool writes it itself, read and edited line by line without a YAML parser.

Known are: block mappings with plain or quoted keys, nested in steps of two blanks; lists of scalars and of
mappings; scalars on one line, plain or quoted; literal blocks; `[]`, `{}`, flat lists of words and JSON
between brackets. Anything else (comments, anchors, tags, other indentation, carriage returns, a key that
stands twice …) makes `read` return None: then a YAML parser has to decide. What is known has the values
that the parser gives, and an edit gives the same text; both are tested against each other.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from mdcoord.formats.yamltext.limits import MAX_DEPTH, MAX_KEY, MAX_VALUES
from mdcoord.formats.yamltext.scalars import NotJson, resolve

MAX_SOURCE: Final = MAX_VALUES
"""Longer front matter is left to the parser, in characters: a shorter one cannot hold too many values."""

_STEP: Final = 2
_PLAIN_START: Final = frozenset("_/.(+$")
_FLOW_LEVELS: Final = 8

_VALUE: Final = 0
_FLOW: Final = 1
_OPEN: Final = 2
_LITERAL: Final = 3


_Line = tuple[int, bool, str | None, int, Any]
"""Column of the key or hyphen, whether there is a hyphen, key (None for an item that is a scalar), kind,
meaning.
"""


class _Unknown(Exception):
    """The text is outside of the subset."""


# `re` compiles these when they are first used: most documents need none of them.

# Control characters, line breaks of YAML 1.1, surrogates and byte order marks are nowhere in the subset.
_ODD = "[\x00-\x09\x0b-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
_KEY = r"(?a:(?:[A-Za-z_][\w.-]*(?: [\w.-]+)*|\"[^\"\\]+\")\Z)"
_DOUBLE = r'"(?:[^"\\]|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))*"\Z'
_SINGLE = r"'((?:[^']|'')*)'\Z"
_WORD = r"[\w./][\w./+-]*(?:\ [\w./][\w./+-]*)*"
_WORDS = re.compile(rf"\[{_WORD}(?:,\ {_WORD})*\]\Z", re.ASCII | re.VERBOSE)
_SURROGATE = r"\\u[dD][89a-fA-F]"

_learned: dict[str, _Line] = {}
_MOST_LEARNED: Final = 4096
_LONGEST_LEARNED: Final = 200


def read(source: str) -> dict[str, Any] | None:
    """The values of a front matter inside the subset, None for any other (also for a wrong one)."""
    if len(source) > MAX_SOURCE or _is_odd(source):
        return None
    lines = source.split("\n")
    if lines.pop():
        return None
    fields: dict[str, Any] = {}
    try:
        end = _mapping(lines, 0, 0, fields, 1)
    except _Unknown:
        return None
    return fields if end == len(lines) else None


def _mapping(lines: list[str], at: int, column: int, into: dict[str, Any], depth: int) -> int:
    """Read the entries in `column` from line `at` on; returns the line behind them."""
    count = len(lines)
    known = _learned.get
    while at < count:
        text = lines[at]
        line = known(text) or _learn(text)
        found, hyphen, key, kind, value = line
        if found < column:
            return at
        if found != column or hyphen:
            raise _Unknown
        if kind == _VALUE and key is not None and key not in into:
            into[key] = value
            at += 1
        else:
            at = _entry(lines, at, column, line, into, depth)
    return at


def _entry(lines: list[str], at: int, column: int, line: _Line, into: dict[str, Any], depth: int) -> int:
    """Read one entry of a mapping whose first line is `line`; returns the line behind it."""
    _, _, key, kind, value = line
    if key is None or key in into:
        raise _Unknown
    at += 1
    if kind == _VALUE:
        into[key] = value
    elif kind == _FLOW:
        if depth + _FLOW_LEVELS > MAX_DEPTH:
            raise _Unknown
        into[key] = json.loads(value)
    elif kind == _LITERAL:
        into[key], at = _literal(lines, at, column + _STEP, value)
    else:
        into[key], at = _below(lines, at, column, depth)
    return at


def _below(lines: list[str], at: int, column: int, depth: int) -> tuple[Any, int]:
    """Read what stands below a key in `column` that has nothing on its own line."""
    if at == len(lines):
        return None, at
    below, hyphen, _, _, _ = _learned.get(lines[at]) or _learn(lines[at])
    if depth >= MAX_DEPTH:
        raise _Unknown
    if hyphen and below in (column, column + _STEP):
        return _list(lines, at, below, depth + 1)
    if below <= column:
        return None, at
    if below != column + _STEP:
        raise _Unknown
    fields: dict[str, Any] = {}
    return fields, _mapping(lines, at, below, fields, depth + 1)


def _list(lines: list[str], at: int, column: int, depth: int) -> tuple[list[Any], int]:
    """Read the items whose hyphens stand in `column`; returns the line behind them, too."""
    items: list[Any] = []
    while at < len(lines):
        line = _learned.get(lines[at]) or _learn(lines[at])
        found, hyphen, key, kind, value = line
        if found < column or (found == column and not hyphen):
            break
        if found != column:
            raise _Unknown
        if key is not None:
            if depth >= MAX_DEPTH:
                raise _Unknown
            fields: dict[str, Any] = {}
            items.append(fields)
            at = _entry(lines, at, column + _STEP, line, fields, depth + 1)
            at = _mapping(lines, at, column + _STEP, fields, depth + 1)
            continue
        at += 1
        if kind == _VALUE:
            items.append(value)
        elif kind == _FLOW and depth + _FLOW_LEVELS <= MAX_DEPTH:
            items.append(json.loads(value))
        elif kind == _LITERAL:
            text, at = _literal(lines, at, column + _STEP, value)
            items.append(text)
        else:
            raise _Unknown
    return items, at


def _literal(lines: list[str], at: int, column: int, header: str) -> tuple[str, int]:
    """Read the lines of a literal block with exactly this indentation; returns the line behind them, too."""
    pad = " " * column
    content: list[str] = []
    while at < len(lines):
        text = lines[at]
        if text.startswith(pad) and not text.isspace():
            content.append(text[column:])
        elif text:
            break
        else:
            content.append("")
        at += 1
    if not content or not content[-1] or content[0][:1] in ("", " "):
        raise _Unknown
    return "\n".join(content) + ("\n" if header == "|" else ""), at


def _is_odd(source: str) -> bool:
    # The first test is fast and says no too often: it takes joiners inside of emoji for odd.
    return not source.replace("\n", "").isprintable() and re.search(_ODD, source) is not None


def _learn(text: str) -> _Line:
    """Take a line apart, and remember it: documents share many, and few change between two reads."""
    rest = text.lstrip(" ")
    column = len(text) - len(rest)
    hyphen = rest[:2] == "- "
    if hyphen:
        rest = rest[2:]
    key, colon, value = rest.partition(": ")
    if not colon and rest[-1:] == ":":
        key, colon = rest[:-1], ":"
    line: _Line
    if len(key) > MAX_KEY:
        colon = ""
    if not colon or not ((key.isidentifier() and key.isascii()) or re.match(_KEY, key)):
        line = (column, hyphen, None, *_value(rest))
    elif value:
        line = (column, hyphen, key.strip('"'), *_value(value))
    elif colon == ": ":
        raise _Unknown  # a blank at the end of the line
    else:
        line = (column, hyphen, key.strip('"'), _OPEN, None)
    if len(text) <= _LONGEST_LEARNED:
        if len(_learned) >= _MOST_LEARNED:
            _learned.clear()
        _learned[text] = line
    return line


def _value(text: str) -> tuple[int, Any]:
    """The kind and the meaning of what stands behind a key or hyphen: for brackets, JSON text."""
    first = text[:1]
    if first == '"':
        if "\\" not in text and text.find('"', 1) == len(text) - 1:
            return _VALUE, text[1:-1]
        if not re.match(_DOUBLE, text):
            raise _Unknown
        return _VALUE, json.loads(text)
    if first == "[" or first == "{":
        return _FLOW, _flow(text)
    if first == "|":
        if text not in ("|", "|-"):
            raise _Unknown
        return _LITERAL, text
    if first == "'":
        single = re.match(_SINGLE, text)
        if single is None:
            raise _Unknown
        return _VALUE, single[1].replace("''", "'")
    starts_plain = first.isalnum() or first in _PLAIN_START or (first == "-" and text[1:2].isalnum())
    last = text[-1:]
    if not starts_plain or last == ":" or last.isspace() or ": " in text or " #" in text:
        raise _Unknown
    return _VALUE, _resolved(text)


def _resolved(text: str) -> Any:
    if len(text) < 18 and text.isdecimal() and text.isascii():
        return int(text)
    try:
        return resolve(text)
    except NotJson:
        raise _Unknown from None


def _flow(text: str) -> str:
    """Brackets on one line as JSON text."""
    if _WORDS.match(text):
        return json.dumps([_resolved(word) for word in text[1:-1].split(", ")])
    if len(text) > 1000 or re.search(_SURROGATE, text) or text.count("[") + text.count("{") > _FLOW_LEVELS:
        raise _Unknown
    try:
        value = json.loads(
            text, parse_int=_resolved, parse_float=_resolved, parse_constant=_refuse, object_pairs_hook=_pairs
        )
    except ValueError:
        raise _Unknown from None
    return json.dumps(value)


def _refuse(_: str) -> Any:
    raise _Unknown


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Unknown
    return fields
