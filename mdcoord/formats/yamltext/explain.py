"""The parser's complaints in plain words, with what to do."""

from __future__ import annotations

import re
from typing import Any

from mdcoord.formats.yamltext.fault import Fault

_SENTENCES: tuple[tuple[str, str, str], ...] = (
    # what PyYAML or libyaml says, what we say, what to do
    (
        "mapping values are not allowed",
        "a second ': ' stands in this line, or the line is indented wrongly",
        "put quotes around the value if the colon belongs to it",
    ),
    (
        "could not find expected ':'",
        "a line is neither `name: value` nor part of the value above",
        "add the colon, or indent or quote the text that belongs to the value above",
    ),
    (
        "block sequence entries are not allowed",
        "a list item (-) stands where none can be",
        "start the list on a line of its own below its name, or quote the value",
    ),
    (
        "did not find expected key",
        "this line does not fit the lines above",
        "check its indentation, and quotes and brackets above it",
    ),
    (
        "did not find expected '-' indicator",
        "this line does not fit the list above",
        "check its indentation; every item starts with - in the same column",
    ),
    (
        "expected <block end>",
        "this line does not fit the lines above",
        "check its indentation, and quotes and brackets above it",
    ),
    (
        "did not find expected ',' or",
        "a list in [...] or mapping in {...} lacks a comma or its closing bracket",
        "add the comma or the bracket, or quote a value that contains brackets",
    ),
    (
        "expected ',' or",
        "a list in [...] or mapping in {...} lacks a comma or its closing bracket",
        "add the comma or the bracket, or quote a value that contains brackets",
    ),
    (
        "did not find expected node content",
        "a value is missing here",
        "quote the value, or close the bracket",
    ),
    ("expected the node content", "a value is missing here", "quote the value, or close the bracket"),
    ("unexpected end of stream", "a quoted text is not closed", "add the closing quote"),
    ("unexpected document indicator", "a quoted text is not closed", "add the closing quote"),
    ("unknown escape character", "an unknown escape stands in double quotes", "write \\\\ for one backslash"),
    ("hexdecimal number", "an escape in double quotes is incomplete", "write \\\\ for one backslash"),
    ("hexadecimal number", "an escape in double quotes is incomplete", "write \\\\ for one backslash"),
    ("invalid Unicode character escape", "an escape stands for no character", "write the character itself"),
    ("undefined tag handle", "a tag is not supported", "quote the value if the ! belongs to it"),
    ("tab character that violates indentation", "a tab stands in the indentation", "indent with blanks"),
    ("found a tab", "a tab stands in the indentation", "indent with blanks"),
    (
        "did not find expected <document start>",
        "text follows the end of the mapping",
        "check the lines above it",
    ),
    ("expected '<document start>'", "text follows the end of the mapping", "check the lines above it"),
)

_AT_START = (
    "cannot start any token",
    "alphabetic or numeric character",
    "expected comment or line break",
    "expected a comment or a line break",
)
_MISFIT = ("did not find expected key", "expected <block end>")
_NEVER_FIRST = ("@", "`", "%", "\t")
_WORDS = re.compile(r"[^,\[\]{}\r\n]*")
_AT_CONTEXT = ("unexpected end of stream", "unexpected document indicator")


def explain(source: str, error: Any) -> Fault:
    """The fault behind an exception of PyYAML (a `yaml.YAMLError`)."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    mark = getattr(error, "problem_mark", None)
    if any(part in problem for part in _AT_CONTEXT) and getattr(error, "context_mark", None) is not None:
        mark = error.context_mark
    index = min(mark.index if mark is not None else 0, len(source))
    if any(part in problem for part in _AT_START):
        return _bad_start(source, _start_of_value(source, index))
    if any(part in problem for part in _MISFIT) and source[source.rfind("\n", 0, index) + 1 : index].strip():
        return Fault(
            "more text follows a finished value",
            index,
            "put the whole value between quotes, or add what is missing",
        )
    for part, message, hint in _SENTENCES:
        if part in problem:
            return Fault(message, index, hint)
    return Fault(problem, index, "check the line against the format, or quote the value")


def _start_of_value(source: str, index: int) -> int:
    """The character that the parser could not get past, or the indicator before the place that it reports."""
    line = source.rfind("\n", 0, index) + 1
    found = max(source.rfind(mark, line, index) for mark in ("*", "&", "|", ">"))
    return found if found >= 0 and source[index : index + 1] not in _NEVER_FIRST else index


def _bad_start(source: str, index: int) -> Fault:
    character = source[index : index + 1]
    if character == "\t":
        return Fault("a tab stands where only blanks may indent", index, "replace the tab by blanks")
    rest = _WORDS.match(source, index)
    value = rest[0].strip() if rest else ""
    simple = value and '"' not in value and "\\" not in value and len(value) <= 60
    hint = f'quote it: "{value}"' if simple else "put quotes around the value"
    return Fault(f"a value cannot start with {character} unquoted", index, hint)
