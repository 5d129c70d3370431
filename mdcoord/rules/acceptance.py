"""The acceptance criteria of a task: which there are, which are met, and whether all have to be.

A criterion stands in the list `acceptance` as a text, as a text that begins with `[ ]` or `[x]`, or as
`{text, done, by, at}`. With `require_acceptance: true` a task can only be completed when all are met.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from mdcoord.errors import NotAccepted, NotFound
from mdcoord.model import Change, Path, Record, Value

FIELD: Final = "acceptance"
REQUIRED: Final = "require_acceptance"

_BOX: Final = r"\[([ xX])\]\s+(?=\S)"


class Criterion(NamedTuple):
    """One criterion: its number in the list, from 1; its text; whether it is met, and who said so when."""

    number: int
    text: str
    done: bool = False
    by: str | None = None
    at: str | None = None


def criteria(fields: Mapping[str, Any]) -> list[Criterion]:
    """The criteria of a task, in their order."""
    listed = fields.get(FIELD)
    if listed is None or listed == "":
        return []
    items = listed if isinstance(listed, list) else [listed]
    return [_criterion(number, item) for number, item in enumerate(items, 1)]


def refuse_open(record: Record) -> None:
    """Raise NotAccepted for a task that must not be completed yet."""
    fields = record.fields
    if fields.get(REQUIRED) is not True:
        return
    still = [criterion for criterion in criteria(fields) if not criterion.done]
    if still:
        named = "; ".join(f"{criterion.number}. {criterion.text}" for criterion in still)
        raise NotAccepted(
            f"{record.key.name} cannot be completed: not accepted yet: {named}",
            hint=f"`mdcoord task accept {record.key.id} NUMBER` says that one is met",
            task=record.key.name,
            open=[criterion.number for criterion in still],
        )


def tick(record: Record, which: Sequence[str], done: bool, by: str | None, at: str) -> Change | None:
    """Say of criteria, by their numbers or texts, that they are met (or not); None when all are so already.

    Raises NotFound.
    """
    known = criteria(record.fields)
    chosen = {found.number: found for found in (_find(record, known, name) for name in which)}
    items = [
        _ticked(record.fields[FIELD], criterion, done, by, at)
        if criterion.number in chosen and criterion.done != done
        else None
        for criterion in known
    ]
    if not any(item is not None for item in items):
        return None
    if not isinstance(record.fields[FIELD], list):
        return Change(set={(FIELD,): items})
    changes: dict[Path, Value] = {
        (FIELD, index): item for index, item in enumerate(items) if item is not None
    }
    return Change(set=changes)


def _criterion(number: int, item: Any) -> Criterion:
    if isinstance(item, Mapping):
        by, at = item.get("by"), item.get("at")
        text = item.get("text") or item.get("title") or "; ".join(f"{k}: {v}" for k, v in item.items())
        return Criterion(number, str(text), item.get("done") is True, by and str(by), at and str(at))
    text = str(item)
    box = re.match(_BOX, text)
    return Criterion(number, text[box.end() :], box[1] != " ") if box else Criterion(number, text)


def _ticked(listed: Any, criterion: Criterion, done: bool, by: str | None, at: str) -> Value:
    """The item of a criterion after it was ticked. What else somebody wrote into it stays."""
    item = listed[criterion.number - 1] if isinstance(listed, list) else listed
    own = {name: value for name, value in item.items() if name not in ("by", "at")} if _is_own(item) else {}
    told = {"by": by, "at": at} if by else {"at": at}
    return {"text": criterion.text, **own, "done": done, **(told if done else {})}


def _is_own(item: Any) -> bool:
    return isinstance(item, Mapping) and "text" in item


def _find(record: Record, known: Sequence[Criterion], name: str) -> Criterion:
    """A criterion by its number, its text, or the only one whose text begins so. Raises NotFound."""
    wanted = " ".join(name.split()).casefold()
    if wanted.isdecimal() and 1 <= int(wanted) <= len(known):
        return known[int(wanted) - 1]
    texts = [" ".join(criterion.text.split()).casefold() for criterion in known]
    matches = [at for at, text in enumerate(texts) if text == wanted] or [
        at for at, text in enumerate(texts) if wanted and text.startswith(wanted)
    ]
    if len(matches) == 1:
        return known[matches[0]]
    listed = "; ".join(f"{criterion.number}. {criterion.text}" for criterion in known)
    raise NotFound(
        f"{record.key.name} has {'several criteria' if matches else 'no criterion'} {name[:80]!r}",
        hint=f"name one by its number or its text: {listed}" if known else "it has no acceptance criteria",
        task=record.key.name,
    )
