"""Many new documents at once: the steps of a page of them become one, which the server runs as one script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mdcoord.backends.redis.commits import Step, commit_all
from mdcoord.backends.redis.documents import Documents
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link, Word
from mdcoord.backends.values import Copy
from mdcoord.model import Key

PAGE: Final = 100
"""The most documents in one step: others wait for the server meanwhile."""

FULL: Final = 1 << 20
"""Characters of text after which no more is sent at once: all of it has to get there within the time-out."""

_JOINED: Final = frozenset({"HSET", "SADD", "ZADD"})
"""Commands that do for several members what they do for one."""


class Arrivals:
    """Stores documents under names that are free."""

    def __init__(self, link: Link, keys: Keys, documents: Documents) -> None:
        self._link = link
        self._keys = keys
        self._documents = documents

    def store(self, copies: Sequence[Copy]) -> list[bool]:
        """For each copy, whether its name was free, so that it is stored. Raises InvalidName."""
        return [done for part in _parts(copies) for done in self._stored(part)]

    def _stored(self, copies: Sequence[Copy]) -> Iterator[bool]:
        pages = [[self._documents.arrival(copy) for copy in page] for page in _pages(copies)]
        whole = commit_all(self._link, self._keys, [joined(steps, self._keys) for steps in pages])
        for steps, done in zip(pages, whole, strict=True):
            # Where a name is taken nothing was done: then each for itself.
            yield from [True] * len(steps) if done else commit_all(self._link, self._keys, steps)


def joined(steps: Iterable[Step], keys: Keys) -> Step:
    """One step that does what these do, when the guards of all of them hold."""
    whole, latest, ids = Step(), dict[Word, list[Word]](), dict[str, list[Word]]()
    for step in steps:
        whole.guards += step.guards
        for command in step.commands:
            verb, place = command[:2]
            before = latest.get(place)
            if before is not None and before[0] == verb and verb in _JOINED:
                before += command[2:]
            else:
                latest[place] = fresh = [*command]
                whole.commands.append(fresh)
        if step.key is not None and step.index == "put":
            ids.setdefault(keys.index(step.key.kind), []).append(step.key.id)
    for index, names in ids.items():
        whole.do("INDEX", index, *names)
    return whole


def _parts(copies: Sequence[Copy]) -> Iterator[list[Copy]]:
    """The copies in portions that are sent at once."""
    part: list[Copy] = []
    size = 0
    for copy in copies:
        part.append(copy)
        size += len(copy.text)
        if size >= FULL:
            yield part
            part, size = [], 0
    if part:
        yield part


def _pages(copies: Sequence[Copy]) -> Iterator[list[Copy]]:
    """The copies in portions, in none of which a name is twice."""
    page: dict[tuple[Key, str], Copy] = {}
    for copy in copies:
        name = (Key.of(*copy.key), copy.archived)
        if len(page) >= PAGE or name in page:
            yield [*page.values()]
            page = {}
        page[name] = copy
    if page:
        yield [*page.values()]
