"""One atomic step: what must be so, and what is done then (see `commit.lua`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from math import ceil
from typing import Any, Final, TypeVar

from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Command, Link, Script, Word
from mdcoord.model import Key

REMEMBERED: Final = 3
"""A step is remembered for so many time-outs, so that it can be asked for again within one."""

ANYTHING: Final = "*"
NOTHING: Final = "-"

T = TypeVar("T")

_SCRIPT = Script("away", "commit")


def exactly(value: bytes | None) -> bytes | str:
    """The expectation of this very value; None: of nothing."""
    return NOTHING if value is None else b"=" + value


def same_text(text: bytes | None) -> bytes | str:
    """The expectation of this text, by its digest."""
    return NOTHING if text is None else f"#{digest(text)}"


def digest(text: bytes) -> str:
    """What names a text here and in the script."""
    return sha1(text, usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Step:
    """Guards (a command, and what it must find), commands, and what becomes of `key` in the index."""

    guards: list[tuple[Command, Word]] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    key: Key | None = None
    index: str = ""

    def guard(self, expected: Word, *command: Word) -> None:
        """Do nothing unless this command finds this."""
        self.guards.append((command, expected))

    def do(self, *command: Word) -> None:
        """Do this when all guards hold."""
        self.commands.append(command)


def commit(link: Link, keys: Keys, step: Step) -> tuple[bool, list[Any]]:
    """Whether the step is done, and what its guards found. Raises BackendUnavailable."""
    link.begin()
    done, found = link.run(_SCRIPT, *_request(link, keys, step))
    return done == 1, found


def commit_all(link: Link, keys: Keys, steps: Sequence[Step]) -> list[bool]:
    """Whether each of the steps is done. They are sent at once, and others may come between them."""
    link.begin()
    answers = link.run_all(_SCRIPT, [_request(link, keys, step) for step in steps])
    return [done == 1 for done, _ in answers]


def _request(link: Link, keys: Keys, step: Step) -> tuple[list[str], list[Word]]:
    kind, name = step.key or ("none", "")
    values: list[Word] = [ceil(REMEMBERED * link.address.timeout), name, step.index, len(step.guards)]
    for command, expected in step.guards:
        values += [len(command), *command, expected]
    for command in step.commands:
        values += [len(command), *command]
    return [keys.operation(os.urandom(8).hex()), keys.revision, keys.index(kind)], values


def in_pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in portions."""
    return (items[first : first + size] for first in range(0, len(items), size))
