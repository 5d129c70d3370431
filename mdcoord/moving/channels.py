"""What bringing the events of a channel over needs, whichever way they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Event
from mdcoord.errors import NotFound

BATCH: Final = 1000
"""How many events are added in one step."""


def history_of(store: Backend, name: str) -> Iterator[Event]:
    """All events of a channel; none of one that does not exist."""
    try:
        yield from store.history(name)
    except NotFound:
        return


def rotate_alike(source: Backend, target: Backend, name: str) -> None:
    """Archive in the target what is archived in the source, when all events of the source are there."""
    target.rotate(name, sum(1 for _ in source.tail(name)))
