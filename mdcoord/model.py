"""The words that all parts share: keys, paths into a record, changes, records.

Values are what JSON knows (null, booleans, numbers, text, lists, mappings with text keys). Timestamps are
text, ISO 8601 in UTC with milliseconds (`2026-01-31T09:30:00.000Z`), so that they sort as they read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mdcoord.errors import InvalidName

KINDS: Final = ("agent", "task", "events", "context", "metrics", "message", "progress")

DOCUMENTS: Final = tuple(kind for kind in KINDS if kind != "events")
"""The kinds of which each one is a document, and not a log."""

ID_FIELD: Final[dict[str, str]] = {
    "agent": "agent_id",
    "task": "task_id",
    "events": "channel",
    "context": "context_id",
    "metrics": "metrics_type",
    "message": "message_id",
    "progress": "project_id",
}
"""The front matter field that names a document of each kind."""

Value = Any
"""A JSON value."""

Path = tuple[str | int, ...]
"""The way to a value inside the front matter: `("metadata", "loss")`, `("labels", 0)`."""


class _Sentinel:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


ANY: Final = _Sentinel("ANY")
"""`expect=ANY`: write whatever the current version is."""

ABSENT: Final = _Sentinel("ABSENT")
"""`expect=ABSENT`: write only when there is no such document yet."""

KEEP: Final = _Sentinel("KEEP")
"""Leave this part of a record as it is."""

Expect = str | _Sentinel
"""The version that a write relies on: a version as read, ANY or ABSENT."""

MAX_NAME = 100
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LATER = _FIRST | frozenset("._-")
DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)
"""Names that no file can have on Windows, whatever comes after a dot."""


def normalise_name(name: str) -> str:
    """Return `name` in lower case with blanks as hyphens, or raise InvalidName.

    The result matches `[a-z0-9][a-z0-9._-]*`, has at most 100 bytes, does not end with a dot and is no device
    name of Windows, so it is the same file on every file system.
    """
    if not isinstance(name, str):
        raise InvalidName(f"{name!r} is not a name", hint="names are texts")
    result = "-".join(name.split()).lower()
    wrong = (
        not result
        or len(result) > MAX_NAME
        or result[0] not in _FIRST
        or not _LATER.issuperset(result)
        or result.endswith(".")
    )
    if wrong:
        raise InvalidName(
            f"{name[:120]!r} is not a usable name",
            hint=f"use a-z, 0-9, '.', '_' and '-', starting with a letter or digit, at most {MAX_NAME} bytes",
        )
    if result.split(".")[0] in DEVICES:
        raise InvalidName(
            f"{name[:120]!r} is not a usable name: to Windows it is a device", hint="use another word"
        )
    return result


class Key(NamedTuple):
    """What names a document: its kind, and its id without that (`task-123` is Key("task", "123"))."""

    kind: str
    id: str

    @classmethod
    def of(cls, kind: str, name: str) -> Key:
        """The key for a name as a user types it. Raises InvalidName."""
        if kind not in KINDS:
            raise InvalidName(f"{kind!r} is not a kind of document", hint="one of " + ", ".join(KINDS))
        return cls(kind, normalise_name(name).removeprefix(kind + "-") or normalise_name(""))

    @property
    def name(self) -> str:
        """`task-123`: the file's name without `.md`."""
        return f"{self.kind}-{self.id}"

    def __str__(self) -> str:
        return self.name


class Change(NamedTuple):
    """What one write does to a document. Everything that is not named stays byte for byte.

    `set` puts values at paths (parents are made), `delete` removes paths (a missing one is no error),
    `append` adds to the end of lists (made when missing), `body` replaces the text below the front matter
    outside of the generated views, `lease` replaces the volatile claim state (None removes it). KEEP means
    unchanged.
    """

    set: Mapping[Path, Value] = {}
    delete: tuple[Path, ...] = ()
    append: Mapping[Path, list[Value]] = {}
    body: Any = KEEP
    lease: Any = KEEP

    @property
    def touches_document(self) -> bool:
        """False when only the lease changes: then the file is not written at all."""
        return bool(self.set or self.delete or self.append) or self.body is not KEEP


@dataclass(frozen=True)
class Record:
    """A document as it was read: never changed in place; a write returns a new one."""

    key: Key
    fields: Mapping[str, Value]
    body: str
    version: str
    path: str | None = None
    lease: Any = None

    def get(self, *path: str | int, default: Value = None) -> Value:
        """The value at a path, or `default` where there is none."""
        value: Any = self.fields
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return default
        return value
