"""Idempotency keys: the same key gives the same task, among processes that race, too."""

from __future__ import annotations

import hashlib
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.errors import NotFound, UsageError
from mdcoord.model import Key, Record

KEYS: Final = "keys"
"""The memos of keys whose tasks were given an id of their own: that id, by `name_of(key)`."""


def name_of(key: str) -> str:
    """The name of the task with this key: whoever races for it races for this name. Raises UsageError."""
    if not (isinstance(key, str) and key.strip()):
        raise UsageError("an idempotency key is a text that is not empty", hint="or leave it out")
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def note(backend: Backend, key: str, name: str) -> None:
    """Note that the task with this key is to have this name."""
    if name != name_of(key):
        backend.keep(KEYS, name_of(key), lambda _: Key.of("task", name).id)


def made_with(backend: Backend, key: str) -> Record | None:
    """The task that an earlier call with the same key made."""
    name = name_of(key)
    for known in (backend.memo(KEYS, name), name):
        try:
            record = backend.read(Key("task", known)) if isinstance(known, str) else None
        except NotFound:
            continue
        if record and record.fields.get("idempotency_key") == key:
            return record
    return None
