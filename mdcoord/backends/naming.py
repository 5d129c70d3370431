"""The names of documents in a store: which one an id means, new ones, and those in the archive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from typing import Final

from mdcoord.errors import InvalidName, UsageError
from mdcoord.model import Key, Value

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def names(value: Value, key: Key) -> bool:
    """Whether the value of an id field is the id of this key, with or without the kind's prefix."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return False
    try:
        return Key.of(key.kind, str(value)) == key
    except UsageError:
        return False


def random_name() -> str:
    """A name for a new document: short, and clashing with none that was made elsewhere at the same time."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(8))


def archive_name(key: Key, name: str) -> str:
    """The name, if a document of this key can have it in the archive: `task-a` or `task-a.1`, for example.

    Raises InvalidName.
    """
    number = name.removeprefix(key.name + ".")
    if name != key.name and not (number != name and number.isascii() and number.isdigit()):
        raise InvalidName(
            f"{name[:120]!r} is no name of {key.name} in the archive", hint=f"{key.name} or {key.name}.1"
        )
    return name


def archive_names(key: Key) -> Iterator[str]:
    """The names that a document of this key can have in the archive, in the order in which they are tried."""
    yield key.name
    for number in count(1):
        yield f"{key.name}.{number}"
