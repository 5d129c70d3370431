"""What all readers of foreign tasks share: their result, and words that many programs use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from mdcoord.formats.labels import parse_timestamp
from mdcoord.model import Value

STATUS: Final = {
    word: status
    for status, words in {
        "pending": "to do, todo, open, new, ready, not started, pending, next, planned, blocked, "
        "draft, deferred, on hold, paused, someday, pinned",
        "in_progress": "in progress, doing, started, active, wip, hooked, review, in review, testing",
        "completed": "done, completed, complete, closed, finished, resolved, shipped, merged",
        "cancelled": "cancelled, canceled, won't do, wontfix, skipped, rejected, abandoned, obsolete, "
        "duplicate, archived",
        "failed": "failed, error",
    }.items()
    for word in words.split(", ")
}
"""Their words for a status, in ours."""

BLOCKED: Final = "blocked"

_HELD: Final = frozenset([BLOCKED, "draft", "deferred", "on hold", "paused", "someday", "pinned"])
"""Those of them for which nobody is to begin with it yet."""

PRIORITY: Final = {"critical": 2, "urgent": 2, "highest": 2, "high": 1, "medium": 0, "normal": 0, "low": -1}
"""Their words for a priority; 0 is ours where nothing is said."""

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\Z")
_FINE: Final = re.compile(r"(\.\d{3})\d+")
_UNUSUAL: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A document in the making. `id` and the ids in `depends_on` and `parent` are those of the other program.

    `kept` is what of the original is not said in our fields, or not fully. `remarks` say in a phrase each
    what has no equivalent here. `held` is the word with which it is held back there ("": it is not); BLOCKED
    may be said of what it depends on, too. With a `text` it is a document of mdcoord, which is this text.
    """

    kind: str
    id: str
    fields: Mapping[str, Value]
    body: str = ""
    depends_on: tuple[str, ...] = ()
    parent: str | None = None
    kept: Mapping[str, Value] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    held: str = ""
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A record that cannot be read: where, and why."""

    where: str
    why: str


class Remark(NamedTuple):
    """Something that is the other program's alone, and how much of it there is."""

    what: str
    times: int


def stamp(value: Any) -> str | None:
    """A time as we write it; a day is its beginning, a time without a zone is in UTC. None for all else."""
    text = str(value).strip()
    found = parse_timestamp(text + " 00:00" if _DAY.match(text) else _FINE.sub(r"\1", text))
    if found is None:
        return None
    return datetime.fromisoformat(found).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain_name(text: Any) -> str | None:
    """A name that an agent can have: `@Rand Arete` is `rand-arete`; None where nothing is left."""
    name = _UNUSUAL.sub("-", str(text).lower()).strip("-._")[:100].rstrip("-._")
    return name or None


def status_of(word: Any, agent: str | None, ended: bool = False) -> tuple[str, tuple[str, ...]]:
    """Our status for their word, and what there is to remark. What nobody works on is pending.

    `ended`: whether they say elsewhere that it is over.
    """
    plain = _plain(word)
    status = STATUS.get(plain, "completed" if ended else "pending")
    if plain and plain not in STATUS:
        return status, (f"status {word!r}: taken as {status}",)
    if status == "in_progress" and agent is None:
        return "pending", (f"status {word!r} of a task that nobody has: taken as pending",)
    return status, ()


def held_by(word: Any) -> str:
    """Their word for a status where it holds the task back, else ""."""
    plain = _plain(word)
    return plain if plain in _HELD else ""


def _plain(word: Any) -> str:
    return re.sub(r"[\s_-]+", " ", str(word or "").strip().lower().replace("\u2019", "'"))


def filled(fields: Mapping[str, Value]) -> dict[str, Value]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
