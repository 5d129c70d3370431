"""The names of channels, and the ids of events."""

from __future__ import annotations

import re
from functools import lru_cache

from mdcoord.errors import InvalidName
from mdcoord.model import Key

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,99}")
_HAND = re.compile(r"hand-([0-9a-f]{12})-[0-9a-f]+")


@lru_cache(maxsize=1024)
def channel_name(text: str) -> str:
    """The channel that a user means: `training`, `Training`, `training:events` and `events-training` are one.

    A closing `:events` is how Redis spells the channel; any other `:` becomes `-`. Raises InvalidName.
    """
    return Key.of("events", text.strip().removesuffix(":events").replace(":", "-")).id


def check_id(text: str) -> str:
    """The text, if it can be the id of an event. Raises InvalidName."""
    if not _ID.fullmatch(text) or text.startswith("hand-"):
        raise InvalidName(
            f"{text[:120]!r} cannot be the id of an event",
            hint="letters, digits and . _ : @ / + = -, at most 100, not beginning with 'hand-'",
        )
    return text


def hand_id(tag: str, offset: int) -> str:
    """The id of an event without a mark: what it says (`tag`) and where it stands in its channel."""
    return f"hand-{tag}-{offset:x}"


def is_hand_id(event_id: str) -> bool:
    """Whether an id was made by `hand_id`."""
    return _HAND.fullmatch(event_id) is not None


def identity_of(event_id: str) -> str:
    """What an event is searched by: its id; for a block without a mark, without its place."""
    match = _HAND.fullmatch(event_id)
    return f"hand-{match[1]}" if match else event_id
