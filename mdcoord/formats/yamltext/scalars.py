"""What a plain scalar means: YAML 1.2 core typing, limited to the values that JSON has.

`NO` is text, `0755` is the number 755, `1_000`, `12:30` and `2026-01-31` are text. Infinity, not-a-number
and whole numbers beyond 64 bits are refused: no JSON reader would give them back as they are.
"""

from __future__ import annotations

import math
import re
from typing import Final

from mdcoord.formats.yamltext.limits import MAX_INT, MIN_INT

_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_MAYBE_TYPED: Final = frozenset("~nNtTfF+-.0123456789")
_LONGEST_FLOAT: Final = 1000
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OTHER_BASE = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")


class NotJson(ValueError):
    """A scalar that YAML can type but JSON cannot hold; the text says why."""


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain (unquoted) scalar. Raises NotJson."""
    if text[:1] not in _MAYBE_TYPED and text:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return _whole(text, 10)
    if _FLOAT.match(text):
        number = float(text) if len(text) <= _LONGEST_FLOAT else math.inf
        if not math.isfinite(number):
            raise NotJson(f"the number {_short(text)} is too large or too long")
        return number
    if _OTHER_BASE.match(text):
        return _whole(text, 16 if text[1] == "x" else 8)
    if _NOT_FINITE.match(text):
        raise NotJson(f"{text} is no number that JSON knows")
    return text


def _whole(text: str, base: int) -> int:
    digits = text.lstrip("+-0") if base == 10 else text[2:].lstrip("0")
    if len(digits) > 22:
        raise NotJson(f"the number {_short(text)} needs more than 64 bits")
    number = int(digits or "0", base)
    if text[0] == "-":
        number = -number
    if not MIN_INT <= number <= MAX_INT:
        raise NotJson(f"the number {_short(text)} needs more than 64 bits")
    return number


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:20] + "…"
