"""What an instance was told of its messages; looking for new ones costs a command next to nothing.

The messages are the truth; a memo for each instance says what the last look at them showed, which of them the
instance was told of, and when it gave its last sign of life. A look is made again when somebody wrote a
message through mdcoord since (a second memo, the stamp, changes with each such write), and otherwise at most
every `LOOK` seconds, for messages that were written by hand or brought by git. Where memos get lost, an
instance is told again of what it has not acknowledged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Listing
from mdcoord.errors import MdcoordError
from mdcoord.host import Host
from mdcoord.model import Record, Value
from mdcoord.rules.addressing import is_pending

LOOK: Final = 15.0
"""Seconds for which a look is trusted when no message was written through mdcoord."""

TOPIC: Final = "inbox"
_STAMP: Final = ("messages", "stamp")
_PATIENCE: Final = 1.0
"""Seconds to wait for the lock of a memo; what could not be noted is told once more."""

_NO_SIGN: Final[Mapping[str, Any]] = {}


class Inbox:
    """What one look showed: the messages that wait for an acknowledgement, oldest first.

    `told` are those that the instance was told of. `looked` is in seconds since 1970, `stamp` tells writes of
    messages apart, `sign` is the last sign of life as plain data (see `presence.Sign`). Never changed.
    """

    # No dataclass: making one costs more than all else that a command does about messages.
    __slots__ = ("looked", "pending", "sign", "stamp", "told")

    def __init__(
        self,
        pending: Iterable[str] = (),
        told: Iterable[str] = (),
        looked: float | None = None,
        stamp: str | None = None,
        sign: Mapping[str, Any] = _NO_SIGN,
    ) -> None:
        self.pending = tuple(pending)
        self.told = frozenset(told)
        self.looked = looked
        self.stamp = stamp
        self.sign = sign

    @property
    def unread(self) -> int:
        """How many messages wait for an acknowledgement."""
        return len(self.pending)

    @property
    def untold(self) -> list[str]:
        """The messages that the instance was not told of, oldest first."""
        return [message for message in self.pending if message not in self.told]

    def as_memo(self) -> Value:
        """As plain JSON data."""
        return {
            "pending": list(self.pending),
            "told": sorted(self.told),
            "looked": self.looked,
            "stamp": self.stamp,
            "sign": dict(self.sign),
        }

    @classmethod
    def from_memo(cls, memo: Value) -> Inbox:
        """The inverse of `as_memo`; an empty one for anything else."""
        data: Mapping[str, Any] = memo if isinstance(memo, dict) else {}
        looked, stamp, sign = data.get("looked"), data.get("stamp"), data.get("sign")
        return cls(
            _texts(data.get("pending")),
            _texts(data.get("told")),
            looked if isinstance(looked, int | float) else None,
            stamp if isinstance(stamp, str) else None,
            sign if isinstance(sign, dict) else {},
        )


class Inboxes:
    """The inboxes of all instances, each a memo."""

    def __init__(self, backend: Backend, host: Host) -> None:
        self._backend = backend
        self._host = host

    def written(self) -> None:
        """Note that a message was written; a failure only delays its notice."""
        try:
            self._backend.keep(*_STAMP, lambda _: os.urandom(8).hex(), wait=_PATIENCE)
        except MdcoordError:
            pass

    def known(self, name: str) -> Inbox:
        """What the last look of an instance showed; nothing when it never looked."""
        return Inbox.from_memo(self._backend.memo(TOPIC, name))

    def all(self) -> Mapping[str, Inbox]:
        """The inboxes of all instances that ever looked, by name."""
        return {name: Inbox.from_memo(memo) for name, memo in self._backend.memos(TOPIC).items()}

    def stamp(self) -> str | None:
        """What the next write of a message changes."""
        found = self._backend.memo(*_STAMP)
        return found if isinstance(found, str) else None

    def trusted(self, name: str) -> Inbox | None:
        """What the last look of an instance showed, None when it has to look again."""
        inbox = self.known(name)
        if inbox.looked is None or inbox.stamp != self.stamp():
            return None
        return inbox if 0 <= self._host.now() - inbox.looked < LOOK else None

    def looked(self, name: str, look: Callable[[Inbox], tuple[Listing, Mapping[str, Any]]]) -> Inbox:
        """Look again: `look` gives all messages and a sign of life. Note what that shows and return it.

        A failure to note it is no error: then the next command looks again.
        """
        # In this order: what is written after the stamp was read changes it, what is told later stays told.
        before, stamp = self.known(name), self.stamp()
        listing, sign = look(before)
        pending = _waiting(listing.records, name)
        unreadable = (found.key.id for found in listing.unreadable)
        gone = before.told.difference(pending, unreadable)  # acknowledged, archived, removed
        found = Inbox(pending, before.told - gone, self._host.now(), stamp, sign)

        def revise(memo: Value) -> Value:
            told = Inbox.from_memo(memo).told - gone
            return Inbox(pending, told, found.looked, stamp, sign).as_memo()

        try:
            return Inbox.from_memo(self._backend.keep(TOPIC, name, revise, wait=0))
        except MdcoordError:
            return found

    def told(self, name: str, messages: Collection[str]) -> None:
        """Note that an instance was told of these messages. A failure is no error: it is told again."""
        if not messages:
            return

        def revise(memo: Value) -> Value:
            now = Inbox.from_memo(memo)
            return Inbox(now.pending, now.told.union(messages), now.looked, now.stamp, now.sign).as_memo()

        try:
            self._backend.keep(TOPIC, name, revise, wait=_PATIENCE)
        except MdcoordError:
            pass


def _waiting(records: Iterable[Record], name: str) -> tuple[str, ...]:
    found = [record for record in records if is_pending(record.fields, name)]
    return tuple(record.key.id for record in sorted(found, key=age))


def age(record: Record) -> tuple[str, str]:
    """Sorts messages, oldest first."""
    return str(record.fields.get("created_at") or ""), record.key.id


def _texts(value: Any) -> Sequence[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
