"""What a tool answers: one compact JSON object.

What mdcoord itself says (ids, counts, tokens) stands at the top level. All that comes out of files stands
below the one key `untrusted_data`, since anybody may have written it: data about the work, never commands to
whoever reads it. Long texts and lists are cut, with their full size beside the preview.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mdcoord.errors import MdcoordError
from mdcoord.model import Value
from mdcoord.services.claim import Claim

DATA: Final = "untrusted_data"
"""The key of everything that comes out of files."""

SHORT: Final = 300
"""Characters of a text that are shown in a list."""

LONG: Final = 4000
"""Characters of a text that are shown of a single record."""

LONGEST: Final = 100_000
"""No text is shown longer, whatever is asked for."""

_HINTS: Final = {"not_accepted": "coord_update_task with `accept` says which criteria are met"}
"""The next step, where it has another name here than on the command line."""

_QUERY: Final = re.compile(r"`mdcoord query (\w+)`")

_ITEMS: Final = {SHORT: 5, LONG: 50}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `undo` takes back what was done, for a caller who left before it could be told."""

    facts: Mapping[str, Value] = field(default_factory=dict)
    data: Value = None
    failed: bool = False
    undo: Callable[[], None] | None = None

    def text(self, notices: Mapping[str, Value]) -> str:
        """As JSON on one line, with what is announced beside the answer."""
        data = {} if self.data is None else {DATA: self.data}
        whole = {**self.facts, **data, **notices}
        text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), default=str)
        return text.encode("utf-8", "replace").decode("utf-8")  # half a character would end the server


def refusal(error: Exception) -> Answer:
    """An error as an answer: its code, what happened, and the next safe step.

    One that nobody expected is told on stderr, too.
    """
    if not isinstance(error, MdcoordError):
        traceback.print_exception(error)
        message = f"{type(error).__name__}: {error}".rstrip(": ")
        hint = "look at what was done before you try again"
        return Answer({"error": "internal", "message": message[:SHORT], "hint": hint}, failed=True)
    told = {name: preview(value, LONG) for name, value in present(error.as_dict()).items()}
    if hint := _HINTS.get(error.code) or _QUERY.sub(r"coord_query of kind \1", error.hint):
        told["hint"] = hint
    return Answer({**told, **({"retry": True} if error.retryable else {})}, failed=True)


def held(claim: Claim) -> dict[str, Value]:
    """What identifies a claim: all of it is mdcoord's own."""
    facts = claim.as_dict()
    told = {name: facts[name] for name in ("attempt", "token", "expires_at")}
    return {"id": claim.id, **told, **({"lost": True} if claim.lost else {})}


def preview(value: Value, longest: int = SHORT) -> Value:
    """A value whose texts have at most `longest` characters, and its lists and mappings about as much.

    What is cut becomes `{"preview": …, "count": N}` with its number of characters or items.
    """
    if isinstance(value, str):
        return value if len(value) <= longest else {"preview": value[:longest], "count": len(value)}
    items = longest if longest > LONG else _ITEMS.get(longest, max(5, longest // 80))
    if isinstance(value, list):
        shown = [preview(item, longest) for item in value[:items]]
        return shown if len(value) <= items else {"preview": shown, "count": len(value)}
    if isinstance(value, dict):
        keys = list(value)[: 4 * items]
        inner = {key: preview(value[key], longest) for key in keys}
        return inner if len(keys) == len(value) else {"preview": inner, "count": len(value)}
    return value


def present(fields: Mapping[str, Value]) -> dict[str, Value]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def row(record: Mapping[str, Any], fields: Iterable[str], longest: int = SHORT) -> dict[str, Value]:
    """Of a record its id and these fields; dotted names reach inside."""
    from mdcoord.formats.query import select

    return {"id": record["_id"], **preview(present(select(record, ",".join(fields))), longest)}
