"""The records of a workspace as plain keys in Redis, for programs that know nothing of mdcoord.

Nothing moves: it is a copy as of now, and nobody reads it back. Made again it is up to date, but for records
that are gone.

| record | key | what it holds |
|---|---|---|
| an agent | `agents:status:{id}` | its fields |
| any other document | `{kind}:{id}`, as in `task:train` | its fields |
| a channel | `events:{channel}:history` | a list of JSON texts, the newest event first |

Fields are stored as a `hash` (texts as they are, other values as JSON), as `json` (the server's JSON type),
or as one `string` of JSON.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from mdcoord.backends.base import Backend, Copy
from mdcoord.backends.redis.address import parse_address
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Command, Link
from mdcoord.backends.redis.sight import dump
from mdcoord.errors import AlreadyExists, UsageError
from mdcoord.host import Host
from mdcoord.model import Key, Value
from mdcoord.moving.stream import DOCUMENTS

LAYOUTS: Final = ("hash", "json", "string")

BATCH: Final = 500
"""How many records are sent at once."""


class PlainCopy:
    """A copy on the server at `url`, in one of the LAYOUTS. Raises UsageError, BackendUnavailable."""

    def __init__(self, url: str, layout: str) -> None:
        if layout not in LAYOUTS:
            raise UsageError(f"{layout[:40]!r} is no layout", hint="one of " + ", ".join(LAYOUTS))
        address = parse_address(url, os.environ)
        self.location = address.shown
        self._layout = layout
        self._link = Link(address, Host().uptime)
        self._keys = Keys(address.prefix)
        if self._link.call("EXISTS", self._keys.identity):
            raise AlreadyExists(
                f"there is a workspace in {self.location}, whose keys would be overwritten",
                hint="use another place: --prefix NAME, another database, or another server",
            )
        if layout == "json" and not self._link.knows("JSON.TYPE", self._keys.registry):
            raise UsageError(f"{self.location} has no JSON type", hint="use --layout hash or string")

    def write(self, source: Backend) -> Mapping[str, int]:
        """Copy everything; how many records of each kind."""
        counts: Counter[str] = Counter()
        for kind in DOCUMENTS:
            records = (one for one in source.copies(kind) if isinstance(one, Copy) and one.fields is not None)
            while page := list(islice(records, BATCH)):
                counts[kind] += len(page)
                self._send([command for one in page for command in self._record(one.key, one.fields or {})])
        for channel in source.channels():
            counts["event"] += self._channel(source, channel)
        return dict(counts)

    def close(self) -> None:
        """Close the line to the server."""
        self._link.close()

    def _record(self, key: Key, fields: Mapping[str, Value]) -> Iterator[Command]:
        head = "agents:status" if key.kind == "agent" else key.kind
        place = f"{self._keys.prefix}{head}:{key.id}"
        yield ("DEL", place)  # it may be of another layout
        if self._layout == "string":
            yield ("SET", place, dump(fields))
        elif self._layout == "json":
            yield ("JSON.SET", place, "$", dump(fields))
        elif fields:
            texts = {name: value if isinstance(value, str) else dump(value) for name, value in fields.items()}
            yield ("HSET", place, *(word for pair in texts.items() for word in pair))

    def _channel(self, source: Backend, channel: str) -> int:
        place, count = self._keys.history(channel), 0
        self._send([("DEL", place)])
        events = source.history(channel)
        while page := list(islice(events, BATCH)):
            texts = [
                dump({"id": one.id, "event": one.name, "timestamp": one.time, **one.data}) for one in page
            ]
            self._send([("LPUSH", place, *texts)])
            count += len(page)
        return count

    def _send(self, commands: Sequence[Command]) -> None:
        self._link.many(commands)
