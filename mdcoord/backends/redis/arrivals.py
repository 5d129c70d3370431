"""Many new documents at once: the steps of a page of them become one, which the server runs as one script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mdcoord.backends.redis.commits import Step, commit
from mdcoord.backends.redis.documents import Documents
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Command, Link, Word
from mdcoord.backends.values import Copy

PAGE: Final = 100
"""The most documents in one step: others wait for the server meanwhile."""

FULL: Final = 1 << 20
"""Characters of text after which a page is full with fewer."""

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
        return [done for page in _pages(copies) for done in self._stored(page)]

    def _stored(self, copies: Sequence[Copy]) -> list[bool]:
        """The same for a page, which is stored in one step: all of it, but for the names that are taken."""
        steps = [self._documents.arrival(copy) for copy in copies]
        wanted: dict[Command, Step] = {}
        for step in steps:
            wanted.setdefault(_place(step), step)
        while wanted:
            done, found = commit(self._link, self._keys, joined(wanted.values(), self._keys))
            if done:
                break
            free = zip(wanted.items(), found, strict=True)
            wanted = {place: step for (place, step), other in free if other is None}
        return [wanted.get(_place(step)) is step for step in steps]


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


def _place(step: Step) -> Command:
    """The command of the guard that sees whether the name is free."""
    return step.guards[0][0]


def _pages(copies: Sequence[Copy]) -> Iterator[list[Copy]]:
    page: list[Copy] = []
    size = 0
    for copy in copies:
        page.append(copy)
        size += len(copy.text)
        if size >= FULL or len(page) >= PAGE:
            yield page
            page, size = [], 0
    if page:
        yield page
