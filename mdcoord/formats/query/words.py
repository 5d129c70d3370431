"""The words that the text of a query is made of, and errors that point at one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from mdcoord.errors import QueryError
from mdcoord.model import Path

COMPARISONS: Final = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
"""Signs that compare, and the sign that each is the same as."""

TESTS: Final = ("in", "between", "like", "contains", "starts", "ends")
"""Words that may follow a value and can be negated by `not`."""

RESERVED: Final = frozenset(
    ["and", "or", "not", "in", "is", "between", "like", "contains", "null", "true", "false", "now"]
)
"""Words that name a field only in back-ticks (or after a dot)."""

OPERATORS_HINT: Final = (
    "operators are = != < <= > >=, in (…), between … and …, like, contains, starts with, ends with, is null"
)

_MEANT: Final = {
    **dict.fromkeys(["===", ":", ":=", "eq", "equals"], "="),
    **dict.fromkeys(["!==", "=!", "ne"], "!="),
    **dict.fromkeys(["=>", "gte", "ge"], ">="),
    **dict.fromkeys(["=<", "lte", "le"], "<="),
    **dict.fromkeys(["~", "=~", "~=", "matches", "ilike"], "like"),
    **dict.fromkeys(["has", "includes"], "contains"),
    **dict.fromkeys(["&&", "&"], "and"),
    **dict.fromkeys(["||", "|"], "or"),
    "!": "not",
    "gt": ">",
    "lt": "<",
    "startswith": "starts with",
    "endswith": "ends with",
}
"""What other languages call our operators."""

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_STEP = rf"""\.(?:\w+|`(?:[^`]|``)+`|{_QUOTED})|\[\s*(?:-?[0-9]{{1,9}}|{_QUOTED})\s*\]"""
_FIRST = r"[^\W\d]\w*|`(?:[^`]|``)+`"
_TOKEN = re.compile(
    rf"""
      (?P<blank>\s+)
    | (?P<time>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}
        (?:T[0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)?)?(?![\w:]))
    | (?P<duration>(?:[0-9]+(?:\.[0-9]+)?(?:ms|[wdhms]))+(?![\w.]))
    | (?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
    | (?P<name>(?:{_FIRST})(?:{_STEP})*)
    | (?P<string>{_QUOTED})
    | (?P<sign>[(),+-]|[=<>!~&|:*/%^?;@\#$\\]+)
    """,
    re.VERBOSE,
)


class Word(NamedTuple):
    """One word. `kind`: time, duration, number, name, string, sign, reserved (in lower case), or end."""

    kind: str
    text: str
    at: int


def words(text: str) -> Iterator[Word]:
    """Cut a query into words, the last of which is the end. Raises QueryError."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unknown(text, at)
        kind, word = str(found.lastgroup), found[0]
        if kind == "name" and word.lower() in RESERVED:
            yield Word("reserved", word.lower(), at)
        elif kind == "sign" and word not in "(),+-" and word not in COMPARISONS:
            raise problem(text, at, f"{word!r} is not an operator", meant(word), width=len(word))
        elif kind != "blank":
            yield Word(kind, word, at)
        at = found.end()
    yield Word("end", "", at)


def problem(text: str, at: int, message: str, hint: str = "", *, width: int = 1) -> QueryError:
    """The error to raise: with the part of the query around the place, and carets below the place."""
    start = max(0, at - 50)
    excerpt = re.sub(r"\s", " ", text[start : at + 40])
    carets = " " * (at - start) + "^" * max(1, min(width, len(excerpt) - (at - start)))
    return QueryError(
        f"{message}, at character {at + 1} of the query\n  {excerpt}\n  {carets}", hint=hint, position=at
    )


def meant(word: str) -> str:
    """A hint naming the operator that `word` probably stands for."""
    import difflib

    close = difflib.get_close_matches(word.lower(), [*COMPARISONS, *TESTS, "is", "and", "or", "not"], 1)
    likely = _MEANT.get(word.lower()) or (close[0] if close else "")
    return f"did you mean `{likely}`?" if likely else OPERATORS_HINT


def unquote(quoted: str) -> str:
    """The text between quotes or back-ticks, in which that quote is written twice."""
    mark = quoted[0]
    return quoted[1:-1].replace(mark * 2, mark)


def path_of(name: str) -> Path:
    """The path that a name spells. Plain digits become a number: the index of a list or else a key."""
    first = re.match(_FIRST, name)
    assert first is not None
    steps: list[str | int] = [unquote(first[0]) if name[0] == "`" else first[0]]
    for found in re.compile(_STEP).finditer(name, first.end()):
        step = found[0][1:] if found[0][0] == "." else found[0][1:-1].strip()
        if step[0] in "'\"`":
            steps.append(unquote(step))
        else:
            steps.append(int(step) if re.fullmatch(r"-?(0|[1-9][0-9]{0,8})", step) else step)
    return tuple(steps)


def _unknown(text: str, at: int) -> QueryError:
    sign = text[at]
    if sign in "'\"`":
        return problem(
            text, at, f"the {sign} opened here is never closed", f"inside such quotes, write {sign} twice"
        )
    if sign == "[":
        return problem(
            text, at, "a list goes in round brackets", "for example: status in ('pending', 'failed')"
        )
    if found := re.compile(r"\.?[0-9][\w.:]*").match(text, at):
        hint = "text goes in quotes; durations are like 1h30m, times like 2026-01-31T09:30:00Z"
        return problem(
            text, at, f"{found[0][:40]!r} is no number, duration or time", hint, width=len(found[0])
        )
    return problem(text, at, f"{sign!r} means nothing here", "text goes in quotes, odd names in back-ticks")
