"""Who a message is for, and who has acknowledged it: pure rules over a message's fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from mdcoord.errors import InvalidName
from mdcoord.model import Key, Value

ALL: Final = "all"
"""How everybody is addressed; a message without `to` is for all, too."""


def instance_id(name: str) -> str:
    """The one form of an instance's name, which is that of its agent document. Raises InvalidName."""
    return Key.of("agent", name).id


def recipient_of(fields: Mapping[str, Value]) -> str | None:
    """Whom a message is for; None: all."""
    to = _instance(fields.get("to"))
    return None if to in ("", ALL) else to


def sender_of(fields: Mapping[str, Value]) -> str:
    """Who sent a message; "" when it does not say."""
    return _instance(fields.get("from"))


def is_for(fields: Mapping[str, Value], name: str) -> bool:
    """Whether a message is for this instance. What one sends to all is not for oneself."""
    to = recipient_of(fields)
    return to == name if to else sender_of(fields) != name


def acknowledged(fields: Mapping[str, Value]) -> Iterator[str]:
    """Who has acknowledged a message."""
    for ack in _acks(fields):
        yield _instance(ack.get("by"))


def is_pending(fields: Mapping[str, Value], name: str | None = None) -> bool:
    """Whether a message waits for the acknowledgement of this instance.

    Without one: of the one whom it is for, or, where it is for all, of anybody.
    """
    if name is None:
        name = recipient_of(fields)
        return (name not in acknowledged(fields)) if name else not any(acknowledged(fields))
    return is_for(fields, name) and name not in acknowledged(fields)


def same_ack(fields: Mapping[str, Value], name: str, comment: str | None) -> bool:
    """Whether this instance has acknowledged a message already, and with this comment if there is one."""
    return any(
        _instance(ack.get("by")) == name and comment in (None, ack.get("comment")) for ack in _acks(fields)
    )


def _acks(fields: Mapping[str, Value]) -> list[Mapping[str, Value]]:
    acks = fields.get("acks")
    return [ack for ack in acks if isinstance(ack, dict)] if isinstance(acks, list) else []


def _instance(value: Any) -> str:
    return _normal(value) if isinstance(value, str) else ""


@lru_cache(maxsize=256)
def _normal(text: str) -> str:
    # Files are written by hand, too: what is no name is compared as it is. A few names are in all messages.
    try:
        return instance_id(text)
    except InvalidName:
        return text
