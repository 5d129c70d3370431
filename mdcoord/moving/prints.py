"""Fingerprints of events: by them the same event is known in every store."""

from __future__ import annotations

import json
from hashlib import sha256

from mdcoord.backends.values import Event
from mdcoord.formats.eventids import identity_of
from mdcoord.model import Value


def name_of(event: Event) -> str:
    """What names an event in every store."""
    return identity_of(event.id)


def said(event: Event) -> list[Value]:
    """What an event is and says."""
    return [name_of(event), event.name, event.time, {**event.data}]


def print_of(event: Event) -> bytes:
    """A hash of what an event is and says."""
    return _hash(said(event))


def exact_print_of(event: Event) -> bytes:
    """A hash of that, and of its exact text where that is not what mdcoord would write."""
    return _hash([*said(event), event.text])


def _hash(values: list[Value]) -> bytes:
    return sha256(json.dumps(values, sort_keys=True).encode()).digest()
