"""The records of a workspace as plain keys in Redis, for programs that know nothing of mdcoord.

Nothing moves: it is a copy as of now, and nobody reads it back. Made again it is up to date, but for records
that are gone. A key that somebody else made stays as it is; one of an earlier copy is replaced, also where
somebody has written to it since. No workspace opens where such a copy is (see `server.meet`).

| record | key | what it holds |
|---|---|---|
| an agent | `agents:status:{id}` | its fields |
| any other document | `{kind}:{id}`, as in `task:train` | its fields |
| a channel | `events:{channel}:history` | a list of JSON texts, the newest event first |

Fields are stored as a `hash` (texts as they are, other values as JSON), as `json` (the server's JSON type),
or as one `string` of JSON. The set `mdcoord:plain` names the keys that were made so.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from mdcoord.backends.base import Backend
from mdcoord.backends.redis.address import parse_address
from mdcoord.backends.redis.commits import NOTHING, Step, commit_all, in_pages
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link
from mdcoord.backends.redis.sight import dump
from mdcoord.backends.values import Copy
from mdcoord.errors import AlreadyExists, UsageError
from mdcoord.host import Host
from mdcoord.model import DOCUMENTS, Key, Value

LAYOUTS: Final = ("hash", "json", "string")

BATCH: Final = 500
"""How many records are sent at once."""


class Copied(NamedTuple):
    """How many records of each kind were copied, and the keys that somebody else made, which were left."""

    counts: Mapping[str, int]
    left: Sequence[str]


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
        self._ours: set[str] = set()
        self._left: list[str] = []

    def write(self, source: Backend) -> Copied:
        """Copy everything. Raises AlreadyExists where a workspace is, UsageError, BackendUnavailable."""
        self._look()
        counts: Counter[str] = Counter()
        for kind in DOCUMENTS:
            records = (one for one in source.copies(kind) if isinstance(one, Copy) and one.fields is not None)
            while page := list(islice(records, BATCH)):
                steps = {self._place(one.key): self._record(one.key, one.fields or {}) for one in page}
                counts[kind] += self._make(steps)
        for channel in source.channels():
            counts["event"] += self._channel(source, channel)
        return Copied(dict(counts), tuple(self._left))

    def close(self) -> None:
        """Close the line to the server."""
        self._link.close()

    def _look(self) -> None:
        if self._link.call("EXISTS", self._keys.identity):
            raise AlreadyExists(
                f"there is a workspace in {self.location}, whose keys would be overwritten",
                hint="use another place: --prefix NAME, another database, or another server",
            )
        if self._layout == "json" and not self._link.knows("JSON.TYPE", self._keys.registry):
            raise UsageError(f"{self.location} has no JSON type", hint="use --layout hash or string")
        self._ours = {place.decode() for place in self._link.call("SMEMBERS", self._keys.plain)}

    def _place(self, key: Key) -> str:
        head = "agents:status" if key.kind == "agent" else key.kind
        return f"{self._keys.prefix}{head}:{key.id}"

    def _record(self, key: Key, fields: Mapping[str, Value]) -> Step:
        place = self._place(key)
        step = self._anew(place)
        if self._layout == "string":
            step.do("SET", place, dump(fields))
        elif self._layout == "json":
            step.do("JSON.SET", place, "$", dump(fields))
        else:
            texts = {name: value if isinstance(value, str) else dump(value) for name, value in fields.items()}
            for page in in_pages([*texts.items()], BATCH):
                step.do("HSET", place, *(word for pair in page for word in pair))
        return step

    def _channel(self, source: Backend, channel: str) -> int:
        place, count = self._keys.history(channel), 0
        step, events = self._anew(place), source.history(channel)
        while self._make({place: step}) and (page := list(islice(events, BATCH))):
            step = Step()
            step.do(
                "LPUSH",
                place,
                *(dump({"id": one.id, "event": one.name, "timestamp": one.time, **one.data}) for one in page),
            )
            count += len(page)
        return count

    def _anew(self, place: str) -> Step:
        """The step that makes room for a key, unless somebody else made it."""
        step = Step()
        if place not in self._ours:
            step.guard(NOTHING, "OBJECT", "ENCODING", place)
        step.do("DEL", place)  # it may be of another layout
        step.do("SADD", self._keys.plain, place)
        return step

    def _make(self, steps: Mapping[str, Step]) -> int:
        """Do the steps, each once also where an answer is lost; how many could be done."""
        done = commit_all(self._link, self._keys, [*steps.values()])
        self._left += [place for place, made in zip(steps, done, strict=True) if not made]
        return sum(done)
