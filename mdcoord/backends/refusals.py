"""What every store refuses, in the same words: names that nothing has or something else, old versions."""

from __future__ import annotations

from typing import Any

from mdcoord.errors import AlreadyExists, Conflict, NotFound, UsageError
from mdcoord.model import ABSENT, ANY, Expect, Key


def nothing(key: Key, path: str = "") -> NotFound:
    """The error for a document that is not there."""
    hint = f"see what there is with `mdcoord query {key.kind}`"
    return NotFound(f"there is no {key}", hint=hint, **_where(key.name, path))


def taken(name: str, path: str = "") -> AlreadyExists:
    """The error for a name that a document has already, in use or in the archive."""
    hint = "choose another id, or change that one"
    return AlreadyExists(f"there is already a {name}", hint=hint, **_where(name, path))


def not_archived(name: str, path: str = "") -> NotFound:
    """The error for what is not in the archive."""
    hint = "see what is there with `mdcoord archive list`"
    return NotFound(f"there is no {name} in the archive", hint=hint, **_where(name, path))


def no_channel(channel: str, path: str = "") -> NotFound:
    """The error for a channel that does not exist."""
    hint = "publishing to a channel makes it"
    return NotFound(f"there is no channel {channel!r}", hint=hint, **_where(f"events-{channel}", path))


def no_cursor(channel: str, cursor: str) -> UsageError:
    """The error for a text that never was a cursor of a channel."""
    hint = "use a cursor as an event carries it"
    return UsageError(f"{cursor[:80]!r} is no cursor of channel {channel}", hint=hint)


def agree(key: Key, version: str, expect: Expect, path: str = "") -> None:
    """Raise AlreadyExists or Conflict unless a document is in the version that a write relies on."""
    if expect is ABSENT:
        raise taken(key.name, path)
    if expect not in (ANY, version):
        raise Conflict(
            f"{key} changed since it was read",
            hint="read it again and decide anew",
            expected=expect,
            found=version,
            **_where(key.name, path),
        )


def _where(name: str, path: str) -> dict[str, Any]:
    return {"key": name, "path": path} if path else {"key": name}
