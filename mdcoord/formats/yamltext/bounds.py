"""What is refused before a YAML parser sees the text.

Size is bounded by `fence`; depth and the number of values are counted by `tree` while the parser works, which
never asks for anything below the deepest level that is allowed.
"""

from __future__ import annotations

import re
from typing import Final

from mdcoord.formats.yamltext.fault import Fault

_CONFLICT = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?=[ \t\r\n]|\Z)", re.MULTILINE)
CONFLICT_HINT: Final = (
    "finish the merge: keep one side and remove the lines with <<<<<<<, ======= and >>>>>>>"
)

_NOT_TEXT = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LONE_CR = re.compile(r"\r(?!\n)")
_DIRECTIVE = re.compile(r"(?:[ \t]*+(?:#[^\n]*+)?+\r?\n)*+%")


def check(source: str) -> None:
    """Refuse front matter with conflict markers, control characters, old line ends or directives. Raises
    Fault.
    """
    conflict = merge_conflict(source, 0, len(source))
    if conflict is not None:
        raise conflict
    wrong = _NOT_TEXT.search(source)
    if wrong is not None:
        raise Fault(
            f"the control character U+{ord(wrong[0]):04X} stands in the front matter",
            wrong.start(),
            "remove it, or write it as an escape inside double quotes",
        )
    lone = _LONE_CR.search(source)
    if lone is not None:
        raise Fault(
            "a line ends with a carriage return alone",
            lone.start(),
            "use line feeds (LF) or CRLF as line ends",
        )
    directive = _DIRECTIVE.match(source)
    if directive is not None:
        raise Fault(
            "YAML directives are not supported", directive.end() - 1, "remove the line that starts with %"
        )


def merge_conflict(text: str, start: int, end: int) -> Fault | None:
    """The fault for the first line of `text[start:end]` that git writes around the sides of a merge
    conflict.
    """
    found = _CONFLICT.search(text, start, end)
    if found is None:
        return None
    return Fault("a git merge conflict is left in the front matter", found.start(), CONFLICT_HINT)
