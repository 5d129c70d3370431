"""Values as YAML that every reader understands alike, whatever version of YAML it speaks.

Text is written plain only when no reader of YAML 1.1 or 1.2 could take it for something else; otherwise in
double quotes with the escapes of JSON. No value can end the front matter: line breaks are escaped or
indented.
"""

from __future__ import annotations

import re
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

STEP: Final = 2
"""Blanks of indentation a level."""

_PLAIN = re.compile(r"[^\W_](?:[^\x00-\x1f\x7f]*[^\s:])?\Z|[_/.($][^\x00-\x1f\x7f]*[^\s:]\Z")
_PLAIN_IN_FLOW = re.compile(r"[\w./ ()+@~$-]+\Z")
_AMBIGUOUS = re.compile(
    r"""(?:y|n|yes|no|on|off|true|false|null|nil|none|undefined|nan|inf|infinity)\Z   # words
    | [-+]?\.?(?:inf|infinity|nan)\Z
    | [-+]?\.?[0-9][0-9_,]*(?:\.[0-9_,]*)?(?:e[-+]?[0-9]*)?\Z                         # 1 1.5 1_000 1,000 1e3
    | [-+]?0[xob][0-9a-f_]*\Z
    | [-+]?[0-9][0-9_]*(?::[0-9_]+)+(?:\.[0-9_]*)?\Z                                  # 12:30:45
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}                                                  # 2026-01-31...
    | \.\.\.|\.\Z
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_UNQUOTABLE = re.compile("[\x00-\x1f\x7f-\xa0\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_TO_ESCAPE = re.compile("[\x7f-\xa0\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_NOT_LITERAL = re.compile(r"(?m)[ \t]$|^ *\t|\A[ \n]|\n\n\Z")


class Rendered(NamedTuple):
    """A value in block style: `head` stands behind the colon or hyphen, `lines` (indented) below."""

    head: str
    lines: list[str]


def text_is_plain(text: str) -> bool:
    """True when the text needs no quotes outside of brackets."""
    return (
        _PLAIN.match(text) is not None
        and text.isprintable()
        and ": " not in text
        and " #" not in text
        and not _AMBIGUOUS.match(text)
    )


def scalar(value: Any, style: str = "", in_flow: bool = False) -> str:
    """One scalar on one line; `style` is the quote to prefer for text, "" for none."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return _text(value, style, in_flow)
    written = repr(value)
    # YAML 1.1 takes 1e+20 for text: its floats need the dot.
    if isinstance(value, float) and "." not in written:
        written = written.replace("e", ".0e")
    return written


def _text(value: str, style: str, in_flow: bool) -> str:
    if style == "'" and not _UNQUOTABLE.search(value):
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and text_is_plain(value) and (not in_flow or _PLAIN_IN_FLOW.match(value)):
        return value
    return quoted(value)


def quoted(text: str) -> str:
    """The text in double quotes, with JSON's escapes."""
    written = encode_basestring(text)
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


@lru_cache(maxsize=512)  # documents share their keys
def key(text: str, style: str = "", in_flow: bool = False) -> str:
    """A key of a mapping."""
    return _text(text, style, in_flow)


def flow(value: Any, style: str = "") -> str:
    """Any value on one line; `style='"'` writes JSON."""
    if isinstance(value, dict):
        pairs = (f"{key(name, style, True)}: {flow(item, style)}" for name, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item, style) for item in value) + "]"
    return scalar(value, style, True)


def literal(text: str, indent: int) -> Rendered | None:
    """Text of several lines as a literal block, or None where that would not be exact and easy to read."""
    if "\n" not in text or _NOT_LITERAL.search(text):
        return None
    head = "|" if text.endswith("\n") else "|-"
    lines = text.removesuffix("\n").split("\n")
    if any(_UNQUOTABLE.search(line.replace("\t", " ")) for line in lines):
        return None
    pad = " " * indent
    return Rendered(head, [pad + line if line else "" for line in lines])


def block(value: Any, indent: int, style: str = "", literals: bool = True) -> Rendered:
    """A value of a mapping in block style; `indent` is the column of what goes below its key.

    Without `literals`, text of several lines is quoted: a comment that follows could become part of it.
    """
    if isinstance(value, dict) and value:
        return Rendered("", entries(value, indent, literals))
    if isinstance(value, list) and value:
        return Rendered("", items(value, indent, literals))
    if isinstance(value, str) and style in ("", "|", ">") and literals:
        as_literal = literal(value, indent)
        if as_literal is not None:
            return as_literal
    if isinstance(value, (dict, list)):
        return Rendered(flow(value), [])
    return Rendered(scalar(value, style), [])


def entries(fields: dict[str, Any], indent: int, literals: bool = True) -> list[str]:
    """The lines of a block mapping in column `indent`."""
    lines: list[str] = []
    pad = " " * indent
    for name, value in fields.items():
        rendered = block(value, indent + STEP, literals=literals)
        lines.append(f"{pad}{key(name)}: {rendered.head}" if rendered.head else f"{pad}{key(name)}:")
        lines += rendered.lines
    return lines


def item(value: Any, indent: int, style: str = "", literals: bool = True) -> Rendered:
    """An item of a block list; `indent` is the column of what stands behind its hyphen."""
    if isinstance(value, dict) and value:
        lines = entries(value, indent, literals)
        return Rendered(lines[0][indent:], lines[1:])
    if isinstance(value, list):
        return Rendered(flow(value), [])
    return block(value, indent, style, literals)


def items(values: list[Any], indent: int, literals: bool = True) -> list[str]:
    """The lines of the items of a block list whose hyphens stand in column `indent`."""
    lines: list[str] = []
    for value in values:
        rendered = item(value, indent + STEP, literals=literals)
        lines += (" " * indent + "- " + rendered.head, *rendered.lines)
    return lines
