"""Keeping event logs short."""

from __future__ import annotations

from mdcoord.backends.base import Backend
from mdcoord.errors import UsageError


def rotate_all(backend: Backend, keep: int, channel: str | None = None) -> dict[str, int]:
    """Move all but the newest `keep` events of each channel (or of one) to the archive.

    Returns how many moved, by channel, without those where none did. Cursors stay valid. Raises NotFound,
    Busy.
    """
    if keep < 0:
        raise UsageError(f"{keep} events cannot be kept", hint="0 or more")
    channels = backend.channels() if channel is None else [channel]
    moved = {name: backend.rotate(name, keep) for name in channels}
    return {name: count for name, count in moved.items() if count}
